//! Where replicas belong: the membership that a group should have, from its nodes and regions.
//!
//! Pure, and the same on every node. It only says what should be; [`next_step`] says which single
//! safe change leads there, and others carry that out.
//!
//! # Rules
//! - Every node that is there (neither replaced nor removed) has a replica of every group.
//! - Votes, and with them the lead, go only to full members: a node that is drained or is leaving
//!   keeps its replicas and follows. A region that is leaving votes in its own group only.
//! - A **home group** has up to three voters, all of its home region: a commit costs no trip to
//!   another region, and one node may be lost. Where it must outlive a region (`survive =
//!   "region"`) it has five, two of them at home and no more than two in any region; or three, each
//!   in another region, where there are not nodes enough. Always an odd number of which no region
//!   has half: so any one region may be lost.
//! - The **system group** has at most five voters, spread over the regions: at most two in one
//!   (unless there is but one region), and an odd number where that costs no region its voter. So
//!   three regions of three give 2-2-1, and a whole region may be lost.
//! - Voters stay voters: membership changes only when nodes come or go. A node that is merely down
//!   stays what it is, however long; only an operator removes it.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
    org::{NodeRecord, Survive},
    region::Region,
};

mod leave;
mod plan;

#[cfg(test)]
mod placement_test;
#[cfg(test)]
mod simulation_test;

pub use leave::{Obstacle, is_free, obstacle};
pub use plan::{CAUGHT_UP_ENTRIES, Step, next_step};

/// Voters of a home group.
pub const HOME_VOTERS_MAX: usize = 3;
/// Voters of a home group that outlives a region.
pub const SPREAD_VOTERS_MAX: usize = 5;
/// Its voters in one region.
pub const SPREAD_VOTERS_PER_REGION_MAX: usize = 2;
/// Regions that such a group needs.
pub const SPREAD_REGIONS_MIN: usize = 3;
/// Voters of the system group.
pub const SYSTEM_VOTERS_MAX: usize = 5;
/// Voters of the system group in one region, when there are several.
pub const SYSTEM_VOTERS_PER_REGION_MAX: usize = 2;
/// Voters of the system group when there is one region only.
pub const SYSTEM_VOTERS_ALONE_MAX: usize = 3;

/// What is known of a group, by its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// Which.
    pub group: GroupId,
    /// Its home region; none for the system group.
    pub home: Option<Region>,
    /// What a home group must outlive.
    pub survive: Survive,
    /// Regions that are leaving.
    pub leaving: BTreeSet<Region>,
    /// Its voters; while a change is under way, the new ones.
    pub voters: BTreeSet<NodeId>,
    /// While a change is under way, the voters before it.
    pub outgoing_voters: Option<BTreeSet<NodeId>>,
    /// Members that do not vote.
    pub learners: BTreeSet<NodeId>,
    /// Who leads.
    pub leader: NodeId,
    /// The newest entry of the leader's log.
    pub last_index: LogIndex,
    /// How far each member's log is known to equal the leader's.
    pub matched: BTreeMap<NodeId, LogIndex>,
    /// Nodes heard of a moment ago, and the leader.
    pub live: BTreeSet<NodeId>,
}

/// The membership that a group should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who follows.
    pub learners: BTreeSet<NodeId>,
}

/// The membership that a group should have. Without any eligible node it keeps the voters it has.
#[must_use]
pub fn desired(view: &GroupView, nodes: &BTreeMap<NodeId, NodeRecord>) -> Desired {
    let mut voters = wanted_voters(view, nodes);
    if voters.is_empty() {
        voters.clone_from(&view.voters);
    }
    let there = nodes.values().filter(|node| node.is_there()).map(|node| node.id);
    let learners = there.filter(|node| !voters.contains(node)).collect();
    Desired { voters, learners }
}

/// Those who should vote; nobody, when nobody may.
fn wanted_voters(view: &GroupView, nodes: &BTreeMap<NodeId, NodeRecord>) -> BTreeSet<NodeId> {
    let stays =
        |region: &Region| !view.leaving.contains(region) || view.home.as_ref() == Some(region);
    let eligible: BTreeMap<NodeId, &Region> = nodes
        .values()
        .filter(|node| node.may_vote() && stays(&node.region))
        .map(|node| (node.id, &node.region))
        .collect();
    match (&view.home, view.survive) {
        (None, _) => system_voters(view, &eligible),
        (Some(home), Survive::Node) => home_voters(view, home, &eligible),
        (Some(home), Survive::Region) => spread_voters(view, home, &eligible)
            .unwrap_or_else(|| home_voters(view, home, &eligible)),
    }
}

/// Those who vote already come first, then the lowest ids.
fn stickiest<'a>(
    view: &'a GroupView,
    candidates: impl Iterator<Item = NodeId> + 'a,
) -> Vec<NodeId> {
    let mut order: Vec<NodeId> = candidates.collect();
    order.sort_by_key(|node| (!view.voters.contains(node), *node));
    order
}

fn home_voters(
    view: &GroupView,
    home: &Region,
    eligible: &BTreeMap<NodeId, &Region>,
) -> BTreeSet<NodeId> {
    let at_home = eligible.iter().filter(|(_, region)| **region == home).map(|(node, _)| *node);
    stickiest(view, at_home).into_iter().take(HOME_VOTERS_MAX).collect()
}

/// Voters over several regions, none of which has half of them; none, without regions enough.
fn spread_voters(
    view: &GroupView,
    home: &Region,
    eligible: &BTreeMap<NodeId, &Region>,
) -> Option<BTreeSet<NodeId>> {
    let mut regions = by_region(view, eligible, SPREAD_VOTERS_PER_REGION_MAX);
    if regions.len() < SPREAD_REGIONS_MIN {
        return None;
    }
    let mut seats = SPREAD_VOTERS_MAX;
    if regions.values().map(Vec::len).sum::<usize>() < SPREAD_VOTERS_MAX {
        regions.values_mut().for_each(|nodes| nodes.truncate(1));
        seats = SPREAD_REGIONS_MIN;
    }
    let first = regions.get(home).cloned().unwrap_or_default();
    Some(seated(view, &regions, first, seats))
}

fn system_voters(view: &GroupView, eligible: &BTreeMap<NodeId, &Region>) -> BTreeSet<NodeId> {
    let alone = eligible.values().collect::<BTreeSet<_>>().len() == 1;
    let per_region = if alone { SYSTEM_VOTERS_ALONE_MAX } else { SYSTEM_VOTERS_PER_REGION_MAX };
    let regions = by_region(view, eligible, per_region);
    let seats = system_seats(regions.values().map(Vec::len).sum(), regions.len());
    seated(view, &regions, Vec::new(), seats)
}

/// Each region's candidates, the stickiest first, at most so many.
fn by_region<'a>(
    view: &GroupView,
    eligible: &BTreeMap<NodeId, &'a Region>,
    per_region: usize,
) -> BTreeMap<&'a Region, Vec<NodeId>> {
    let mut regions: BTreeMap<&Region, Vec<NodeId>> = BTreeMap::new();
    for (node, region) in eligible {
        regions.entry(region).or_default().push(*node);
    }
    for nodes in regions.values_mut() {
        *nodes = stickiest(view, nodes.drain(..));
        nodes.truncate(per_region);
    }
    regions
}

/// Those who have a seat already, then one by one of the region that has the fewest.
fn seated(
    view: &GroupView,
    regions: &BTreeMap<&Region, Vec<NodeId>>,
    first: Vec<NodeId>,
    seats: usize,
) -> BTreeSet<NodeId> {
    let mut voters: BTreeSet<NodeId> = first.into_iter().collect();
    while voters.len() < seats {
        let next = regions
            .iter()
            .filter_map(|(region, nodes)| {
                let seated = nodes.iter().filter(|node| voters.contains(node)).count();
                let node = *nodes.get(seated)?;
                Some((seated, !view.voters.contains(&node), *region, node))
            })
            .min();
        let Some((.., node)) = next else { break };
        voters.insert(node);
    }
    voters
}

/// How many voters, when so many nodes could vote and so many regions want one.
fn system_seats(candidates: usize, regions: usize) -> usize {
    let seats = candidates.min(SYSTEM_VOTERS_MAX);
    let even = seats.is_multiple_of(2);
    if even && seats > regions { seats - 1 } else { seats }
}

//! Where replicas belong: the membership that a group should have, from its nodes and regions.
//!
//! Pure, and the same on every node. It only says what should be; [`next_step`] says which single
//! safe change leads there, and others carry that out.
//!
//! # Rules
//! - Every node that has not been replaced has a replica of every group.
//! - A **home group** has up to three voters, all of its home region: a commit costs no trip to
//!   another region, and one node may be lost.
//! - The **system group** has at most five voters, spread over the regions: at most two in one
//!   (unless there is but one region), and an odd number where that costs no region its voter. So
//!   three regions of three give 2-2-1, and a whole region may be lost.
//! - Voters stay voters: membership changes only when nodes come or are replaced. A node that is
//!   merely down stays what it is, however long; only its replacement or an operator removes it.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
    org::NodeRecord,
    region::Region,
};

mod plan;

#[cfg(test)]
mod placement_test;
#[cfg(test)]
mod simulation_test;

pub use plan::{CAUGHT_UP_ENTRIES, Step, next_step};

/// Voters of a home group.
pub const HOME_VOTERS_MAX: usize = 3;
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
    let eligible: BTreeMap<NodeId, &Region> = nodes
        .values()
        .filter(|node| node.replaced_by.is_none())
        .map(|node| (node.id, &node.region))
        .collect();
    let mut voters = match &view.home {
        Some(home) => home_voters(view, home, &eligible),
        None => system_voters(view, &eligible),
    };
    if voters.is_empty() {
        voters.clone_from(&view.voters);
    }
    let learners = eligible.into_keys().filter(|node| !voters.contains(node)).collect();
    Desired { voters, learners }
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

/// Seats are given one by one to the region that has the fewest.
fn system_voters(view: &GroupView, eligible: &BTreeMap<NodeId, &Region>) -> BTreeSet<NodeId> {
    let mut regions: BTreeMap<&Region, Vec<NodeId>> = BTreeMap::new();
    for (node, region) in eligible {
        regions.entry(region).or_default().push(*node);
    }
    let per_region_max =
        if regions.len() == 1 { SYSTEM_VOTERS_ALONE_MAX } else { SYSTEM_VOTERS_PER_REGION_MAX };
    for nodes in regions.values_mut() {
        *nodes = stickiest(view, nodes.drain(..));
        nodes.truncate(per_region_max);
    }
    let seats = system_seats(regions.values().map(Vec::len).sum(), regions.len());
    let mut taken: BTreeMap<&Region, usize> = BTreeMap::new();
    let mut voters = BTreeSet::new();
    for _ in 0..seats {
        let next = regions
            .iter()
            .filter_map(|(region, nodes)| {
                let seated = taken.get(region).copied().unwrap_or(0);
                let node = *nodes.get(seated)?;
                Some((seated, !view.voters.contains(&node), *region, node))
            })
            .min();
        let Some((seated, _, region, node)) = next else { break };
        taken.insert(region, seated + 1);
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

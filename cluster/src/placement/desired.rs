//! Which nodes of a group should vote and which should follow.
//!
//! The rules are in `mod.rs`. Nothing here looks at how the group gets there (`plan.rs`).

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
    org::{NodeRecord, SurvivalGoal},
    region::Region,
};

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

/// The leader's view of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// Which.
    pub group: GroupId,
    /// Its home region; none for the system group.
    pub home: Option<Region>,
    /// What a home group must survive.
    pub survival_goal: SurvivalGoal,
    /// Regions that are leaving.
    pub leaving: BTreeSet<Region>,
    /// Its voters; while a change is under way, the new ones.
    pub voters: BTreeSet<NodeId>,
    /// While a change is under way, the voters before it.
    pub outgoing_voters: Option<BTreeSet<NodeId>>,
    /// Members that do not vote.
    pub learners: BTreeSet<NodeId>,
    /// The leader.
    pub leader: NodeId,
    /// The newest entry of the leader's log.
    pub last_index: LogIndex,
    /// The index up to which each member's log is known to equal the leader's.
    pub matched: BTreeMap<NodeId, LogIndex>,
    /// The nodes that this node has heard from within the window, and the leader.
    pub live: BTreeSet<NodeId>,
}

/// The membership that a group should have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The voters.
    pub voters: BTreeSet<NodeId>,
    /// The learners.
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

/// The desired voters; none, if no node may vote.
pub(super) fn wanted_voters(
    view: &GroupView,
    nodes: &BTreeMap<NodeId, NodeRecord>,
) -> BTreeSet<NodeId> {
    let stays =
        |region: &Region| !view.leaving.contains(region) || view.home.as_ref() == Some(region);
    let eligible: BTreeMap<NodeId, &Region> = nodes
        .values()
        .filter(|node| node.may_vote() && stays(&node.region))
        .map(|node| (node.id, &node.region))
        .collect();
    match (&view.home, view.survival_goal) {
        (None, _) => system_voters(view, &eligible),
        (Some(home), SurvivalGoal::Node) => home_voters(view, home, &eligible),
        (Some(home), SurvivalGoal::Region) => spread_voters(view, home, &eligible)
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

/// Voters over several regions, fewer than half of them in each; none if there are too few regions.
fn spread_voters(
    view: &GroupView,
    home: &Region,
    eligible: &BTreeMap<NodeId, &Region>,
) -> Option<BTreeSet<NodeId>> {
    let mut regions = by_region(view, eligible, SPREAD_VOTERS_PER_REGION_MAX);
    if regions.len() < SPREAD_REGIONS_MIN {
        return None;
    }
    let mut count = SPREAD_VOTERS_MAX;
    if regions.values().map(Vec::len).sum::<usize>() < SPREAD_VOTERS_MAX {
        regions.values_mut().for_each(|nodes| nodes.truncate(1));
        count = SPREAD_REGIONS_MIN;
    }
    let first = regions.get(home).cloned().unwrap_or_default();
    Some(fill(view, &regions, first, count))
}

fn system_voters(view: &GroupView, eligible: &BTreeMap<NodeId, &Region>) -> BTreeSet<NodeId> {
    let alone = eligible.values().collect::<BTreeSet<_>>().len() == 1;
    let per_region = if alone { SYSTEM_VOTERS_ALONE_MAX } else { SYSTEM_VOTERS_PER_REGION_MAX };
    let regions = by_region(view, eligible, per_region);
    let count = system_voter_count(regions.values().map(Vec::len).sum(), regions.len());
    fill(view, &regions, Vec::new(), count)
}

/// Each region's candidates, present voters first, at most `count` of each.
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

/// Present voters first, then one by one from the region that has the fewest.
fn fill(
    view: &GroupView,
    regions: &BTreeMap<&Region, Vec<NodeId>>,
    first: Vec<NodeId>,
    count: usize,
) -> BTreeSet<NodeId> {
    let mut voters: BTreeSet<NodeId> = first.into_iter().collect();
    while voters.len() < count {
        let next = regions
            .iter()
            .filter_map(|(region, nodes)| {
                let chosen = nodes.iter().filter(|node| voters.contains(node)).count();
                let node = *nodes.get(chosen)?;
                Some((chosen, !view.voters.contains(&node), *region, node))
            })
            .min();
        let Some((.., node)) = next else { break };
        voters.insert(node);
    }
    voters
}

/// The number of voters, from the number of candidates and of regions that should have one.
fn system_voter_count(candidates: usize, regions: usize) -> usize {
    let count = candidates.min(SYSTEM_VOTERS_MAX);
    let even = count.is_multiple_of(2);
    if even && count > regions { count - 1 } else { count }
}

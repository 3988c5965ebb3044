//! Who leads next, and whose timings a change of voters waits for.
//!
//! Pure; the hand-over itself is `raft/membership/transfer.rs`, the order of the steps is in
//! `raft/replica/timing_profile.rs`. The lead must never go to a node that is not a voter.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId},
    org::{NodeRecord, SurvivalGoal},
    region::Region,
};

use super::desired::GroupView;

fn region(nodes: &BTreeMap<NodeId, NodeRecord>, node: NodeId) -> Option<&Region> {
    nodes.get(&node).map(|record| &record.region)
}

/// Who is to lead after a node, of those given: a voter where the group is hosted, else any.
#[must_use]
pub fn next_leader(
    view: &GroupView,
    nodes: &BTreeMap<NodeId, NodeRecord>,
    own: NodeId,
    among: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let at_home = |node: &NodeId| region(nodes, *node) == view.home.as_ref();
    let mut others = view.voters.intersection(among).copied().filter(|node| *node != own);
    others.clone().find(at_home).or_else(|| others.next())
}

/// Whether a group has the timings of voters that are regions apart: the system group always, a home
/// group where it must outlive a region, or where its voters are apart already.
#[must_use]
pub fn wants_wide_area(group: GroupId, survival_goal: SurvivalGoal, is_spread: bool) -> bool {
    group == GroupId::SYSTEM || survival_goal == SurvivalGoal::Region || is_spread
}

/// The nodes that must have the timings of voters that are regions apart before these voters may be
/// set: none where they are all of one region. `is_spread`: the present voters are apart already.
#[must_use]
pub fn to_be_timed(
    view: &GroupView,
    nodes: &BTreeMap<NodeId, NodeRecord>,
    target: &BTreeSet<NodeId>,
    is_spread: bool,
) -> Option<BTreeSet<NodeId>> {
    let regions: BTreeSet<_> = target.iter().map(|node| region(nodes, *node)).collect();
    if view.group == GroupId::SYSTEM || regions.len() <= 1 {
        return None;
    }
    Some(if is_spread {
        // Those that vote already have them, or take them by themselves: a dead one among them must
        // not keep another's seat from being filled.
        target.difference(&view.voters).copied().collect()
    } else {
        // Those that leave vote until the change is done, if they live.
        let old = view.voters.iter().filter(|node| view.live.contains(node));
        target.iter().chain(old).copied().collect()
    })
}

#[cfg(test)]
mod tests {
    use concordat_proto::{log::LogIndex, org::NodeState};

    use super::*;

    fn ids(numbers: &[u64]) -> BTreeSet<NodeId> {
        numbers.iter().copied().map(NodeId).collect()
    }

    /// Nodes 1 to 3 in one region, 4 to 6 in another; node 7 is not known.
    fn nodes() -> BTreeMap<NodeId, NodeRecord> {
        let of = |id: u64| NodeRecord {
            id: NodeId(id),
            region: Region::new(if id <= 3 { "east" } else { "west" }).unwrap(),
            peer_address: String::new(),
            api_url: String::new(),
            state: NodeState::Member,
            replaced_by: None,
        };
        (1..=6).map(|id| (NodeId(id), of(id))).collect()
    }

    fn view(group: u32, voters: &[u64], live: &[u64]) -> GroupView {
        GroupView {
            group: GroupId(group),
            home: (group != 0).then(|| Region::new("east").unwrap()),
            survival_goal: SurvivalGoal::Region,
            leaving: BTreeSet::new(),
            voters: ids(voters),
            outgoing_voters: None,
            learners: BTreeSet::new(),
            leader: NodeId(1),
            last_index: LogIndex(0),
            matched: BTreeMap::new(),
            live: ids(live),
        }
    }

    #[test]
    fn the_lead_stays_in_the_home_region_if_it_can() {
        let next = |voters: &[u64], among: &[u64]| {
            next_leader(&view(1, voters, &[]), &nodes(), NodeId(1), &ids(among)).map(|node| node.0)
        };
        assert_eq!(next(&[1, 4, 5, 3], &[1, 3, 4, 5]), Some(3));
        assert_eq!(next(&[1, 4, 5, 3], &[1, 4, 5]), Some(4), "nobody else at home");
        assert_eq!(next(&[1, 4], &[1, 2, 3]), None, "only voters lead");
        let system = next_leader(&view(0, &[1, 4, 5], &[]), &nodes(), NodeId(1), &ids(&[4, 5]));
        assert_eq!(system, Some(NodeId(4)), "the system group is hosted everywhere");
    }

    #[test]
    fn voters_that_are_to_be_apart_take_their_timings_first() {
        let of = |view: &GroupView, target: &[u64], is_spread| {
            to_be_timed(view, &nodes(), &ids(target), is_spread)
        };
        let home = view(1, &[1, 2, 3], &[1, 2]);
        assert_eq!(of(&home, &[1, 2, 3], false), None, "one region");
        assert_eq!(of(&home, &[1, 4, 5], false), Some(ids(&[1, 2, 4, 5])), "3 is dead");
        assert_eq!(of(&home, &[1, 2, 4], true), Some(ids(&[4])));
        assert_eq!(of(&view(0, &[1, 4], &[1, 4]), &[1, 4], false), None, "it always has them");
    }

    #[test]
    fn a_group_that_must_outlive_a_region_has_the_timings_of_several() {
        for (group, survival_goal, is_spread, wants) in [
            (0, SurvivalGoal::Node, false, true),
            (1, SurvivalGoal::Node, false, false),
            (1, SurvivalGoal::Node, true, true),
            (1, SurvivalGoal::Region, false, true),
        ] {
            assert_eq!(wants_wide_area(GroupId(group), survival_goal, is_spread), wants);
        }
    }
}

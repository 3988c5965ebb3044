//! The nodes and regions that are leaving, and when nothing needs one of them any more.
//!
//! # When a node is not needed
//! It votes in no group, and has not for a while in which every live node has seen that it is
//! leaving: so no group's leader is still about to give it a vote. Should one be all the same, the
//! group is as if one voter had died, and replaces it; nothing is lost by it.
//!
//! # When a region is not needed
//! All its nodes vote in no group but the region's own, and no organization is at home there. It is
//! never removed only because the operator's node has said that there was none.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
    org::{NodeState, RegionRecord, RegionState},
    region::Region,
};

use super::{desired::GroupView, leave::is_free};
use crate::machine::SystemView;

/// What is leaving.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaving {
    /// A node.
    Node(NodeId),
    /// A region, with its group.
    Region(Region),
}

impl Leaving {
    /// The group that goes with it.
    #[must_use]
    pub fn own_group(&self, system: &SystemView) -> Option<GroupId> {
        match self {
            Self::Node(_) => None,
            Self::Region(region) => system.regions.get(region).map(|record| record.group),
        }
    }
}

/// All that is leaving, each with its nodes.
#[must_use]
pub fn leaving(system: &SystemView) -> BTreeMap<Leaving, BTreeSet<NodeId>> {
    let nodes = system.nodes.values().filter(|node| node.is_there());
    let nodes = nodes.filter(|node| node.state == NodeState::Leaving);
    let single = nodes.map(|node| (Leaving::Node(node.id), BTreeSet::from([node.id])));
    let leaving = |record: &&RegionRecord| record.state == RegionState::Leaving;
    let regions = system.regions.values().filter(leaving).map(|record| {
        let of = system.nodes.values().filter(|node| node.region == record.region);
        (Leaving::Region(record.region.clone()), of.map(|node| node.id).collect())
    });
    single.chain(regions).collect()
}

/// Whether every live node has applied the system group's entry at which a node was seen leaving.
#[must_use]
pub fn is_seen_by_all(
    live: impl IntoIterator<Item = NodeId>,
    applied: impl Fn(NodeId) -> Option<LogIndex>,
    at: LogIndex,
) -> bool {
    live.into_iter().all(|node| applied(node).unwrap_or_default() >= at)
}

/// Whether none of these nodes votes in any group, but the one that goes with them.
#[must_use]
pub fn votes_nowhere(
    views: impl IntoIterator<Item = GroupView>,
    nodes: &BTreeSet<NodeId>,
    but: Option<GroupId>,
) -> bool {
    let mut others = views.into_iter().filter(|view| Some(view.group) != but);
    others.all(|view| is_free(&view, nodes))
}

#[cfg(test)]
mod tests {
    use concordat_proto::org::{NodeRecord, SurvivalGoal};

    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    fn node(id: u64, name: &str, state: NodeState) -> (NodeId, NodeRecord) {
        let record = NodeRecord {
            id: NodeId(id),
            region: region(name),
            peer_address: String::new(),
            api_url: String::new(),
            state,
            replaced_by: None,
        };
        (record.id, record)
    }

    fn group(id: u32, voters: &[u64], outgoing: Option<&[u64]>) -> GroupView {
        let ids = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<BTreeSet<_>>();
        GroupView {
            group: GroupId(id),
            home: None,
            survival_goal: SurvivalGoal::Node,
            leaving: BTreeSet::new(),
            voters: ids(voters),
            outgoing_voters: outgoing.map(ids),
            learners: BTreeSet::new(),
            leader: NodeId(1),
            last_index: LogIndex(0),
            matched: BTreeMap::new(),
            live: BTreeSet::new(),
        }
    }

    #[test]
    fn a_region_that_leaves_takes_its_nodes_and_its_group_along() {
        let record = |name: &str, group, state| RegionRecord {
            region: region(name),
            group: GroupId(group),
            founder: NodeId(1),
            state,
            voter_region: region(name),
        };
        let system = SystemView {
            nodes: [
                node(1, "east", NodeState::Member),
                node(2, "east", NodeState::Leaving),
                node(3, "west", NodeState::Member),
                node(4, "west", NodeState::Removed),
                node(5, "east", NodeState::Draining),
            ]
            .into(),
            regions: [
                (region("east"), record("east", 1, RegionState::Open)),
                (region("west"), record("west", 2, RegionState::Leaving)),
            ]
            .into(),
            ..SystemView::default()
        };
        let (single, west) = (Leaving::Node(NodeId(2)), Leaving::Region(region("west")));
        let expected =
            [(single.clone(), [NodeId(2)].into()), (west.clone(), [NodeId(3), NodeId(4)].into())];
        assert_eq!(leaving(&system), expected.into());
        assert_eq!((single.own_group(&system), west.own_group(&system)), (None, Some(GroupId(2))));
    }

    #[test]
    fn who_is_needed_by_any_other_group_stays() {
        let nodes = BTreeSet::from([NodeId(3), NodeId(4)]);
        let free = |views: &[GroupView]| votes_nowhere(views.to_vec(), &nodes, Some(GroupId(2)));
        assert!(free(&[group(0, &[1, 2], None), group(2, &[3, 4], None)]));
        assert!(!free(&[group(0, &[1, 3], None)]));
        assert!(!free(&[group(1, &[1, 2], Some(&[1, 4]))]), "a change is under way");
    }

    #[test]
    fn a_silent_report_holds_the_removal_up() {
        let reported = BTreeMap::from([(NodeId(1), LogIndex(5)), (NodeId(2), LogIndex(4))]);
        let applied = |node| reported.get(&node).copied();
        let seen = |live: &[u64], at| {
            is_seen_by_all(live.iter().copied().map(NodeId), applied, LogIndex(at))
        };
        assert!(seen(&[1], 5) && !seen(&[1, 2], 5) && seen(&[1, 2], 4));
        assert!(!seen(&[0, 1], 1), "it has reported nothing");
    }
}

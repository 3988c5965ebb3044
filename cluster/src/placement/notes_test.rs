//! Notes by examples, and that they come to an end.

use std::collections::BTreeSet;

use concordat_proto::{
    lease::LeaseRecord,
    org::{PartitionPolicy, SurvivalGoal},
    region::Region,
};
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::consistency::group_config;

const GROUP: GroupId = GroupId(7);

fn east() -> Region {
    Region::new("east").unwrap()
}

fn record(id: u64, state: NodeState, replaced_by: Option<u64>) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        region: east(),
        peer_address: String::new(),
        api_url: String::new(),
        state,
        replaced_by: replaced_by.map(NodeId),
    }
}

fn marked(marks: &[(u64, ReplicaMark)], members: u64) -> GroupConfigView {
    let marks = marks.iter().map(|(node, mark)| (NodeId(*node), *mark)).collect();
    let nodes = (1..=members).map(|node| (NodeId(node), east()));
    GroupConfigView { members: group_config::members(nodes, &marks), marks, ..Default::default() }
}

/// Node 1 leads; all are live.
fn group(id: GroupId, members: u64) -> GroupView {
    let members: BTreeSet<NodeId> = (1..=members).map(NodeId).collect();
    GroupView {
        group: id,
        home: Some(east()),
        survival_goal: SurvivalGoal::Node,
        leaving: BTreeSet::new(),
        voters: members.clone(),
        outgoing_voters: None,
        learners: BTreeSet::new(),
        leader: NodeId(1),
        last_index: LogIndex(5000),
        matched: BTreeMap::new(),
        live: members,
    }
}

fn nodes(count: u64) -> BTreeMap<NodeId, NodeRecord> {
    (1..=count).map(|id| (NodeId(id), record(id, NodeState::Member, None))).collect()
}

/// All have applied what the leader has; nothing else is due.
fn view<'a>(
    group: &'a GroupView,
    nodes: &'a BTreeMap<NodeId, NodeRecord>,
    facts: &'a GroupConfigView,
) -> NoteView<'a> {
    NoteView {
        group,
        nodes,
        facts,
        applied: LogIndex(5000),
        reported: nodes.keys().map(|node| (*node, LogIndex(5000))).collect(),
        leases: facts.leases.terms,
        partition_policy: Some(facts.partition_policy),
        feature_level: version::FEATURE_LEVEL_FIRST,
        policy_revision: 0,
    }
}

fn serving(nodes: &[u64]) -> Option<Command> {
    let marks = nodes.iter().map(|node| (NodeId(*node), ReplicaMark::Serving)).collect();
    Some(Command::MarkReplicas { marks })
}

#[test]
fn a_replica_is_marked_as_serving_once_it_has_caught_up() {
    let (group, nodes, facts) = (group(GROUP, 4), nodes(4), marked(&[], 4));
    let mut view = view(&group, &nodes, &facts);
    view.reported = [(2, 4000), (3, 3999)].map(|(id, at)| (NodeId(id), LogIndex(at))).into();
    assert_eq!(view.due(), serving(&[1, 2]), "3 is too far behind, 4 has not reported");
    let silent = GroupView { live: [NodeId(1)].into(), ..group.clone() };
    assert_eq!(NoteView { group: &silent, ..view.clone() }.due(), serving(&[1]));
    let unknown = BTreeMap::new();
    assert_eq!(NoteView { nodes: &unknown, ..view }.due(), None, "the leader knows no node yet");
}

#[test]
fn what_operators_have_set_is_noted_one_after_the_other() {
    let (group, nodes) = (group(GROUP, 1), nodes(1));
    let facts = marked(&[(1, ReplicaMark::Serving)], 1);
    let terms = LeaseTerms { drift_percent: 7, ..LeaseTerms::DEFAULT };
    let partition_policy = PartitionPolicyRecord { when: PartitionPolicy::Fence, generation: 3 };
    let mut view = view(&group, &nodes, &facts);
    assert_eq!(view.due(), None);
    (view.leases, view.partition_policy, view.feature_level) = (terms, Some(partition_policy), 2);
    view.policy_revision = 5;
    assert_eq!(view.due(), Some(Command::SetLeases(terms)));
    let leases = LeaseRecord { terms, ..facts.leases };
    let with_terms = GroupConfigView { leases, ..facts.clone() };
    let mut next = NoteView { facts: &with_terms, ..view };
    assert_eq!(next.due(), Some(Command::NotePartitionPolicy(partition_policy)));
    let with_both = GroupConfigView { partition_policy, ..with_terms.clone() };
    next.facts = &with_both;
    assert_eq!(next.due(), Some(Command::NoteFeatureLevel(2)));
    let with_all = GroupConfigView { feature_level: 2, ..with_both.clone() };
    next.facts = &with_all;
    assert_eq!(next.due(), Some(Command::NotePolicies(5)));
    let with_all = GroupConfigView { policy_revision: 5, ..with_all.clone() };
    next.facts = &with_all;
    assert_eq!(next.due(), None);
    // The system group's own state has both.
    let system = GroupView { group: GroupId::SYSTEM, ..group.clone() };
    assert_eq!(NoteView { group: &system, facts: &with_terms, ..next }.due(), None);
}

#[test]
fn a_node_that_is_not_known_yet_has_not_left() {
    let left = |record: Option<NodeRecord>| {
        let nodes = record.into_iter().map(|record| (NodeId(1), record)).collect();
        has_left(&nodes, NodeId(1))
    };
    assert!(!left(None) && !left(Some(record(1, NodeState::Draining, None))));
    assert!(left(Some(record(1, NodeState::Removed, None))));
    assert!(left(Some(record(1, NodeState::Member, Some(2)))));
}

#[test]
fn a_replaced_node_makes_its_region_count_until_another_one_serves() {
    let serving = |nodes: &[u64]| {
        let marks: Vec<_> = nodes.iter().map(|node| (*node, ReplicaMark::Serving)).collect();
        marked(&marks, 2)
    };
    let replaced = record(1, NodeState::Member, Some(2));
    let removed = record(1, NodeState::Removed, None);
    let may = |one: &NodeRecord, other: NodeState, marked: &[u64]| {
        let nodes = [one.clone(), record(2, other, None)].map(|node| (node.id, node)).into();
        may_leave(&nodes, &serving(marked), NodeId(1))
    };
    assert!(!may(&replaced, NodeState::Member, &[1]), "the region would not count any more");
    assert!(may(&replaced, NodeState::Member, &[1, 2]));
    assert!(may(&replaced, NodeState::Member, &[]), "it did not make the region count");
    assert!(may(&removed, NodeState::Member, &[1]), "an operator's word");
    assert!(may(&replaced, NodeState::Removed, &[1]), "nobody of the region is left");
}

#[test]
fn a_replica_is_removed_when_it_is_marked_and_its_last_lease_is_over() {
    let facts = marked(&[(1, ReplicaMark::Serving), (2, ReplicaMark::Leaving)], 3);
    let may = |node, left| may_remove(&facts, NodeId(node), Duration::from_millis(left));
    assert!(may(2, 0) && !may(2, 1), "it may still answer");
    assert!(!may(1, 0) && !may(3, 0), "not marked");
}

proptest! {
    /// Once what is due has been noted nothing is due; and a mark is never taken back.
    #[test]
    fn notes_come_to_an_end(
        kinds in vec((0_usize..3, option::of(any::<bool>())), 1..6),
        reported in vec(3000_u64..6000, 6),
    ) {
        let count = kinds.len() as u64;
        let group = group(GROUP, count);
        let mut nodes = nodes(count);
        let mut facts = marked(&[], count);
        for (node, (kind, mark)) in nodes.values_mut().zip(&kinds) {
            node.state = [NodeState::Member, NodeState::Removed, NodeState::Leaving][*kind];
            if let Some(is_serving) = mark {
                let mark = if *is_serving { ReplicaMark::Serving } else { ReplicaMark::Leaving };
                facts.marks.insert(node.id, mark);
            }
        }
        let before = facts.marks.clone();
        let reported: BTreeMap<NodeId, LogIndex> =
            (1..).map(NodeId).zip(reported.into_iter().map(LogIndex)).collect();
        let due = NoteView { reported: reported.clone(), ..view(&group, &nodes, &facts) }.due();
        if let Some(Command::MarkReplicas { marks }) = due {
            facts.marks.extend(marks);
        }
        prop_assert_eq!(NoteView { reported, ..view(&group, &nodes, &facts) }.due(), None);
        for (node, mark) in before {
            prop_assert!(facts.marks[&node] >= mark);
        }
    }
}

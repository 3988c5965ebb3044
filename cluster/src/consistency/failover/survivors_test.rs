//! Survivors by tables, and the choice of a founder by random logs.

use concordat_proto::org::NodeState;
use proptest::{collection::vec, prelude::*};

use super::*;

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

fn node(id: u64, name: &str) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        region: region(name),
        peer_address: String::new(),
        api_url: String::new(),
        state: NodeState::Member,
        replaced_by: None,
    }
}

/// Nodes 1 to 3 in the lost region, 4 to 6 where the successor goes, 7 to 9 elsewhere.
fn nodes() -> BTreeMap<NodeId, NodeRecord> {
    let region = |id: u64| ["east", "west", "north"][usize::try_from((id - 1) / 3).expect("few")];
    (1..=9).map(|id| (NodeId(id), node(id, region(id)))).collect()
}

fn closed(absent: &[u64]) -> ClosedGroup {
    ClosedGroup {
        group: GroupId(1),
        region: region("east"),
        lost: region("east"),
        to: region("west"),
        basis: FailoverBasis::Fenced,
        absent: absent.iter().copied().map(NodeId).collect(),
        succession: None,
    }
}

fn id(term: u64, index: u64) -> LogId {
    LogId { term: Term(term), index: LogIndex(index) }
}

fn log(node: u64, (term, index): (u64, u64), applied: u64) -> SurvivorLog {
    SurvivorLog { node: NodeId(node), last: id(term, index), applied: LogIndex(applied) }
}

fn ids(numbers: &[u64]) -> Vec<NodeId> {
    numbers.iter().copied().map(NodeId).collect()
}

#[test]
fn all_outside_of_the_lost_region_are_asked() {
    let mut nodes = nodes();
    assert_eq!(asked(&nodes, &closed(&[])), ids(&[4, 5, 6, 7, 8, 9]));
    assert_eq!(asked(&nodes, &closed(&[4, 8, 1])), ids(&[5, 6, 7, 9]), "an operator named them");
    let six = nodes.get_mut(&NodeId(6)).expect("there");
    six.state = NodeState::Removed;
    assert_eq!(asked(&nodes, &closed(&[])), ids(&[4, 5, 7, 8, 9]));
    let only = nodes.into_iter().filter(|(_, node)| node.region == region("east")).collect();
    assert!(asked(&only, &closed(&[])).is_empty());
}

#[test]
fn the_log_that_ends_last_founds() {
    let chosen = |had: &[SurvivorLog]| founding(&nodes(), &closed(&[]), had).map(|it| it.founder.0);
    // What the survivors have, and who founds.
    let table: [(&[SurvivorLog], u64); 5] = [
        (&[log(4, (2, 9), 9), log(7, (3, 5), 5)], 7),
        (&[log(4, (3, 5), 5), log(7, (3, 6), 5)], 7),
        (&[log(7, (3, 5), 5), log(5, (3, 5), 4), log(4, (3, 5), 4)], 4),
        (&[log(9, (3, 5), 5), log(8, (3, 5), 5)], 8),
        (&[log(7, (0, 0), 0)], 7),
    ];
    for (had, founder) in table {
        assert_eq!(chosen(had), Some(founder), "{had:?}");
    }
    assert_eq!(chosen(&[]), None, "nobody survives");
}

#[test]
fn what_is_certain_is_what_anybody_has_applied() {
    // Its state survived a power failure, and its log did not yet have the new leader's entry.
    let had = [log(4, (2, 9), 3), log(7, (1, 5), 5)];
    let founding = founding(&nodes(), &closed(&[]), &had).expect("somebody survives");
    assert_eq!((founding.last, founding.safe_index), (id(2, 9), LogIndex(5)));
}

#[test]
fn a_closed_replica_ends_where_its_log_or_its_state_does() {
    for (last, applied, end) in [
        (id(2, 7), id(2, 5), id(2, 7)),
        (LogId::default(), id(2, 5), id(2, 5)),
        (id(3, 4), id(2, 5), id(3, 4)),
        (id(1, 9), id(2, 5), id(2, 5)),
        (LogId::default(), LogId::default(), LogId::default()),
    ] {
        assert_eq!(closed_end(last, applied), end);
    }
}

#[test]
fn another_founder_is_named_only_when_nobody_has_anything_of_the_first_ones_group() {
    let mut nodes = nodes();
    let last = id(2, 5);
    let succession =
        Succession { group: GroupId(4), founder: NodeId(4), last, safe_index: LogIndex(5) };
    let named = ClosedGroup { succession: Some(succession), ..closed(&[]) };
    let needs = |nodes: &BTreeMap<_, _>, closed: &ClosedGroup, other: bool, own: bool| {
        let of_region = closed.succession.map_or(closed.group, |succession| succession.group);
        let has_any = |_, node| other && node == NodeId(7);
        needs_successor(nodes, closed, Some(of_region), has_any, |_| own)
    };
    assert!(needs(&nodes, &closed(&[]), true, true), "nobody was named");
    assert!(!needs(&nodes, &named, false, false), "the founder may be at work");
    let four = nodes.get_mut(&NodeId(4)).expect("there");
    four.state = NodeState::Removed;
    assert!(needs(&nodes, &named, false, false));
    assert!(!needs(&nodes, &named, true, false), "node 7 has entries of it");
    assert!(!needs(&nodes, &named, false, true), "this node has some of its state");
    // The successor was closed itself, and its state dropped; or the region is no more.
    let needs_now = |of_region| needs_successor(&nodes, &named, of_region, |_, _| false, |_| false);
    assert!(needs_now(Some(GroupId(4))) && !needs_now(Some(GroupId(5))) && !needs_now(None));
}

#[test]
fn a_successor_is_named_one_lease_after_the_last_survivor_has_closed_the_group() {
    let s = Duration::from_secs;
    let leases = LeaseRecord::default();
    let (by_hand, fenced) = (FailoverBasis::Fenced, FailoverBasis::SelfFencing { generation: 1 });
    assert_eq!(fence_delay(by_hand, &leases), Duration::ZERO);
    assert!(fence_delay(fenced, &leases) >= FENCE);
    let mut since = ClosedSince::new(s(100));
    assert!(!since.may_ask(s(10), s(109)) && since.may_ask(s(10), s(110)));
    assert!(!since.on_answers(s(3), s(110)) && !since.on_answers(s(3), s(112)));
    since.on_silence();
    assert!(!since.on_answers(s(3), s(113)), "counted anew");
    assert!(!since.on_answers(s(3), s(115)) && since.on_answers(s(3), s(116)));
}

#[test]
fn a_founder_takes_no_writes_while_others_could_vote_with_it() {
    let (nodes, west) = (nodes(), region("west"));
    let alone = |voter_region: Option<&Region>, voters, live: &[u64]| {
        is_founding_alone(&nodes, NodeId(4), voter_region, voters, |node| live.contains(&node.0))
    };
    assert!(alone(Some(&west), 1, &[4, 5]));
    assert!(!alone(Some(&west), 2, &[4, 5]), "they vote");
    assert!(!alone(Some(&west), 1, &[4, 7]), "nobody could vote with it");
    assert!(alone(None, 3, &[]), "its region is not known yet");
}

#[test]
fn only_those_that_had_no_part_can_have_more() {
    let nodes = nodes();
    let more = |live: &[u64]| may_have_more(&nodes, &closed(&[8]), |node| live.contains(&node.0));
    assert_eq!(more(&[1, 3, 4, 5, 7, 8]), ids(&[1, 3, 8]));
    assert!(more(&[]).is_empty());
}

#[test]
fn a_report_rises_only_by_an_entry_of_the_leaders_own_term() {
    let may =
        |synced: Option<u64>, voted: Option<u64>| may_report(synced.map(Term), voted.map(Term));
    assert!(may(Some(3), Some(3)));
    assert!(!may(Some(1), Some(3)), "committed by a leader whose entry is not here");
    assert!(!may(None, Some(3)), "an empty log");
    assert!(may(None, None), "nobody has led yet");
}

proptest! {
    /// The founder's log ranks at least as high as every other one's, in whatever order they answer.
    #[test]
    fn the_choice_is_the_greatest_and_does_not_depend_on_the_order(
        had in vec((4_u64..10, (0_u64..4, 0_u64..6), 0_u64..6), 1..6),
        turn in 0_usize..6,
    ) {
        let had: BTreeMap<u64, SurvivorLog> = had
            .into_iter()
            .map(|(node, end, applied)| (node, log(node, end, applied.min(end.1))))
            .collect();
        let mut had: Vec<SurvivorLog> = had.into_values().collect();
        let first = founding(&nodes(), &closed(&[]), &had).expect("somebody survives");
        for log in &had {
            let (log, best) = (log.last, first.last);
            prop_assert!((best.term, best.index) >= (log.term, log.index));
        }
        prop_assert!(had.iter().any(|log| (log.node, log.last) == (first.founder, first.last)));
        prop_assert!(had.iter().all(|log| log.applied <= first.safe_index));
        let turn = turn % had.len();
        had.rotate_left(turn);
        prop_assert_eq!(founding(&nodes(), &closed(&[]), &had), Some(first));
    }
}

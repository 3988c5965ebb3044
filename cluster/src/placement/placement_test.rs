//! Placement by examples: nodes and members as input; the desired membership and the next step as
//! output.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
    org::{NodeRecord, NodeState, SurvivalGoal},
    region::Region,
};

use super::*;

/// Nodes as `id region`; behind the id `x` for one that was replaced, `d` for one that is drained,
/// `l` for one that is leaving, `r` for one that was removed.
fn nodes(text: &str) -> BTreeMap<NodeId, NodeRecord> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .chunks_exact(2)
        .map(|pair| {
            let id = NodeId(pair[0].trim_end_matches(char::is_alphabetic).parse().unwrap());
            let state = match pair[0].chars().last() {
                Some('d') => NodeState::Draining,
                Some('l') => NodeState::Leaving,
                Some('r') => NodeState::Removed,
                _ => NodeState::Member,
            };
            let record = NodeRecord {
                id,
                region: Region::new(pair[1]).unwrap(),
                peer_address: String::new(),
                api_url: String::new(),
                replaced_by: pair[0].ends_with('x').then_some(NodeId(999)),
                state,
            };
            (id, record)
        })
        .collect()
}

fn ids(numbers: &[u64]) -> BTreeSet<NodeId> {
    numbers.iter().copied().map(NodeId).collect()
}

/// All nodes are live and have the whole log; the first voter leads.
fn view(home: Option<&str>, voters: &[u64], learners: &[u64]) -> GroupView {
    let members = voters.iter().chain(learners).copied().map(NodeId);
    GroupView {
        group: GroupId(7),
        home: home.map(|name| Region::new(name).unwrap()),
        survival_goal: SurvivalGoal::Node,
        leaving: BTreeSet::new(),
        voters: ids(voters),
        outgoing_voters: None,
        learners: ids(learners),
        leader: NodeId(voters[0]),
        last_index: LogIndex(5000),
        matched: members.clone().map(|node| (node, LogIndex(5000))).collect(),
        live: members.collect(),
    }
}

fn desired_voters(view: &GroupView, text: &str) -> BTreeSet<NodeId> {
    desired(view, &nodes(text)).voters
}

const NINE: &str = "1 a 2 a 3 a 4 b 5 b 6 b 7 c 8 c 9 c";

#[test]
fn a_home_group_votes_at_home() {
    let present = view(Some("b"), &[4], &[]);
    let wanted = desired(&present, &nodes(NINE));
    assert_eq!(wanted, Desired { voters: ids(&[4, 5, 6]), learners: ids(&[1, 2, 3, 7, 8, 9]) });
    assert_eq!(desired_voters(&present, "1 a 4 b 5 b"), ids(&[4, 5]));
    assert_eq!(desired_voters(&view(Some("b"), &[8, 9], &[]), "1 b 2 b 8 b 9 b"), ids(&[1, 8, 9]));
    assert_eq!(desired_voters(&view(Some("b"), &[8], &[]), "1 a"), ids(&[8]), "nobody is eligible");
}

#[test]
fn the_system_group_votes_everywhere() {
    let present = view(None, &[1], &[]);
    for (text, voters) in [
        ("1 a", &[1][..]),
        ("1 a 2 a", &[1]),
        ("1 a 2 a 3 a 4 a", &[1, 2, 3]),
        ("1 a 2 b", &[1, 2]),
        ("1 a 2 a 3 a 4 b 5 b", &[1, 2, 4]),
        ("1 a 2 b 3 c", &[1, 2, 3]),
        ("1 a 2 a 3 b 4 c", &[1, 3, 4]),
        (NINE, &[1, 2, 4, 5, 7]),
        ("1 a 2 b 3 c 4 d", &[1, 2, 3, 4]),
        ("1 a 2 a 3 b 4 c 5 d", &[1, 2, 3, 4, 5]),
        ("1 a 2 b 3 c 4 d 5 e 6 f 7 f", &[1, 2, 3, 4, 5]),
    ] {
        assert_eq!(desired_voters(&present, text), ids(voters), "{text}");
    }
}

#[test]
fn voters_stay_voters() {
    assert_eq!(desired_voters(&view(None, &[3, 6, 8, 9, 5], &[]), NINE), ids(&[3, 5, 6, 8, 9]));
    let six = "1 a 2 b 3 c 4 d 5 e 6 f";
    assert_eq!(desired_voters(&view(None, &[2, 3, 4, 5, 6], &[]), six), ids(&[2, 3, 4, 5, 6]));
}

#[test]
fn a_replaced_node_is_never_desired() {
    let wanted = desired(&view(Some("a"), &[1, 2, 3], &[]), &nodes("1 a 2x a 3 a 4 a 5x b"));
    assert_eq!(wanted, Desired { voters: ids(&[1, 3, 4]), learners: ids(&[]) });
}

#[test]
fn a_group_grows_from_its_founder() {
    let nodes = nodes("1 a 2 a 3 a 4 b");
    let step = next_step(&view(Some("a"), &[1], &[]), &nodes);
    assert_eq!(step, Some(Step::AddLearners(ids(&[2, 3, 4]))));
    let mut present = view(Some("a"), &[1], &[2, 3, 4]);
    assert_eq!(next_step(&present, &nodes), Some(Step::ChangeVoters(ids(&[1, 2, 3]))));
    present.matched.insert(NodeId(3), LogIndex(5000 - CAUGHT_UP_ENTRIES - 1));
    assert_eq!(next_step(&present, &nodes), Some(Step::ChangeVoters(ids(&[1, 2]))));
    present.matched.insert(NodeId(3), LogIndex(5000 - CAUGHT_UP_ENTRIES));
    assert_eq!(next_step(&present, &nodes), Some(Step::ChangeVoters(ids(&[1, 2, 3]))));
    present.matched.remove(&NodeId(2));
    present.live.remove(&NodeId(3));
    assert_eq!(next_step(&present, &nodes), None, "neither is ready");
    assert_eq!(next_step(&view(Some("a"), &[1, 2, 3], &[4]), &nodes), None, "as desired");
}

#[test]
fn a_dead_voter_stays_until_it_is_replaced() {
    let mut present = view(Some("a"), &[1, 2, 3], &[4]);
    present.live.remove(&NodeId(2));
    assert_eq!(next_step(&present, &nodes("1 a 2 a 3 a 4 a")), None);
    let replaced = nodes("1 a 2x a 3 a 4 a");
    assert_eq!(next_step(&present, &replaced), Some(Step::ChangeVoters(ids(&[1, 3, 4]))));
    present.live.remove(&NodeId(4));
    assert_eq!(next_step(&present, &replaced), None, "its seat waits for the new one");
    let after = view(Some("a"), &[1, 3, 4], &[2]);
    assert_eq!(next_step(&after, &replaced), Some(Step::RemoveLearners(ids(&[2]))));
}

#[test]
fn a_change_half_way_is_finished_when_both_quorums_live() {
    let nodes = nodes("1 a 2 a 3 a 4 a");
    let mut present = view(Some("a"), &[1, 3, 4], &[]);
    present.outgoing_voters = Some(ids(&[1, 2, 3]));
    assert_eq!(next_step(&present, &nodes), Some(Step::ChangeVoters(ids(&[1, 3, 4]))));
    present.live = ids(&[1, 4]);
    assert_eq!(next_step(&present, &nodes), None);
}

#[test]
fn the_lead_belongs_at_home() {
    let nodes = nodes("1 a 2 b 3 b");
    let mut present = view(Some("b"), &[1, 2, 3], &[]);
    assert_eq!(next_step(&present, &nodes), Some(Step::TransferLeader(NodeId(2))));
    present.matched.insert(NodeId(2), LogIndex(4999));
    assert_eq!(next_step(&present, &nodes), Some(Step::TransferLeader(NodeId(3))));
    present.live.remove(&NodeId(3));
    let nearly = Some(Step::TransferLeader(NodeId(2)));
    assert_eq!(next_step(&present, &nodes), nearly, "level after a moment without writes");
    present.matched.insert(NodeId(2), LogIndex(5000 - CAUGHT_UP_ENTRIES - 1));
    assert_eq!(next_step(&present, &nodes), None, "no voter of the home region is near");
}

#[test]
fn a_leader_that_is_to_leave_hands_over_first() {
    let (nodes, replaced_alone) = (nodes("1x a 2 a 3 a 4 a"), nodes("1x a 2 a"));
    let mut present = view(Some("a"), &[1, 2, 3], &[4]);
    assert_eq!(next_step(&present, &nodes), Some(Step::TransferLeader(NodeId(2))));
    present.matched.insert(NodeId(2), LogIndex(1));
    present.matched.insert(NodeId(3), LogIndex(1));
    let beside = Some(Step::ChangeVoters(ids(&[1, 2, 3, 4])));
    assert_eq!(next_step(&present, &nodes), beside, "nobody can lead: grow meanwhile");
    let alone = view(Some("a"), &[1], &[2]);
    let nodes = replaced_alone;
    assert_eq!(next_step(&alone, &nodes), Some(Step::ChangeVoters(ids(&[1, 2]))));
    let both = view(Some("a"), &[1, 2], &[]);
    assert_eq!(next_step(&both, &nodes), Some(Step::TransferLeader(NodeId(2))));
    let handed_over = GroupView { leader: NodeId(2), ..both };
    assert_eq!(next_step(&handed_over, &nodes), Some(Step::ChangeVoters(ids(&[2]))));
}

#[test]
fn no_step_leaves_voters_without_a_live_quorum() {
    let nodes = nodes("1 a 2 a 3 a 4 a 5 a");
    // Too many voters, as after a change of the rules; those that would stay are dead.
    let mut present = view(Some("a"), &[1, 2, 3, 4, 5], &[]);
    present.live = ids(&[1, 4, 5]);
    assert_eq!(next_step(&present, &nodes), None);
    present.live.insert(NodeId(2));
    assert_eq!(next_step(&present, &nodes), Some(Step::ChangeVoters(ids(&[1, 2, 3]))));
}

#[test]
fn a_drained_node_follows_and_a_removed_one_goes() {
    let present = view(Some("a"), &[1, 2, 3], &[4, 5]);
    for mark in ["d", "l"] {
        let drained = nodes(&format!("1 a 2{mark} a 3 a 4 a 5 b"));
        let wanted = desired(&present, &drained);
        assert_eq!(wanted, Desired { voters: ids(&[1, 3, 4]), learners: ids(&[2, 5]) });
        assert_eq!(next_step(&present, &drained), Some(Step::ChangeVoters(ids(&[1, 3, 4]))));
        let after = view(Some("a"), &[1, 3, 4], &[2, 5]);
        assert_eq!(next_step(&after, &drained), None, "it keeps its replica");
    }
    let removed = nodes("1 a 2r a 3 a 4 a 5r b");
    assert_eq!(next_step(&present, &removed), Some(Step::ChangeVoters(ids(&[1, 3, 4]))));
    let after = view(Some("a"), &[1, 3, 4], &[2, 5]);
    assert_eq!(next_step(&after, &removed), Some(Step::RemoveLearners(ids(&[2, 5]))));
}

#[test]
fn a_group_shrinks_when_nobody_can_take_the_seat() {
    let drained = nodes("1 a 2d a 3 a 4 b");
    let present = view(Some("a"), &[1, 2, 3], &[4]);
    assert_eq!(next_step(&present, &drained), Some(Step::ChangeVoters(ids(&[1, 3]))));
    let mut leader = view(Some("a"), &[2, 1, 3], &[4]);
    leader.leader = NodeId(2);
    assert_eq!(next_step(&leader, &drained), Some(Step::TransferLeader(NodeId(1))));
}

#[test]
fn a_leaving_region_votes_only_at_home() {
    let leaving =
        |view: GroupView| GroupView { leaving: [Region::new("c").unwrap()].into(), ..view };
    assert_eq!(desired_voters(&leaving(view(None, &[1, 4, 7], &[])), NINE), ids(&[1, 2, 4]));
    let at_home = leaving(view(Some("c"), &[7, 8, 9], &[]));
    assert_eq!(desired_voters(&at_home, NINE), ids(&[7, 8, 9]));
}

fn spread(home: &str, voters: &[u64]) -> GroupView {
    GroupView { survival_goal: SurvivalGoal::Region, ..view(Some(home), voters, &[]) }
}

#[test]
fn a_group_that_outlives_a_region_votes_in_three() {
    for (text, voters) in [
        (NINE, &[1, 2, 4, 5, 7][..]),
        ("1 a 2 b 3 c", &[1, 2, 3]),
        ("1 a 2 a 3 b 4 c", &[1, 3, 4]),
        ("1 a 2 a 3 b 4 c 5 c", &[1, 2, 3, 4, 5]),
        ("1 a 4 b 5 b 6 b 7 c 8 c 9 c", &[1, 4, 5, 7, 8]),
        ("1 a 2 a 3 b 4 c 5 d", &[1, 2, 3, 4, 5]),
        ("1 a 2 a 3 a 4 b 5 b", &[1, 2, 3]),
        ("1 a 2 a 3 a 4 b 5 b 6d c", &[1, 2, 3]),
    ] {
        assert_eq!(desired_voters(&spread("a", &[1]), text), ids(voters), "{text}");
    }
    assert_eq!(desired_voters(&spread("b", &[5, 6, 1, 9, 8]), NINE), ids(&[1, 5, 6, 8, 9]));
}

#[test]
fn the_spread_keeps_the_old_voters_until_the_new_are_there() {
    let nodes = nodes(NINE);
    let mut present = spread("a", &[1, 2, 3]);
    present.learners = ids(&[4, 5, 6, 7, 8, 9]);
    present.live.extend(&present.learners);
    present.matched.extend([4, 5].map(|id| (NodeId(id), LogIndex(5000))));
    assert_eq!(next_step(&present, &nodes), Some(Step::ChangeVoters(ids(&[1, 2, 3, 4, 5]))));
    present.matched.insert(NodeId(7), LogIndex(5000));
    assert_eq!(next_step(&present, &nodes), Some(Step::ChangeVoters(ids(&[1, 2, 4, 5, 7]))));
}

#[test]
fn what_would_lose_a_quorum_is_told() {
    let mut present = view(Some("a"), &[1, 2, 3], &[]);
    let without_1 = nodes("1l a 2 a 3 a");
    assert_eq!(blocker(&present, &without_1), None);
    present.live.remove(&NodeId(2));
    let lost = RemovalBlocker::NoQuorumAfter { group: GroupId(7), voters: 2, live: 1 };
    assert_eq!(blocker(&present, &without_1), Some(lost));
    assert_eq!(blocker(&present, &nodes("1 a 2l a 3 a")), None, "the dead one may go");
    let nobody = RemovalBlocker::NoVoter { group: GroupId(7) };
    assert_eq!(blocker(&present, &nodes("1l a 2l a 3l a")), Some(nobody));
    present.live.remove(&NodeId(3));
    let now = RemovalBlocker::NoQuorumNow { group: GroupId(7) };
    assert_eq!(blocker(&present, &without_1), Some(now));
    assert!(!is_free(&present, &ids(&[3, 4])) && is_free(&present, &ids(&[4, 5])));
}

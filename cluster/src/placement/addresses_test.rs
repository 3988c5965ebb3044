//! How a node uses the addresses that it learns of.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{
    id::NodeId,
    org::{NodeRecord, NodeState},
    region::Region,
};

use super::{Addresses, some_of};

type Nodes = BTreeMap<NodeId, NodeRecord>;

fn node(id: u64, address: &str) -> NodeRecord {
    NodeRecord {
        id: NodeId(id),
        region: Region::new("east").unwrap(),
        peer_address: address.into(),
        api_url: String::new(),
        replaced_by: None,
        state: NodeState::Member,
    }
}

fn nodes<const N: usize>(of: [(u64, &str); N]) -> Nodes {
    of.into_iter().map(|(id, address)| (NodeId(id), node(id, address))).collect()
}

fn at(addresses: &Addresses, id: u64, state: &Nodes) -> Option<String> {
    let known = addresses.known(state);
    known.into_iter().find(|known| known.id == NodeId(id)).map(|known| known.peer_address)
}

#[test]
fn the_log_has_the_addresses_that_the_state_has_lost() {
    let (mut addresses, state) = (Addresses::default(), Nodes::new());
    assert_eq!(at(&addresses, 2, &state), None);
    addresses.set_logged(nodes([(2, "b:1")]));
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("b:1"));
    // A newer registration that is not applied yet.
    let state = nodes([(2, "a:1")]);
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("b:1"));
    addresses.reconcile(&state, false);
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("a:1"), "all is by the state again");
}

#[test]
fn what_a_node_says_of_itself_counts_until_the_state_says_something_else() {
    let (mut addresses, state) = (Addresses::default(), nodes([(2, "a:1")]));
    addresses.on_announcement(&node(2, "b:1"), &state);
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("b:1"));
    addresses.reconcile(&state, false);
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("b:1"), "also while somebody leads");
    // It was registered there, and later elsewhere.
    for now in ["b:1", "c:1"] {
        let state = nodes([(2, now)]);
        addresses.reconcile(&state, false);
        assert_eq!(at(&addresses, 2, &state).as_deref(), Some(now));
    }
}

#[test]
fn what_others_say_is_tried_after_the_state_and_only_while_nobody_leads() {
    let (mut addresses, state) = (Addresses::default(), nodes([(2, "a:1")]));
    addresses.on_relayed(&[node(2, "b:1"), node(1, "own:1"), node(3, "c:1")], NodeId(1), &state);
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("a:1"));
    assert_eq!(at(&addresses, 1, &state), None, "nobody tells a node where it is");
    assert_eq!(at(&addresses, 3, &state).as_deref(), Some("c:1"), "the only word there is");
    assert_eq!(addresses.unconfirmed(&state), [(NodeId(2), "a:1".to_owned())]);
    addresses.reconcile(&state, false);
    assert!(addresses.unconfirmed(&state).is_empty(), "a leader is heard: the state will be right");
    assert_eq!(at(&addresses, 3, &state).as_deref(), Some("c:1"), "which lacks this one as yet");
}

#[test]
fn an_address_that_another_node_answers_at_is_given_up_for_the_next_one() {
    let (mut addresses, state) = (Addresses::default(), nodes([(2, "a:1")]));
    // A copied setting, or an attacker: node 2 is announced at a wrong address.
    addresses.on_announcement(&node(2, "b:1"), &state);
    addresses.not_found(NodeId(2), "b:1", &state);
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("a:1"));
    addresses.not_found(NodeId(2), "b:1", &state);
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("a:1"), "an old answer changes nothing");
    addresses.not_found(NodeId(2), "a:1", &state);
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("b:1"), "it may only have been away");
    addresses.not_found(NodeId(2), "b:1", &state);
    addresses.found(NodeId(2), "a:1");
    assert_eq!(at(&addresses, 2, &state).as_deref(), Some("a:1"));
    assert!(addresses.unconfirmed(&state).is_empty(), "it has answered");
}

#[test]
fn who_has_left_is_nowhere() {
    let mut addresses = Addresses::default();
    let gone = NodeRecord { state: NodeState::Removed, ..node(2, "a:1") };
    let state = Nodes::from([(NodeId(2), gone)]);
    addresses.on_announcement(&node(2, "b:1"), &state);
    assert_eq!(at(&addresses, 2, &state), None);
}

#[test]
fn strangers_do_not_fill_the_table() {
    let (mut addresses, state) = (Addresses::default(), nodes([(1, "a:1")]));
    addresses.on_announcement(&node(1, "b:1"), &state);
    for id in 1000..2000 {
        addresses.on_announcement(&node(id, "s:1"), &state);
        addresses.on_relayed(&[node(id + 5000, "t:1")], NodeId(9), &state);
    }
    assert!(addresses.known(&state).len() < 200, "{}", addresses.known(&state).len());
    assert_eq!(at(&addresses, 1, &state).as_deref(), Some("b:1"), "a member's word stays");
    assert!(at(&addresses, 1999, &state).is_some(), "and the newest of the others");
}

#[test]
fn in_some_seconds_every_known_node_is_asked_and_the_voters_each_time() {
    let known: Vec<NodeId> = (1..=20).map(NodeId).collect();
    let is_voter = |node: NodeId| node.0 > 18;
    let mut asked = std::collections::BTreeSet::new();
    for second in 0..18 {
        let some = some_of(known.clone(), is_voter, Duration::from_secs(second), 5);
        assert_eq!(some.len(), 5);
        assert_eq!(some[..2], [NodeId(19), NodeId(20)]);
        asked.extend(some);
    }
    assert_eq!(asked.len(), known.len());
    assert!(some_of(Vec::new(), is_voter, Duration::ZERO, 5).is_empty());
}

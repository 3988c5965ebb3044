//! A proposal that was delayed anywhere until its `not_after` had passed is refused as expired:
//! that is a certain "not done", and it stays one. So a name may expire then, and its write is not
//! done again.
//!
//! The time is five minutes, so no test waits for it: the nodes are in this process and their clock
//! is set forward. Log time counts, the leader's stamp; a process that was paused cannot
//! distinguish that from a clock that was set forward.

use std::time::Duration;

use concordat_cluster::raft::{Proposed, Retention};
use concordat_proto::{command::Proposal, limits, refusal::Refusal};
use tokio::time::sleep;

use crate::{
    fleet,
    in_process::{Nine, patch},
};

/// For a proposal, beyond the fault of its node.
const PATIENCE: Duration = Duration::from_secs(25);
/// The time in which a proposal has surely come as far as it can.
const UNDER_WAY: Duration = Duration::from_millis(700);

fn just_too_long() -> Duration {
    limits::NOT_AFTER + Duration::from_secs(1)
}

fn is_expired(proposed: &Proposed) -> bool {
    matches!(
        proposed,
        Proposed::Committed { applied, .. } if applied.outcome == Err(Refusal::Expired)
    )
}

/// Nothing of it is anywhere, and asked again it is refused again.
async fn never_done(nine: &Nine, proposal: &Proposal, name: &str, label: Option<&str>) {
    for via in [0, 4, 8] {
        let again = nine.try_propose(via, proposal.clone(), PATIENCE).await;
        assert!(is_expired(&again), "asked again via node {via}: {again:?}");
    }
    nine.settled().await;
    nine.agreed().await;
    for at in 0..9 {
        assert_eq!(nine.label(at, name).as_deref(), label, "at node {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lay_in_a_forwarder_is_refused() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    nine.patch(0, "a", 1).await;
    // One far away that reaches no node keeps its proposal, and then is free again.
    for forwarder in [8, 4] {
        let proposal = nine.proposal(forwarder, patch("a", 2));
        nine.network.cut_node(nine.id(forwarder));
        let lying = nine.try_propose(forwarder, proposal.clone(), PATIENCE);
        let meanwhile = async {
            sleep(UNDER_WAY).await;
            nine.set_on(just_too_long(), Some(forwarder)).await;
            nine.network.heal_all();
        };
        let (proposed, ()) = tokio::join!(lying, meanwhile);
        assert!(is_expired(&proposed), "{proposed:?}");
        never_done(&nine, &proposal, "a", Some("1")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lay_in_a_leader_that_is_none_any_more_is_refused() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a", "b"]).await;
    let leader = nine.leader_place().await;
    let other = (0..3).find(|place| *place != leader).expect("a follower");
    let proposal = nine.proposal(leader, patch("b", 2));
    nine.network.cut_node(nine.id(leader));
    // It appends to its log, and can replicate to no node; another one leads meanwhile.
    let lying = nine.try_propose(leader, proposal.clone(), PATIENCE);
    let meanwhile = async {
        sleep(UNDER_WAY).await;
        nine.set_on(just_too_long(), Some(leader)).await;
        nine.patch(other, "a", 1).await;
        nine.network.heal_all();
    };
    let (proposed, ()) = tokio::join!(lying, meanwhile);
    assert!(is_expired(&proposed), "{proposed:?}");
    never_done(&nine, &proposal, "b", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_and_is_forgotten_is_not_done_again() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::by_entries(40, 10)).await;
    nine.populate(&["a"]).await;
    let first = nine.proposal(5, patch("a", 1));
    let index = nine.propose(5, first.clone()).await;
    assert_eq!(nine.propose(7, first.clone()).await, index, "it is remembered");
    nine.patch(0, "a", 2).await;
    nine.set_on(just_too_long(), None).await;
    // Each entry removes some expired records.
    for label in 3..60 {
        nine.patch(0, "a", label).await;
    }
    never_done(&nine, &first, "a", Some("59")).await;
}

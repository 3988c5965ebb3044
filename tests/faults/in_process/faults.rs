//! Deaths, cuts and power failures of nodes in one process ([`crate::in_process`]).
//!
//! They wait for levels, never for a number of milliseconds.

use std::time::Duration;

use concordat_cluster::{
    consistency::Scope,
    log::SimFiles,
    raft::{Proposed, Retention},
};
use concordat_proto::{command::Command, id::NodeId, org::NodeState, region::Region};
use concordat_tests::wait::within;
use tokio::time::Instant;

use crate::{
    fleet,
    in_process::{LIMIT, Nine, REGIONS, WRITE_LIMIT, members::say, patch},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_nodes_form_and_a_write_reaches_all_regions() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    for (via, region) in [(1, 0), (4, 1), (8, 2)] {
        let index = nine.patch(via, "a", via as u64).await;
        let deadline = Instant::now() + WRITE_LIMIT;
        let local = Scope::Region(Region::new(REGIONS[region]).unwrap());
        let near = nine.arrived(via, index, &local, deadline).await;
        assert!(near.reached, "not applied in its own region: {near:?}");
        let all = nine.arrived(via, index, &Scope::All, deadline).await;
        assert!(all.reached && all.regions.len() == 3, "not applied everywhere: {all:?}");
        for at in 0..9 {
            assert_eq!(nine.label(at, "a"), Some(via.to_string()), "at node {at}");
        }
    }
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_leader_is_succeeded_and_nothing_is_lost_or_done_twice() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a", "b"]).await;
    let first = nine.proposal(4, patch("a", 1));
    let first_index = nine.propose(4, first.clone()).await;
    for round in 1..=3 {
        let leader = nine.leader_place().await;
        nine.patch(4, "a", round).await;
        nine.stop(leader).await;
        // From the home region and from another one, while there is no leader.
        let survivor = (0..3).find(|place| *place != leader).expect("a survivor");
        tokio::join!(nine.patch(survivor, "b", round), nine.patch(7, "a", 100 + round));
        // Asked again under its own name it is answered, and nothing happens.
        for via in [survivor, 4, 8] {
            let again = nine.propose(via, first.clone()).await;
            assert_eq!(again, first_index, "done again via node {via}");
        }
        nine.run(leader).await;
        nine.settled().await;
        nine.agreed().await;
        for at in 0..9 {
            assert_eq!(nine.label(at, "a"), Some((100 + round).to_string()), "at node {at}");
            assert_eq!(nine.label(at, "b"), Some(round.to_string()), "at node {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_cut_off_gives_in_and_what_it_took_happens_once() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a", "b"]).await;
    for round in 1..=3 {
        let leader = nine.leader_place().await;
        let other = (0..3).find(|place| *place != leader).expect("a follower");
        nine.network.cut_node(nine.places[leader].id);
        // It still believes that it leads, and accepts a write that it can replicate to no node.
        let taken = nine.patch(leader, "b", round);
        let meanwhile = async {
            nine.patch(other, "a", round).await;
            nine.network.heal_all();
        };
        tokio::join!(taken, meanwhile);
        nine.settled().await;
        nine.agreed().await;
        for at in 0..9 {
            for name in ["a", "b"] {
                assert_eq!(nine.label(at, name), Some(round.to_string()), "{name} at node {at}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_committed_before_a_quorum_has_synced_it() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    nine.patch(0, "a", 1).await;
    let leader = nine.leader_place().await;
    let other = (0..3).find(|place| *place != leader).expect("a follower");
    for place in [leader, other] {
        nine.places[place].files.hold_syncs();
    }
    // Two of three disks hang: all have the entry, and it must not count.
    let proposal = nine.proposal(5, patch("a", 2));
    let proposed = nine.try_propose(5, proposal, Duration::from_secs(1)).await;
    assert_eq!(proposed, Proposed::Unknown, "committed on one disk of three");
    for place in 0..9 {
        assert_eq!(nine.label(place, "a"), Some("1".into()), "applied at node {place}");
    }
    for place in [leader, other] {
        nine.places[place].files.release_syncs();
    }
    nine.patch(5, "a", 3).await;
    nine.stop(other).await;
    nine.run(other).await;
    nine.settled().await;
    nine.agreed().await;
    assert_eq!(nine.label(other, "a"), Some("3".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_lose_power_and_come_back() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::by_entries(40, 10)).await;
    nine.populate(&["a"]).await;
    for round in 1..=5_u64 {
        for (write, via) in (0..30_u64).zip([0, 3, 6].into_iter().cycle()) {
            nine.patch(via, "a", round * 100 + write).await;
        }
        for place in 0..9 {
            nine.stop(place).await;
        }
        for place in 0..9 {
            nine.run(place).await;
        }
        nine.settled().await;
        nine.agreed().await;
        for at in 0..9 {
            assert_eq!(nine.label(at, "a"), Some((round * 100 + 29).to_string()), "at node {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_comes_back_as_another_by_a_snapshot() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::by_entries(50, 10)).await;
    nine.populate(&["a"]).await;
    let first = nine.proposal(0, patch("a", 1));
    let first_index = nine.propose(0, first.clone()).await;
    for write in 0..200 {
        nine.patch(0, "a", write).await;
    }
    let leader = nine.leader_place().await;
    let wiped = (0..3).find(|place| *place != leader).expect("a follower");
    let (home, old) = (nine.home(), nine.places[wiped].id);
    nine.stop(wiped).await;
    for write in 200..300 {
        nine.patch(leader, "a", write).await;
    }
    // A replica that owes the leader an answer holds the purge up: the leader may still have to send
    // it those entries.
    within("the leader has purged its log", LIMIT, async || {
        let kept = nine.places[leader].running.as_ref().map(|it| it.log.state(home.0));
        let first = kept.expect("the leader runs").first_index;
        let status = nine.groups(leader).status().await;
        let group = status.groups.into_iter().find(|group| group.group == home);
        if first > 1 { Ok(()) } else { Err(format!("from {first} on: {group:?}")) }
    })
    .await;
    nine.places[wiped] = nine.empty_place(wiped);
    let new = nine.places[wiped].id;
    nine.run(wiped).await;
    for write in 300..400 {
        nine.patch(5, "a", write).await;
    }
    nine.settled_with(10).await;
    let view = nine.groups(leader).node_view(old).expect("it is known");
    assert!(view.record.is_there(), "an address has ended a node: {view:?}");
    say(&nine, 5, Command::SetNodeState { node: old, state: NodeState::Leaving }).await;
    within("the new node votes and the old one is gone", LIMIT, async || {
        for (number, groups) in nine.all_running() {
            for group in groups.status().await.groups {
                let members: Vec<NodeId> =
                    group.voters.iter().chain(&group.learners).copied().collect();
                let votes = group.group != home || group.voters.contains(&new);
                if members.contains(&old) || !members.contains(&new) || !votes {
                    return Err(format!("node {number}, group {}: {group:?}", group.group));
                }
            }
        }
        Ok(())
    })
    .await;
    nine.settled().await;
    assert_eq!(nine.propose(wiped, first).await, first_index, "done again after a snapshot");
    nine.agreed().await;
    assert_eq!(nine.label(wiped, "a"), Some("399".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_with_a_live_nodes_address_does_not_end_that_node() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let mut double = nine.empty_place(8);
    double.address = "elsewhere".into();
    nine.places.push(double);
    nine.run(9).await;
    // Long enough for many attempts to join; writes continue meanwhile.
    for write in 0..40 {
        let index = nine.patch(0, "a", write).await;
        let deadline = Instant::now() + WRITE_LIMIT;
        assert!(nine.arrived(0, index, &Scope::All, deadline).await.reached);
    }
    assert_eq!(*nine.groups(8).faulted().borrow(), None, "the live node was ended");
    assert!(nine.groups(9).ready().is_err(), "its double was admitted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_log_was_lost_does_not_come_back_under_its_id() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.stop(4).await;
    nine.places[4].files = SimFiles::new();
    nine.run(4).await;
    within("it stops and says why", LIMIT, async || {
        match nine.groups(4).faulted().borrow().clone() {
            Some(reason) if reason.contains("the log was lost") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

//! Data directories that are restored to an older copy, or copied and started beside their
//! original, in this process ([`crate::in_process`]).

use std::time::Duration;

use concordat_cluster::raft::Retention;
use concordat_tests::wait::within;

use crate::{
    fleet,
    in_process::{LIMIT, Nine},
};

/// Longer than two processes of one node stay unnoticed.
const NOTICED: Duration = Duration::from_secs(12);

/// Why the node at a place has stopped.
async fn reason(nine: &Nine, place: usize) -> String {
    within("the node stops", LIMIT, async || {
        let fault = nine.groups(place).faulted().borrow().clone();
        fault.ok_or_else(|| format!("node {place} goes on"))
    })
    .await
}

fn others_go_on(nine: &Nine, but: usize) {
    for (number, groups) in nine.all_running().filter(|(number, _)| *number != but) {
        assert_eq!(*groups.faulted().borrow(), None, "node {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_was_put_back_to_an_older_copy_stops_its_node() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let leader = nine.leader_place().await;
    // Of a voter and of a learner.
    for place in [(leader + 1) % 3, 7] {
        nine.stop(place).await;
        let copy = nine.places[place].copied();
        nine.run(place).await;
        for label in 0..20 {
            nine.patch(4, "a", label).await;
        }
        nine.settled().await;
        nine.agreed().await;
        nine.stop(place).await;
        let original = std::mem::replace(&mut nine.places[place], copy);
        nine.run(place).await;
        let reason = reason(&nine, place).await;
        assert!(reason.contains("put back to an older copy"), "{reason}");
        others_go_on(&nine, place);
        nine.patch(4, "a", 99).await;
        // The directory itself is unchanged.
        nine.stop(place).await;
        nine.places[place] = original;
        nine.run(place).await;
        nine.settled().await;
        nine.agreed().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_directory_started_beside_its_original_stops() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    nine.stop(8).await;
    let copy = nine.places[8].copied();
    nine.run(8).await;
    nine.settled().await;
    // At an address of its own.
    nine.places.push(copy.at("place-9"));
    nine.run(9).await;
    let reason = reason(&nine, 9).await;
    assert!(
        reason.contains("another process with this node's id") || reason.contains("older copy"),
        "{reason}"
    );
    nine.stop(9).await;
    nine.places.pop();
    tokio::time::sleep(NOTICED).await;
    others_go_on(&nine, 9);
    nine.patch(4, "a", 1).await;
}

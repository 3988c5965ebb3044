//! Nine processes, organizations with homes in two regions, writers and readers everywhere, and
//! faults that a node cannot foresee: kills, and pauses after which it continues unaware. The
//! promises must explain everything that the clients saw.
//!
//! A paused node receives requests all through its pause: they wait in its sockets beside the other
//! nodes' messages, and when it continues it must not give one of them a fresh answer from an
//! outdated state.

use std::{sync::Arc, time::Duration};

use concordat_tests::{demo::REGIONS, rng};
use tokio::time::sleep;

use crate::{
    clients::{self, Crowd, Shared},
    fleet::{self, FAR, Fleet, HOME},
    soak::judged,
};

/// Longer than any lease at home, and than the window in which a silent node counts as there.
const PAUSE: Duration = Duration::from_secs(3);
const CALM: Duration = Duration::from_secs(2);
/// Fewer reads under a promise than this prove nothing.
const BOUND_MIN: usize = 1000;

async fn pause(fleet: &Fleet, shared: &Arc<Shared>, node: usize, what: &str) {
    println!("promises: {:?}: pause of node {node}, {what}", shared.recorder.now());
    clients::pause(fleet, shared, node, 1000 * (node + 1), PAUSE).await;
    sleep(CALM).await;
}

async fn restart(fleet: &mut Fleet, shared: &Shared, node: usize, what: &str) {
    println!("promises: {:?}: kill of node {node}, {what}", shared.recorder.now());
    fleet.cluster.kill(node).await;
    sleep(CALM).await;
    fleet.cluster.restart(node).await;
    fleet.cluster.ready().await;
    sleep(CALM).await;
}

async fn break_things(fleet: &mut Fleet, shared: &Arc<Shared>) {
    sleep(CALM).await;
    let leader = fleet.home_leader().await;
    restart(fleet, shared, leader, "the leader at home").await;
    let leader = fleet.home_leader().await;
    let follower = HOME.rev().find(|node| *node != leader).expect("a follower");
    pause(fleet, shared, follower, "a follower at home").await;
    let leader = fleet.home_leader().await;
    pause(fleet, shared, leader, "the leader at home").await;
    let leader = fleet.leader_of(2).await;
    let far = FAR.rev().find(|node| *node != leader).expect("a follower");
    pause(fleet, shared, far, "far from one home, a follower at the other").await;
    restart(fleet, shared, 4, "a learner of both").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_through_kills_and_pauses() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("promises: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let orgs = [fleet.org.clone(), fleet.cluster.new_org_at(REGIONS[2], "Far").await];
    let shared = Shared::new(fleet.places(), orgs, "credential", seed);
    let crowd = Crowd::gather(&shared, 0, 1);
    break_things(&mut fleet, &shared).await;
    crowd.disperse().await;
    let summary = judged(&mut fleet, &shared, "promises").await;
    println!("promises: {summary}");
    assert!(summary.bound >= BOUND_MIN, "too few reads to prove anything");
}

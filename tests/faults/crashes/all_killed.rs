//! `kill -9` of all nine nodes, ten times, at random moments while clients write.
//!
//! The clients never stop: requests that were open when the nodes died are retried, under the same
//! key, at the nodes that return.

use std::time::Duration;

use concordat_tests::{
    rng::{self, Rng},
    wait::within,
    workload::{self, Workload},
};
use tokio::time::{Instant, sleep_until};

use crate::fleet::{self, Fleet, LIMIT, NODES};

const CLIENTS: usize = 16;
const ROUNDS: usize = 10;
/// The moment of the kill, after the first write of the round: up to so much later.
const LATEST_KILL_MS: u64 = 1000;
/// So small that logs are purged and states synced between the kills.
const RETENTION: (u64, u64) = (300, 50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_all_nodes() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("all_killed: CONCORDAT_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut fleet = Fleet::start(Some(RETENTION)).await;
    let workload = Workload::start(fleet.plan(0..NODES, CLIENTS, seed)).await;
    for round in 1..=ROUNDS {
        let begun = Instant::now();
        let first = writes_go_on(&workload, begun).await;
        sleep_until(first + Duration::from_millis(rng.below(LATEST_KILL_MS))).await;
        for node in shuffled(&mut rng) {
            fleet.cluster.kill(node).await;
        }
        let acknowledged = workload.acknowledged();
        let killed_at = Instant::now();
        fleet.cluster.restart_all().await;
        let back = writes_go_on(&workload, killed_at).await - killed_at;
        fleet.reads(&acknowledged, &one_of_each_region(&mut rng), false).await;
        assert!(workload.pause(LIMIT).await, "round {round}: the clients did not come to rest");
        let violations = workload.violations();
        assert!(violations.is_empty(), "round {round}: {violations:#?}");
        fleet.agree().await;
        workload.resume();
        let count: u64 = acknowledged.iter().map(|(_, last)| *last).sum();
        println!("all_killed: round {round}: {count} writes so far, writes again after {back:?}");
    }
    let ledgers = workload.stop(LIMIT).await;
    println!("all_killed: {}", workload::summary(&ledgers));
    let wrong = workload::inconsistencies(&ledgers);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let last: Vec<(String, u64)> =
        ledgers.iter().map(|ledger| (ledger.client_id.clone(), ledger.last())).collect();
    let all: Vec<usize> = (0..NODES).collect();
    fleet.reads(&last, &all, true).await;
    fleet.agree().await;
}

/// When the first write that was sent since then was answered.
async fn writes_go_on(workload: &Workload, since: Instant) -> Instant {
    within("clients write", LIMIT, async || {
        let first = workload.answered_since(since).into_iter().flatten().min();
        first.ok_or_else(|| format!("none does; {:?}", workload.violations()))
    })
    .await
}

/// All nodes, in the order in which they die this time.
fn shuffled(rng: &mut Rng) -> Vec<usize> {
    let mut left: Vec<usize> = (0..NODES).collect();
    std::iter::from_fn(|| (!left.is_empty()).then(|| left.remove(rng.place(left.len())))).collect()
}

fn one_of_each_region(rng: &mut Rng) -> [usize; 3] {
    [0, 3, 6].map(|first| first + rng.place(3))
}

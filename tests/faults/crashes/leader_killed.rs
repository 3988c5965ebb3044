//! `kill -9` of the home group's leader while sixteen clients write, again and again.

use std::time::Duration;

use concordat_tests::{
    rng,
    wait::within,
    workload::{self, Workload},
};
use tokio::time::Instant;

use crate::{
    figures::{Spread, asked},
    fleet::{self, Fleet, LIMIT, NODES},
};

const CLIENTS: usize = 16;
/// `make faults` asks for more.
const KILLS: u64 = 3;
/// Writes must continue within this time.
const GAP_MAX: Duration = Duration::from_secs(5);
/// Writes between one kill and the next, so that there is something to lose.
const WRITES_BETWEEN: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_with_the_leader() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("leader_killed: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let workload = Workload::start(fleet.plan(0..NODES, CLIENTS, seed)).await;
    let mut gaps = Vec::new();
    for kill in 1..=asked("CONCORDAT_FAULTS_KILLS").unwrap_or(KILLS) {
        some_writes(&workload).await;
        let leader = fleet.home_leader().await;
        let killed_at = Instant::now();
        fleet.cluster.kill(leader).await;
        let gap = gap_after(&workload, killed_at).await;
        println!("leader_killed: kill {kill}, node {leader}: writes again after {gap:?}");
        gaps.push(gap);
        assert!(gap < GAP_MAX, "no write for {gap:?} after the leader was killed");
        everyone_writes(&workload, killed_at).await;
        fleet.cluster.restart(leader).await;
        fleet.cluster.ready().await;
    }
    println!("leader_killed: writes again after {} (goal p99 3 s)", Spread::of(&gaps));
    let violations = workload.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    let ledgers = workload.stop(LIMIT).await;
    println!("leader_killed: {}", workload::summary(&ledgers));
    let wrong = workload::inconsistencies(&ledgers);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let last: Vec<(String, u64)> =
        ledgers.iter().map(|ledger| (ledger.client_id.clone(), ledger.last())).collect();
    let all: Vec<usize> = (0..NODES).collect();
    fleet.reads(&last, &all, true).await;
    fleet.agree().await;
}

/// Waits until this many more writes have been acknowledged.
async fn some_writes(workload: &Workload) {
    let count = || workload.acknowledged().iter().map(|(_, last)| *last).sum::<u64>();
    let enough = count() + WRITES_BETWEEN;
    within("clients write", LIMIT, async || match count() {
        now if now >= enough => Ok(()),
        now => Err(format!("{now} of {enough} writes; {:?}", workload.violations())),
    })
    .await;
}

/// The time until the first answer to something asked after the kill.
async fn gap_after(workload: &Workload, killed_at: Instant) -> Duration {
    within("some client writes again", LIMIT, async || {
        let first = workload.answered_since(killed_at).into_iter().flatten().min();
        first.map(|first| first - killed_at).ok_or_else(|| "none does".into())
    })
    .await
}

async fn everyone_writes(workload: &Workload, killed_at: Instant) {
    let slowest = within("every client writes again", LIMIT, async || {
        let answered = workload.answered_since(killed_at);
        let violations = workload.violations();
        assert!(violations.is_empty(), "{violations:#?}");
        let silent = answered.iter().filter(|first| first.is_none()).count();
        match answered.into_iter().flatten().max() {
            Some(last) if silent == 0 => Ok(last - killed_at),
            _ => Err(format!("{silent} do not")),
        }
    })
    .await;
    println!("leader_killed: all {CLIENTS} clients again after {slowest:?}");
}

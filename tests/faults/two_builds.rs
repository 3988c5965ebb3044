//! The last release and this one in one cluster, on real processes and on each other's data
//! directories, while clients write: nodes are upgraded and rolled back until the feature level has
//! risen.
//!
//! `make two-builds` builds the last release and runs it; without that build there is nothing to test.

use concordat_tests::{
    chance,
    nine::{NineOptions, SERVER},
    wait::within,
    workload::{self, Workload},
};

use crate::{
    fleet::{self, Fleet, LIMIT, NODES},
    membership::everyone_writes,
};

const CLIENTS: usize = 8;
/// What the last release knows.
const BEFORE: u64 = 1;

/// The feature level that a node shows; a node of the last release shows none.
async fn level(fleet: &Fleet, node: usize) -> Option<u64> {
    fleet.nine.cluster(node).await["feature_level"].as_u64()
}

/// Restarts a node in order with this build of the server.
async fn restart_as(fleet: &mut Fleet, workload: &Workload, node: usize, program: &str) {
    fleet.nine.stop(node, LIMIT).await;
    fleet.nine.set_program(node, program);
    fleet.nine.restart(node).await;
    fleet.nine.ready().await;
    everyone_writes(workload).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_builds_work_together_until_the_feature_level_has_risen() {
    let Ok(previous) = std::env::var("CONCORDAT_PREVIOUS") else {
        println!("two builds: skipped, CONCORDAT_PREVIOUS names no build of the last release");
        return;
    };
    let _turn = fleet::turn().await;
    let seed = chance::seed();
    println!("two builds: CONCORDAT_SEED={seed}");
    let options = NineOptions { program: previous.clone(), ..NineOptions::default() };
    let mut fleet = Fleet::start_with(options).await;
    let workload = Workload::start(fleet.plan(0..NODES, CLIENTS, seed)).await;
    everyone_writes(&workload).await;
    // The way there, with a step back in each region.
    for node in 0..NODES - 1 {
        restart_as(&mut fleet, &workload, node, SERVER).await;
        assert_eq!(level(&fleet, node).await, Some(BEFORE), "beside nodes of the last release");
        if node % 3 == 1 {
            restart_as(&mut fleet, &workload, node, &previous).await;
            restart_as(&mut fleet, &workload, node, SERVER).await;
        }
    }
    // Nothing that the last one does not know, for as long as it is there: also after its restart.
    restart_as(&mut fleet, &workload, NODES - 1, &previous).await;
    assert_eq!(level(&fleet, 0).await, Some(BEFORE), "with one node of the last release");
    restart_as(&mut fleet, &workload, NODES - 1, SERVER).await;
    within("the feature level rises on every node", LIMIT, async || {
        for node in 0..NODES {
            let level = level(&fleet, node).await;
            if level.is_none_or(|level| level <= BEFORE) {
                return Err(format!("node {node}: {level:?}"));
            }
        }
        Ok(())
    })
    .await;
    everyone_writes(&workload).await;
    let ledgers = workload.stop(LIMIT).await;
    println!("two builds: {}", workload::summary(&ledgers));
    let wrong = workload::inconsistencies(&ledgers);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let last: Vec<(String, u64)> =
        ledgers.iter().map(|ledger| (ledger.client_id.clone(), ledger.last())).collect();
    let all: Vec<usize> = (0..NODES).collect();
    fleet.reads(&last, &all, true).await;
    fleet.agree().await;
}

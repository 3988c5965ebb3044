//! The last release and this one in one cluster, on real processes and on each other's data
//! directories, while clients write: nodes are upgraded and rolled back until the feature level has
//! risen.
//!
//! `make two-builds` builds the last release and runs it; without that build there is nothing to
//! test, so `make test` leaves it out.

use concordat_tests::{
    connection::request,
    document,
    process_cluster::{ClusterOptions, SERVER},
    rng,
    wait::within,
    workload::{self, Workload},
};

use crate::{
    fleet::{self, Fleet, LIMIT, NODES},
    membership::everyone_writes,
};

const CLIENTS: usize = 8;
/// The feature level from which on further dialects show credentials.
const WITH_DIALECTS: u64 = 3;

/// The feature level that a node shows; a node of the last release shows none.
async fn level(fleet: &Fleet, node: usize) -> Option<u64> {
    fleet.cluster.cluster(node).await["feature_level"].as_u64()
}

/// Restarts a node in order with this build of the server.
async fn restart_as(fleet: &mut Fleet, workload: &Workload, node: usize, program: &str) {
    fleet.cluster.stop(node, LIMIT).await;
    fleet.cluster.set_program(node, program);
    fleet.cluster.restart(node).await;
    fleet.cluster.ready().await;
    everyone_writes(workload).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a build of the last release: make two-builds"]
async fn two_builds_work_together_until_the_feature_level_has_risen() {
    #[expect(clippy::disallowed_methods, reason = "a test is no part of the node's environment")]
    let previous = std::env::var("CONCORDAT_PREVIOUS")
        .expect("CONCORDAT_PREVIOUS is the path of a build of the last release");
    // The last release has another document.
    document::switch_off();
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("two builds: CONCORDAT_SEED={seed}");
    let options = ClusterOptions { program: previous.clone(), ..ClusterOptions::default() };
    let mut fleet = Fleet::start_with(options).await;
    let workload = Workload::start(fleet.plan(0..NODES, CLIENTS, seed)).await;
    everyone_writes(&workload).await;
    // A release from before there were levels shows none.
    let before = level(&fleet, 0).await.unwrap_or(1);
    // The way there, with a step back in each region.
    for node in 0..NODES - 1 {
        restart_as(&mut fleet, &workload, node, SERVER).await;
        assert_eq!(level(&fleet, node).await, Some(before), "beside nodes of the last release");
        if node % 3 == 1 {
            restart_as(&mut fleet, &workload, node, &previous).await;
            restart_as(&mut fleet, &workload, node, SERVER).await;
        }
    }
    // Nothing that the last one does not know, for as long as it is there: also after its restart.
    restart_as(&mut fleet, &workload, NODES - 1, &previous).await;
    assert_eq!(level(&fleet, 0).await, Some(before), "with one node of the last release");
    restart_as(&mut fleet, &workload, NODES - 1, SERVER).await;
    within("the feature level rises on every node", LIMIT, async || {
        for node in 0..NODES {
            let level = level(&fleet, node).await;
            if level.is_none_or(|level| level <= before) {
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
    if before < WITH_DIALECTS {
        credentials_from_before_have_numbers(&fleet, &last).await;
    }
    fleet.agree().await;
}

/// Another dialect shows the credentials that the last release has made, by the same number at every
/// node, and changes one by it.
async fn credentials_from_before_have_numbers(fleet: &Fleet, made: &[(String, u64)]) {
    let key = format!("Bearer {}", fleet.org.api_key);
    let headers = [("authorization", key.as_str())];
    let mut shown = Vec::new();
    for node in 0..NODES {
        let search = request("POST", "/management/v1/idps/templates/_search", &headers, Some("{}"));
        let listed = fleet.ask(node, &search).await.expect("an answer");
        assert_eq!(listed.status, 200, "{}", listed.body);
        shown.push(listed.body["result"].clone());
        assert_eq!(shown[node], shown[0], "at node {node}");
    }
    assert_eq!(shown[0].as_array().map(Vec::len), Some(made.len()), "{}", shown[0]);
    let id = shown[0][0]["id"].as_str().expect("an id").to_owned();
    let target = format!("/management/v1/idps/{id}");
    let rename = request("PUT", &target, &headers, Some(r#"{"name":"a new name"}"#));
    let renamed = fleet.ask(0, &rename).await.expect("an answer");
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    let target = format!("/management/v1/idps/templates/{id}");
    let read = fleet.ask(0, &request("GET", &target, &headers, None)).await.expect("an answer");
    assert_eq!(read.body["idp"]["name"], "a new name", "it kept its number: {}", read.body);
}

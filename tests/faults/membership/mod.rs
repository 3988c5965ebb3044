//! The cluster's membership: nodes and regions that are added, drained and removed, nodes with
//! other addresses, settings, keyrings and builds, and homes that move; nine processes under load.
//!
//! Shared by these tests: the operator's command line, and the end of a load.

mod addresses;
mod keyrings;
mod last_version;
mod misspelt;
mod moved;
mod nodes;
mod regions;
mod start_and_stop;
mod two_builds;

use std::process::Output;

use concordat_tests::{
    process,
    wait::within,
    workload::{self, Workload},
};
use serde_json::Value;
use tokio::time::Instant;

use crate::fleet::{Fleet, LIMIT};

/// The command line, as the operator, by way of some nodes.
pub(crate) async fn concordat(fleet: &Fleet, via: &[usize], arguments: &[&str]) -> Output {
    let endpoints: Vec<&str> = via.iter().map(|node| fleet.cluster.url(*node)).collect();
    let environment = [
        ("CONCORDAT_ENDPOINTS", endpoints.join(",")),
        ("CONCORDAT_OPERATOR_KEY", fleet.cluster.operator_key().to_owned()),
    ];
    process::run("concordat", arguments, &environment, 4 * LIMIT).await
}

/// The same, of a command that must do.
pub(crate) async fn done(fleet: &Fleet, via: &[usize], arguments: &[&str]) -> String {
    let output = concordat(fleet, via, arguments).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) async fn nodes(fleet: &Fleet, via: usize) -> Vec<Value> {
    let text = done(fleet, &[via], &["node", "list", "-o", "json"]).await;
    serde_json::from_str(&text).expect("a list")
}

pub(crate) async fn one(fleet: &Fleet, via: usize, id: &str) -> Option<Value> {
    nodes(fleet, via).await.into_iter().find(|node| node["node_id"] == id)
}

/// Waits until a process has ended by itself, with a reason.
pub(crate) async fn ends(fleet: &mut Fleet, node: usize) {
    let deadline = Instant::now() + LIMIT;
    while !fleet.cluster.has_ended(node) {
        assert!(Instant::now() < deadline, "node {node} runs on: {}", fleet.cluster.log(node));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let log = fleet.cluster.log(node);
    assert!(log.contains("no longer part of the cluster"), "node {node}: {log}");
}

/// Waits until every client has been answered since.
pub(crate) async fn everyone_writes(workload: &Workload) {
    let since = Instant::now();
    within("all clients write", LIMIT, async || {
        let answered = workload.answered_since(since);
        let silent = answered.iter().filter(|first| first.is_none()).count();
        if silent == 0 { Ok(()) } else { Err(format!("{silent} do not")) }
    })
    .await;
}

/// Ends the load: nothing acknowledged was lost or done twice.
pub(crate) async fn finish(fleet: &Fleet, workload: Workload, at: &[usize]) {
    let violations = workload.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    let ledgers = workload.stop(LIMIT).await;
    println!("membership: {}", workload::summary(&ledgers));
    let wrong = workload::inconsistencies(&ledgers);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let last: Vec<(String, u64)> =
        ledgers.iter().map(|ledger| (ledger.client_id.clone(), ledger.last())).collect();
    fleet.reads(&last, at, true).await;
}

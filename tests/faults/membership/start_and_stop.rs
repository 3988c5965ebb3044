//! What a node logs when it starts without its seeds, and when it is stopped in order: a warning, and
//! no error.

use concordat_tests::{
    process_cluster::{ClusterOptions, ProcessCluster},
    wait::{LIMIT, within},
};
use toml::Value;

use crate::fleet;

const REGION: &str = "us-iowa";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_seeds_are_silent_warns_and_every_stop_is_without_an_error() {
    let _turn = fleet::turn().await;
    let options = ClusterOptions { regions: vec![REGION], ..ClusterOptions::default() };
    let mut cluster = ProcessCluster::start_with(options).await;
    cluster.new_org(REGION).await;

    // Nothing listens where its settings send it.
    let lost = cluster.prepare(REGION);
    let nowhere = Value::from(ProcessCluster::free_address());
    cluster.configure(lost, "seeds", Some(Value::Array(vec![nowhere])));
    cluster.restart(lost).await;
    within("the node warns", LIMIT, async || {
        let log = cluster.log(lost);
        let warns = |line: &&str| line.contains(" WARN ") && line.contains("not all of its seeds");
        log.lines().find(warns).map(drop).ok_or(log.clone())
    })
    .await;
    // The last ones have no quorum any more when they stop.
    for node in [lost, 0, 1, 2] {
        cluster.stop(node, LIMIT).await;
    }
}

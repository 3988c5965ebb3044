//! A process whose syncs take seconds, and that lives on: the writes of its region wait for its
//! lease once. And the health that nodes report to load balancers and operators.
//!
//! It needs `strace`; where that may not trace, the first of them says so and tests nothing.

use std::time::Duration;

use concordat_tests::{
    demo::REGIONS,
    disk::{Syncs, Tampered},
    http::{Request, Response},
    links::Way,
    process_cluster::ClusterOptions,
    wait::within,
};
use tokio::time::{Instant, sleep};

use crate::fleet::{self, FAR, Fleet, HOME, LIMIT, NODES};

const CREDENTIAL: &str = "a";
const WRITES: u64 = 40;
/// Half of a lease at home: beside a hung disk each write took a whole one.
const HALF_A_LEASE: Duration = Duration::from_millis(250);
/// A quarter of them may be slow, on a machine with other things to do.
const SLOW_MAX: u64 = WRITES / 4;
/// Longer than the test looks at it.
const CRAWL: Duration = Duration::from_secs(30);

async fn written(fleet: &Fleet, via: usize, number: u64) -> Duration {
    let (method, target, body) = match number {
        0 => {
            let body = format!(
                r#"{{"client_id":"{CREDENTIAL}","client_secret":"a secret","provider":"google"}}"#
            );
            ("POST", "", body)
        }
        _ => ("PATCH", CREDENTIAL, format!(r#"{{"label":"{number}"}}"#)),
    };
    let began = Instant::now();
    let bytes = fleet.on_credential(method, target, &[], Some(&body));
    let seen = fleet.ask(via, &bytes).await.expect("an answer");
    assert!(matches!(seen.status, 200 | 201), "{seen:?}");
    began.elapsed()
}

async fn asked(fleet: &Fleet, node: usize, target: &str) -> Response {
    let asked = Request::new("GET", target).try_send(fleet.cluster.url(node)).await;
    asked.unwrap_or_else(|error| panic!("node {node}: {target}: {error}"))
}

/// Waits until a node's page has a line that begins so.
async fn shows(fleet: &Fleet, node: usize, target: &str, status: u16, line: &str) {
    within("a node says how it is", LIMIT, async || {
        let answer = asked(fleet, node, target).await;
        let text = answer.text();
        let is_there = answer.status == status && text.lines().any(|it| it.starts_with(line));
        let seen = || format!("node {node}, {target}, {line:?}: {} {text}", answer.status);
        if is_there { Ok(()) } else { Err(seen()) }
    })
    .await;
}

async fn reads_are(fleet: &Fleet, node: usize, is_unmarked: bool) {
    within("a node's reads are marked, or not", LIMIT, async || {
        let bytes = fleet.on_credential("GET", CREDENTIAL, &[], None);
        let seen = fleet.ask(node, &bytes).await?;
        assert_eq!(seen.status, 200, "{seen:?}");
        if seen.is_unmarked == is_unmarked { Ok(()) } else { Err(format!("node {node}: {seen:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_under_a_live_process_costs_one_lease() {
    let _turn = fleet::turn().await;
    let fleet = Fleet::start(None).await;
    written(&fleet, 0, 0).await;
    let leader = fleet.home_leader().await;
    let sick = HOME.into_iter().find(|node| *node != leader).expect("a follower");
    let via = HOME.into_iter().find(|node| *node != leader && *node != sick).expect("another");
    for node in HOME {
        reads_are(&fleet, node, true).await;
    }
    let process = fleet.cluster.id(sick).expect("it runs");
    let Some(tampered) = Tampered::attach(process, Syncs::Crawl(CRAWL)).await else {
        println!("sick disk: left out: strace is not there, or may not trace");
        return;
    };
    let mut slow = 0;
    for number in 1..=WRITES {
        slow += u64::from(written(&fleet, via, number).await > HALF_A_LEASE);
        // A client that continues to write for some leases.
        sleep(Duration::from_millis(50)).await;
    }
    println!("sick disk: {slow} of {WRITES} writes took longer than half a lease");
    shows(&fleet, sick, "/readyz?verbose", 200, "[-] disk: late by").await;
    shows(&fleet, sick, "/readyz?for=writes&verbose", 503, "[-] disk: late by").await;
    shows(&fleet, sick, "/metrics", 200, "concordat_disk_is_late 1").await;
    shows(&fleet, via, "/metrics", 200, "concordat_replica_late_seconds{group=").await;
    let id = fleet.node_id(sick).await.expect("it runs");
    let status = fleet.inspect(via, "/v1/cluster").await.expect("it answers");
    let nodes = status["regions"].as_array().into_iter().flatten();
    let mut nodes = nodes.flat_map(|region| region["nodes"].as_array().into_iter().flatten());
    let shown = nodes.find(|node| node["node_id"] == *id).expect("it is listed");
    let replicas = shown["groups"].as_array().into_iter().flatten();
    let late = replicas.filter(|replica| replica["late_ms"].as_u64().is_some()).count();
    assert!(late > 0, "{status}");
    assert!(slow <= SLOW_MAX, "{slow} of {WRITES} writes took longer than half a lease");
    reads_are(&fleet, sick, false).await;
    tampered.release();
    reads_are(&fleet, sick, true).await;
    let mut fleet = fleet;
    fleet.cluster.ready().await;
    fleet.agree().await;
}

/// Waits until all of these nodes are ready for reads and not for writes, with a reason for a
/// group.
async fn in_a_partition(fleet: &Fleet, nodes: &[usize], group: &str) {
    for node in nodes {
        shows(fleet, *node, "/readyz?for=writes&verbose", 503, &format!("[-] {group}")).await;
        let plain = asked(fleet, *node, "/readyz").await;
        assert_eq!(
            (plain.status, plain.text().as_str()),
            (200, "ok\n"),
            "node {node}: logins go on"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readyz_tells_the_truth_in_a_partition_and_when_voters_or_a_quorum_are_lost() {
    let _turn = fleet::turn().await;
    let options = ClusterOptions { has_links: true, ..ClusterOptions::default() };
    let mut fleet = Fleet::start_with(options).await;
    let status = fleet.inspect(0, "/v1/cluster").await.expect("it answers");
    let group_of = |region: usize| {
        let mut groups = status["groups"].as_array().into_iter().flatten();
        let group = groups.find(|group| group["region"] == REGIONS[region]).expect("a group");
        format!("group {} ({})", group["group"], REGIONS[region])
    };
    let (near, far): (Vec<usize>, Vec<usize>) = ((0..FAR.start).collect(), FAR.collect());

    fleet.cluster.links().set(&far, &near, Way::CUT);
    fleet.cluster.links().set(&near, &far, Way::CUT);
    in_a_partition(&fleet, &far, &group_of(0)).await;
    in_a_partition(&fleet, &near, &group_of(2)).await;
    fleet.cluster.links().heal();
    fleet.cluster.ready().await;

    for node in &far {
        fleet.cluster.kill(*node).await;
    }
    in_a_partition(&fleet, &near, &group_of(2)).await;

    // Two of the system group's five voters are left at most.
    for node in HOME.end..FAR.start {
        fleet.cluster.kill(node).await;
    }
    let home: Vec<usize> = HOME.collect();
    in_a_partition(&fleet, &home, "group 0 (system)").await;
    for node in HOME.end..NODES {
        fleet.cluster.restart(node).await;
    }
    fleet.cluster.ready().await;
    fleet.agree().await;
}

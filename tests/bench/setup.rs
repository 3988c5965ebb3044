//! The clusters under load: three processes in one region, nine in three, or the demo with its
//! distances; and their credentials.

use std::time::Duration;

use concordat_tests::{
    connection::{Connection, request},
    demo::{Demo, DemoOptions, Org},
    process_cluster::{ClusterOptions, ProcessCluster, SERVER},
    wait::{LIMIT, within},
    workload::CREDENTIALS,
};
use serde_json::Value;

/// Credentials that are read and written.
const CREDENTIAL_COUNT: u64 = 1000;
/// Connections over which they are made.
const MAKERS: usize = 16;
/// Round trips between the demo's regions: first to second, first to third, second to third.
const ROUND_TRIPS_MS: &str = "80,140,100";
/// The longest of them.
pub(crate) const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(140);

/// Processes at work.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Of the nodes, region by region.
    pub(crate) urls: Vec<String>,
    /// Of their processes; fewer than nodes where one process has several.
    pub(crate) pids: Vec<u32>,
    /// Which node leads the home group.
    pub(crate) leader: usize,
    operator_key: String,
    _processes: Processes,
}

impl Cluster {
    /// Replaces the cluster-wide set of policies, in every region.
    pub(crate) async fn set_policies(&self, text: &str) {
        let headers = [
            ("slashid-api-key", &*self.operator_key),
            ("slashid-required-consistency", "all_regions"),
        ];
        let body = serde_json::json!({"policies": text}).to_string();
        let bytes = request("PUT", "/v1/policies", &headers, Some(&body));
        ask(&self.urls[self.leader], &bytes, 200).await.expect("the policies are set");
    }
}

/// Ended with the cluster.
#[derive(Debug)]
#[expect(dead_code, reason = "held to be dropped")]
enum Processes {
    ProcessCluster(ProcessCluster),
    Demo(Demo),
}

/// The requested cluster.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The organization.
    pub(crate) org: String,
    /// Its key.
    pub(crate) api_key: String,
    /// The number of its credentials: `bench-0` and so on.
    pub(crate) credentials: u64,
}

/// Three nodes in one region, a process each.
pub(crate) async fn three() -> (Cluster, Target) {
    three_of(SERVER).await
}

/// The same of another program.
pub(crate) async fn three_of(program: &str) -> (Cluster, Target) {
    let program = program.to_owned();
    let options = ClusterOptions { regions: vec!["us-iowa"], program, ..as_by_default() };
    let (cluster, org) = processes(options).await;
    let target = populate(org, &cluster.urls[cluster.leader]).await;
    (cluster, target)
}

/// Nine nodes in three regions, a process each, with an idle organization.
pub(crate) async fn cluster() -> Cluster {
    processes(as_by_default()).await.0
}

fn as_by_default() -> ClusterOptions {
    ClusterOptions {
        log_level: "warn",
        // The log as it is by default, not as small as the tests have it.
        more: "cache_mib = 128".to_owned(),
        ..ClusterOptions::default()
    }
}

async fn processes(options: ClusterOptions) -> (Cluster, Org) {
    let cluster = ProcessCluster::start_with(options).await;
    let urls: Vec<String> = (0..cluster.count()).map(|node| cluster.url(node).to_owned()).collect();
    let pids = (0..cluster.count()).filter_map(|node| cluster.id(node)).collect();
    let org = new_org(&urls[0], cluster.operator_key()).await;
    let operator_key = cluster.operator_key().to_owned();
    let leader = leader(&urls, &operator_key).await;
    let processes = Processes::ProcessCluster(cluster);
    (Cluster { urls, pids, leader, operator_key, _processes: processes }, org)
}

/// The demo with three regions of three nodes.
pub(crate) async fn demo() -> (Cluster, Target) {
    let demo = Demo::start(DemoOptions {
        rtt_ms: ROUND_TRIPS_MS,
        nodes_per_region: 3,
        log_level: "warn",
        ..DemoOptions::default()
    })
    .await;
    let urls = demo.all_urls();
    let leader = leader(&urls, &demo.operator_key).await;
    let target = populate(demo.org.clone(), &urls[leader]).await;
    let pids = vec![demo.id()];
    let operator_key = demo.operator_key.clone();
    (Cluster { urls, pids, leader, operator_key, _processes: Processes::Demo(demo) }, target)
}

async fn new_org(url: &str, operator_key: &str) -> Org {
    let headers = [("slashid-api-key", operator_key)];
    let body = r#"{"org_name":"Bench","home_region":"us-iowa"}"#;
    let bytes = request("POST", "/v1/organizations", &headers, Some(body));
    let made = ask(url, &bytes, 201).await.expect("an organization");
    let text = |name: &str| made["result"][name].as_str().expect("a text").to_owned();
    Org { id: text("id"), api_key: text("api_key") }
}

/// Which node leads the group of the first region.
async fn leader(urls: &[String], operator_key: &str) -> usize {
    let bytes = request("GET", "/v1/cluster", &[("slashid-api-key", operator_key)], None);
    within("the home group has a leader", LIMIT, async || {
        let status = ask(&urls[0], &bytes, 200).await?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let groups = list(&status["result"]["groups"]);
        let home = groups.iter().find(|group| group["region"] == "us-iowa");
        let leader = home.map(|group| group["leader"].clone()).unwrap_or_default();
        let regions = list(&status["result"]["regions"]);
        let nodes: Vec<Value> = regions.iter().flat_map(|region| list(&region["nodes"])).collect();
        let node = nodes.iter().find(|node| node["node_id"] == leader);
        let url = node.and_then(|node| node["url"].as_str()).unwrap_or_default();
        let at = urls.iter().position(|other| same(other, url));
        at.ok_or_else(|| format!("no leader in {status}"))
    })
    .await
}

fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

async fn ask(url: &str, bytes: &[u8], status: u16) -> Result<Value, String> {
    let mut connection = Connection::open(url).await.map_err(|error| error.to_string())?;
    let answer = connection.exchange(bytes).await.map_err(|error| error.to_string())?;
    if answer.status != status {
        return Err(format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body)));
    }
    serde_json::from_slice(answer.body).map_err(|error| error.to_string())
}

/// Makes the credentials.
async fn populate(org: Org, url: &str) -> Target {
    let target = Target { org: org.id, api_key: org.api_key, credentials: CREDENTIAL_COUNT };
    let mut makers = tokio::task::JoinSet::new();
    for maker in (0..CREDENTIAL_COUNT).take(MAKERS) {
        let (target, url) = (target.clone(), url.to_owned());
        makers.spawn(async move {
            let mut connection = Connection::open(&url).await.expect("a node");
            for number in (maker..CREDENTIAL_COUNT).step_by(MAKERS) {
                let body = format!(
                    r#"{{"client_id":"bench-{number}","client_secret":"a secret of some length","provider":"google","label":"0"}}"#
                );
                let headers =
                    [("slashid-orgid", &*target.org), ("slashid-api-key", &*target.api_key)];
                let bytes = request("POST", CREDENTIALS, &headers, Some(&body));
                let status = connection.exchange(&bytes).await.expect("an answer").status;
                assert_eq!(status, 201, "credential {number}");
            }
        });
    }
    while let Some(ended) = makers.join_next().await {
        ended.expect("a maker panicked");
    }
    target
}

//! Nine processes with an organization in the first region, and the common requests of the tests of
//! this folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use concordat_tests::{
    connection::{Connection, request},
    demo::{Org, REGIONS},
    process_cluster::{ClusterOptions, ProcessCluster},
    recorded::Place,
    wait::within,
    workload::{CREDENTIALS, Plan},
};
use serde_json::Value;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

/// The limit for anything that must happen by itself in a running cluster.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// After this time a log that moves without clients is reported.
const MOVING: Duration = Duration::from_secs(60);
/// Of each node's log lines, where the reason of a finding may be.
const LINES_SHOWN: usize = 40;
/// For one answer to a question of ours.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The places of the nodes: three in each region, the home region first.
pub(crate) const NODES: usize = 9;
/// The home region's.
pub(crate) const HOME: std::ops::Range<usize> = 0..3;
/// Those of the region that is furthest away.
pub(crate) const FAR: std::ops::Range<usize> = 6..9;

/// Two cores: nine processes take both, a cluster within the test's process takes one.
static CORES: Semaphore = Semaphore::const_new(2);

/// Waits for the test's turn: no other one runs meanwhile. For nine processes, and where times are
/// compared.
pub(crate) async fn turn() -> SemaphorePermit<'static> {
    CORES.acquire_many(2).await.expect("it is never closed")
}

/// Waits for the test's turn, beside at most one other test that is as modest.
pub(crate) async fn shared_turn() -> SemaphorePermit<'static> {
    CORES.acquire().await.expect("it is never closed")
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// Whether the answer claims to be current.
    pub(crate) is_unmarked: bool,
    pub(crate) body: Value,
}

/// Nine processes with an organization in the first region.
pub(crate) struct Fleet {
    pub(crate) cluster: ProcessCluster,
    pub(crate) org: Org,
}

impl Fleet {
    /// Starts a cluster that keeps so much of its logs, and makes an organization.
    pub(crate) async fn start(retention: Option<(u64, u64)>) -> Self {
        Self::start_with(ClusterOptions { retention, ..ClusterOptions::default() }).await
    }

    /// Starts a cluster as asked, and makes an organization.
    pub(crate) async fn start_with(options: ClusterOptions) -> Self {
        let cluster = ProcessCluster::start_with(options).await;
        let nobody = Org { id: String::new(), api_key: String::new() };
        let mut fleet = Self { cluster, org: nobody };
        let body = r#"{"org_name":"Example","home_region":"us-iowa"}"#;
        let made = within("the organization is made", LIMIT, async || {
            let key = fleet.cluster.operator_key().to_owned();
            let headers = [
                ("slashid-api-key", key.as_str()),
                ("idempotency-key", "the-organization"),
                ("slashid-required-consistency", "all_regions"),
                ("slashid-required-consistency-timeout", "10"),
            ];
            let bytes = request("POST", "/v1/organizations", &headers, Some(body));
            let seen = fleet.ask(0, &bytes).await?;
            if seen.status == 201 { Ok(seen) } else { Err(format!("{seen:?}")) }
        })
        .await;
        fleet.org = Org::of(&made.body["result"]);
        fleet
    }

    /// Clients that prefer the nodes given.
    pub(crate) fn plan(
        &self,
        nodes: impl Iterator<Item = usize>,
        clients: usize,
        seed: u64,
    ) -> Plan {
        Plan {
            urls: nodes.map(|node| self.cluster.url(node).to_owned()).collect(),
            org: self.org.id.clone(),
            api_key: self.org.api_key.clone(),
            clients,
            seed,
        }
    }

    /// All nodes, for clients that record their actions.
    pub(crate) fn places(&self) -> Arc<[Place]> {
        let place = |node: usize| Place {
            url: self.cluster.url(node).to_owned(),
            region: REGIONS[node / 3].to_owned(),
        };
        (0..NODES).map(place).collect()
    }

    /// Sends a request to a node.
    pub(crate) async fn ask(&self, node: usize, bytes: &[u8]) -> Result<Seen, String> {
        self.ask_for(node, bytes, ANSWER_LIMIT).await
    }

    async fn ask_for(&self, node: usize, bytes: &[u8], limit: Duration) -> Result<Seen, String> {
        let url = self.cluster.url(node);
        let exchange = async {
            let mut connection = Connection::open(url).await?;
            let answer = connection.exchange(bytes).await?;
            let body = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
            let is_unmarked = answer.header("concordat-read") == Some("current");
            Ok::<Seen, std::io::Error>(Seen { status: answer.status, is_unmarked, body })
        };
        match timeout(limit, exchange).await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(error)) => Err(format!("node {node}: {error}")),
            Err(_) => Err(format!("node {node}: no answer")),
        }
    }

    /// Requests the organization's move, as an operator; returns the answer.
    pub(crate) async fn change_home(&self, node: usize, body: &str) -> Result<Seen, String> {
        let target = format!("/v1/organizations/{}/move", self.org.id);
        let headers = [("slashid-api-key", self.cluster.operator_key())];
        self.ask(node, &request("POST", &target, &headers, Some(body))).await
    }

    /// The organization as a node shows it to operators.
    pub(crate) async fn organization(&self, node: usize) -> Result<Value, String> {
        self.inspect(node, &format!("/v1/organizations/{}", self.org.id)).await
    }

    /// An operator's question.
    pub(crate) async fn inspect(&self, node: usize, target: &str) -> Result<Value, String> {
        let key = self.cluster.operator_key();
        let bytes = request("GET", target, &[("slashid-api-key", key)], None);
        let seen = self.ask(node, &bytes).await?;
        match seen.status {
            200 => Ok(seen.body["result"].clone()),
            status => Err(format!("node {node}: {target}: {status} {}", seen.body)),
        }
    }

    /// A request on a credential with the organization's key and more headers.
    pub(crate) fn on_credential(
        &self,
        method: &str,
        client_id: &str,
        more: &[(&str, &str)],
        body: Option<&str>,
    ) -> Vec<u8> {
        let mut headers = self.identity().to_vec();
        headers.extend(more);
        let target = match client_id {
            "" => CREDENTIALS.to_owned(),
            client_id => format!("{CREDENTIALS}/{client_id}"),
        };
        request(method, &target, &headers, body)
    }

    /// The status of a write, as a node knows it.
    pub(crate) async fn receipt(
        &self,
        node: usize,
        write_id: &str,
        wait: &str,
    ) -> Result<Seen, String> {
        let target = format!("/v1/writes/{write_id}?wait={wait}");
        self.ask_for(node, &request("GET", &target, &self.identity(), None), LIMIT).await
    }

    fn identity(&self) -> [(&str, &str); 2] {
        [("slashid-orgid", &self.org.id), ("slashid-api-key", &self.org.api_key)]
    }

    /// The group at home in a region, as one node sees it.
    async fn group_of(&self, region: usize, at: usize) -> Result<Value, String> {
        let status = self.inspect(at, "/v1/cluster").await?;
        let groups = status["groups"].as_array().cloned().unwrap_or_default();
        let found = groups.into_iter().find(|group| group["region"] == REGIONS[region]);
        found.ok_or_else(|| format!("node {at} knows no such group: {status}"))
    }

    /// The process that leads the home group, as that one reports.
    pub(crate) async fn home_leader(&self) -> usize {
        self.leader_of(0).await
    }

    /// The process that leads a region's home group, as it reports.
    pub(crate) async fn leader_of(&self, region: usize) -> usize {
        within("the group has a leader", LIMIT, async || {
            let mut reasons = Vec::new();
            let nodes = 3 * region..3 * region + 3;
            for node in nodes.filter(|node| self.cluster.is_running(*node)) {
                match self.group_of(region, node).await {
                    Ok(group) => {
                        let own = self.node_id(node).await?;
                        if group["leader"] == *own {
                            return Ok(node);
                        }
                        reasons.push(format!("node {node} names {}", group["leader"]));
                    }
                    Err(reason) => reasons.push(reason),
                }
            }
            Err(reasons.join("; "))
        })
        .await
    }

    /// The process that leads the system group, as it reports.
    pub(crate) async fn system_leader(&self) -> usize {
        within("the system group has a leader", LIMIT, async || {
            let mut reasons = Vec::new();
            for node in (0..self.cluster.count()).filter(|node| self.cluster.is_running(*node)) {
                let status = self.inspect(node, "/v1/cluster").await?;
                let groups = status["groups"].as_array().into_iter().flatten();
                let system = groups.into_iter().find(|group| group["group"] == 0);
                let leader = system.map(|group| group["leader"].clone()).unwrap_or_default();
                if leader == *self.node_id(node).await? {
                    return Ok(node);
                }
                reasons.push(format!("node {node} names {leader}"));
            }
            Err(reasons.join("; "))
        })
        .await
    }

    /// The id of the node behind a process, once it is in its own list.
    pub(crate) async fn node_id(&self, node: usize) -> Result<String, String> {
        let id =
            self.cluster.node_id(node).ok_or_else(|| format!("node {node} has no identity"))?;
        let status = self.inspect(node, "/v1/cluster").await?;
        let regions = status["regions"].as_array().into_iter().flatten();
        let mut nodes = regions.flat_map(|region| region["nodes"].as_array().into_iter().flatten());
        match nodes.any(|it| it["node_id"] == *id) {
            true => Ok(id),
            false => Err(format!("node {node} is not in its own list: {status}")),
        }
    }

    /// Removes a node that never returns: its disk is gone. Waits until it is a member of no group
    /// any more.
    pub(crate) async fn remove(&self, via: usize, id: &str) {
        let target = format!("/v1/cluster/nodes/{id}");
        within("the lost node is removed", LIMIT, async || {
            let key = self.cluster.operator_key();
            let bytes = request("DELETE", &target, &[("slashid-api-key", key)], None);
            let seen = self.ask(via, &bytes).await?;
            let nodes = self.inspect(via, "/v1/cluster/nodes").await?;
            let is_there = nodes.as_array().into_iter().flatten().any(|it| it["node_id"] == *id);
            match seen.status {
                200..300 if !is_there => Ok(()),
                _ => Err(format!("{seen:?}; {nodes}")),
            }
        })
        .await;
    }

    /// The label that a node reads, as a number.
    async fn label(&self, node: usize, client_id: &str) -> Result<u64, String> {
        let seen = self.ask(node, &self.on_credential("GET", client_id, &[], None)).await?;
        let label = seen.body["result"]["label"].as_str().unwrap_or("0");
        match label.parse() {
            Ok(number) if seen.status == 200 => Ok(number),
            _ => Err(format!("node {node}, {client_id}: {seen:?}")),
        }
    }

    /// A node that ended by itself must have printed a reason and used one of these exit codes;
    /// returns the reason.
    pub(crate) fn judge_end(&self, node: usize, status: ExitStatus, codes: &[i32]) -> String {
        let log = self.cluster.log(node);
        let last = log.lines().rev().take(20).find(|line| line.starts_with("concordatd: "));
        let is_told = status.code().is_some_and(|code| codes.contains(&code)) && last.is_some();
        assert!(is_told, "node {node} ended, {status}, and says: {last:?}\n{log}");
        let last = last.unwrap_or_default().to_owned();
        println!("faults: node {node} ended, {status}: {last}");
        last
    }

    /// Waits until a node of every region reads at least what was acknowledged of each credential,
    /// and exactly that where no client writes any more.
    pub(crate) async fn reads(&self, acknowledged: &[(String, u64)], nodes: &[usize], exact: bool) {
        within("every acknowledged write is there", LIMIT, async || {
            for node in nodes {
                for (client_id, least) in acknowledged {
                    let label = self.label(*node, client_id).await?;
                    assert!(!exact || label <= *least, "{client_id}: {label} after {least}");
                    if label < *least {
                        return Err(format!("node {node}, {client_id}: {label}, not {least}"));
                    }
                }
            }
            Ok(())
        })
        .await;
    }

    /// Waits until all replicas of each group are at one index, with one digest; and checks that no
    /// two ever differ at one index.
    pub(crate) async fn agree(&self) {
        self.agree_unless(LIMIT).await;
    }

    /// The same, where operators' commands may leave a log that moves without clients, so that the moment
    /// may never come: that is reported after a while, and all replicas must have what any had at first.
    pub(crate) async fn agree_or_report(&self) {
        self.agree_unless(MOVING).await;
    }

    async fn agree_unless(&self, moving: Duration) {
        let mut known: BTreeMap<(u64, u64), (String, usize)> = BTreeMap::new();
        let (began, mut first) = (Instant::now(), BTreeMap::new());
        within("all replicas stand at the same index", LIMIT, async || {
            let mut applied: BTreeMap<u64, BTreeMap<usize, u64>> = BTreeMap::new();
            let mut replicas: BTreeMap<u64, usize> = BTreeMap::new();
            for node in 0..NODES {
                let digests = self.inspect(node, "/v1/cluster/digest").await?;
                let digests = digests["groups"].as_array().cloned().unwrap_or_default();
                if digests.len() < 4 {
                    return Err(format!("node {node} has {} groups", digests.len()));
                }
                for of in digests {
                    let place = (of["group"].as_u64(), of["applied"].as_u64());
                    let (Some(group), Some(index)) = place else {
                        panic!("node {node} answered {of}");
                    };
                    let digest = of["digest"].to_string();
                    let first = known.entry((group, index)).or_insert((digest.clone(), node));
                    assert_eq!(
                        *first.0, digest,
                        "group {group} at {index}: node {} and node {node} differ",
                        first.1
                    );
                    applied.entry(group).or_default().insert(node, index);
                    *replicas.entry(group).or_default() += 1;
                }
            }
            if let Some((group, count)) = replicas.iter().find(|(_, count)| **count != NODES) {
                return Err(format!("group {group} has {count} replicas"));
            }
            let differ = |(_, indexes): &(&u64, &BTreeMap<usize, u64>)| {
                indexes.values().collect::<BTreeSet<_>>().len() > 1
            };
            let Some((group, indexes)) = applied.iter().find(differ) else { return Ok(()) };
            let mut shown = format!("group {group} by node: {indexes:?}");
            let furthest = |indexes: &BTreeMap<usize, u64>| indexes.values().max().copied();
            if first.is_empty() {
                first =
                    applied.iter().map(|(group, indexes)| (*group, furthest(indexes))).collect();
            }
            let has_arrived = |(group, indexes): (&u64, &BTreeMap<usize, u64>)| {
                indexes.values().all(|index| Some(*index) >= first.get(group).copied().flatten())
            };
            if began.elapsed() > moving && moving < LIMIT && applied.iter().all(has_arrived) {
                println!("faults: a log moves without clients: it was at {first:?}; {shown}");
                for node in 0..NODES {
                    let log = self.cluster.log(node);
                    let last: Vec<&str> = log.lines().rev().take(LINES_SHOWN).collect();
                    println!("faults: the last lines of node {node}, backwards: {last:#?}");
                }
                return Ok(());
            }
            for node in 0..NODES {
                let status = self.inspect(node, "/v1/cluster").await?;
                let mut groups = status["groups"].as_array().into_iter().flatten();
                let of = groups.find(|of| of["group"] == *group).cloned().unwrap_or_default();
                let voters = &of["voters"];
                shown.push_str(&format!(
                    "; node {node}: leader {}, term {}, voters {voters}",
                    of["leader"], of["term"]
                ));
            }
            Err(shown)
        })
        .await;
    }
}

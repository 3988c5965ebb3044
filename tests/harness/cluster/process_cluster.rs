//! `concordatd start --config FILE`, a process for each node: nine of them in three regions, or any
//! number.
//!
//! The first node bootstraps the cluster and writes the operator key; all share one keyring. A node
//! keeps its addresses over kills and restarts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

pub use super::options::{ClusterOptions, SERVER};
use super::{
    archive,
    node_files::{Addresses, Node, write_nodes},
    ports::free_ports,
};
use crate::{
    demo::{Org, REGIONS},
    disk::SmallDisk,
    http::{Request, Response},
    links::Links,
    process::{self, Process},
    wait::{self, LIMIT},
};

/// The probe that all tests rely on.
const WHOLE: &str = "/readyz?for=writes&verbose";

/// A cluster of processes.
#[derive(Debug)]
pub struct ProcessCluster {
    // Before the directory: a process must end before its files go.
    nodes: Vec<Node>,
    scratch: TempDir,
    operator_key: String,
    links: Option<Links>,
}

impl ProcessCluster {
    /// Starts nine nodes and waits until all are ready.
    ///
    /// # Panics
    /// When they are not in time.
    pub async fn start(retention: Option<(u64, u64)>) -> Self {
        Self::start_with(ClusterOptions { retention, ..ClusterOptions::default() }).await
    }

    /// Starts a cluster and waits until all its nodes are ready.
    ///
    /// # Panics
    /// When they are not in time.
    pub async fn start_with(options: ClusterOptions) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let keyring = scratch.path().join("keyring.toml");
        let arguments = ["keyring", "new", keyring.to_str().expect("a path of text")];
        let made = process::run("concordatd", &arguments, &[], LIMIT).await;
        let reason = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "concordatd keyring new: {reason}");
        let ports = free_ports(2 * options.regions.len() * options.nodes_per_region);
        let addresses: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let (listen, peer_listen) = addresses.split_at(addresses.len() / 2);
        let (links, peers) = match options.has_links {
            true => {
                let (links, peers) = Links::start(peer_listen).await;
                (Some(links), peers)
            }
            false => (None, peer_listen.to_vec()),
        };
        let addresses = Addresses { listen, peer_listen, peers: &peers };
        let nodes = write_nodes(&options, scratch.path(), &addresses);
        if let Some(archive) = &options.archive {
            archive::unpack(archive, scratch.path());
        }
        let mut cluster = Self { nodes, scratch, operator_key: String::new(), links };
        cluster.restart_all().await;
        let key_file = cluster.operator_key_file();
        cluster.operator_key = wait::within("the operator key is written", LIMIT, async || {
            let key = process::text(&key_file).trim().to_owned();
            if key.is_empty() { Err(cluster.complaints()) } else { Ok(key) }
        })
        .await;
        cluster.ready().await;
        cluster
    }

    /// Waits until every running node reports that it is ready for writes: it sees every group led,
    /// and whole.
    ///
    /// # Panics
    /// When one does not in time.
    pub async fn ready(&mut self) {
        wait::within("all nodes are ready", LIMIT * 2, async || {
            for place in 0..self.nodes.len() {
                let node = &mut self.nodes[place];
                let Some(process) = &mut node.process else { continue };
                if let Some(status) = process.ended() {
                    panic!("node {place} has ended, {status}: {}", process::tail(&node.log()));
                }
                let asked = Request::new("GET", WHOLE).try_send(&node.url).await;
                match asked {
                    Ok(response) if response.status == 200 => {}
                    other => return Err(format!("node {place}: {other:?}; {}", self.complaints())),
                }
            }
            Ok(())
        })
        .await;
    }

    /// Where the cluster's files are: those of a node in `node-N`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// Writes the archive of a cluster whose nodes have all ended, with more files of its directory.
    ///
    /// # Panics
    /// When that fails.
    pub fn pack(&self, to: &Path, more: &[&str]) {
        archive::pack(self.directory(), self.count(), to, more);
    }

    /// How many nodes there are, running or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// A node's base URL.
    #[must_use]
    pub fn url(&self, node: usize) -> &str {
        &self.nodes[node].url
    }

    /// Starts another node, in any region, configured like the second one; which it is.
    ///
    /// # Panics
    /// When its files cannot be written.
    pub async fn add(&mut self, region: &str) -> usize {
        let place = self.prepare(region);
        self.restart(place).await;
        place
    }

    /// The same without starting it.
    ///
    /// # Panics
    /// When its files cannot be written.
    pub fn prepare(&mut self, region: &str) -> usize {
        let place = self.nodes.len();
        let directory = self.scratch.path().join(format!("node-{place}"));
        fs::create_dir(&directory).expect("a directory");
        let of_second = self.nodes[1].directory.join("config.toml");
        let text = fs::read_to_string(of_second).expect("its settings");
        let mut config: toml::Table = toml::from_str(&text).expect("what was written");
        let listen = free_ports(2).into_iter().map(|port| format!("127.0.0.1:{port}"));
        let [listen, peer_listen] = listen.collect::<Vec<_>>().try_into().expect("two");
        let url = format!("http://{listen}");
        let program = SERVER.to_owned();
        let environment = Vec::new();
        let node = Node { directory, url, program, process: None, disk: None, environment };
        let data_dir = node.data_dir().to_str().expect("a path of text").to_owned();
        for (name, value) in [
            ("region", region.to_owned()),
            ("data_dir", data_dir),
            ("listen", listen),
            ("peer_listen", peer_listen),
        ] {
            config.insert(name.to_owned(), value.into());
        }
        // Past the links, if there are any.
        config.remove("peer_address");
        let text = config.to_string();
        fs::write(node.directory.join("config.toml"), text).expect("a file");
        self.nodes.push(node);
        place
    }

    /// Whether a node that was started has ended by itself. It counts as killed from then on.
    pub fn has_ended(&mut self, node: usize) -> bool {
        self.ended(node).is_some()
    }

    /// How a node ended that was started, if it has by itself. It counts as killed from then on.
    pub fn ended(&mut self, node: usize) -> Option<ExitStatus> {
        let node = &mut self.nodes[node];
        let ended = node.process.as_mut().and_then(Process::ended);
        if ended.is_some() {
            node.process = None;
        }
        ended
    }

    /// Waits until a node that was started is ready, or has ended by itself; how it ended.
    ///
    /// # Panics
    /// When it does neither within the limit.
    pub async fn settles(&mut self, node: usize, limit: Duration) -> Option<ExitStatus> {
        wait::within("the node is ready, or ends", limit, async || {
            if let Some(status) = self.ended(node) {
                return Ok(Some(status));
            }
            let asked = Request::new("GET", WHOLE).try_send(self.url(node)).await;
            match asked {
                Ok(response) if response.status == 200 => Ok(None),
                other => Err(format!("node {node}: {other:?}")),
            }
        })
        .await
    }

    /// How a node ended by itself that was started. It counts as killed from then on.
    ///
    /// # Panics
    /// When it was not started, or has not ended within the limit.
    pub async fn ends(&mut self, node: usize, limit: Duration) -> ExitStatus {
        let mut process = self.nodes[node].process.take().expect("it was started");
        process.wait(limit).await
    }

    /// Stops a node in order, and waits until it has ended.
    ///
    /// # Panics
    /// When it has not within the limit, or reports an error, or its log has one since it was asked to
    /// stop.
    pub async fn stop(&mut self, node: usize, limit: Duration) {
        let before = self.log(node).len();
        if let Some(process) = &self.nodes[node].process {
            process.terminate();
        }
        let status = self.ends(node, limit).await;
        let log = self.nodes[node].log();
        assert!(status.success(), "node {node}: {status}: {}", process::tail(&log));
        if self.nodes[node].program == SERVER {
            let (log, error) = (self.log(node), |line: &&str| line.contains(" ERROR "));
            let errors: Vec<&str> = log[before..].lines().filter(error).collect();
            assert!(errors.is_empty(), "node {node} at its stop: {errors:#?}");
        }
    }

    /// The links between the nodes.
    ///
    /// # Panics
    /// When the cluster was started without.
    #[must_use]
    pub fn links(&self) -> &Links {
        self.links.as_ref().expect("a cluster with links")
    }

    /// The small disk of a node, if it was asked for and could be made.
    #[must_use]
    pub fn disk(&self, node: usize) -> Option<&SmallDisk> {
        self.nodes[node].disk.as_ref()
    }

    /// Whether a node was started and not killed since.
    #[must_use]
    pub fn is_running(&self, node: usize) -> bool {
        self.nodes[node].process.is_some()
    }

    /// The system's number of a node's process.
    #[must_use]
    pub fn id(&self, node: usize) -> Option<u32> {
        self.nodes[node].process.as_ref().map(Process::id)
    }

    /// All that a node has logged, over all its starts.
    #[must_use]
    pub fn log(&self, node: usize) -> String {
        process::text(&self.nodes[node].log())
    }

    /// A node's data directory.
    #[must_use]
    pub fn data_dir(&self, node: usize) -> PathBuf {
        self.nodes[node].data_dir()
    }

    /// The id of the node whose data directory it is, if there is one.
    #[must_use]
    pub fn node_id(&self, node: usize) -> Option<String> {
        let text = fs::read_to_string(self.data_dir(node).join("identity")).ok()?;
        // A checksum follows the object.
        let first = serde_json::Deserializer::from_str(&text).into_iter::<Value>().next()?;
        Some(first.ok()?["node_id"].as_str()?.to_owned())
    }

    /// Changes a setting in a node's file, or takes it out; it counts from the next start on.
    ///
    /// # Panics
    /// When the file cannot be read or written.
    pub fn configure(&self, node: usize, name: &str, value: Option<toml::Value>) {
        let file = self.nodes[node].directory.join("config.toml");
        let text = fs::read_to_string(&file).expect("its settings");
        let mut config: toml::Table = toml::from_str(&text).expect("what was written");
        match value {
            Some(value) => drop(config.insert(name.to_owned(), value)),
            None => drop(config.remove(name)),
        }
        fs::write(file, config.to_string()).expect("a file");
    }

    /// A setting in a node's file.
    ///
    /// # Panics
    /// When it is not there, or is no text.
    #[must_use]
    pub fn setting(&self, node: usize, name: &str) -> String {
        let file = self.nodes[node].directory.join("config.toml");
        let text = fs::read_to_string(&file).expect("its settings");
        let config: toml::Table = toml::from_str(&text).expect("what was written");
        config[name].as_str().expect("a text").to_owned()
    }

    /// Lets a node be at another address for its peers, from the next start on.
    ///
    /// # Panics
    /// When its file cannot be read or written.
    pub fn set_peer_address(&self, node: usize, address: &str) {
        for name in ["peer_listen", "peer_address"] {
            self.configure(node, name, Some(address.into()));
        }
    }

    /// An address without a listener.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn free_address() -> String {
        free_ports(1).first().map(|port| format!("127.0.0.1:{port}")).expect("one port")
    }

    /// The environment of a node's process, from the next start on.
    pub fn set_environment(&mut self, node: usize, environment: Vec<(&'static str, String)>) {
        self.nodes[node].environment = environment;
    }

    /// The operator key.
    #[must_use]
    pub fn operator_key(&self) -> &str {
        &self.operator_key
    }

    /// The file of the operator key.
    #[must_use]
    pub fn operator_key_file(&self) -> PathBuf {
        self.scratch.path().join("operator.key")
    }

    /// `kill -9`; the node is gone when this returns.
    pub async fn kill(&mut self, node: usize) {
        if let Some(process) = self.nodes[node].process.take() {
            process.kill();
        }
    }

    /// `kill -9` of all nodes.
    pub async fn kill_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.kill(node).await;
        }
    }

    /// Stops a node's process without its knowing: nothing is closed, nothing is answered.
    pub fn pause(&self, node: usize) {
        if let Some(process) = &self.nodes[node].process {
            process.pause();
        }
    }

    /// Resumes a paused node.
    pub fn resume(&self, node: usize) {
        if let Some(process) = &self.nodes[node].process {
            process.resume();
        }
    }

    /// Gives a node another build of the server, from its next start on.
    pub fn set_program(&mut self, node: usize, program: &str) {
        self.nodes[node].program = program.to_owned();
    }

    /// Starts a node that does not run; does not wait until it is ready.
    pub async fn restart(&mut self, node: usize) {
        let scratch = self.scratch.path().to_owned();
        let node = &mut self.nodes[node];
        if node.process.is_none() {
            node.run(&scratch);
        }
    }

    /// Starts all nodes that do not run; does not wait until they are ready.
    pub async fn restart_all(&mut self) {
        for node in 0..self.nodes.len() {
            self.restart(node).await;
        }
    }

    /// Changes a setting of a node, for its next start.
    ///
    /// # Panics
    /// When its file is not there.
    pub fn set(&self, node: usize, name: &str, value: &str) {
        let file = self.nodes[node].directory.join("config.toml");
        let text = fs::read_to_string(&file).expect("its settings");
        let mut config: toml::Table = toml::from_str(&text).expect("what was written");
        config.insert(name.to_owned(), value.into());
        fs::write(&file, config.to_string()).expect("a file");
    }

    /// Removes the data of a node that does not run.
    ///
    /// # Panics
    /// When it runs, or its data cannot be removed.
    pub fn wipe(&mut self, node: usize) {
        let node = &self.nodes[node];
        assert!(node.process.is_none(), "it must be killed first");
        fs::remove_dir_all(node.data_dir()).expect("the data can be removed");
    }

    /// Asks a node as the operator.
    pub async fn ask(&self, node: usize, target: &str) -> Response {
        let request = Request::new("GET", target).header("SlashID-API-Key", &self.operator_key);
        request.send(self.url(node)).await
    }

    /// Makes an organization at home in the first region that every region knows when this returns.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn new_org(&self, name: &str) -> Org {
        self.new_org_at(REGIONS[0], name).await
    }

    /// Makes an organization at home in a region that every region knows when this returns.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn new_org_at(&self, region: &str, name: &str) -> Org {
        let request = Request::new("POST", "/v1/organizations")
            .header("SlashID-API-Key", &self.operator_key)
            .header("SlashID-Required-Consistency", "all_regions")
            .json(&json!({"org_name": name, "home_region": region}));
        let response = request.send(self.url(0)).await;
        assert_eq!(response.status, 201, "{response:?}");
        Org::of(&response.json()["result"])
    }

    /// The cluster as a node sees it.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn cluster(&self, node: usize) -> Value {
        let response = self.ask(node, "/v1/cluster").await;
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["result"].take()
    }

    /// The digests of a node's replicas: group, applied index, digest.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn digests(&self, node: usize) -> Vec<(u64, u64, String)> {
        let response = self.ask(node, "/v1/cluster/digest").await;
        assert_eq!(response.status, 200, "{response:?}");
        let result = response.json()["result"].take();
        let groups = result.get("groups").unwrap_or(&result);
        let lines = groups.as_array().expect("a list").iter();
        let number = |value: &Value| value.as_u64().expect("a number");
        lines
            .map(|line| {
                (number(&line["group"]), number(&line["applied"]), line["digest"].to_string())
            })
            .collect()
    }

    /// The last lines of the logs of nodes that have ended by themselves; else of the first node.
    fn complaints(&mut self) -> String {
        let mut text = String::new();
        for (place, node) in self.nodes.iter_mut().enumerate() {
            if let Some(status) = node.process.as_mut().and_then(Process::ended) {
                text.push_str(&format!("node {place}, {status}: {}\n", process::tail(&node.log())));
            }
        }
        if text.is_empty() { process::tail(&self.nodes[0].log()) } else { text }
    }
}

/// For a cluster that was killed whole to be ready again.
pub const FORM_LIMIT: Duration = Duration::from_secs(60);

//! `concordatd demo`: a whole cluster in one process, delays between its regions.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cluster::process::{self, Process, Start},
    http::Request,
    wait::{self, LIMIT},
};

/// The regions of the demo, the home of its organization first.
pub const REGIONS: [&str; 3] = ["us-iowa", "europe-belgium", "asia-japan"];

/// How a demo is started.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Round trips pair by pair, as `--rtt-ms` takes them.
    pub rtt_ms: &'static str,
    /// The regions' names.
    pub regions: Vec<&'static str>,
    /// Nodes in each.
    pub nodes_per_region: usize,
    /// Where the data is; a temporary directory of the harness unless given.
    pub data_dir: Option<PathBuf>,
    /// Whether it is to be quiet after its first line.
    pub no_tour: bool,
    /// What is logged.
    pub log_level: &'static str,
    /// Further arguments.
    pub more: Vec<String>,
}

impl Default for DemoOptions {
    /// Three regions of one node, close to each other: quick to start.
    fn default() -> Self {
        Self {
            rtt_ms: "8,14,10",
            regions: REGIONS.to_vec(),
            nodes_per_region: 1,
            data_dir: None,
            no_tour: true,
            log_level: "info",
            more: Vec::new(),
        }
    }
}

/// An organization and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Its id.
    pub id: String,
    /// Its key.
    pub api_key: String,
}

impl Org {
    /// From an object with both.
    ///
    /// # Panics
    /// When one is missing.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        Self { id: text(&object["id"]), api_key: text(&object["api_key"]) }
    }
}

/// A node of the demo.
#[derive(Debug, Clone)]
pub struct DemoNode {
    /// Its id.
    pub id: String,
    /// Its base URL.
    pub url: String,
}

/// A demo that is ready.
#[derive(Debug)]
pub struct Demo {
    /// The first line that it printed.
    pub ready: Value,
    /// The operator key.
    pub operator_key: String,
    /// The organization that it made.
    pub org: Org,
    /// Its regions and their nodes, as it printed them.
    pub regions: Vec<(String, Vec<DemoNode>)>,
    process: Process,
    scratch: TempDir,
    data_dir: PathBuf,
}

impl Demo {
    /// Starts a demo and waits until it is ready.
    ///
    /// # Panics
    /// When it ends, or is not ready in time.
    pub async fn start(options: DemoOptions) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let data_dir = options.data_dir.clone().unwrap_or_else(|| scratch.path().join("data"));
        let (stdout, stderr) = (scratch.path().join("stdout"), scratch.path().join("log"));
        let mut process = Process::start(&Start {
            name: "concordatd",
            arguments: arguments(&options, &data_dir).into_iter().map(Into::into).collect(),
            environment: vec![("CONCORDAT_LOG_LEVEL", options.log_level.to_owned())],
            stdout: stdout.clone(),
            stderr: stderr.clone(),
            scratch: Some(scratch.path().to_owned()),
        });
        let ready = wait::within("the demo is ready", LIMIT * 2, async || {
            let lines = process::text(&stdout);
            match lines.split_once('\n') {
                Some((first, _)) => Ok(first.to_owned()),
                None if process.ended().is_some() => {
                    panic!("the demo has ended: {lines}\n{}", process::tail(&stderr))
                }
                None => Err(process::tail(&stderr)),
            }
        })
        .await;
        let ready: Value = serde_json::from_str(&ready)
            .unwrap_or_else(|error| panic!("the first line is no JSON: {error}: {ready}"));
        assert_eq!(ready["event"], "ready", "{ready}");
        Self {
            operator_key: text(&ready["operator_key"]),
            org: Org::of(&ready["org"]),
            regions: list(&ready["regions"]).iter().map(region).collect(),
            ready,
            process,
            scratch,
            data_dir,
        }
    }

    /// The base URL of a node.
    #[must_use]
    pub fn url(&self, region: usize, node: usize) -> &str {
        &self.regions[region].1[node].url
    }

    /// The base URL of each region's first node.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        (0..self.regions.len()).map(|region| self.url(region, 0).to_owned()).collect()
    }

    /// The base URLs of all nodes.
    #[must_use]
    pub fn all_urls(&self) -> Vec<String> {
        let nodes = self.regions.iter().flat_map(|(_, nodes)| nodes);
        nodes.map(|node| node.url.clone()).collect()
    }

    /// The system's number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A request by the operator.
    #[must_use]
    pub fn by_operator(&self, method: &str, target: &str) -> Request {
        Request::new(method, target).header("SlashID-API-Key", &self.operator_key)
    }

    /// Makes an organization that every region knows when this returns.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn new_org(&self, name: &str) -> Org {
        let request = self
            .by_operator("POST", "/v1/organizations")
            .header("SlashID-Required-Consistency", "all_regions")
            .json(&json!({"org_name": name, "home_region": self.regions[0].0}));
        let response = request.send(self.url(0, 0)).await;
        assert_eq!(response.status, 201, "{response:?}");
        Org::of(&response.json()["result"])
    }

    /// Cuts a region off from all others.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn cut_region(&self, region: &str) {
        self.switch("/v1/demo/cut", &json!({"region": region})).await;
    }

    /// Connects a region again.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn heal_region(&self, region: &str) {
        self.switch("/v1/demo/heal", &json!({"region": region})).await;
    }

    /// Cuts a node off from all others.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn cut_node(&self, node: &str) {
        self.switch("/v1/demo/cut", &json!({"node": node})).await;
    }

    /// Connects a node again.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn heal_node(&self, node: &str) {
        self.switch("/v1/demo/heal", &json!({"node": node})).await;
    }

    async fn switch(&self, target: &str, what: &Value) {
        let request = self.by_operator("POST", target).json(what);
        let response = request.send(self.url(0, 0)).await;
        assert_eq!(response.status, 200, "{response:?}");
    }

    /// Everything that it printed to standard output.
    #[must_use]
    pub fn output(&self) -> String {
        process::text(&self.output_path())
    }

    /// The file of its standard output.
    #[must_use]
    pub fn output_path(&self) -> PathBuf {
        self.scratch.path().join("stdout")
    }

    /// The file of its log.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.scratch.path().join("log")
    }

    /// Where its data is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// `kill -9`.
    pub fn kill(self) {
        self.process.kill();
    }
}

fn arguments(options: &DemoOptions, data_dir: &Path) -> Vec<String> {
    let nodes = options.nodes_per_region.to_string();
    let regions = options.regions.join(",");
    let data_dir = data_dir.to_string_lossy();
    let pairs = [
        ("--output", "json"),
        ("--listen", "127.0.0.1:0"),
        ("--rtt-ms", options.rtt_ms),
        ("--regions", &regions),
        ("--nodes-per-region", &nodes),
        ("--data-dir", &data_dir),
    ];
    let pairs = pairs.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]);
    let mut arguments: Vec<String> = std::iter::once("demo".to_owned()).chain(pairs).collect();
    if options.no_tour {
        arguments.push("--no-tour".to_owned());
    }
    arguments.extend(options.more.iter().cloned());
    arguments
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("a list, not {value}"))
}

fn region(value: &Value) -> (String, Vec<DemoNode>) {
    let node = |node: &Value| DemoNode { id: text(&node["node_id"]), url: text(&node["url"]) };
    (text(&value["region"]), list(&value["nodes"]).iter().map(node).collect())
}

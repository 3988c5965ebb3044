//! Promise 8: no plaintext secret in any file, log line at trace level, metric or answer; in the
//! demo, and in processes that communicate over sockets.

use std::os::unix::fs::PermissionsExt;

use concordat_tests::{
    canary::{Canary, Search, files},
    demo::{Demo, DemoOptions},
    http::Request,
    process,
    process_cluster::{ClusterOptions, ProcessCluster},
};
use p256::{
    SecretKey,
    elliptic_curve::rand_core::{OsRng, RngCore},
    pkcs8::DecodePrivateKey,
};
use serde_json::json;

use crate::{
    credentials::apple,
    world::{Caller, OIDC, assert_written, caller_at, one, percent_encode},
};

/// The demo's file that stores the operator's key and that of its own organization.
const DEMO_FILE: &str = "demo.json";
const KEYRING: &str = "keyring.toml";

fn unique() -> String {
    let mut bytes = [0; 24];
    OsRng.fill_bytes(&mut bytes);
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_";
    let letter = |byte: &u8| char::from(letters[usize::from(*byte) % letters.len()]);
    bytes.iter().map(letter).collect()
}

/// The planted secrets, and the answers.
struct Planted {
    caller: Caller,
    canaries: Vec<Canary>,
    answers: Vec<u8>,
}

impl Planted {
    fn new(caller: Caller) -> Self {
        let canaries = vec![Canary::new("the organization's key", caller.org.api_key.as_bytes())];
        Self { caller, canaries, answers: Vec::new() }
    }

    fn secret(&mut self, name: &str) -> String {
        let secret = unique();
        self.canaries.push(Canary::new(name, secret.as_bytes()));
        secret
    }

    async fn send(&mut self, region: usize, status: u16, request: Request) {
        let answer = request.send(&self.caller.urls[region]).await;
        self.answers.extend(format!("{answer:?}").into_bytes());
        assert_eq!(answer.status, status, "{answer:?}");
    }

    /// Through one region: written, read, repeated, refused.
    async fn plant(&mut self, region: usize) {
        let everywhere = |request: Request| {
            let request = request.header("SlashID-Required-Consistency", "all_regions");
            request.header("Idempotency-Key", &unique())
        };
        let (first, second) = (self.secret("a first secret"), self.secret("a second secret"));
        let id = format!("plain/{region}");
        let body = json!({"client_id": id, "client_secret": first, "provider": "github"});
        let created = everywhere(self.caller.post(&body));
        self.send(region, 201, created.clone()).await;
        self.send(region, 201, created).await;
        let change = json!({"client_secret": second});
        let changed = everywhere(self.caller.patch(&percent_encode(&id), &change));
        self.send(region, 200, changed).await;

        let blob = self.secret("an external credential");
        let body = json!({
            "extcred_provider": "generic", "extcred_type": "api_key", "json_blob": {"key": blob},
        });
        let path = "/organizations/config/external-credentials";
        let created = everywhere(self.caller.request("POST", path)).json(&body);
        self.send(region, 201, created).await;
        self.send(region, 200, self.caller.request("GET", path)).await;

        self.plant_api_key(region, everywhere).await;

        let refused = self.secret("a refused secret");
        let body = json!({"client_id": id, "client_secret": refused, "provider": "github"});
        self.send(region, 409, self.caller.post(&body)).await;
        let wrong = self.caller.post(&body).header("SlashID-Required-Consistency", "x");
        self.send(region, 400, wrong).await;
        let cut = body.to_string().replace('}', ", ");
        self.send(region, 400, self.caller.request("POST", OIDC).json_text(cut)).await;
        let typed = json!({"client_secret": {"deep": refused}});
        self.send(region, 400, self.caller.patch("x", &typed)).await;
        self.send(region, 404, self.caller.patch("x", &json!({"client_secret": refused}))).await;
        let stranger = self.secret("a wrong key");
        let wrong = self.caller.request("GET", OIDC).with("SlashID-API-Key", &stranger);
        self.send(region, 401, wrong).await;
        let wrong = Request::new("GET", "/v1/cluster").header("SlashID-API-Key", &stranger);
        self.send(region, 401, wrong).await;
        self.plant_key(region).await;
    }

    /// A key whose text the node draws: only the answers to the request that makes it, and to its repeat,
    /// show it.
    async fn plant_api_key(&mut self, region: usize, everywhere: impl Fn(Request) -> Request) {
        let path = "/organizations/api-keys";
        let issue =
            everywhere(self.caller.request("POST", path)).json(&json!({"rights": ["read"]}));
        for _ in 0..2 {
            let made = issue.clone().send(&self.caller.urls[region]).await;
            assert_eq!(made.status, 201, "{made:?}");
            let text = made.json()["result"]["api_key"].as_str().expect("a key").to_owned();
            self.canaries.push(Canary::new("a further key", text.as_bytes()));
        }
        self.send(region, 200, self.caller.request("GET", path)).await;
    }

    async fn plant_key(&mut self, region: usize) {
        let key = apple::private_key();
        let line = key.lines().nth(1).expect("a line of the key");
        self.canaries.push(Canary::new("a private key's text", line.as_bytes()));
        let scalar = SecretKey::from_pkcs8_pem(&key).expect("a key").to_bytes();
        self.canaries.push(Canary::new("a private key's number", &scalar));
        let body = json!({
            "client_id": format!("apple-{region}"), "client_secret": self.secret("Apple's"),
            "provider": "apple", "options": {"apple": apple::options(&key)},
        });
        let post = self.caller.post(&body).header("SlashID-Required-Consistency", "all_regions");
        self.send(region, 201, post).await;
        for target in [OIDC.to_owned(), one(&format!("apple-{region}")), "/metrics".to_owned()] {
            self.send(region, 200, self.caller.request("GET", &target)).await;
        }
    }

    /// Plants through every region, and makes sure that all of it has arrived everywhere.
    async fn plant_everywhere(&mut self) {
        for region in 0..self.caller.urls.len() {
            self.plant(region).await;
        }
        let last = self.caller.patch("apple-0", &json!({"label": "last"}));
        let last = last.header("SlashID-Required-Consistency", "all_regions");
        assert_written(&self.caller.send(&last).await, 200);
    }

    /// Nothing of it was answered; what to look for elsewhere.
    fn search(self) -> Search {
        let search = Search::new(self.canaries);
        let answered = search.in_bytes(&self.answers);
        assert!(answered.is_empty(), "answered: {answered:?}");
        search
    }
}

fn assert_log(search: &Search, log: &[u8]) {
    // Nothing of ours logs below DEBUG, and the Raft library logs much at it.
    assert!(String::from_utf8_lossy(log).contains(" DEBUG "), "the log is not at its level");
    println!("looked through {} bytes of log", log.len());
    assert!(search.in_bytes(log).is_empty(), "in the log: {:?}", search.in_bytes(log));
}

#[tokio::test]
async fn no_secret_is_in_the_clear_in_the_demo() {
    let demo = Demo::start(DemoOptions { log_level: "trace", ..DemoOptions::default() }).await;
    let mut planted = Planted::new(caller_at(&demo, "canaries").await);
    planted.plant_everywhere().await;
    for target in ["/v1/cluster", "/v1/organizations"] {
        planted.send(0, 200, demo.by_operator("GET", target)).await;
    }
    let search = planted.search();
    let (findings, count, bytes) = search.in_directory(demo.data_dir(), &[]);
    println!("looked through {count} files of {bytes} bytes");
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(count >= 9 && bytes > 100_000, "three nodes have logs and states: {count}, {bytes}");
    assert_log(&search, &process::bytes(&demo.log_path()));
    // Its own keys it must keep, in a file of its owner's alone, and nowhere else.
    let own = [("the operator's key", &demo.operator_key), ("the demo's key", &demo.org.api_key)];
    let own = own.map(|(name, key)| Canary::new(name, key.as_bytes()));
    let search = Search::new(own.into());
    let (findings, ..) = search.in_directory(demo.data_dir(), &[DEMO_FILE]);
    assert!(findings.is_empty(), "{findings:#?}");
    assert_log(&search, &process::bytes(&demo.log_path()));
    for path in files(demo.data_dir()) {
        if path.ends_with(DEMO_FILE) || path.ends_with(KEYRING) {
            let mode = path.metadata().expect("metadata").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is not its owner's alone", path.display());
        }
    }
}

#[tokio::test]
async fn no_secret_is_in_the_clear_in_processes() {
    let options =
        ClusterOptions { nodes_per_region: 1, log_level: "trace", ..ClusterOptions::default() };
    let cluster = ProcessCluster::start_with(options).await;
    let urls = (0..cluster.count()).map(|node| cluster.url(node).to_owned()).collect();
    let mut planted = Planted::new(Caller { urls, org: cluster.new_org("canaries").await });
    planted.canaries.push(Canary::new("the operator's key", cluster.operator_key().as_bytes()));
    planted.plant_everywhere().await;
    let search = planted.search();
    for node in 0..cluster.count() {
        let (findings, count, bytes) = search.in_directory(&cluster.data_dir(node), &[]);
        println!("node {node}: looked through {count} files of {bytes} bytes");
        assert!(findings.is_empty(), "node {node}: {findings:#?}");
        assert!(count >= 3 && bytes > 100_000, "node {node} has a log and a state");
        assert_log(&search, cluster.log(node).as_bytes());
    }
    let mode = cluster.operator_key_file().metadata().expect("metadata").permissions().mode();
    assert_eq!(mode & 0o077, 0, "the operator key is not its owner's alone");
}

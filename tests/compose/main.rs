//! `docker-compose.yml` as users run it: nine containers, a region that is cut off, nodes that are
//! killed and nodes that are replaced one after another, under the load of the SDK.
//!
//! One test, because the containers are expensive; it runs where `make compose-test` finds an
//! engine and the packed parts of the image. It checks what a client sees, and never durations.
#![cfg(test)]

mod engine;
mod load;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use concordat_tests::{
    demo::{Org, REGIONS},
    http::{Request, Response},
    wait::within,
};
use serde_json::{Value, json};

use self::{
    engine::{Engine, LIMIT, nodes},
    load::{Book, Load},
};

const CREDENTIALS: &str = "/organizations/sso/oidc/provider-credentials";
/// A node's limit in docker-compose.yml.
const MEMORY_MAX: u64 = 512 << 20;
const CLIENTS: usize = 24;
/// Writes before anything is done to the nodes.
const WRITES_FIRST: u64 = 5_000;
/// Writes between one blow and the next.
const WRITES_BETWEEN: u64 = 200;

fn is_wanted() -> bool {
    std::env::vars_os().any(|(key, _)| key == "CONCORDAT_COMPOSE_TEST")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_as_users_run_it() {
    if !is_wanted() {
        println!("skipped: `make compose-test` packs the image and runs this");
        return;
    }
    let (engine, _leash) = Engine::new();
    engine.up().await;
    engine.all_ready().await;
    nodes().iter().for_each(|node| is_confined(&engine, node));
    let home = new_org(&engine, REGIONS[0]);
    let far = new_org(&engine, REGIONS[2]);
    a_region_is_cut_off(&engine, &home, &far).await;

    let memory = Memory::watch(&engine);
    let mut load = Load::start(&engine, &home, CLIENTS);
    load.more(WRITES_FIRST).await;
    // A container that is started again, or replaced, remembers nothing of it.
    nobody_ran_out_of_memory(&engine);
    nodes_are_killed(&engine, &mut load).await;
    the_leader_ends_in_order(&engine, &mut load).await;
    nobody_ran_out_of_memory(&engine);
    every_node_is_replaced(&engine, &mut load).await;
    let books = load.stop().await.unwrap_or_else(|why| panic!("a call failed: {why}"));
    let writes: u64 = books.iter().map(|book| book.last).sum();
    let slowest = books.iter().map(|book| book.slowest).max().unwrap_or_default();
    println!("{writes} writes and as many reads, none failed; the slowest pair took {slowest:?}");
    nothing_is_lost(&engine, &home, &books).await;
    converged(&engine).await;
    memory.holds(&engine);
}

/// Not root, nothing writable but its volumes, no capability, a limit of memory.
fn is_confined(engine: &Engine, node: &str) {
    let seen = engine.inspect(node);
    let host = &seen["HostConfig"];
    assert_eq!(seen["Config"]["User"], "65532:65532", "{node}");
    assert_eq!(host["ReadonlyRootfs"], true, "{node}");
    assert_eq!(host["CapDrop"], json!(["ALL"]), "{node}");
    assert_eq!(host["Privileged"], false, "{node}");
    let options = host["SecurityOpt"].as_array().expect("a list");
    let confined = |it: &Value| it.as_str().is_some_and(|it| it.starts_with("no-new-privileges"));
    assert!(options.iter().any(confined), "{node}: {host}");
    assert_eq!(host["Memory"], MEMORY_MAX, "{node}");
}

/// Made as docs/operations.md does it: with the image's own command line and the operator's key beside it.
fn new_org(engine: &Engine, region: &str) -> Org {
    let container = engine.container(&nodes()[0]);
    let create = ["concordat", "org", "create", "Example", "--home-region", region, "-o", "json"];
    let create = [&["exec", &container], &create[..], &["--consistency", "all_regions"]].concat();
    let made: Value = serde_json::from_str(&engine.docker(&create)).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    Org { id: text(&made["organization"]["id"]), api_key: text(&made["api_key"]) }
}

fn request(org: &Org, method: &str, target: &str) -> Request {
    Request::new(method, target)
        .header("SlashID-OrgID", &org.id)
        .header("SlashID-API-Key", &org.api_key)
}

async fn create(engine: &Engine, place: usize, org: &Org, level: &str) -> Response {
    let body = json!({"client_id": "web", "client_secret": "s3cret", "provider": "google"});
    let create = request(org, "POST", CREDENTIALS).header("SlashID-Required-Consistency", level);
    create.json(&body).send(&engine.url(place)).await
}

async fn patch(engine: &Engine, place: usize, org: &Org, label: &str, level: &str) -> Response {
    request(org, "PATCH", &format!("{CREDENTIALS}/web"))
        .header("SlashID-Required-Consistency", level)
        .header("SlashID-Required-Consistency-Timeout", "5")
        .json(&json!({ "label": label }))
        .send(&engine.url(place))
        .await
}

fn receipt(answer: &Response) -> Value {
    answer.json()["meta"]["consistency"].take()
}

/// The regions that have the write, by its receipt.
fn applied(receipt: &Value) -> BTreeSet<String> {
    let regions = receipt["regions"].as_array().expect("a line for each region").iter();
    let applied = regions.filter(|region| region["state"] == "applied");
    applied.map(|region| region["region"].as_str().expect("a name").to_owned()).collect()
}

fn names(regions: &[&str]) -> BTreeSet<String> {
    regions.iter().map(|&region| region.to_owned()).collect()
}

/// Both levels; then with a region cut off the truth about it, local writes on both sides of the
/// cut, and everything everywhere once it is healed.
async fn a_region_is_cut_off(engine: &Engine, home: &Org, far: &Org) {
    const HERE: usize = 0;
    const THERE: usize = 6;
    let made = create(engine, HERE, home, "all_regions").await;
    assert_eq!((made.status, applied(&receipt(&made))), (201, names(&REGIONS)), "{made:?}");
    let made = create(engine, THERE, far, "local_region").await;
    assert!(made.status == 201 && applied(&receipt(&made)).contains(REGIONS[2]), "{made:?}");

    engine.join("disconnect", REGIONS[2]);
    let late = patch(engine, HERE, home, "cut", "all_regions").await;
    let told = receipt(&late);
    assert_eq!((late.status, &told["outcome"]), (408, &json!("committed")), "{late:?}");
    assert_eq!(applied(&told), names(&REGIONS[..2]), "{late:?}");
    for (place, org) in [(HERE, home), (HERE + 3, home), (THERE, far)] {
        // Through a node whose group has just lost contact with half the cluster.
        within("a local write", LIMIT, async || {
            let written = patch(engine, place, org, "local", "local_region").await;
            if written.status == 200 { Ok(()) } else { Err(format!("{place}: {written:?}")) }
        })
        .await;
    }
    let read = request(home, "GET", &format!("{CREDENTIALS}/web")).send(&engine.url(THERE)).await;
    let mark = read.header("concordat-read").unwrap_or_default();
    assert!(read.status == 200 && mark.starts_with("stale; as-of="), "{read:?}");

    engine.join("connect", REGIONS[2]);
    let id = told["write_id"].as_str().expect("a write id");
    let rest = request(home, "GET", &format!("/v1/writes/{id}?wait=50"));
    let rest = rest.send(&engine.url(HERE)).await;
    assert_eq!(applied(&rest.json()["result"]), names(&REGIONS), "{rest:?}");
    let written = patch(engine, THERE, far, "healed", "all_regions").await;
    assert_eq!(written.status, 200, "{written:?}");
    converged(engine).await;
    println!("a region was cut off, told of, and healed");
}

/// `kill -9` of the home region's leader; then of two nodes of one region, which come back at each
/// other's address.
async fn nodes_are_killed(engine: &Engine, load: &mut Load) {
    let leader = home_leader(engine).await;
    engine.docker(&["kill", &engine.container(&nodes()[leader])]);
    load.more(WRITES_BETWEEN).await;
    engine.docker(&["start", &engine.container(&nodes()[leader])]);
    engine.all_ready().await;
    // An engine gives out the lowest address that is free: the one that had the higher one is first.
    let mut pair = [3, 4].map(|place| (engine.address(&nodes()[place]), nodes()[place].clone()));
    pair.sort();
    for (_, node) in &pair {
        engine.docker(&["kill", &engine.container(node)]);
    }
    load.more(WRITES_BETWEEN).await;
    for (_, node) in pair.iter().rev() {
        engine.docker(&["start", &engine.container(node)]);
    }
    engine.all_ready().await;
    load.more(WRITES_BETWEEN).await;
    for (before, node) in &pair {
        println!("{node} was killed at {before} and came back at {}", engine.address(node));
    }
}

/// A node that is asked to end does so by itself, and its leads have gone to another one before.
async fn the_leader_ends_in_order(engine: &Engine, load: &mut Load) {
    let leader = home_leader(engine).await;
    let node = &nodes()[leader];
    engine.docker(&["stop", "--time", "60", &engine.container(node)]);
    assert_eq!(engine.inspect(node)["State"]["ExitCode"], 0, "{node} did not end by itself");
    let said = engine.log(node);
    assert!(said.contains("leadership transferred"), "{node}: {said}");
    load.more(WRITES_BETWEEN).await;
    engine.docker(&["start", &engine.container(node)]);
    engine.all_ready().await;
}

/// One container after another is replaced by a new one on the same volume, each when the cluster is
/// ready again.
async fn every_node_is_replaced(engine: &Engine, load: &mut Load) {
    for node in nodes() {
        let before = engine.inspect(&node)["Id"].take();
        let (engine_too, service) = (engine.clone(), node.clone());
        let recreate = tokio::task::spawn_blocking(move || {
            engine_too.compose(&["up", "--detach", "--no-deps", "--force-recreate", &service]);
        });
        recreate.await.expect("it is replaced");
        assert_ne!(engine.inspect(&node)["Id"], before, "{node} is the same container");
        engine.all_ready().await;
        load.more(WRITES_BETWEEN).await;
    }
    println!("nine nodes were replaced");
}

async fn ask(engine: &Engine, place: usize, target: &str) -> Result<Value, String> {
    let key = engine.operator_key();
    let asked = Request::new("GET", target).header("SlashID-API-Key", &key);
    match asked.try_send(&engine.url(place)).await {
        Ok(answer) if answer.status == 200 => Ok(answer.json()["result"].take()),
        other => Err(format!("{}: {other:?}", nodes()[place])),
    }
}

/// The place of the first region's leader, as a node there reports it.
async fn home_leader(engine: &Engine) -> usize {
    within("the home group has a leader", LIMIT, async || {
        let seen = ask(engine, 0, "/v1/cluster").await?;
        let groups = seen["groups"].as_array().cloned().unwrap_or_default();
        let group = groups.iter().find(|group| group["region"] == REGIONS[0]);
        let leader = group.map_or(Value::Null, |group| group["leader"].clone());
        let regions = seen["regions"].as_array().into_iter().flatten();
        let mut all = regions.flat_map(|region| region["nodes"].as_array().into_iter().flatten());
        let url = all.find(|node| node["node_id"] == leader).map(|node| node["url"].clone());
        let place = (0..3).find(|place| url == Some(engine.url(*place).into()));
        place.ok_or_else(|| format!("{leader} at {url:?} leads"))
    })
    .await
}

/// Every acknowledged write is read in every region, and nothing beyond.
async fn nothing_is_lost(engine: &Engine, org: &Org, books: &[Book]) {
    for place in 0..nodes().len() {
        for book in books {
            let (target, last) =
                (format!("{CREDENTIALS}/{}", book.client_id), book.last.to_string());
            within("what was acknowledged is read", LIMIT, async || {
                let asked = request(org, "GET", &target);
                let read = asked.try_send(&engine.url(place)).await.map_err(|e| e.to_string())?;
                let label = read.json()["result"]["label"].take();
                if label == last { Ok(()) } else { Err(format!("{read:?}")) }
            })
            .await;
        }
    }
}

/// Waits until all replicas of each group are equal, at one index.
async fn converged(engine: &Engine) {
    within("all replicas are equal", LIMIT, async || {
        let first = ask(engine, 0, "/v1/cluster/digest").await?;
        for place in 1..nodes().len() {
            let other = ask(engine, place, "/v1/cluster/digest").await?;
            if other["groups"] != first["groups"] || first["groups"].is_null() {
                return Err(format!("{first} here, {other} at {}", nodes()[place]));
            }
        }
        Ok(())
    })
    .await;
}

/// The most that each node was seen to use.
struct Memory {
    peak: Arc<Mutex<BTreeMap<String, u64>>>,
    stop: Arc<AtomicBool>,
    watcher: tokio::task::JoinHandle<()>,
}

impl Memory {
    fn watch(engine: &Engine) -> Self {
        let (peak, stop) =
            (Arc::new(Mutex::new(BTreeMap::new())), Arc::new(AtomicBool::new(false)));
        let (engine, peaks, ends) = (engine.clone(), Arc::clone(&peak), Arc::clone(&stop));
        let watcher = tokio::task::spawn_blocking(move || {
            while !ends.load(Ordering::Relaxed) {
                // While a container is replaced the engine may not know it.
                for (node, used) in engine.memory().unwrap_or_default() {
                    let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
                    let known = peaks.entry(node).or_default();
                    *known = used.max(*known);
                }
            }
        });
        Self { peak, stop, watcher }
    }

    /// No container came near the limit.
    fn holds(self, engine: &Engine) {
        self.stop.store(true, Ordering::Relaxed);
        nobody_ran_out_of_memory(engine);
        let peaks = self.peak.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(peaks.len() >= nodes().len(), "not all were looked at: {peaks:?}");
        let most = peaks.values().max().copied().unwrap_or_default();
        println!("the most memory a node was seen to use: {} MiB of 512", most >> 20);
        assert!(most > 0 && most < MEMORY_MAX / 4 * 3, "{peaks:?}");
    }
}

/// And the engine has restarted no container.
fn nobody_ran_out_of_memory(engine: &Engine) {
    for node in nodes() {
        let seen = engine.inspect(&node);
        assert_eq!(seen["State"]["OOMKilled"], false, "{node}");
        let stands = (&seen["RestartCount"], &seen["State"]["Running"]);
        assert_eq!(stands, (&json!(0), &json!(true)), "{node}");
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.watcher.abort();
    }
}

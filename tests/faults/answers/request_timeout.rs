//! A 408 is never early and hardly late, and its content is true; a write that can still be done in
//! time is answered late rather than 408; and every region's nodes return a write's receipt,
//! whatever leads and whatever was restarted.
//!
//! Times are taken here, by this machine's monotonic clock: from before the request is sent, so
//! that an early answer cannot hide. The lateness of this process's own timers is measured beside
//! them, so that the delays of a busy machine are not held against the server.

use std::{sync::Mutex, time::Duration};

use concordat_tests::{connection::Connection, demo::REGIONS, recorded::applied, wait::within};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::fleet::{self, FAR, Fleet, HOME, LIMIT};

/// Requests that are answered 408 with a region gone; this many at a time.
const LATE: usize = 24;
const AT_A_TIME: usize = 6;
/// From here on a 408 is too late.
const LATENESS_MAX: Duration = Duration::from_millis(250);
/// Writes around a leader's death, and their timeout.
const AROUND: usize = 16;
const AROUND_TIMEOUT_S: u64 = 20;
/// Less than any election takes: what took longer has waited for one.
const NO_ELECTION: Duration = Duration::from_millis(150);

/// A prepared request, and its result.
struct Asked {
    connection: Connection,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Told {
    status: u16,
    receipt: Value,
    took: Duration,
}

impl Asked {
    async fn new(fleet: &Fleet, node: usize, write: &Patch) -> Self {
        let connection = Connection::open(fleet.cluster.url(node)).await.expect("it listens");
        let seconds = write.timeout_s.to_string();
        let headers = [
            ("slashid-required-consistency", write.required),
            ("slashid-required-consistency-timeout", seconds.as_str()),
        ];
        let body = json!({"label": write.label}).to_string();
        let bytes = fleet.on_credential("PATCH", &write.credential, &headers, Some(&body));
        Self { connection, bytes }
    }

    /// Sends it and reads the answer; nothing when the node has died.
    async fn send(mut self) -> Option<Told> {
        let asked = Instant::now();
        let answer = timeout(LIMIT, self.connection.exchange(&self.bytes)).await;
        let answer = answer.expect("an answer within the limit").ok()?;
        let took = asked.elapsed();
        let mut body: Value = serde_json::from_slice(answer.body).expect("JSON");
        let receipt = body["meta"]["consistency"].take();
        Some(Told { status: answer.status, receipt, took })
    }
}

/// A write of this file; each credential is written by one at a time.
#[derive(Debug, Clone)]
struct Patch {
    credential: String,
    label: String,
    required: &'static str,
    timeout_s: u64,
}

impl Patch {
    fn new(number: usize, label: &str, required: &'static str, timeout_s: u64) -> Self {
        let (credential, label) = (format!("credential-{number}"), format!("{label} {number}"));
        Self { credential, label, required, timeout_s }
    }
}

async fn make_credentials(fleet: &Fleet) {
    for number in 0..LATE {
        let body = json!({
            "client_id": format!("credential-{number}"), "client_secret": "a secret",
            "provider": "google", "label": "first",
        });
        let headers = [("slashid-required-consistency", "all_regions")];
        let bytes = fleet.on_credential("POST", "", &headers, Some(&body.to_string()));
        let seen = fleet.ask(0, &bytes).await.expect("an answer");
        assert_eq!(seen.status, 201, "{seen:?}");
    }
}

/// The lateness of this process's timer that is due together with the server's.
async fn own_lateness(after: Duration) -> Duration {
    let due = Instant::now() + after;
    sleep_until(due).await;
    due.elapsed()
}

/// 408, not early, and how late.
async fn times_out(fleet: &Fleet, node: usize, write: &Patch) -> (Told, Duration) {
    let asked = Asked::new(fleet, node, write).await;
    let given = Duration::from_secs(write.timeout_s);
    let (told, own) = tokio::join!(asked.send(), own_lateness(given));
    let told = told.expect("an answer");
    assert_eq!(told.status, 408, "{write:?} through node {node}: {told:?}");
    assert!(told.took >= given, "{:?} too early: {told:?}", given - told.took);
    let lateness = told.took - given;
    assert!(lateness < LATENESS_MAX + 4 * own, "{lateness:?} late (own timer {own:?}): {told:?}");
    assert_eq!(told.receipt["achieved"], false, "{told:?}");
    (told, lateness)
}

/// A region that a receipt calls applied shows the write to a read that begins after it.
async fn is_true(fleet: &Fleet, write: &Patch, receipt: &Value) {
    assert_eq!(receipt["outcome"], "committed", "{receipt}");
    assert_eq!(applied(receipt), [REGIONS[1], REGIONS[0]], "in order of name: {receipt}");
    for node in 0..FAR.start {
        let bytes = fleet.on_credential("GET", &write.credential, &[], None);
        let mut connection = Connection::open(fleet.cluster.url(node)).await.expect("it listens");
        let answer = connection.exchange(&bytes).await.expect("an answer");
        if answer.header("concordat-read") != Some("current") {
            continue;
        }
        let body: Value = serde_json::from_slice(answer.body).expect("JSON");
        assert_eq!(body["result"]["label"], write.label, "node {node}, after {receipt}");
    }
}

/// With a far region that is paused: returns the write ids.
async fn a_region_stands_still(fleet: &Fleet) -> Vec<String> {
    FAR.for_each(|node| fleet.cluster.pause(node));
    let (lateness, ids) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    for round in 0..LATE / AT_A_TIME {
        let one = async |place: usize| {
            let number = round * AT_A_TIME + place;
            let write = Patch::new(number, "late", "all_regions", 1 + number as u64 % 2);
            let (told, late) = times_out(fleet, number % FAR.start, &write).await;
            is_true(fleet, &write, &told.receipt).await;
            lateness.lock().expect("nobody panicked").push(late);
            let id = told.receipt["write_id"].as_str().expect("a write id").to_owned();
            ids.lock().expect("nobody panicked").push(id);
        };
        tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5));
    }
    FAR.for_each(|node| fleet.cluster.resume(node));
    print_lateness("a far region stands still", lateness.into_inner().expect("nobody panicked"));
    ids.into_inner().expect("nobody panicked")
}

fn print_lateness(what: &str, mut lateness: Vec<Duration>) {
    lateness.sort();
    let (median, most) = (lateness[lateness.len() / 2], lateness[lateness.len() - 1]);
    println!(
        "truth_of_408: {what}: {} × 408, late by {median:?} p50, {most:?} at most",
        lateness.len()
    );
}

/// With only one voter left at home: nothing is claimed, not even that it did not happen.
async fn nobody_can_commit(fleet: &Fleet) {
    let leader = fleet.home_leader().await;
    let others = || HOME.filter(|node| *node != leader);
    others().for_each(|node| fleet.cluster.pause(node));
    let one = async |number: usize, node: usize| {
        let write = Patch::new(number, "unknown", "local_region", 1 + number as u64 % 2);
        let asked = Asked::new(fleet, node, &write).await;
        let told = asked.send().await.expect("an answer");
        match told.status {
            408 => {
                assert_eq!(told.receipt["outcome"], "unknown", "{told:?}");
                assert!(applied(&told.receipt).is_empty(), "{told:?}");
                assert!(told.took >= Duration::from_secs(write.timeout_s), "early: {told:?}");
            }
            // No leader was found to propose to, and that for certain.
            status => assert_eq!(status, 503, "{told:?}"),
        }
    };
    tokio::join!(one(0, leader), one(1, leader), one(2, 3), one(3, 4), one(4, 6), one(5, 7));
    others().for_each(|node| fleet.cluster.resume(node));
}

/// Writes that are under way when the leader dies, or come right after, are done late. Returns the
/// write ids and who was killed.
async fn the_leader_dies(fleet: &mut Fleet) -> (Vec<String>, usize) {
    let leader = fleet.home_leader().await;
    let mut asked = Vec::new();
    let nodes: Vec<usize> = (0..9).filter(|node| *node != leader).collect();
    for number in 0..AROUND {
        let write = Patch::new(number, "around", "local_region", AROUND_TIMEOUT_S);
        asked.push(Asked::new(fleet, nodes[number % nodes.len()], &write).await);
    }
    let mut writes = JoinSet::new();
    for (number, asked) in asked.into_iter().enumerate() {
        if number == AROUND / 2 {
            fleet.cluster.kill(leader).await;
        }
        writes.spawn(asked.send());
        sleep(Duration::from_millis(15)).await;
    }
    let (mut ids, mut slowest) = (Vec::new(), Duration::ZERO);
    while let Some(told) = writes.join_next().await {
        let told = told.expect("no panic").expect("this node lives");
        assert_eq!(told.status, 200, "a leader's death within the time: {told:?}");
        slowest = slowest.max(told.took);
        ids.push(told.receipt["write_id"].as_str().expect("a write id").to_owned());
    }
    println!("truth_of_408: a leader died: {AROUND} × 200, the slowest after {slowest:?}");
    assert!(slowest > NO_ELECTION, "none of them has met the leader's death");
    (ids, leader)
}

/// Each of these writes is known at these nodes, and everywhere in the end.
async fn are_told(fleet: &Fleet, ids: &[String], nodes: &[usize]) {
    for (number, id) in ids.iter().enumerate() {
        let node = nodes[number % nodes.len()];
        within("the receipt is complete", LIMIT, async || {
            let seen = fleet.receipt(node, id, "5").await?;
            let receipt = &seen.body["result"];
            assert!(matches!(seen.status, 200 | 404), "node {node}, {id}: {seen:?}");
            if seen.status == 404 {
                return Err(format!("node {node} does not know {id}: {seen:?}"));
            }
            assert_eq!(receipt["outcome"], "committed", "node {node}: {receipt}");
            assert_eq!(receipt["write_id"], **id, "node {node}: {receipt}");
            let all = applied(receipt).len() == REGIONS.len();
            assert_eq!(receipt["achieved"], all, "node {node}: {receipt}");
            if all { Ok(()) } else { Err(format!("node {node}: {receipt}")) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_408_is_never_early_and_what_it_says_is_true() {
    let _turn = fleet::turn().await;
    let mut fleet = Fleet::start(None).await;
    make_credentials(&fleet).await;
    let late = a_region_stands_still(&fleet).await;
    are_told(&fleet, &late, &[1, 4, 7]).await;
    fleet.cluster.ready().await;
    nobody_can_commit(&fleet).await;
    fleet.cluster.ready().await;
    let (around, killed) = the_leader_dies(&mut fleet).await;
    let alive = HOME.rev().find(|node| *node != killed).expect("a survivor");
    are_told(&fleet, &around, &[alive, 3, 6]).await;
    are_told(&fleet, &late, &[alive, 5, 8]).await;
    fleet.cluster.restart(killed).await;
    for node in [4, 7] {
        fleet.cluster.kill(node).await;
        fleet.cluster.restart(node).await;
    }
    fleet.cluster.ready().await;
    are_told(&fleet, &late, &[killed, 4, 7]).await;
    are_told(&fleet, &around, &[killed, 4, 7]).await;
    fleet.agree().await;
}

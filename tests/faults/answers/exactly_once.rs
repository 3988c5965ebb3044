//! Ten thousand writes, each interrupted on purpose one to ten times and retried under its
//! `Idempotency-Key` through any node, while leaders are killed, logs are purged and nodes return
//! by snapshots: they make exactly ten thousand versions.
//!
//! Every kind of write here shows by itself when it happens twice: a second create gets a 409, a
//! second delete a 404, a second conditional patch a 412, and a second unconditional one makes a
//! version that no client was given. In the end, after all nodes were killed and restarted, every
//! key is used once more: it must return the same version and position as before.

use std::{sync::Arc, time::Duration};

use concordat_tests::{
    checker,
    demo::{Org, REGIONS},
    history::{Change, Operation, Outcome, Recorder, Required, Write},
    recorded::{Caller, Patience, Place, Subject},
    rng::{self, Rng},
    workload::CREDENTIALS,
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::fleet::{self, Fleet, LIMIT, NODES};

const WRITES: usize = 10_000;
const CLIENTS: usize = 40;
/// Attempts of one write that are cut off.
const CUTS_MAX: u32 = 10;
/// When a client hangs up, counted from when it had sent its request.
const CUT_MS: [u64; 5] = [0, 1, 3, 8, 25];
/// For one write, over everything that is broken meanwhile.
const WRITE_LIMIT: Duration = Duration::from_secs(60);
/// Between attempts that were not answered.
const RETRY_PAUSE: Duration = Duration::from_millis(30);
/// So low that logs are purged, and a node that was away needs a snapshot.
const RETENTION: (u64, u64) = (200, 50);
/// Keys that are asked with another request in the end.
const REUSED: usize = 60;
/// Away all the time that others are killed in.
const AWAY: usize = 5;

#[derive(Debug)]
struct Shared {
    recorder: Arc<Recorder>,
    places: Arc<[Place]>,
    orgs: [Org; 2],
    seed: u64,
    /// Writes that are done.
    done: watch::Sender<usize>,
}

/// A write that was acknowledged.
#[derive(Debug, Clone)]
struct Done {
    credential: String,
    write: Write,
}

#[derive(Debug)]
struct Client {
    shared: Arc<Shared>,
    caller: Caller,
    rng: Rng,
    number: usize,
    done: Vec<Done>,
    /// Credentials that it has made and not ended.
    spare: Vec<String>,
    /// The last version of its chain.
    chained_to: Option<String>,
}

impl Client {
    fn new(shared: &Arc<Shared>, number: usize) -> Self {
        Self {
            caller: Caller::new(&shared.recorder, &shared.places, number),
            shared: Arc::clone(shared),
            rng: Rng::new(shared.seed.wrapping_add(number as u64)),
            number,
            done: Vec::new(),
            spare: Vec::new(),
            chained_to: None,
        }
    }

    async fn work(mut self) -> Self {
        for count in 0..WRITES / CLIENTS {
            let (credential, write) = self.draft(count);
            let version = self.acknowledged(&credential, &write).await;
            if credential == self.chain() {
                self.chained_to = Some(version);
            }
            self.done.push(Done { credential, write });
            self.shared.done.send_modify(|done| *done += 1);
        }
        self
    }

    /// The credential whose every patch is conditional.
    fn chain(&self) -> String {
        format!("chain-{}", self.number)
    }

    fn draft(&mut self, count: usize) -> (String, Write) {
        let value = format!("{}-{count}", self.number);
        let (free, spare) = (format!("free-{}", self.number), format!("spare-{value}"));
        let mut if_match = None;
        let (credential, change) = match (count, self.rng.below(10)) {
            (0, _) => (self.chain(), Change::Create(value)),
            (1, _) => (free, Change::Create(value)),
            (_, 0) if !self.spare.is_empty() => {
                let place = self.rng.place(self.spare.len());
                (self.spare.swap_remove(place), Change::Delete)
            }
            (_, 0..=2) => {
                self.spare.push(spare.clone());
                (spare, Change::Create(value))
            }
            (_, 3..=4) => (free, Change::Patch(value)),
            _ => {
                if_match.clone_from(&self.chained_to);
                (self.chain(), Change::Patch(value))
            }
        };
        let everywhere = self.rng.below(8) == 0;
        let required = if everywhere { Required::AllRegions } else { Required::LocalRegion };
        (
            credential,
            Write { change, if_match, key: Some(format!("{}-{count}", self.number)), required },
        )
    }

    /// Cuts it off some times, and then repeats it until it is answered; the version it made.
    async fn acknowledged(&mut self, credential: &str, write: &Write) -> String {
        // Few are cut off often: half of those that are cut so often are cut once more.
        let cuts = 1 + self.rng.next().trailing_ones().min(CUTS_MAX - 1);
        for _ in 0..cuts {
            let cut = CUT_MS[self.rng.place(CUT_MS.len())];
            let patience = Patience { timeout_s: 1, cut: Duration::from_millis(cut) };
            self.attempt(credential, write, patience).await;
        }
        self.answered(credential, write, Patience::seconds(2)).await
    }

    /// Repeats it until it is answered; the version it made.
    async fn answered(&mut self, credential: &str, write: &Write, patience: Patience) -> String {
        let deadline = Instant::now() + WRITE_LIMIT;
        loop {
            let outcome = self.attempt(credential, write, patience).await;
            if let Some(version) = outcome.committed() {
                return version.to_owned();
            }
            let may_go_on = outcome.is_open() && Instant::now() < deadline;
            assert!(may_go_on, "{credential}, {write:?}: {outcome}");
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn attempt(&mut self, credential: &str, write: &Write, patience: Patience) -> Outcome {
        let node = self.rng.place(NODES);
        let shared = Arc::clone(&self.shared);
        let subject = Subject { org: &shared.orgs[self.number % 2], credential };
        self.caller.write(subject, node, write, patience).await
    }

    /// Uses every key once more; nothing may happen, and each must return its first result.
    async fn audit(mut self) -> Self {
        for Done { credential, write } in self.done.clone() {
            self.answered(&credential, &write, Patience::seconds(5)).await;
        }
        self
    }

    /// The present value of each of its credentials.
    async fn last_reads(mut self) -> Self {
        let mut names: Vec<String> = self.done.iter().map(|done| done.credential.clone()).collect();
        names.sort();
        names.dedup();
        let shared = Arc::clone(&self.shared);
        for credential in names {
            let subject = Subject { org: &shared.orgs[self.number % 2], credential: &credential };
            let deadline = Instant::now() + LIMIT;
            loop {
                let node = self.rng.place(NODES);
                let outcome = self.caller.read(subject, node, LIMIT).await;
                if outcome.is_unmarked() {
                    break;
                }
                assert!(Instant::now() < deadline, "{credential} at node {node}: {outcome}");
                sleep(RETRY_PAUSE).await;
            }
        }
        self
    }
}

/// All clients at work.
type Writing = tokio::task::JoinHandle<Vec<Client>>;

/// All clients do one thing, at once.
async fn all<F>(clients: Vec<Client>, each: impl Fn(Client) -> F) -> Vec<Client>
where
    F: Future<Output = Client> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(each(client));
    }
    let mut clients = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        clients.push(ended.expect("a client panicked"));
    }
    clients.sort_by_key(|client| client.number);
    clients
}

/// Kills leaders of both homes in turn until all is written; a node that was away all the time
/// comes back when half is done.
async fn break_things(fleet: &mut Fleet, shared: &Shared, writing: &mut Writing) {
    let done = shared.done.subscribe();
    let count = || *done.borrow();
    let mut kills = 0;
    fleet.cluster.kill(AWAY).await;
    for turn in 0.. {
        let enough = count() + WRITES / 12;
        let mut done = done.clone();
        let more = done.wait_for(|count| *count >= enough.min(WRITES));
        // Its result is locked as long as it is held: clients could not continue to count.
        let more = async { timeout(2 * LIMIT, more).await.is_ok() };
        let is_more = tokio::select! {
            biased;
            is_more = more => is_more,
            ended = &mut *writing => panic!("the clients ended too early: {:?}", ended.err()),
        };
        assert!(is_more, "writes do not go on: {} are done", count());
        if count() >= WRITES {
            break;
        }
        if count() > WRITES / 2 {
            fleet.cluster.restart(AWAY).await;
        }
        let leader = fleet.leader_of(2 * (turn % 2)).await;
        fleet.cluster.kill(leader).await;
        kills += 1;
        sleep(Duration::from_secs(1)).await;
        fleet.cluster.restart(leader).await;
        fleet.cluster.ready().await;
    }
    fleet.cluster.restart(AWAY).await;
    fleet.cluster.ready().await;
    let snapshots = fleet.cluster.log(AWAY).matches("installing a snapshot").count();
    println!("exactly_once: {kills} leaders were killed, {snapshots} snapshots installed");
    assert!(kills >= 3 && snapshots > 0, "too few to prove anything");
}

/// The same key with another request is 422, and changes nothing.
async fn reuse_keys(fleet: &Fleet, clients: &[Client], rng: &mut Rng) {
    for number in 0..REUSED {
        let client = &clients[2 * rng.place(clients.len() / 2)];
        let done = &client.done[rng.place(client.done.len())];
        let key = done.write.key.as_deref().unwrap_or_default();
        let body = json!({"label": format!("reused {number}")}).to_string();
        let more = [("idempotency-key", key)];
        let bytes = fleet.on_credential("PATCH", &done.credential, &more, Some(&body));
        let node = rng.place(NODES);
        let seen = fleet.ask(node, &bytes).await.expect("an answer");
        assert_eq!(seen.status, 422, "key {key} again, with {body}, at node {node}: {seen:?}");
    }
}

/// The number of an organization's credentials, as every node reports it.
async fn assert_count(fleet: &Fleet, expected: usize) {
    for node in 0..NODES {
        let bytes = fleet.on_credential("GET", "", &[], None);
        let seen = fleet.ask(node, &bytes).await.expect("an answer");
        let count = seen.body["result"].as_array().map(Vec::len);
        assert_eq!(count, Some(expected), "node {node}: {:?}", seen.body.get("meta"));
        let total = &seen.body["meta"]["pagination"]["total_count"];
        assert_eq!(*total, Value::from(expected), "node {node} of {CREDENTIALS}");
    }
}

fn existing(clients: &[Client]) -> usize {
    clients.iter().filter(|client| client.number % 2 == 0).map(|it| it.spare.len() + 2).sum()
}

/// The reads since then.
fn reads_since(shared: &Shared, before: usize) -> Vec<Operation> {
    let mut operations = shared.recorder.history().operations.split_off(before);
    operations.retain(|it| it.outcome.is_unmarked());
    operations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_writes_that_were_cut_off_make_ten_thousand_versions() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("exactly_once: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(Some(RETENTION)).await;
    let orgs = [fleet.org.clone(), fleet.cluster.new_org_at(REGIONS[2], "Far").await];
    let shared = Arc::new(Shared {
        recorder: Arc::default(),
        places: fleet.places(),
        orgs,
        seed,
        done: watch::Sender::new(0),
    });
    let clients = (0..CLIENTS).map(|number| Client::new(&shared, number)).collect();
    let began = Instant::now();
    let mut writing = tokio::spawn(all(clients, Client::work));
    break_things(&mut fleet, &shared, &mut writing).await;
    let clients = writing.await.expect("a client panicked");
    println!("exactly_once: {WRITES} writes were answered after {:?}", began.elapsed());
    fleet.cluster.kill_all().await;
    fleet.cluster.restart_all().await;
    fleet.cluster.ready().await;
    println!("exactly_once: all nodes are back after {:?}", began.elapsed());
    let clients = all(clients, Client::audit).await;
    println!("exactly_once: all keys were asked again after {:?}", began.elapsed());
    reuse_keys(&fleet, &clients, &mut Rng::new(seed)).await;
    fleet.agree().await;
    let history = shared.recorder.history();
    let clients = all(clients, Client::last_reads).await;
    assert_count(&fleet, existing(&clients)).await;
    let final_reads = reads_since(&shared, history.operations.len());
    match checker::check(&history, &final_reads) {
        Ok(summary) => {
            println!("exactly_once: {summary}; {:?} in all", began.elapsed());
            assert_eq!((summary.writes, summary.committed), (WRITES, WRITES));
            assert!(summary.attempts >= 3 * WRITES, "hardly any was repeated");
        }
        Err(violation) => panic!("CONCORDAT_SEED={seed}: {violation}"),
    }
}

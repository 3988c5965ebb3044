//! Nine processes, organisations at home in two regions, writers and readers everywhere, and faults
//! that a node cannot see coming: kills, and pauses after which it goes on as if nothing had been.
//! What the clients saw must be explained by the promises, all of it.
//!
//! A paused node is asked all through its pause: these questions wait in its sockets beside what the
//! other nodes had to tell it, and when it goes on it must not answer one of them unmarked from a
//! state that the promises have left behind.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use concordat_tests::{
    chance::{self, Chance},
    checker,
    demo::{Org, REGIONS},
    history::{Change, History, Operation, Outcome, Recorder, Required, Write},
    recorded::{Caller, Patience, Place, Subject},
    wait::within,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::fleet::{self, FAR, Fleet, HOME, LIMIT, NODES};

const WRITERS: usize = 6;
const READERS: usize = 12;
/// Of each organisation.
const CREDENTIALS: usize = 3;
/// Longer than any lease at home, and than the window in which a silent node counts as there.
const PAUSE: Duration = Duration::from_secs(3);
const CALM: Duration = Duration::from_secs(2);
/// Between questions to a paused node.
const PROBE_EVERY: Duration = Duration::from_millis(15);
/// For an answer, over any pause.
const READ_PATIENCE: Duration = Duration::from_secs(8);
/// Attempts of a write before it is left in the unknown.
const ATTEMPTS: usize = 3;
/// So few attempts are cut off by their client.
const CUT_ONE_IN: u64 = 8;
/// Fewer reads under a promise than this prove nothing.
const BOUND_MIN: usize = 1000;

/// What all clients share.
#[derive(Debug)]
struct Shared {
    recorder: Arc<Recorder>,
    places: Arc<[Place]>,
    orgs: [Org; 2],
    is_over: watch::Sender<bool>,
    seed: u64,
}

impl Shared {
    fn caller(self: &Arc<Self>, client: usize) -> Client {
        Client {
            caller: Caller::new(&self.recorder, &self.places, client),
            shared: Arc::clone(self),
            chance: Chance::new(self.seed.wrapping_add(client as u64)),
            number: client,
        }
    }

    fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }
}

#[derive(Debug)]
struct Client {
    shared: Arc<Shared>,
    caller: Caller,
    chance: Chance,
    number: usize,
}

/// Which credential of which organisation.
type Register = (usize, usize);

fn credential_name(number: usize) -> String {
    format!("credential-{number}")
}

impl Client {
    fn choose(&mut self) -> Register {
        (self.chance.place(2), self.chance.place(CREDENTIALS))
    }

    async fn read(&mut self, of: Register, node: usize) -> Outcome {
        let shared = Arc::clone(&self.shared);
        let credential = credential_name(of.1);
        let subject = Subject { org: &shared.orgs[of.0], credential: &credential };
        self.caller.read(subject, node, READ_PATIENCE).await
    }

    async fn pause(&mut self, least_ms: u64, more_ms: u64) {
        sleep(Duration::from_millis(least_ms + self.chance.below(more_ms))).await;
    }

    async fn reads(mut self) {
        while !self.shared.is_over() {
            let of = self.choose();
            // One reader for each node, and some that go about.
            let node = if self.number < NODES { self.number } else { self.chance.place(NODES) };
            self.read(of, node).await;
            self.pause(4, 12).await;
        }
    }

    async fn writes(mut self) {
        let region = self.number % REGIONS.len();
        // The version that it last heard of; none where there was nothing.
        let mut known = [const { [const { None }; CREDENTIALS] }; 2];
        for count in 1_u64.. {
            if self.shared.is_over() {
                return;
            }
            let of = self.choose();
            let node = 3 * region + self.chance.place(3);
            if self.chance.below(3) == 0 {
                learn(&mut known[of.0][of.1], &self.read(of, node).await);
            }
            let write = self.draft(count, known[of.0][of.1].as_deref());
            let outcome = self.write(of, node, &write).await;
            learn(&mut known[of.0][of.1], &outcome);
            if write.change == Change::Delete && outcome.committed().is_some() {
                known[of.0][of.1] = None;
            }
            self.pause(10, 30).await;
        }
    }

    fn draft(&mut self, count: u64, known: Option<&str>) -> Write {
        let value = format!("{}-{count}", self.number);
        let change = match self.chance.below(20) {
            0 => Change::Delete,
            1 => Change::Create(value),
            _ if known.is_none() => Change::Create(value),
            _ => Change::Patch(value),
        };
        let is_conditional = !matches!(change, Change::Create(_)) && self.chance.below(2) == 0;
        Write {
            if_match: known.filter(|_| is_conditional).map(str::to_owned),
            key: (self.chance.below(3) > 0).then(|| format!("{}-{count}", self.number)),
            required: [Required::LocalRegion, Required::AllRegions][self.chance.place(2)],
            change,
        }
    }

    /// Attempts it; one under a key is repeated through any node while nobody tells.
    async fn write(&mut self, of: Register, node: usize, write: &Write) -> Outcome {
        let shared = Arc::clone(&self.shared);
        let credential = credential_name(of.1);
        let subject = Subject { org: &shared.orgs[of.0], credential: &credential };
        let mut outcome = Outcome::Failed;
        let attempts = if write.key.is_some() { ATTEMPTS } else { 1 };
        for attempt in 0..attempts {
            let through = if attempt == 0 { node } else { self.chance.place(NODES) };
            let mut patience = Patience::seconds(1 + self.chance.below(2));
            if self.chance.below(CUT_ONE_IN) == 0 {
                patience.cut = Duration::from_millis(self.chance.below(8));
            }
            outcome = self.caller.write(subject, through, write, patience).await;
            if !outcome.is_open() {
                return outcome;
            }
            self.pause(20, 20).await;
        }
        outcome
    }
}

fn learn(known: &mut Option<String>, outcome: &Outcome) {
    match outcome {
        Outcome::Committed { version, .. } => *known = Some(version.clone()),
        Outcome::Seen { found, .. } => *known = found.as_ref().map(|it| it.version.clone()),
        Outcome::Refused { status: 404, .. } => *known = None,
        Outcome::Refused { .. } | Outcome::Unknown | Outcome::Failed => {}
    }
}

/// Pauses a node, and asks it all the time.
async fn pause(fleet: &Fleet, shared: &Arc<Shared>, node: usize, what: &str) {
    println!("promises: {:?}: pause of node {node}, {what}", shared.recorder.now());
    let mut probes = JoinSet::new();
    fleet.nine.pause(node);
    let until = Instant::now() + PAUSE;
    let mut number = 1000 * (node + 1);
    while Instant::now() < until {
        number += 1;
        let mut client = shared.caller(number);
        probes.spawn(async move {
            let of = client.choose();
            client.read(of, node).await;
        });
        sleep(PROBE_EVERY).await;
    }
    fleet.nine.resume(node);
    while let Some(ended) = probes.join_next().await {
        ended.expect("a probe panicked");
    }
    sleep(CALM).await;
}

async fn restart(fleet: &mut Fleet, shared: &Shared, node: usize, what: &str) {
    println!("promises: {:?}: kill of node {node}, {what}", shared.recorder.now());
    fleet.nine.kill(node).await;
    sleep(CALM).await;
    fleet.nine.restart(node).await;
    fleet.nine.ready().await;
    sleep(CALM).await;
}

async fn break_things(fleet: &mut Fleet, shared: &Arc<Shared>) {
    sleep(CALM).await;
    let leader = fleet.home_leader().await;
    restart(fleet, shared, leader, "the leader at home").await;
    let leader = fleet.home_leader().await;
    let follower = HOME.rev().find(|node| *node != leader).expect("a follower");
    pause(fleet, shared, follower, "a follower at home").await;
    let leader = fleet.home_leader().await;
    pause(fleet, shared, leader, "the leader at home").await;
    let leader = fleet.leader_of(2).await;
    let far = FAR.rev().find(|node| *node != leader).expect("a follower");
    pause(fleet, shared, far, "far from one home, a follower at the other").await;
    restart(fleet, shared, 4, "a learner of both").await;
}

/// Unmarked reads of everything at every node.
async fn last_reads(shared: &Arc<Shared>) -> Vec<Operation> {
    let before = shared.recorder.history().operations.len();
    let mut client = shared.caller(9999);
    for node in 0..NODES {
        for org in 0..2 {
            for credential in 0..CREDENTIALS {
                within("an unmarked read", LIMIT, async || {
                    let outcome = client.read((org, credential), node).await;
                    if outcome.is_unmarked() { Ok(()) } else { Err(outcome.to_string()) }
                })
                .await;
            }
        }
    }
    let mut operations = shared.recorder.history().operations.split_off(before);
    operations.retain(|it| it.outcome.is_unmarked());
    operations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_through_kills_and_pauses() {
    let _turn = fleet::turn().await;
    let seed = chance::seed();
    println!("promises: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let orgs = [fleet.org.clone(), fleet.nine.new_org_at(REGIONS[2], "Far").await];
    let shared = Arc::new(Shared {
        recorder: Arc::default(),
        places: fleet.places(),
        orgs,
        is_over: watch::Sender::new(false),
        seed,
    });
    let mut clients = JoinSet::new();
    for number in 0..READERS {
        clients.spawn(shared.caller(number).reads());
    }
    for number in 0..WRITERS {
        clients.spawn(shared.caller(READERS + number).writes());
    }
    break_things(&mut fleet, &shared).await;
    shared.is_over.send_replace(true);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client panicked");
    }
    fleet.nine.ready().await;
    fleet.agree().await;
    let history = shared.recorder.history();
    let finals = last_reads(&shared).await;
    match checker::check(&history, &finals) {
        Ok(summary) => {
            println!("promises: {summary}");
            assert!(summary.bound >= BOUND_MIN, "too few reads to prove anything");
        }
        Err(violation) => {
            count_broken(&history);
            panic!("CONCORDAT_SEED={seed}: {violation}")
        }
    }
}

/// Says where promises were broken, and how often: it tells which fault it was.
fn count_broken(history: &History) {
    let Ok((_, broken)) = checker::broken_promises(history) else { return };
    let mut counts: BTreeMap<(usize, u64, String), usize> = BTreeMap::new();
    for violation in &broken {
        // The read that broke it comes last.
        let Some(read) = violation.operations.last() else { continue };
        let place = (read.node, read.completed.as_secs(), format!("{:?}", violation.rule));
        *counts.entry(place).or_default() += 1;
    }
    for ((node, second, rule), count) in counts {
        println!("promises: {count} × {rule} broken by node {node}, answered at {second} s");
    }
}

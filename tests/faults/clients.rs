//! Clients of all kinds at once, for tests that break things meanwhile: writers and readers of two
//! organizations at every node, whose every attempt is recorded for the checkers.
//!
//! Writers mix creates, patches and deletes, conditional or not, keyed or not, for one region or
//! for all, and hang up now and then; readers ask each node. None of them judges.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use concordat_tests::{
    checker,
    demo::{Org, REGIONS},
    history::{Change, History, Operation, Outcome, Position, Recorder, Required, Write},
    recorded::{Caller, Patience, Place, Subject},
    rng::Rng,
    wait::within,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::fleet::{Fleet, LIMIT, NODES};

const WRITERS: usize = 6;
const READERS: usize = 12;
/// Of each organization.
const CREDENTIALS: usize = 3;
/// For an answer, over any pause.
const READ_PATIENCE: Duration = Duration::from_secs(8);
/// Attempts of a write before it is left in the unknown.
const ATTEMPTS: usize = 3;
/// So few attempts are cut off by their client.
const CUT_ONE_IN: u64 = 8;
/// Of the writes, one in this many is followed by a read from its position on, at any node.
const BOUND_ONE_IN: u64 = 8;
/// For such a read: it may have to wait for the write.
const BOUND_PATIENCE: Duration = Duration::from_secs(3);
/// Between questions to a paused node.
const PROBE_EVERY: Duration = Duration::from_millis(15);
/// The number of the client that looks when all is over.
const LAST: usize = 999_999;

/// The state that all clients of one history share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) recorder: Arc<Recorder>,
    places: Arc<[Place]>,
    pub(crate) orgs: [Org; 2],
    /// In the names of its credentials and keys: one history knows nothing of another.
    name: String,
    seed: u64,
}

impl Shared {
    pub(crate) fn new(places: Arc<[Place]>, orgs: [Org; 2], name: &str, seed: u64) -> Arc<Self> {
        Arc::new(Self { recorder: Arc::default(), places, orgs, name: name.to_owned(), seed })
    }

    /// One more client; no two may have one number.
    pub(crate) fn client(self: &Arc<Self>, number: usize) -> Client {
        Client {
            caller: Caller::new(&self.recorder, &self.places, number),
            shared: Arc::clone(self),
            rng: Rng::new(self.seed.wrapping_add(number as u64)),
            number,
        }
    }

    fn credential(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }
}

/// Clients at work until they are sent home.
#[derive(Debug)]
pub(crate) struct Crowd {
    is_over: watch::Sender<bool>,
    clients: JoinSet<()>,
}

impl Crowd {
    /// This many times the usual number, with numbers from `first` on.
    pub(crate) fn gather(shared: &Arc<Shared>, first: usize, times: usize) -> Self {
        let mut crowd = Self { is_over: watch::Sender::new(false), clients: JoinSet::new() };
        for number in first..first + times * READERS {
            crowd.clients.spawn(shared.client(number).reads(crowd.is_over.subscribe()));
        }
        let first = first + times * READERS;
        for number in first..first + times * WRITERS {
            crowd.clients.spawn(shared.client(number).writes(crowd.is_over.subscribe()));
        }
        crowd
    }

    /// Lets each complete its request, and waits for that.
    pub(crate) async fn disperse(mut self) {
        self.is_over.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client panicked");
        }
    }
}

#[derive(Debug)]
pub(crate) struct Client {
    shared: Arc<Shared>,
    caller: Caller,
    rng: Rng,
    number: usize,
}

/// Which credential of which organization.
type Register = (usize, usize);

impl Client {
    fn choose(&mut self) -> Register {
        (self.rng.place(2), self.rng.place(CREDENTIALS))
    }

    async fn read(&mut self, of: Register, node: usize) -> Outcome {
        let shared = Arc::clone(&self.shared);
        let credential = shared.credential(of.1);
        let subject = Subject { org: &shared.orgs[of.0], credential: &credential };
        self.caller.read(subject, node, READ_PATIENCE).await
    }

    /// Asks any node for a state that has the write at a position.
    async fn read_at_least(&mut self, of: Register, position: Position) {
        let shared = Arc::clone(&self.shared);
        let credential = shared.credential(of.1);
        let subject = Subject { org: &shared.orgs[of.0], credential: &credential };
        let node = self.rng.place(NODES);
        self.caller.read_at_least(subject, node, Some(position), BOUND_PATIENCE).await;
    }

    async fn pause(&mut self, least_ms: u64, more_ms: u64) {
        sleep(Duration::from_millis(least_ms + self.rng.below(more_ms))).await;
    }

    async fn reads(mut self, is_over: watch::Receiver<bool>) {
        while !*is_over.borrow() {
            let of = self.choose();
            // One reader for each node, and some that go about.
            let node = if self.number < NODES { self.number } else { self.rng.place(NODES) };
            self.read(of, node).await;
            self.pause(4, 12).await;
        }
    }

    async fn writes(mut self, is_over: watch::Receiver<bool>) {
        let region = self.number % REGIONS.len();
        // The last version that it has received; none where there was none.
        let mut known = [const { [const { None }; CREDENTIALS] }; 2];
        for count in 1_u64.. {
            if *is_over.borrow() {
                return;
            }
            let of = self.choose();
            let node = 3 * region + self.rng.place(3);
            if self.rng.below(3) == 0 {
                learn(&mut known[of.0][of.1], &self.read(of, node).await);
            }
            let write = self.draft(count, known[of.0][of.1].as_deref());
            let outcome = self.write(of, node, &write).await;
            learn(&mut known[of.0][of.1], &outcome);
            if let Outcome::Committed { position, .. } = outcome
                && self.rng.below(BOUND_ONE_IN) == 0
            {
                self.read_at_least(of, position).await;
            }
            if write.change == Change::Delete && outcome.committed().is_some() {
                known[of.0][of.1] = None;
            }
            self.pause(10, 30).await;
        }
    }

    fn draft(&mut self, count: u64, known: Option<&str>) -> Write {
        let value = format!("{}-{count}", self.number);
        let change = match self.rng.below(20) {
            0 => Change::Delete,
            1 => Change::Create(value.clone()),
            _ if known.is_none() => Change::Create(value.clone()),
            _ => Change::Patch(value.clone()),
        };
        let is_conditional = !matches!(change, Change::Create(_)) && self.rng.below(2) == 0;
        Write {
            if_match: known.filter(|_| is_conditional).map(str::to_owned),
            key: (self.rng.below(3) > 0).then(|| format!("{}-{value}", self.shared.name)),
            required: [Required::LocalRegion, Required::AllRegions][self.rng.place(2)],
            change,
        }
    }

    /// Attempts it; one under a key is retried through any node until there is an answer.
    async fn write(&mut self, of: Register, node: usize, write: &Write) -> Outcome {
        let shared = Arc::clone(&self.shared);
        let credential = shared.credential(of.1);
        let subject = Subject { org: &shared.orgs[of.0], credential: &credential };
        let mut outcome = Outcome::Failed;
        let attempts = if write.key.is_some() { ATTEMPTS } else { 1 };
        for attempt in 0..attempts {
            let through = if attempt == 0 { node } else { self.rng.place(NODES) };
            let mut patience = Patience::seconds(1 + self.rng.below(2));
            if self.rng.below(CUT_ONE_IN) == 0 {
                patience.cut = Duration::from_millis(self.rng.below(8));
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

/// Pauses a node's process for a while, and sends it requests all the time: they wait in its
/// sockets beside the other nodes' messages. The clients that send them have numbers from `first`
/// on.
pub(crate) async fn pause(
    fleet: &Fleet,
    shared: &Arc<Shared>,
    node: usize,
    first: usize,
    pause: Duration,
) {
    let mut probes = JoinSet::new();
    fleet.cluster.pause(node);
    let until = Instant::now() + pause;
    let mut number = first;
    while Instant::now() < until {
        let mut client = shared.client(number);
        number += 1;
        probes.spawn(async move {
            let of = client.choose();
            client.read(of, node).await;
        });
        sleep(PROBE_EVERY).await;
    }
    fleet.cluster.resume(node);
    while let Some(ended) = probes.join_next().await {
        ended.expect("a probe panicked");
    }
}

/// Unmarked reads of everything at every node.
pub(crate) async fn last_reads(shared: &Arc<Shared>) -> Vec<Operation> {
    let before = shared.recorder.history().operations.len();
    let mut client = shared.client(LAST);
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

/// Prints where promises were broken, and how often: it shows which fault it was.
pub(crate) fn count_broken(test: &str, history: &History) {
    let Ok((_, broken)) = checker::broken_promises(history) else { return };
    let mut counts: BTreeMap<(usize, u64, String), usize> = BTreeMap::new();
    for violation in &broken {
        // The read that broke it comes last.
        let Some(read) = violation.operations.last() else { continue };
        let place = (read.node, read.completed.as_secs(), format!("{:?}", violation.rule));
        *counts.entry(place).or_default() += 1;
    }
    for ((node, second, rule), count) in counts {
        println!("{test}: {count} × {rule} broken by node {node}, answered at {second} s");
    }
}

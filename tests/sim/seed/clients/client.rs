//! One client: it reads and writes, retries elsewhere, and asks for what it has written.
//!
//! Every attempt is recorded. It must not judge: the record is judged at the end.

use std::{sync::Arc, time::Duration};

use concordat_cluster::locks::locked;
use concordat_proto::region::Region;
use concordat_tests::{
    history::{Change, Named, Outcome, Required, Write},
    recorded::{Caller, Patience, Subject},
    rng::Rng,
};
use tokio::time::sleep;

use super::{network::Walk, speaker::Speaker, work::Work};

/// Of each organization.
pub(crate) const CREDENTIALS: usize = 3;
/// For an answer to a read.
pub(super) const READ_PATIENCE: Duration = Duration::from_secs(4);
/// Attempts of a write before it is left in the unknown.
pub(super) const ATTEMPTS: usize = 3;
/// The consistency timeout of who waits through the loss of a region.
const WAITS_ON_S: u64 = 60;
/// The suffix of values of writes that get into two logs of a lost group.
pub(crate) const WRITTEN_TWICE: &str = "-upon";
/// The numbers of clients that work beside the faults are below; others have scenes of their own.
const WORKERS: usize = 1000;
/// So few attempts are cut off by their client.
const CUT_ONE_IN: u64 = 8;
/// Of the writes without an unknown outcome, one in this many is looked up by its id.
const ASK_ONE_IN: u64 = 6;

/// One client at work.
pub(crate) struct Client {
    pub(super) work: Arc<Work>,
    pub(super) caller: Caller<Walk>,
    pub(super) rng: Rng,
    pub(super) number: usize,
    /// The region that it lives in.
    pub(super) region: String,
    known: Vec<[Option<String>; CREDENTIALS]>,
    pub(super) speaker: Speaker,
}

pub(crate) fn credential(number: usize) -> String {
    format!("credential-{number}")
}

impl Client {
    pub(crate) fn new(work: &Arc<Work>, number: usize) -> Self {
        let home = &work.places[number % work.places.len()];
        let from = Region::new(home.region.as_str()).ok();
        let walk = Walk::new(&work.client_network, from, &work.trace);
        Self {
            caller: Caller::over(walk, &work.recorder, &work.places, number),
            rng: Rng::new(work.seed.wrapping_mul(977).wrapping_add(number as u64)),
            region: home.region.clone(),
            known: work.orgs.iter().map(|_| [const { None }; CREDENTIALS]).collect(),
            speaker: Speaker::new(work.seed, work.orgs.len(), number, number < WORKERS),
            work: Arc::clone(work),
            number,
        }
    }

    pub(super) async fn pause(&mut self, least_ms: u64, more_ms: u64) {
        sleep(Duration::from_millis(least_ms + self.rng.below(more_ms))).await;
    }

    pub(super) async fn may_go_on(&self) -> bool {
        self.work.may_go_on().await
    }

    fn choose(&mut self) -> (usize, usize) {
        (self.rng.place(self.work.orgs.len()), self.rng.place(CREDENTIALS))
    }

    pub(crate) async fn read(&mut self, of: (usize, usize), node: usize) -> Outcome {
        let work = Arc::clone(&self.work);
        let credential = credential(of.1);
        let subject = Subject { org: &work.orgs[of.0], credential: &credential };
        self.caller.read(subject, node, READ_PATIENCE).await
    }

    pub(crate) async fn reads(mut self) {
        while self.may_go_on().await {
            let of = self.choose();
            let node = self.rng.place(self.work.places.len());
            match self.speech_of_read(of, node).await {
                Some(speech) => self.read_in(&speech, (of.0, &credential(of.1)), node).await,
                None => self.read(of, node).await,
            };
            self.pause(30, 120).await;
        }
    }

    pub(crate) async fn writes(mut self) {
        for count in 1_u64.. {
            if !self.may_go_on().await {
                return;
            }
            self.asks_the_bound(count).await;
            let of = self.choose();
            let node = self.near();
            if self.rng.below(3) == 0 {
                let seen = self.read(of, node).await;
                self.learn(of, &seen);
            }
            let write = self.draft(count, of);
            let outcome = self.write(of, node, &write).await;
            self.learn(of, &outcome);
            if write.change == Change::Delete && outcome.committed().is_some() {
                self.known[of.0][of.1] = None;
            }
            self.pause(20, 180).await;
        }
    }

    /// A node of its own region.
    pub(super) fn near(&mut self) -> usize {
        let near: Vec<usize> = (0..self.work.places.len())
            .filter(|node| self.work.places[*node].region == self.region)
            .collect();
        near[self.rng.place(near.len())]
    }

    fn draft(&mut self, count: u64, of: (usize, usize)) -> Write {
        let known = self.known[of.0][of.1].clone();
        let value = format!("{}-{count}", self.number);
        let change = match self.rng.below(20) {
            0..=1 => Change::Delete,
            2 => Change::Create(value),
            _ if known.is_none() => Change::Create(value),
            _ => Change::Patch(value),
        };
        let is_conditional = !matches!(change, Change::Create(_)) && self.rng.below(2) == 0;
        Write {
            if_match: known.filter(|_| is_conditional),
            key: (self.rng.below(3) > 0).then(|| format!("{}-{count}", self.number)),
            required: [Required::LocalRegion, Required::AllRegions][self.rng.place(2)],
            change,
        }
    }

    /// Attempts it; one under a key is retried through any node until there is an answer.
    async fn write(&mut self, of: (usize, usize), node: usize, write: &Write) -> Outcome {
        let work = Arc::clone(&self.work);
        let credential = credential(of.1);
        let subject = Subject { org: &work.orgs[of.0], credential: &credential };
        let mut outcome = Outcome::Failed;
        let speech = self.speech_of_write(of, node, write).await;
        let attempts = if write.key.is_some() { ATTEMPTS } else { 1 };
        for attempt in 0..attempts {
            let through = if attempt == 0 { node } else { self.rng.place(work.places.len()) };
            if work.places[through].region != self.region {
                self.work.client_network.with(|state| state.met.elsewhere += 1);
            }
            // Some wait for longer than an election takes: they get the result of a slow wait.
            let seconds = match self.rng.below(4) {
                0 => 5 + self.rng.below(8),
                _ => 1 + self.rng.below(3),
            };
            let mut patience = Patience::seconds(seconds);
            if self.rng.below(CUT_ONE_IN) == 0 {
                patience.cut = Duration::from_millis(self.rng.below(120));
            }
            outcome = match &speech {
                Some(speech) => {
                    let asked = (write, patience);
                    let outcome = self.caller.write_in(speech, subject, through, asked).await;
                    self.count(speech, &outcome);
                    outcome
                }
                None => self.caller.write(subject, through, write, patience).await,
            };
            self.ask_for_it(of.0, &outcome).await;
            if !outcome.is_open() {
                return outcome;
            }
            self.pause(20, 200).await;
        }
        outcome
    }

    /// Looks the last attempt up at some node, if its id is known: now and then, and more often
    /// when only the id is known.
    async fn ask_for_it(&mut self, org: usize, outcome: &Outcome) {
        let Some(named) = self.caller.named().cloned() else { return };
        let is_asked = match outcome {
            Outcome::Unknown => self.rng.below(2) == 0,
            Outcome::Seen { .. }
            | Outcome::Committed { .. }
            | Outcome::Refused { .. }
            | Outcome::Failed => self.rng.below(ASK_ONE_IN) == 0,
        };
        let times = if is_asked { 1 + self.rng.below(2) } else { 0 };
        for _ in 0..times {
            let node = self.rng.place(self.work.places.len());
            let wait_s = (self.rng.below(2) == 0).then_some(1);
            self.ask(&(org, named.clone()), node, wait_s).await;
        }
        let mut all = locked(&self.work.named);
        all.push((org, named));
    }

    /// Whether a node has given a fresh answer about the write.
    pub(crate) async fn ask(
        &mut self,
        (org, named): &(usize, Named),
        node: usize,
        wait_s: Option<u64>,
    ) -> bool {
        let work = Arc::clone(&self.work);
        let of = (&work.orgs[*org], named);
        let question = self.caller.ask(of, node, wait_s, READ_PATIENCE).await;
        question.is_some_and(|question| question.unmarked)
    }

    /// A write that must be taken: nothing is in its way.
    pub(crate) async fn must_write(&mut self, of: (usize, usize)) -> Result<(), String> {
        let mut last = Outcome::Failed;
        for count in 0..60 {
            let node = self.rng.place(self.work.places.len());
            let seen = self.read(of, node).await;
            self.learn(of, &seen);
            let value = format!("{}-last-{count}", self.number);
            let change = match self.known[of.0][of.1] {
                Some(_) => Change::Patch(value),
                None => Change::Create(value),
            };
            let key = Some(format!("{}-last-{}-{count}", self.number, of.0));
            let write = Write { change, if_match: None, key, required: Required::AllRegions };
            last = self.write(of, node, &write).await;
            if matches!(last, Outcome::Committed { achieved: true, .. }) {
                return Ok(());
            }
            self.pause(200, 300).await;
        }
        Err(format!("organization {} takes no write: {last}", of.0))
    }

    /// One write without a key, with time to wait for any result.
    pub(crate) async fn waits_on(mut self, org: usize, node: usize) {
        let of = (org, 0);
        let seen = self.read(of, node).await;
        let value = format!("{}-waits-on", self.number);
        let is_there = !matches!(seen, Outcome::Seen { found: None, .. });
        let change = if is_there { Change::Patch(value) } else { Change::Create(value) };
        let required = [Required::LocalRegion, Required::AllRegions][self.rng.place(2)];
        let write = Write { change, if_match: None, key: None, required };
        let patience = Patience::seconds(WAITS_ON_S);
        let Some(named) = self.write_once(of, node, (&write, patience)).await else { return };
        let work = Arc::clone(&self.work);
        locked(&work.waited).push((org, named.clone()));
        locked(&work.named).push((org, named));
    }

    /// One write upon the present version, to all regions, and the patience to wait on.
    pub(crate) async fn waits_on_a_version(mut self, org: usize, node: usize) {
        let Outcome::Seen { found: Some(found), .. } = self.read((org, 0), node).await else {
            return;
        };
        let change = Change::Patch(format!("{}{WRITTEN_TWICE}", self.number));
        let required = Required::AllRegions;
        let write = Write { change, if_match: Some(found.version), key: None, required };
        let patience = Patience::seconds(WAITS_ON_S);
        self.write_once((org, 0), node, (&write, patience)).await;
    }

    /// One write among very many.
    pub(crate) async fn joins_a_crowd(mut self, org: usize, node: usize) {
        let change = Change::Patch(format!("{}-of-a-crowd", self.number));
        let required = Required::LocalRegion;
        let write = Write { change, if_match: None, key: None, required };
        self.write_once((org, 0), node, (&write, Patience::seconds(WAITS_ON_S))).await;
    }

    /// One write that is left in the unknown.
    pub(crate) async fn comes_between(mut self, org: usize, node: usize) {
        let change = Change::Patch(format!("{}-between", self.number));
        let required = Required::AllRegions;
        let write = Write { change, if_match: None, key: None, required };
        let patience = Patience { timeout_s: WAITS_ON_S, cut: Duration::from_secs(2) };
        self.write_once((org, 0), node, (&write, patience)).await;
    }

    async fn write_once(
        &mut self,
        of: (usize, usize),
        node: usize,
        (write, patience): (&Write, Patience),
    ) -> Option<Named> {
        let work = Arc::clone(&self.work);
        let credential = credential(of.1);
        let subject = Subject { org: &work.orgs[of.0], credential: &credential };
        self.caller.write(subject, node, write, patience).await;
        self.caller.named().cloned()
    }

    /// Asks every node for every write of those who waited on.
    pub(crate) async fn asks_everywhere(mut self) {
        let work = Arc::clone(&self.work);
        let waited = locked(&work.waited).clone();
        for named in &waited {
            for node in 0..work.places.len() {
                self.ask(named, node, None).await;
            }
        }
    }

    fn learn(&mut self, of: (usize, usize), outcome: &Outcome) {
        let known = &mut self.known[of.0][of.1];
        match outcome {
            Outcome::Committed { version, .. } => *known = Some(version.clone()),
            Outcome::Seen { found, .. } => *known = found.as_ref().map(|it| it.version.clone()),
            Outcome::Refused { status: 404, .. } => *known = None,
            Outcome::Refused { .. } | Outcome::Unknown | Outcome::Failed => {}
        }
    }
}

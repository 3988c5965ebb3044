//! A correct register over a log with replicas and leases, run at random: messages may be lost or
//! late, replicas lag behind, and one without a lease marks its answers as stale.
//!
//! Naive on purpose, and not the product's machine. Its histories are right by construction.

use std::{collections::BTreeMap, time::Duration};

use super::testkit::at;
use crate::{
    clients::history::{Action, Change, Found, History, Operation, Outcome, Required, Write},
    rng::Rng,
};

const STEPS: usize = 600;
const REGIONS: [&str; 2] = ["near", "far"];
const NODES: usize = 4;
const CREDENTIALS: u64 = 2;

type State = BTreeMap<String, Found>;

/// An attempt in transit, and its result, which its client may not get.
#[derive(Debug, Clone)]
struct Flight {
    operation: Operation,
    /// The decision of a write, or the answer of a read.
    decided: Option<Outcome>,
    is_given_up: bool,
}

#[derive(Debug)]
pub(super) struct World {
    rng: Rng,
    now: u64,
    /// The state after each entry.
    log: Vec<State>,
    keys: BTreeMap<String, Outcome>,
    applied: [usize; NODES],
    has_lease: [bool; NODES],
    /// The least that a leased node must show: for the world's own checks, and to know which
    /// answers can be spoilt.
    floors: [u64; NODES],
    flights: Vec<Flight>,
    pub(super) history: History,
    /// Marked reads that would break a promise if they were not.
    pub(super) spoilable: Vec<usize>,
    values: u64,
}

fn position(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Committed { position, .. } | Outcome::Refused { position, .. } => {
            Some(position.index)
        }
        Outcome::Seen { .. } | Outcome::Unknown | Outcome::Failed => None,
    }
}

impl World {
    pub(super) fn run(seed: u64) -> Self {
        let mut world = Self {
            rng: Rng::new(seed),
            now: 0,
            log: vec![State::new()],
            keys: BTreeMap::new(),
            applied: [0; NODES],
            has_lease: [true; NODES],
            floors: [0; NODES],
            flights: Vec::new(),
            history: History::default(),
            spoilable: Vec::new(),
            values: 0,
        };
        for _ in 0..STEPS {
            world.step();
        }
        // Attempts that are still in transit are unknown for ever.
        for flight in std::mem::take(&mut world.flights) {
            if flight.operation.action != Action::Read && !flight.is_given_up {
                world.record(flight.operation, Outcome::Unknown);
            }
        }
        world
    }

    fn step(&mut self) {
        self.now += 1;
        let (node, flight) = (self.rng.place(NODES), self.rng.place(self.flights.len()));
        match self.rng.below(12) {
            0..=2 if self.flights.len() < 8 => self.start(node),
            3..=5 if !self.flights.is_empty() => self.decide(flight),
            // One without a lease is slow as well.
            6 | 7 if !self.has_lease[node] => {}
            6..=8 => self.applied[node] = (self.applied[node] + 1).min(self.log.len() - 1),
            9 => {
                let is_current = self.applied[node] == self.log.len() - 1;
                self.has_lease[node] = is_current && self.rng.below(4) > 0;
            }
            _ if !self.flights.is_empty() => self.finish(flight),
            _ => {}
        }
    }

    fn start(&mut self, node: usize) {
        let credential = format!("c{}", self.rng.below(CREDENTIALS));
        let again = self.rng.below(3) == 0;
        let unknown = self.history.operations.iter().rev().find(|it| {
            again
                && it.outcome == Outcome::Unknown
                && matches!(&it.action, Action::Write(write) if write.key.is_some())
        });
        let (action, credential) = match unknown {
            Some(unknown) => (unknown.action.clone(), unknown.credential.clone()),
            None if self.rng.below(3) > 0 => (Action::Read, credential),
            None => (Action::Write(self.write(&credential)), credential),
        };
        let invoked = Duration::from_millis(self.now);
        let operation = Operation {
            client: 0,
            org: "org".into(),
            credential,
            node,
            region: REGIONS[node / 2].into(),
            invoked,
            completed: invoked,
            action,
            outcome: Outcome::Failed,
        };
        self.flights.push(Flight { operation, decided: None, is_given_up: false });
    }

    fn write(&mut self, credential: &str) -> Write {
        self.values += 1;
        let value = format!("value {}", self.values);
        let known = self.known_version(credential);
        let change = match self.rng.below(6) {
            0 => Change::Create(value),
            1 => Change::Delete,
            _ if known.is_none() => Change::Create(value),
            _ => Change::Patch(value),
        };
        let is_conditional = !matches!(change, Change::Create(_)) && self.rng.below(2) == 0;
        Write {
            change,
            if_match: known.filter(|_| is_conditional),
            key: (self.rng.below(2) == 0).then(|| format!("key {}", self.values)),
            required: [Required::LocalRegion, Required::AllRegions][self.rng.place(2)],
        }
    }

    /// One of the last versions that a client has got or seen.
    fn known_version(&mut self, credential: &str) -> Option<String> {
        let told = self.history.operations.iter().rev().filter(|it| it.credential == credential);
        let mut versions = told.filter_map(|it| match &it.outcome {
            Outcome::Seen { found, .. } => found.as_ref().map(|found| found.version.clone()),
            Outcome::Committed { version, .. } => Some(version.clone()),
            Outcome::Refused { .. } | Outcome::Unknown | Outcome::Failed => None,
        });
        let passed_over = self.rng.place(3);
        versions.nth(passed_over)
    }

    /// An attempt arrives: a write in the log, a read at its node.
    fn decide(&mut self, flight: usize) {
        let Flight { operation, decided, is_given_up } = self.flights[flight].clone();
        if decided.is_some() {
            return;
        }
        let outcome = match &operation.action {
            Action::Read => self.serve(&operation),
            Action::Write(write) => match write.key.as_ref().and_then(|key| self.keys.get(key)) {
                Some(remembered) => remembered.clone(),
                None => self.append(&operation.credential, write),
            },
        };
        self.flights[flight].decided = Some(outcome);
        if is_given_up {
            self.flights.remove(flight);
        }
    }

    fn append(&mut self, credential: &str, write: &Write) -> Outcome {
        let index = self.log.len() as u64;
        let mut state = self.log[self.log.len() - 1].clone();
        let present = state.get(credential);
        let is_match =
            |found: &Found| write.if_match.as_ref().is_none_or(|it| *it == found.version);
        let refused = |status| Outcome::Refused { achieved: true, status, position: at(index) };
        let version = format!("version {index}");
        let outcome = match (&write.change, present) {
            (Change::Create(_), Some(_)) => refused(409),
            (Change::Patch(_) | Change::Delete, None) => refused(404),
            (_, Some(found)) if !is_match(found) => refused(412),
            (change, _) => {
                match change.value() {
                    Some(value) => {
                        let found = Found { version: version.clone(), value: value.to_owned() };
                        state.insert(credential.to_owned(), found)
                    }
                    None => state.remove(credential),
                };
                Outcome::Committed { achieved: true, version, position: at(index), applied: vec![] }
            }
        };
        self.log.push(state);
        if let Some(key) = &write.key {
            self.keys.insert(key.clone(), outcome.clone());
        }
        outcome
    }

    fn serve(&mut self, read: &Operation) -> Outcome {
        let found = self.log[self.applied[read.node]].get(&read.credential).cloned();
        let unmarked = self.has_lease[read.node];
        assert!(!unmarked || self.applied[read.node] as u64 >= self.floors[read.node]);
        Outcome::Seen { found, unmarked }
    }

    fn reached(&self, region: usize, index: u64) -> bool {
        let nodes = 2 * region..2 * region + 2;
        let has = |node: usize| self.applied[node] as u64 >= index;
        nodes.clone().any(has) && nodes.into_iter().all(|node| has(node) || !self.has_lease[node])
    }

    /// The client is answered, or gives up.
    fn finish(&mut self, flight: usize) {
        let gives_up = self.rng.below(4) == 0;
        let Flight { operation, decided, is_given_up } = self.flights[flight].clone();
        let is_write = operation.action != Action::Read;
        match decided {
            _ if is_given_up => {}
            Some(decided) if !gives_up || !is_write => {
                self.flights.remove(flight);
                self.answer(operation, decided);
            }
            decided if is_write => {
                self.record(operation, Outcome::Unknown);
                self.flights[flight].is_given_up = true;
                if decided.is_some() || self.rng.below(2) == 0 {
                    self.flights.remove(flight);
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, operation: Operation, mut outcome: Outcome) {
        let reached: Vec<usize> = match position(&outcome) {
            Some(index) => (0..2).filter(|region| self.reached(*region, index)).collect(),
            None => Vec::new(),
        };
        let Action::Write(write) = &operation.action else {
            return self.record(operation, outcome);
        };
        let has_reached = match write.required {
            Required::AllRegions => reached.len() == 2,
            Required::LocalRegion => reached.contains(&(operation.node / 2)),
        };
        if let Outcome::Refused { achieved, .. } = &mut outcome {
            *achieved = has_reached;
        }
        if let Outcome::Committed { achieved, position, applied, .. } = &mut outcome {
            *applied = reached.iter().map(|region| REGIONS[*region].to_owned()).collect();
            *achieved = has_reached;
            for node in reached.iter().flat_map(|region| 2 * region..2 * region + 2) {
                self.floors[node] = self.floors[node].max(position.index);
            }
        }
        self.record(operation, outcome);
    }

    fn record(&mut self, mut operation: Operation, outcome: Outcome) {
        operation.completed = Duration::from_millis(self.now);
        operation.outcome = outcome;
        if let Outcome::Seen { found, unmarked: false } = &operation.outcome
            && is_missed(&self.history, &operation, found.as_ref())
        {
            self.spoilable.push(self.history.operations.len());
        }
        self.history.operations.push(operation);
    }

    pub(super) fn final_reads(&self) -> Vec<Operation> {
        let Some(last) = self.log.last() else { return Vec::new() };
        let names = (0..CREDENTIALS).map(|number| format!("c{number}"));
        names
            .map(|credential| {
                let found = last.get(&credential).cloned();
                let outcome = Outcome::Seen { found, unmarked: true };
                let invoked = Duration::from_millis(self.now + 1000);
                Operation {
                    client: 9,
                    org: "org".into(),
                    credential,
                    node: 0,
                    region: REGIONS[0].into(),
                    invoked,
                    completed: invoked,
                    action: Action::Read,
                    outcome,
                }
            })
            .collect()
    }
}

/// Whether a read shows something older than a write that was answered 2xx to all regions before it
/// began. Naive: it looks at everything.
fn is_missed(history: &History, read: &Operation, found: Option<&Found>) -> bool {
    let seen = found.map_or(0, |found| found.version["version ".len()..].parse().unwrap_or(0));
    history.operations.iter().any(|write| {
        let Action::Write(asked) = &write.action else { return false };
        let everywhere = asked.required == Required::AllRegions && asked.change != Change::Delete;
        let is_2xx = matches!(write.outcome, Outcome::Committed { achieved: true, .. });
        let before = write.completed < read.invoked && write.credential == read.credential;
        let is_newer = position(&write.outcome).is_some_and(|index| index > seen);
        everywhere && is_2xx && before && is_newer && found.is_some()
    })
}

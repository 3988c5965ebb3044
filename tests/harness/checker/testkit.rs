//! Helpers for histories made by hand.

use std::time::Duration;

use super::{Rule, Summary, Violation, check};
use crate::clients::history::{
    Action, BoundedRead, Change, Denial, Found, History, Named, Operation, Outcome, Position,
    Question, Receipt, Required, Write, WriteStatus,
};

/// Two regions of two nodes.
pub(super) const REGIONS: [&str; 2] = ["near", "far"];

/// A history under construction: each operation begins after the one before has ended, unless its
/// times are given.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) history: History,
    pub(super) final_reads: Vec<Operation>,
    now_ms: u64,
}

pub(super) fn at(index: u64) -> Position {
    Position { epoch: 1, group: 2, index }
}

/// 2xx, or 408 when `achieved` is false.
pub(super) fn committed(version: &str, index: u64, achieved: bool, applied: &[&str]) -> Outcome {
    let applied = applied.iter().map(|region| (*region).to_owned()).collect();
    Outcome::Committed { achieved, version: version.to_owned(), position: at(index), applied }
}

pub(super) fn seen(version_and_value: Option<(&str, &str)>, unmarked: bool) -> Outcome {
    let found = version_and_value
        .map(|(version, value)| Found { version: version.into(), value: value.into() });
    Outcome::Seen { found, unmarked }
}

pub(super) fn create(value: &str) -> Write {
    write(Change::Create(value.to_owned()))
}

pub(super) fn patch(value: &str) -> Write {
    write(Change::Patch(value.to_owned()))
}

pub(super) fn put(value: &str) -> Write {
    write(Change::Put(value.to_owned()))
}

pub(super) fn delete() -> Write {
    write(Change::Delete)
}

fn write(change: Change) -> Write {
    Write { change, if_match: None, key: None, required: Required::LocalRegion }
}

impl Write {
    pub(super) fn upon(mut self, version: &str) -> Self {
        self.if_match = Some(version.to_owned());
        self
    }

    pub(super) fn keyed(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(super) fn everywhere(mut self) -> Self {
        self.required = Required::AllRegions;
        self
    }
}

impl Story {
    /// One with a credential at version `v1`, value `one`, known everywhere.
    pub(super) fn begun() -> Self {
        Self::default().write(0, create("one").everywhere(), committed("v1", 10, true, &REGIONS))
    }

    fn next(&mut self) -> (Duration, Duration) {
        self.now_ms += 10;
        (Duration::from_millis(self.now_ms), Duration::from_millis(self.now_ms + 5))
    }

    fn operation(&mut self, node: usize, action: Action, outcome: Outcome) -> Operation {
        let (invoked, completed) = self.next();
        Operation {
            client: 0,
            org: "org".into(),
            credential: "web".into(),
            node,
            region: REGIONS[node / 2].into(),
            invoked,
            completed,
            action,
            outcome,
        }
    }

    /// A write, after all before it.
    pub(super) fn write(mut self, node: usize, write: Write, outcome: Outcome) -> Self {
        let operation = self.operation(node, Action::Write(write), outcome);
        self.history.operations.push(operation);
        self
    }

    /// The regions in the receipt of the last answer.
    pub(super) fn naming(mut self, applied: &[&str], pending: &[&str]) -> Self {
        let attempt = self.history.operations.last().expect("an operation").clone();
        let [applied, pending] = [applied, pending]
            .map(|regions| regions.iter().map(|region| (*region).to_owned()).collect());
        self.history.receipts.push(Receipt { attempt, applied, pending });
        self
    }

    /// A read of a state from a place on, after all before it.
    pub(super) fn read_at_least(mut self, node: usize, index: u64, outcome: Outcome) -> Self {
        let read = self.operation(node, Action::Read, outcome);
        let at_least = at(index);
        self.history.bounded_reads.push(BoundedRead { read: read.clone(), at_least });
        self.history.operations.push(read);
        self
    }

    /// A read, after all before it.
    pub(super) fn read(mut self, node: usize, outcome: Outcome) -> Self {
        let operation = self.operation(node, Action::Read, outcome);
        self.history.operations.push(operation);
        self
    }

    /// The last operation was answered so, of a state of no known moment.
    pub(super) fn denied(mut self, status: u16) -> Self {
        let operation = self.history.operations.last().expect("an operation").clone();
        self.history.denials.push(Denial { operation, status });
        self
    }

    /// Gives the last operation a time of its own.
    pub(super) fn during(mut self, from_ms: u64, to_ms: u64) -> Self {
        let last = self.history.operations.last_mut().expect("an operation");
        last.invoked = Duration::from_millis(from_ms);
        last.completed = Duration::from_millis(to_ms);
        self
    }

    /// A question for the last write by its id, at a node, after all before it.
    pub(super) fn ask(self, node: usize, write_id: &str, write_status: WriteStatus) -> Self {
        self.asked((node, true), write_id, write_status)
    }

    /// The same, answered by one who may be behind.
    pub(super) fn ask_stale(self, node: usize, write_id: &str, write_status: WriteStatus) -> Self {
        self.asked((node, false), write_id, write_status)
    }

    fn asked(
        mut self,
        (node, unmarked): (usize, bool),
        id: &str,
        write_status: WriteStatus,
    ) -> Self {
        let (invoked, completed) = self.next();
        let is_write = |it: &&Operation| matches!(it.action, Action::Write(_));
        let attempt = self.history.operations.iter().rev().find(is_write).expect("a write");
        let named = Named { attempt: attempt.clone(), write_id: id.into() };
        let region = REGIONS[node / 2].into();
        let question = Question { named, node, region, invoked, completed, write_status, unmarked };
        self.history.questions.push(question);
        self
    }

    /// The result of a read when all is quiet.
    pub(super) fn end(mut self, node: usize, version_and_value: Option<(&str, &str)>) -> Self {
        self.now_ms += 10_000;
        let operation = self.operation(node, Action::Read, seen(version_and_value, true));
        self.final_reads.push(operation);
        self
    }

    pub(super) fn check(&self) -> Result<Summary, Violation> {
        check(&self.history, &self.final_reads)
    }

    pub(super) fn accepted(&self) -> Summary {
        self.check().expect("a good history")
    }

    /// It must be found, as this, and shown readably.
    pub(super) fn rejected(&self, rule: Rule) {
        let violation = self.check().expect_err("a bad history was accepted");
        assert_eq!(violation.rule, rule, "{violation}");
        assert!(!violation.operations.is_empty(), "nothing is shown: {violation}");
        assert!(violation.to_string().lines().count() > 1, "{violation}");
    }
}

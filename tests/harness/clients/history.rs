//! The clients' requests and answers, with times of one monotonic clock: all that the checkers know
//! of a run.
//!
//! An operation is one attempt. Attempts of one organization under one `Idempotency-Key` are one
//! write. It never says more than a client could know: an attempt without an answer is unknown, and
//! stays unknown until something else shows its effect.
//!
//! Values are written once: no two writes to a credential have the same one, so that a value that
//! is read identifies its write.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::time::Instant;

/// The position of a write in the order of its organization's writes.
///
/// A token of the API is opaque to clients; a checker of the order must parse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Counts the moves of the organization.
    pub epoch: u32,
    /// Which log.
    pub group: u32,
    /// Which entry.
    pub index: u64,
}

impl Position {
    /// Reads `Concordat-Position`.
    #[must_use]
    pub fn of_token(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let (group, rest) = rest.split_first_chunk::<4>()?;
        let (index, term) = rest.split_first_chunk::<8>()?;
        matches!((version, term.len()), (1, 0) | (2, 8)).then_some(Self {
            epoch: u32::from_be_bytes(*epoch),
            group: u32::from_be_bytes(*group),
            index: u64::from_be_bytes(*index),
        })
    }
}

impl Position {
    /// As `Concordat-At-Least` takes it, without a term.
    #[must_use]
    pub fn token(&self) -> String {
        let Self { epoch, group, index } = self;
        let bytes = [&[1][..], &epoch.to_be_bytes(), &group.to_be_bytes(), &index.to_be_bytes()];
        URL_SAFE_NO_PAD.encode(bytes.concat())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.epoch, self.group, self.index)
    }
}

/// How far a write must be replicated before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// `local_region`.
    LocalRegion,
    /// `all_regions`.
    AllRegions,
}

impl Required {
    /// The header's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalRegion => "local_region",
            Self::AllRegions => "all_regions",
        }
    }
}

/// The change of a write to its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// POST, with this value.
    Create(String),
    /// PATCH, to this value.
    Patch(String),
    /// A creation or a change to this value, whatever is there: in dialects that know one credential.
    Put(String),
    /// DELETE.
    Delete,
}

impl Change {
    /// The written value.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Create(value) | Self::Patch(value) | Self::Put(value) => Some(value),
            Self::Delete => None,
        }
    }
}

/// A write as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The change.
    pub change: Change,
    /// The version that `If-Match` names.
    pub if_match: Option<String>,
    /// Its `Idempotency-Key`.
    pub key: Option<String>,
    /// How far.
    pub required: Required,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// GET of one credential.
    Read,
    /// A change of it.
    Write(Write),
}

/// A credential that a read has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its `ETag`.
    pub version: String,
    /// The value that its write wrote.
    pub value: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// To a read: the present value, if any.
    Seen {
        /// 200, or 404.
        found: Option<Found>,
        /// `Concordat-Read: current`.
        unmarked: bool,
    },
    /// To a write: it has happened.
    Committed {
        /// Whether the required consistency was reached (2xx), or not in time (408).
        achieved: bool,
        /// Its name, which is the version that it made.
        version: String,
        /// Its place.
        position: Position,
        /// The regions that have applied it, by the receipt.
        applied: Vec<String>,
    },
    /// To a write: a no with a place in the order.
    Refused {
        /// Whether the required consistency was reached, or not in time.
        achieved: bool,
        /// The status of the no.
        status: u16,
        /// Its place.
        position: Position,
    },
    /// It may have happened or not, and may yet.
    Unknown,
    /// It certainly has not happened, or a read has no answer.
    Failed,
}

impl Outcome {
    /// The version of a write that happened.
    #[must_use]
    pub fn committed(&self) -> Option<&str> {
        match self {
            Self::Committed { version, .. } => Some(version),
            Self::Seen { .. } | Self::Refused { .. } | Self::Unknown | Self::Failed => None,
        }
    }

    /// Whether a retry may tell more.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Unknown | Self::Failed)
    }

    /// Whether a read was answered and claims to be fresh.
    #[must_use]
    pub const fn is_unmarked(&self) -> bool {
        matches!(self, Self::Seen { unmarked: true, .. })
    }
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub client: usize,
    /// The organization.
    pub org: String,
    /// The credential.
    pub credential: String,
    /// Which node was asked.
    pub node: usize,
    /// Its region.
    pub region: String,
    /// Before the first byte was sent.
    pub invoked: Duration,
    /// After the last byte of the answer was there, or when it was given up.
    pub completed: Duration,
    /// The request.
    pub action: Action,
    /// The answer.
    pub outcome: Outcome,
}

/// The end of a write id: its beginning is the time, alike for neighbors.
pub(crate) fn short(version: &str) -> &str {
    version.get(version.len().saturating_sub(6)..).unwrap_or(version)
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Write(write) = self else { return f.write_str("read") };
        match &write.change {
            Change::Create(value) => write!(f, "create {value:?}")?,
            Change::Patch(value) => write!(f, "patch {value:?}")?,
            Change::Put(value) => write!(f, "put {value:?}")?,
            Change::Delete => f.write_str("delete")?,
        }
        if let Some(version) = &write.if_match {
            write!(f, " if …{}", short(version))?;
        }
        if let Some(key) = &write.key {
            write!(f, " key {key}")?;
        }
        write!(f, " {}", write.required.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seen { found, unmarked } => {
                let mark = if *unmarked { "unmarked" } else { "marked stale" };
                match found {
                    Some(it) => write!(f, "{:?} as …{}, {mark}", it.value, short(&it.version)),
                    None => write!(f, "nothing, {mark}"),
                }
            }
            Self::Committed { achieved, version, position, applied } => {
                let status = if *achieved { "2xx" } else { "408" };
                write!(f, "{status} as …{} at {position}, applied in {applied:?}", short(version))
            }
            Self::Refused { achieved, status, position } => {
                let late = if *achieved { "" } else { "408: " };
                write!(f, "{late}{status} at {position}")
            }
            Self::Unknown => f.write_str("unknown"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.invoked, self.completed].map(|time| time.as_secs_f64());
        let org = self.org.get(..8).unwrap_or(&self.org);
        write!(f, "{from:.4}–{to:.4} s, client {:>2} at node {}", self.client, self.node)?;
        write!(f, " ({}): {org}/{}: ", self.region, self.credential)?;
        write!(f, "{} → {}", self.action, self.outcome)
    }
}

/// The reported status of a write, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteStatus {
    /// It has happened.
    Committed {
        /// Its name: the id that was asked for, or the first one's under its key.
        version: String,
        /// Its place.
        position: Position,
        /// The regions that have applied it.
        applied: Vec<String>,
    },
    /// It has a place, and nothing was done.
    Refused {
        /// The status.
        status: u16,
        /// Its place.
        position: Position,
    },
    /// It went with its region.
    Lost,
    /// There is no such write.
    Nothing,
}

impl fmt::Display for WriteStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed { version, position, applied } => {
                write!(f, "committed as …{} at {position}, applied in {applied:?}", short(version))
            }
            Self::Refused { status, position } => write!(f, "{status} at {position}"),
            Self::Lost => f.write_str("lost"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

/// A write's id, from the answer to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The attempt.
    pub attempt: Operation,
    /// The id.
    pub write_id: String,
}

/// A question for a write by its id, and its answer. One that was not answered is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What was asked for.
    pub named: Named,
    /// Which node was asked.
    pub node: usize,
    /// Its region.
    pub region: String,
    /// Before it was sent.
    pub invoked: Duration,
    /// After the answer was there.
    pub completed: Duration,
    /// The answer.
    pub write_status: WriteStatus,
    /// `Concordat-Read: current`.
    pub unmarked: bool,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.invoked, self.completed].map(|time| time.as_secs_f64());
        let mark = if self.unmarked { "unmarked" } else { "marked stale" };
        write!(f, "{from:.4}–{to:.4} s, node {} ({}): ", self.node, self.region)?;
        write!(f, "…{} → {}, {mark}", short(&self.named.write_id), self.write_status)
    }
}

/// A negative answer of a node's own, from a state whose time it does not name: its key is not
/// valid, or there is no such object. Its operation counts as failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What was asked.
    pub operation: Operation,
    /// The status.
    pub status: u16,
}

/// A request that was answered 403 by a node that has been current: policies forbid it. Its operation counts
/// as failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDenial {
    /// What was asked.
    pub operation: Operation,
    /// `Concordat-Read: current`.
    pub unmarked: bool,
}

/// A read that asked for a state from a position on (`Concordat-At-Least`), beside its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundedRead {
    /// What was asked, with its outcome.
    pub read: Operation,
    /// The position.
    pub at_least: Position,
}

/// The regions in the receipt of an attempt of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The attempt, with its outcome.
    pub attempt: Operation,
    /// The regions that it lists as applied.
    pub applied: Vec<String>,
    /// Those that it lists as pending.
    pub pending: Vec<String>,
}

/// All of a run.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// In any order.
    pub operations: Vec<Operation>,
    /// In any order.
    pub questions: Vec<Question>,
    /// In any order.
    pub denials: Vec<Denial>,
    /// When all clocks were set forward beyond the lifetime of remembered writes: earlier requests
    /// may have expired since.
    pub forgotten: Vec<Duration>,
    /// In any order.
    pub receipts: Vec<Receipt>,
    /// In any order.
    pub policy_denials: Vec<PolicyDenial>,
    /// In any order.
    pub bounded_reads: Vec<BoundedRead>,
}

/// Takes operations down while clients work.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    operations: Mutex<Vec<Operation>>,
    questions: Mutex<Vec<Question>>,
    denials: Mutex<Vec<Denial>>,
    forgotten: Mutex<Vec<Duration>>,
    receipts: Mutex<Vec<Receipt>>,
    policy_denials: Mutex<Vec<PolicyDenial>>,
    bounded_reads: Mutex<Vec<BoundedRead>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            operations: Mutex::default(),
            questions: Mutex::default(),
            denials: Mutex::default(),
            receipts: Mutex::default(),
            policy_denials: Mutex::default(),
            bounded_reads: Mutex::default(),
            forgotten: Mutex::default(),
        }
    }
}

impl Recorder {
    /// The time of the history's clock.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Takes one down.
    pub fn record(&self, operation: Operation) {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }

    /// Takes a question down.
    pub fn record_question(&self, question: Question) {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).push(question);
    }

    /// Takes a denial down, beside its operation.
    pub fn record_denial(&self, denial: Denial) {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner).push(denial);
    }

    /// All clocks were set forward, beyond the lifetime of remembered writes.
    pub fn forget(&self) {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).push(self.now());
    }

    /// Takes a receipt down.
    pub fn record_receipt(&self, receipt: Receipt) {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner).push(receipt);
    }

    /// Takes a denial by policies down, beside its operation.
    pub fn record_policy_denial(&self, denial: PolicyDenial) {
        self.policy_denials.lock().unwrap_or_else(PoisonError::into_inner).push(denial);
    }

    /// Takes a read from a position on down, beside its operation.
    pub fn record_bounded_read(&self, read: BoundedRead) {
        self.bounded_reads.lock().unwrap_or_else(PoisonError::into_inner).push(read);
    }

    /// When the first write of an organization that began after `since` was answered 2xx, if one
    /// was.
    #[must_use]
    pub fn achieved_since(
        &self,
        org: &str,
        required: Required,
        since: Duration,
    ) -> Option<Duration> {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        // They are taken down when they are complete.
        let recent = operations.iter().rev().take_while(|it| it.completed >= since);
        let is_one = |it: &&Operation| {
            let is_wanted =
                matches!(&it.action, Action::Write(write) if write.required == required);
            let is_done = matches!(it.outcome, Outcome::Committed { achieved: true, .. });
            it.invoked >= since && it.org == org && is_wanted && is_done
        };
        recent.filter(is_one).map(|it| it.completed).min()
    }

    /// The history so far.
    #[must_use]
    pub fn history(&self) -> History {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let policy_denials = self.policy_denials.lock().unwrap_or_else(PoisonError::into_inner);
        let policy_denials = policy_denials.clone();
        let bounded_reads = self.bounded_reads.lock().unwrap_or_else(PoisonError::into_inner);
        let bounded_reads = bounded_reads.clone();
        History {
            operations,
            questions,
            denials,
            receipts,
            forgotten,
            policy_denials,
            bounded_reads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_and_ordered() {
        let token = |bytes: [u8; 17]| URL_SAFE_NO_PAD.encode(bytes);
        let one = token([1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 3]);
        let one = Position::of_token(&one).unwrap();
        assert_eq!(one, Position { epoch: 1, group: 2, index: 259 });
        assert!(one < Position { index: 260, ..one });
        assert!(one < Position { epoch: 2, group: 0, index: 0 }, "a move goes before all");
        let with_a_term = [&[2, 0, 0, 0, 1, 0, 0, 0, 2][..], &[0, 0, 0, 0, 0, 0, 1, 3], &[7; 8]];
        let with_a_term = URL_SAFE_NO_PAD.encode(with_a_term.concat());
        assert_eq!(Position::of_token(&with_a_term), Some(one), "the term names no other place");
        assert_eq!(Position::of_token(&one.token()), Some(one));
        assert_eq!(Position::of_token("AAAA"), None);
        assert_eq!(Position::of_token("what?"), None);
    }
}

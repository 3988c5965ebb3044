//! Checkers of histories: pure functions from what clients saw to a summary, or to a violation that
//! shows the operations concerned. One property per file.
//!
//! They are sound before they are complete: an unknown outcome is allowed wherever time and order
//! permit, so that every rejected history is wrong. They never look at a server.
//!
//! Each was seen to reject a bad history: a lost update, a stale fresh read after `all_regions` and
//! after `local_region`, a reordering, a doubled write, a lost acknowledged write, a wrong receipt,
//! a negative answer from a state without a known time (`samples_test.rs`), one that left a region
//! out (`receipts_test.rs`), an answer about a write that contradicted another (`unknown_test.rs`),
//! a request that policies forbid and a denial without any (`policies_test.rs`), and every one of many correct runs with one answer spoilt (`random_test.rs`).

mod absent;
mod linearizable;
mod once;
mod order;
mod policies;
mod promises;
mod receipts;
mod unknown;

#[cfg(test)]
mod correct_run;
#[cfg(test)]
mod policies_test;
#[cfg(test)]
mod random_test;
#[cfg(test)]
mod receipts_test;
#[cfg(test)]
mod samples_test;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod unknown_test;

use std::fmt;

pub use absent::absent;
pub use linearizable::linearizable;
pub use once::once;
pub use policies::policies;
pub use promises::{broken_promises, promises};
pub use receipts::receipts;
pub use unknown::{told, unknown};

use crate::clients::{
    history::{History, Operation},
    policies::PolicyHistory,
};

/// The number of checked operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Writes, each with all its attempts.
    pub writes: usize,
    /// Of them, those with a known position.
    pub committed: usize,
    /// Refused at a place in the order.
    pub refused: usize,
    /// Neither known to have happened nor not.
    pub unknown: usize,
    /// Attempts of all writes.
    pub attempts: usize,
    /// Reads that were answered.
    pub reads: usize,
    /// Of them, those that claim to be fresh.
    pub unmarked: usize,
    /// Of these, those that some promise applied to.
    pub bound: usize,
    /// Answers about writes that were asked for by their ids.
    pub questions: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, committed, refused, unknown, attempts, reads, unmarked, .. } = self;
        let Self { bound, questions, .. } = self;
        write!(f, "{writes} writes in {attempts} attempts: {committed} committed, ")?;
        write!(f, "{refused} refused, {unknown} unknown; {reads} reads: {unmarked} unmarked, ")?;
        write!(f, "{bound} of them under a promise; {questions} answers about writes")
    }
}

/// A violation.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// The broken rule.
    pub rule: Rule,
    /// The description.
    pub what: String,
    /// The operations that show it, in order of time.
    pub operations: Vec<Operation>,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The history itself makes no sense: the test is wrong, not the server.
    History,
    /// A write happens at most once, under one name, at one place.
    Once,
    /// An acknowledged write stays.
    Kept,
    /// The order of writes is consistent with real time.
    RealTime,
    /// A conditional write, a create, a change: each is decided by the version directly before.
    Decided,
    /// No read shows a value that was not written, or before it was written.
    Origin,
    /// After 2xx to `all_regions`.
    AllRegions,
    /// After 2xx to `local_region`.
    LocalRegion,
    /// After a receipt that lists a region as applied.
    Receipt,
    /// Unmarked reads of one node do not go back.
    NodeOrder,
    /// A reported outcome of a write is never contradicted.
    Told,
    /// No no of a state that has never been current.
    Absent,
    /// A receipt names every region that counts.
    Regions,
    /// What policies forbid does not happen.
    Forbidden,
    /// No request is denied that no policies forbid.
    Denied,
}

impl Violation {
    pub(crate) fn new<'a>(
        rule: Rule,
        what: impl Into<String>,
        operations: impl IntoIterator<Item = &'a Operation>,
    ) -> Self {
        let mut operations: Vec<Operation> = operations.into_iter().cloned().collect();
        operations.sort_by_key(|operation| operation.invoked);
        operations.dedup();
        Self { rule, what: what.into(), operations }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)?;
        self.operations.iter().try_for_each(|operation| write!(f, "\n    {operation}"))
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Violation {}

/// All judges, of a run without policies; `final_reads` are the reads made when all was quiet again.
///
/// # Errors
/// With the first thing that must not be.
pub fn check(history: &History, final_reads: &[Operation]) -> Result<Summary, Violation> {
    check_under(&PolicyHistory::default(), history, final_reads)
}

/// The same, of a run under these policies.
///
/// # Errors
/// With the first thing that must not be.
pub fn check_under(
    known: &PolicyHistory,
    history: &History,
    final_reads: &[Operation],
) -> Result<Summary, Violation> {
    absent(history)?;
    unknown(history)?;
    receipts(history)?;
    let history = told(history);
    let mut all = history.clone();
    all.operations.extend_from_slice(final_reads);
    policies(&all, known)?;
    linearizable(&all)?;
    once(&history, final_reads)?;
    let summary = promises(&all)?;
    Ok(Summary { questions: all.questions.len(), ..summary })
}

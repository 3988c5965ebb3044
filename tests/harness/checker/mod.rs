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
mod summary;
mod unknown;
mod violation;

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

pub use absent::absent;
pub use linearizable::linearizable;
pub use once::once;
pub use policies::policies;
pub use promises::{broken_promises, promises};
pub use receipts::receipts;
pub use summary::Summary;
pub use unknown::{told, unknown};
pub use violation::{Rule, Violation};

use crate::clients::{
    history::{History, Operation},
    policies::PolicyHistory,
};

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

//! A node answers only from a state that it has been current with that something does not exist:
//! for 401, 403, 404, 409 or 412 of its own it must know its state's time. A client takes such an
//! answer as final, and drops its login.
//!
//! Answers that name a known time are not judged here: they were true then, and marked so. A
//! refusal that a log has decided has a position in the order, and is judged there.

use super::violation::{Rule, Violation};
use crate::clients::history::History;

/// Judges it.
///
/// # Errors
/// With the first no of a state of no known moment.
pub fn absent(history: &History) -> Result<(), Violation> {
    match history.denials.iter().min_by_key(|denial| denial.operation.invoked) {
        None => Ok(()),
        Some(denial) => {
            let what = format!("{} by a node that has never been current", denial.status);
            Err(Violation::new(Rule::Absent, what, [&denial.operation]))
        }
    }
}

//! Nobody says that something is not there who cannot know it: a node answers 401, 403, 404, 409 or 412
//! by itself only of a state of which it can tell the moment, which it has been current with. A client
//! takes such an answer for the last word, and drops its login.
//!
//! What a node says as of a moment that it does tell is judged by nobody here: that is an old truth, and
//! marked as such. A no that was decided in a log has a place in the order, and is judged there.

use super::{Rule, Violation};
use crate::history::History;

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

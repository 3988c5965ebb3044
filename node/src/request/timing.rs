//! The times of a request.

use tokio::time::Instant;

/// When a request came, and when it must be answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// When its head had been read.
    pub(crate) accepted: Instant,
    /// When the caller's patience ends.
    pub(crate) deadline: Instant,
}

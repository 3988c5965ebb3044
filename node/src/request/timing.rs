//! The times of a request.

use tokio::time::Instant;

/// When a request arrived, and when it must be answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// When its head had been read.
    pub(crate) accepted: Instant,
    /// The caller's deadline.
    pub(crate) deadline: Instant,
}

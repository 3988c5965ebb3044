//! The calls on their way to the writer.

use bytes::Bytes;

use super::{
    error::LogError,
    types::{Done, LogRecord},
};

/// The change that one call requests.
pub(super) enum Change {
    Append {
        records: Vec<LogRecord>,
        first_serial: u64,
    },
    Vote(Bytes),
    /// Drops the entries from this index on.
    Truncate(u64),
    Purge {
        up_to: u64,
        id: Bytes,
    },
    /// A mark, now.
    Mark,
    /// Nothing to write: only calls `done`, in order.
    Tell(Result<(), LogError>),
}

/// One call, waiting for its batch.
pub(super) struct Job {
    pub(super) group: u32,
    pub(super) change: Change,
    pub(super) done: Done,
    /// Bytes it counts for in the queue.
    pub(super) cost: usize,
}

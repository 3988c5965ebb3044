//! The log's errors, as one closed list.
//!
//! An error names the action and the file. It must never hold an entry's payload, and its text must
//! never repeat its source (the caller prints the chain).

use std::{io, sync::Arc};

/// A fault of the log. None of these is a refusal to a client: a caller that gets one other than
/// [`LogError::Purged`] stops its replica, and on [`LogError::Failed`] or [`LogError::Damaged`] the
/// process.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Bytes that were known to be synced are missing or altered: this node may have forgotten
    /// entries that it acknowledged, and must be replaced by a new node.
    #[error("the log is damaged: {file} at byte {offset}: {reason}")]
    Damaged {
        /// The file's name inside the log directory.
        file: String,
        /// The offset in the file.
        offset: u64,
        /// The defect.
        reason: String,
    },
    /// The disk refused an operation while the log was opened or read.
    #[error("could not {action} {file}")]
    Io {
        /// The operation, as a verb.
        action: &'static str,
        /// The file's name inside the log directory.
        file: String,
        /// The system's own error.
        #[source]
        source: Arc<io::Error>,
    },
    /// A write or a sync failed, now or earlier: nothing is retried and nothing more is written.
    #[error("the log has failed and accepts no more writes")]
    Failed {
        /// The first failure.
        #[source]
        source: Arc<LogError>,
    },
    /// An append that does not follow the group's last record: a programming fault of the caller.
    #[error("append to group {group} at index {found}, where {expected} must follow")]
    NotContiguous {
        /// The group.
        group: u32,
        /// The index that would have been right.
        expected: u64,
        /// The index that was given.
        found: u64,
    },
    /// One record is larger than a quarter of a segment.
    #[error("a record of {bytes} bytes in group {group}, where at most {bytes_max} fit")]
    TooLarge {
        /// The group.
        group: u32,
        /// The payload's size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// More bytes are queued than [`LogOptions::queue_bytes_max`](super::LogOptions) allows: the
    /// disk has hung while callers continued.
    #[error("{queued_bytes} bytes are queued for the log, where at most {bytes_max} may be")]
    Overloaded {
        /// Bytes queued.
        queued_bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// A read that begins before the first record kept.
    #[error("group {group} is purged up to before index {first_index}; {wanted} was asked for")]
    Purged {
        /// The group.
        group: u32,
        /// The index asked for.
        wanted: u64,
        /// The first index still there.
        first_index: u64,
    },
    /// The log was shut down.
    #[error("the log is closed")]
    Closed,
    /// Options that contradict one another.
    #[error("log options: {reason}")]
    Options {
        /// The option, and why.
        reason: &'static str,
    },
}

impl LogError {
    pub(super) fn io(action: &'static str, file: &str, source: io::Error) -> LogError {
        LogError::Io { action, file: file.to_owned(), source: Arc::new(source) }
    }

    pub(super) fn damaged(file: &str, offset: usize, reason: impl Into<String>) -> LogError {
        LogError::Damaged { file: file.to_owned(), offset: offset as u64, reason: reason.into() }
    }
}

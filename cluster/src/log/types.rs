//! The log's values: records, a group's state, options and counters.
//!
//! Plain values: nothing here does IO or knows the layout of records on the disk.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::error::LogError;

/// Called with the result of one call, on the writer thread. Must not block; may call the log.
pub type Done = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// Called with a group and its synced index, on the writer thread.
pub type SyncedCallback = Arc<dyn Fn(u32, u64) + Send + Sync>;

/// The id of an entry of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    /// The leader's term.
    pub term: u64,
    /// The place in the group's log.
    pub index: u64,
}

/// An entry; the log does not look into its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its name.
    pub id: RecordId,
    /// Its bytes.
    pub payload: Bytes,
}

/// The state of a group, including all calls that have returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The last vote saved.
    pub vote: Option<Bytes>,
    /// The caller's name for the point up to which entries were purged.
    pub purged: Option<Bytes>,
    /// The index of that point; 0 also when nothing was purged (`purged` distinguishes them).
    pub purged_index: u64,
    /// The first entry kept; without entries the one after the purged, or 0.
    pub first_index: u64,
    /// The last entry, if any is kept.
    pub last: Option<RecordId>,
}

/// What runs the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterMode {
    /// A thread of the log's own.
    Thread,
    /// [`RaftLog::step`]: for tests and simulations that must be exactly repeatable.
    Stepped,
}

/// Limits of a log.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Length of a segment file: 4 KiB to 1 GiB, a multiple of 512. A record may take a quarter.
    /// Segments of another length that exist are read, and removed instead of recycled.
    pub segment_bytes: u32,
    /// Free segments kept for recycling; more are removed.
    pub free_segments_max: usize,
    /// Segments' worth of dead bytes that stay, beyond as many bytes as are live, before live
    /// entries are carried over so that the oldest segments can go.
    pub slack_segments: u32,
    /// Whether entries may be carried over from the start. Otherwise they may once
    /// [`RaftLog::allow_carrying`](super::RaftLog::allow_carrying) was called: a release before carried
    /// entries cannot read a segment with them, nor any of its version.
    pub carries: bool,
    /// Bytes of newest payloads kept in memory, over all groups (those not yet synced in addition).
    pub cache_bytes_max: usize,
    /// Bytes that may be queued. Rejecting an append is a fault for Raft, so this is far more than
    /// a working disk ever queues; it only keeps a dead disk from using all memory.
    pub queue_bytes_max: usize,
    /// Bytes of one write, not counting the record that exceeds it.
    pub batch_bytes_max: usize,
    /// Calls in one batch.
    pub batch_calls_max: usize,
    /// A mark is written behind the last batch after this time without a call; None for never.
    pub mark_idle: Option<Duration>,
    /// What runs the writer.
    pub writer: WriterMode,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            segment_bytes: 64 << 20,
            free_segments_max: 2,
            slack_segments: 4,
            carries: false,
            cache_bytes_max: 32 << 20,
            queue_bytes_max: 256 << 20,
            batch_bytes_max: 4 << 20,
            batch_calls_max: 4096,
            mark_idle: Some(Duration::from_millis(10)),
            writer: WriterMode::Thread,
        }
    }
}

impl LogOptions {
    pub(super) fn check(&self) -> Result<(), LogError> {
        let reason = if !(4096..=1 << 30).contains(&self.segment_bytes) {
            "a segment has 4 KiB to 1 GiB"
        } else if !self.segment_bytes.is_multiple_of(512) {
            "a segment is a multiple of 512 bytes"
        } else if self.batch_bytes_max == 0 || self.batch_calls_max == 0 {
            "a batch holds at least one byte and one call"
        } else {
            return Ok(());
        };
        Err(LogError::Options { reason })
    }

    pub(super) fn record_bytes_max(&self) -> usize {
        self.segment_bytes as usize / 4
    }
}

/// Counters since the log was opened, and present sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Syncs of records: one a batch, one more when a batch crosses into another segment.
    pub fsyncs: u64,
    /// Syncs of zeros, for segments to come.
    pub fill_syncs: u64,
    /// Bytes written to segments, without zeros.
    pub bytes_written: u64,
    /// Records written, without marks, checkpoints and carried entries.
    pub records: u64,
    /// Batches written.
    pub batches: u64,
    /// Calls in those batches.
    pub calls: u64,
    /// Marks written on their own.
    pub lone_marks: u64,
    /// Segments in use.
    pub segments: u64,
    /// Segments kept for recycling.
    pub free_segments: u64,
    /// Segments that began in a recycled file.
    pub recycled: u64,
    /// Entries copied forward, so that the segments that held them could go.
    pub carried: u64,
    /// Format version of the newest segment.
    pub format: u32,
    /// Bytes of live entries' records on the disk now.
    pub live_bytes: u64,
    /// Calls queued now.
    pub queued_calls: u64,
    /// Bytes queued now.
    pub queued_bytes: u64,
    /// Payload bytes in memory now.
    pub cache_bytes: u64,
}

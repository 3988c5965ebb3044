//! The Raft log and the votes of all groups of a node, in one set of files of their own.
//!
//! **Contract.** A call is queued at once, never blocks on the disk, and is seen by
//! [`RaftLog::state`] and [`RaftLog::read`] as soon as it returns; its `done` is called from the
//! writer thread, in the order of the calls, once its records are synced. What `done` confirmed is
//! there after any crash; if the disk loses or alters it, opening says [`LogError::Damaged`]
//! instead of going on without it. A call that is refused changes nothing and says so at once, as
//! well as to its `done`: who went on as if it had been taken would read what it meant to drop.
//!
//! **Files.** `manifest` says which segments there must be. Segments are pre-written files of one
//! length, filled with records in the order of the calls, then left alone, then recycled: header,
//! a checkpoint of every group (vote, purge mark, live range), then batches, each led by a mark
//! that says "all before me is synced". A segment goes when no live entry lies in it or before it.
//!
//! **Damage or a torn write.** `recover.rs` has the rule. The one thing it cannot tell apart is a
//! bit that flips in the very last batch before any mark follows it, so a mark (two, on different
//! pages) is written and synced after [`LogOptions::mark_idle`] without calls, at shutdown, and on demand
//! ([`RaftLog::mark`]).
//!
//! Why not an embedded database's log: its strict recovery cannot recycle files, its lenient one
//! drops everything behind a bad record, and neither runs on a simulated disk.
//!
//! **Absent on purpose**: the Raft library, an async runtime, any meaning of payloads, votes and
//! purged ids, retries of IO, and the decision when to purge.

mod error;
mod file;
mod frame;
mod index;
mod ledger;
mod pool;
mod read;
mod recover;
mod segment;
mod shared;
mod sim;
mod writer;

#[cfg(test)]
mod damage_test;
#[cfg(test)]
mod fault_test;
#[cfg(test)]
mod log_test;
#[cfg(test)]
mod model_test;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;

pub use error::LogError;
pub use file::{FileSystem, LogFile, RealFiles};
pub use sim::{SimFault, SimFiles, SimHits};

use index::Index;
use shared::{Next, Shared};
use writer::{Change, Job, Tail, Writer};

/// Told the outcome of one call, from the writer thread. Must not block; may call the log.
pub type Done = Box<dyn FnOnce(Result<(), LogError>) + Send>;

/// Told a group and how far it is synced, from the writer thread.
pub type SyncedCallback = Arc<dyn Fn(u32, u64) + Send + Sync>;

/// What names an entry of a group.
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

/// What is known of a group, all calls that returned included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The last vote saved.
    pub vote: Option<Bytes>,
    /// The caller's name for the point up to which entries were purged.
    pub purged: Option<Bytes>,
    /// The index of that point; 0 also when nothing was purged (`purged` tells them apart).
    pub purged_index: u64,
    /// The first entry kept; without entries the one after the purged, or 0.
    pub first_index: u64,
    /// The last entry, if any is kept.
    pub last: Option<RecordId>,
}

/// Who runs the writer.
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
    /// Bytes of newest payloads kept in memory, over all groups (those not yet synced in addition).
    pub cache_bytes_max: usize,
    /// Bytes that may be queued. Refusing an append is a fault to Raft, so this is far beyond what
    /// a working disk lets pile up; it only keeps a dead disk from taking all memory.
    pub queue_bytes_max: usize,
    /// Bytes of one write, not counting the record that exceeds it.
    pub batch_bytes_max: usize,
    /// Calls in one batch.
    pub batch_calls_max: usize,
    /// How long no call must come before a mark is written behind the last batch; None for never.
    pub mark_idle: Option<Duration>,
    /// Who runs the writer.
    pub writer: WriterMode,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions {
            segment_bytes: 64 << 20,
            free_segments_max: 2,
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
    fn check(&self) -> Result<(), LogError> {
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

    fn record_bytes_max(&self) -> usize {
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
    /// Records written, without marks and checkpoints.
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
    /// Calls queued now.
    pub queued_calls: u64,
    /// Bytes queued now.
    pub queued_bytes: u64,
    /// Payload bytes in memory now.
    pub cache_bytes: u64,
}

/// A handle to the node's log. The last one dropped shuts it down.
#[derive(Clone)]
pub struct RaftLog {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The writer itself, when stepped.
    stepped: Mutex<Option<Writer>>,
}

impl RaftLog {
    /// Opens or creates the log in a directory that nobody else has open, and starts the writer.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when something that was synced is gone or altered.
    pub fn open(files: Arc<dyn FileSystem>, options: LogOptions) -> Result<RaftLog, LogError> {
        options.check()?;
        let recovered = recover::recover(&files, &options)?;
        let mode = options.writer;
        let shared = Arc::new(Shared::new(options, recovered.pool.handles(), recovered.index));
        let (is_new, tail) = match recovered.tail {
            Some(tail) => (false, tail),
            None => (true, Tail::before_all()),
        };
        let mut writer = Writer::new(Arc::clone(&shared), recovered.pool, recovered.ledger, tail);
        writer.start(is_new)?;
        let (thread, stepped) = match mode {
            WriterMode::Stepped => (None, Some(writer)),
            WriterMode::Thread => {
                let spawned = thread::Builder::new()
                    .name("raft-log".to_owned())
                    .spawn(move || run(writer))
                    .map_err(|error| LogError::io("start", "the writer thread", error))?;
                (Some(spawned), None)
            }
        };
        let owner = Owner { shared, thread: Mutex::new(thread), stepped: Mutex::new(stepped) };
        Ok(RaftLog { owner: Arc::new(owner) })
    }

    /// What is known of a group.
    #[must_use]
    pub fn state(&self, group: u32) -> GroupState {
        self.owner.shared.lock().index.state(group)
    }

    /// The groups that have a vote, entries or a purge mark, in order.
    #[must_use]
    pub fn groups(&self) -> Vec<u32> {
        self.owner.shared.lock().index.groups()
    }

    /// The last entry of each run of one term, in order: the log's shape. From memory.
    #[must_use]
    pub fn runs(&self, group: u32) -> Vec<RecordId> {
        self.owner.shared.lock().index.runs(group)
    }

    /// The entries `from..to_exclusive` that there are, each after the one before, up to
    /// `max_bytes` of payload but at least one. Blocks on the disk for what is not in memory.
    ///
    /// # Errors
    /// [`LogError::Purged`] when `from` lies before the first entry kept.
    pub fn read(
        &self,
        group: u32,
        from: u64,
        to_exclusive: u64,
        max_bytes: usize,
    ) -> Result<Vec<LogRecord>, LogError> {
        read::read(&self.owner.shared, group, from..to_exclusive, max_bytes)
    }

    /// Appends entries, the first right after the group's last (an empty log that was never purged
    /// begins where it is told: a state may be ahead of a log that lost its unsynced tail).
    ///
    /// Returns why it was refused, if it was ([`LogError::NotContiguous`] otherwise than above);
    /// `done` is told the same in its turn. So do the other calls.
    pub fn append(&self, group: u32, records: Vec<LogRecord>, done: Done) -> Option<LogError> {
        let bytes_max = self.owner.shared.options.record_bytes_max();
        let cost: usize = records.iter().map(|record| record.payload.len() + 64).sum();
        self.submit(group, cost, done, |index| {
            for record in &records {
                check_size(group, record.payload.len(), bytes_max)?;
            }
            index.check_append(group, &records)?;
            let first_serial = index.append(group, &records);
            Ok(Change::Append { records, first_serial })
        })
    }

    /// Saves a group's vote in place of the one before.
    pub fn save_vote(&self, group: u32, vote: Bytes, done: Done) -> Option<LogError> {
        let bytes_max = self.owner.shared.options.record_bytes_max();
        self.submit(group, vote.len() + 64, done, |index| {
            check_size(group, vote.len(), bytes_max)?;
            index.save_vote(group, vote.clone());
            Ok(Change::Vote(vote))
        })
    }

    /// Drops the group's entries behind `last_kept_index`, or all that are not purged.
    pub fn truncate_after(
        &self,
        group: u32,
        last_kept_index: Option<u64>,
        done: Done,
    ) -> Option<LogError> {
        self.submit(group, 64, done, |index| match index.truncation(group, last_kept_index) {
            None => Ok(Change::Tell(Ok(()))),
            Some(from) => {
                index.truncate(group, from);
                Ok(Change::Truncate(from))
            }
        })
    }

    /// Drops the group's entries up to `up_to_index`, which may lie beyond the last one (after a
    /// snapshot): the next append follows it. Going back changes nothing.
    pub fn purge(
        &self,
        group: u32,
        up_to_index: u64,
        purged_id: Bytes,
        done: Done,
    ) -> Option<LogError> {
        let bytes_max = self.owner.shared.options.record_bytes_max();
        self.submit(group, purged_id.len() + 64, done, |index| {
            check_size(group, purged_id.len(), bytes_max)?;
            if !index.purges(group, up_to_index) {
                return Ok(Change::Tell(Ok(())));
            }
            index.purge(group, up_to_index, purged_id.clone());
            Ok(Change::Purge { up_to: up_to_index, id: purged_id })
        })
    }

    /// Writes a mark behind everything queued so far, and syncs it, without waiting for idleness.
    pub fn mark(&self, done: Done) {
        self.submit(0, 0, done, |_| Ok(Change::Mark));
    }

    fn submit(
        &self,
        group: u32,
        cost: usize,
        done: Done,
        change: impl FnOnce(&mut Index) -> Result<Change, LogError>,
    ) -> Option<LogError> {
        let job = Job { group, change: Change::Tell(Ok(())), done, cost };
        self.owner.shared.submit(job, change)
    }

    /// The highest index of the group known to be synced, or covered by a synced purge; 0 for none.
    /// Falls when a truncation is queued.
    #[must_use]
    pub fn synced_index(&self, group: u32) -> u64 {
        self.owner.shared.lock().index.synced(group)
    }

    /// The name of the group's last entry known to be synced; none where that one was purged, or
    /// nothing is synced. Goes back when a truncation is queued.
    #[must_use]
    pub fn synced_id(&self, group: u32) -> Option<RecordId> {
        self.owner.shared.lock().index.synced_id(group)
    }

    /// Sets who is told after each sync, behind the `done` callbacks, of each group in the batch
    /// that got entries or a purge. Must not own this log, else neither is ever dropped.
    pub fn on_synced(&self, callback: SyncedCallback) {
        self.owner.shared.set_on_synced(callback);
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        let state = self.owner.shared.lock();
        LogStats {
            queued_calls: state.queue.len() as u64,
            queued_bytes: state.queue_bytes as u64,
            cache_bytes: state.index.cache_bytes() as u64,
            ..state.stats
        }
    }

    /// The failure after which nothing more is written, if there was one.
    #[must_use]
    pub fn failure(&self) -> Option<LogError> {
        self.owner.shared.failure()
    }

    /// With [`WriterMode::Stepped`]: writes one batch, if any call is queued, on this thread.
    /// Returns how many calls it held. Must not be called from a callback.
    pub fn step(&self) -> usize {
        self.owner.step()
    }

    /// Takes no more calls, writes what is queued and a mark, and ends the writer. From a callback
    /// it only asks the writer to end.
    pub fn shutdown(&self) {
        self.owner.shutdown();
    }
}

impl fmt::Debug for RaftLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RaftLog").field("shared", &self.owner.shared).finish()
    }
}

impl Owner {
    fn step(&self) -> usize {
        let mut stepped = self.stepped.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(writer) = stepped.as_mut() else { return 0 };
        let jobs = self.shared.take_batch();
        let count = jobs.len();
        if count > 0 {
            writer.run_batch(jobs);
        }
        count
    }

    fn shutdown(&self) {
        self.shared.close();
        while self.step() > 0 {}
        if let Some(mut writer) = self.stepped.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            writer.run_idle();
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the writer was caught and told; there is nothing left to pass on.
            drop(thread.join());
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn check_size(group: u32, bytes: usize, bytes_max: usize) -> Result<(), LogError> {
    if bytes > bytes_max { Err(LogError::TooLarge { group, bytes, bytes_max }) } else { Ok(()) }
}

/// The writer thread. A panic (of a callback, most likely) is a failure of the log like any other.
fn run(mut writer: Writer) {
    let shared = writer.shared();
    let served = catch_unwind(AssertUnwindSafe(|| {
        loop {
            match shared.next(writer.wants_mark()) {
                Next::Batch(jobs) => writer.run_batch(jobs),
                Next::Idle => writer.run_idle(),
                Next::Close => return writer.run_idle(),
            }
        }
    }));
    if served.is_err() {
        let panicked = std::io::Error::other("the writer thread panicked");
        let failed = shared.fail(LogError::io("run", "the writer thread", panicked));
        shared.close();
        for job in shared.take_all() {
            (job.done)(Err(failed.clone()));
        }
    }
}

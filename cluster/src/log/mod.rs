//! The Raft log and the votes of all groups of a node, in one set of files of their own.
//!
//! **Contract.** A call is queued at once and never blocks on the disk; [`RaftLog::state`] and
//! [`RaftLog::read`] show it as soon as it returns. Its `done` is called from the writer thread, in
//! the order of the calls, once its records are synced. Records that `done` has confirmed survive
//! any crash; if the disk loses or alters them, opening the log returns [`LogError::Damaged`]. A
//! call that is rejected changes nothing; both its return value and its `done` report that. The
//! caller must not ignore the rejection, or it could still read entries that it tried to truncate.
//!
//! **Files.** `manifest` lists the segments that must exist. Segments are preallocated files of one
//! length, filled with records in the order of the calls, then kept, then recycled: header, a
//! checkpoint of every group (vote, purge mark, live range), then batches. Each batch begins with a
//! mark that says that all bytes before it are synced. A segment is recycled when no live entry is
//! in it or before it. The last few live entries of the oldest one are carried over into the newest
//! (`writer/carry.rs`), so that a quiet group does not hold all segments: the segments hold at most
//! twice the bytes that are live, and [`LogOptions::slack_segments`].
//!
//! **Damage or a torn write.** `recover.rs` has the rule. It cannot distinguish one case: a bit
//! that flips in the very last batch before any mark follows it. So a mark (two, on different
//! pages) is written and synced after [`LogOptions::mark_idle`] without calls, at shutdown, and on
//! demand ([`RaftLog::mark`]).
//!
//! Why not an embedded database's log: its strict recovery cannot recycle files, its lenient one
//! drops all records behind a bad one, and neither runs on a simulated disk.
//!
//! **Not here**: the Raft library, an async runtime, the meaning of payloads, votes and purged ids,
//! retries of IO, and the decision when to purge.

mod error;
mod file;
mod frame;
mod index;
mod job;
mod ledger;
mod pool;
mod read;
mod recover;
mod segment;
mod shared;
#[cfg(any(test, feature = "testing"))]
mod sim;
mod types;
mod writer;

#[cfg(test)]
mod damage_test;
#[cfg(test)]
mod fault_test;
#[cfg(test)]
mod golden_test;
#[cfg(test)]
mod log_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod threads_test;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use bytes::Bytes;

pub use error::LogError;
pub use file::{FileSystem, LogFile, RealFiles};
#[cfg(any(test, feature = "testing"))]
pub use sim::{SimFault, SimFiles, SimHits};
pub use types::{
    Done, GroupState, LogOptions, LogRecord, LogStats, RecordId, SyncedCallback, WriterMode,
};

use crate::locks::locked;
use index::Index;
use job::{Change, Job};
use shared::{Next, Shared};
use writer::{Tail, Writer};

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
    /// Opens or creates the log in a directory that no other process has open, and starts the
    /// writer.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when synced bytes are missing or altered.
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

    /// Entries may be carried over from now on, into segments that an earlier release cannot read.
    pub fn allow_carrying(&self) {
        self.owner.shared.allow_carrying();
    }

    /// The state of a group.
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

    /// The present entries of `from..to_exclusive`, without a gap, up to `max_bytes` of payload but
    /// at least one. Blocks on the disk for entries that are not in memory.
    ///
    /// # Errors
    /// [`LogError::Purged`] when `from` is before the first entry kept.
    pub fn read(
        &self,
        group: u32,
        from: u64,
        to_exclusive: u64,
        max_bytes: usize,
    ) -> Result<Vec<LogRecord>, LogError> {
        read::read(&self.owner.shared, group, from..to_exclusive, max_bytes)
    }

    /// Appends entries, the first right after the group's last. An empty log that was never purged
    /// begins at the given index: a state may be ahead of a log that lost its unsynced tail.
    ///
    /// Returns the reason if the call is rejected ([`LogError::NotContiguous`] for other indexes);
    /// `done` gets the same, in order. The other calls do so too.
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

    /// Sets the callback after each sync, behind the `done` callbacks, for each group in the batch
    /// that got entries or a purge. It must not own this log, or neither is ever dropped.
    pub fn on_synced(&self, callback: SyncedCallback) {
        self.owner.shared.set_on_synced(callback);
    }

    /// Bytes that the group's entries take on the disk.
    #[must_use]
    pub fn group_bytes(&self, group: u32) -> u64 {
        self.owner.shared.lock().index.group_bytes(group)
    }

    /// The last of the group's oldest entries that together take `bytes` on the disk, or a little
    /// more; none for 0 bytes. Counts one by one, so it is for a caller that then purges them.
    #[must_use]
    pub fn end_of_oldest(&self, group: u32, bytes: u64) -> Option<u64> {
        self.owner.shared.lock().index.end_of_oldest(group, bytes)
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> LogStats {
        let state = self.owner.shared.lock();
        LogStats {
            queued_calls: state.queue.len() as u64,
            queued_bytes: state.queue_bytes as u64,
            cache_bytes: state.index.cache_bytes() as u64,
            live_bytes: state.index.live_bytes(),
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

    /// Accepts no more calls, writes the queued ones and a mark, and ends the writer. From a
    /// callback it only asks the writer to end.
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
        let mut stepped = locked(&self.stepped);
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
        if let Some(mut writer) = locked(&self.stepped).take() {
            writer.run_idle();
        }
        let thread = locked(&self.thread).take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the writer was caught and reported already.
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

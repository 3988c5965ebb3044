//! The state that callers and the writer share: the queue, the index, the counters, the first
//! failure.
//!
//! One short mutex; no thread may hold it while it does IO or calls a callback.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    error::LogError,
    index::Index,
    job::{Change, Job},
    pool::Handles,
    types::{LogOptions, LogStats, SyncedCallback},
};

use crate::{locks::locked, planted};

/// Behind the mutex.
pub(super) struct State {
    pub(super) queue: VecDeque<Job>,
    pub(super) queue_bytes: usize,
    pub(super) index: Index,
    /// The first failure: for good.
    pub(super) failed: Option<LogError>,
    /// No more calls are taken.
    pub(super) closing: bool,
    pub(super) stats: LogStats,
}

/// Shared by all handles and the writer.
pub(super) struct Shared {
    pub(super) options: LogOptions,
    pub(super) handles: Handles,
    carries: AtomicBool,
    state: Mutex<State>,
    wake: Condvar,
    on_synced: Mutex<Option<SyncedCallback>>,
}

/// The writer's next action.
pub(super) enum Next {
    Batch(Vec<Job>),
    Idle,
    Close,
}

impl Shared {
    pub(super) fn new(options: LogOptions, handles: Handles, index: Index) -> Shared {
        let state = State {
            queue: VecDeque::new(),
            queue_bytes: 0,
            index,
            failed: None,
            closing: false,
            stats: LogStats::default(),
        };
        Shared {
            carries: AtomicBool::new(options.carries),
            options,
            handles,
            state: Mutex::new(state),
            wake: Condvar::new(),
            on_synced: Mutex::new(None),
        }
    }

    /// Whether entries may be carried over.
    pub(super) fn may_carry(&self) -> bool {
        planted::on_carrying(self.carries.load(Ordering::Relaxed))
    }

    pub(super) fn allow_carrying(&self) {
        self.carries.store(true, Ordering::Relaxed);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Queues a call. `change` checks it and shows it in the index, under one lock. A rejection is
    /// returned, and passed to `done` in order. A closed log calls `done` at once, on the caller's
    /// thread.
    pub(super) fn submit(
        &self,
        mut job: Job,
        change: impl FnOnce(&mut Index) -> Result<Change, LogError>,
    ) -> Option<LogError> {
        let mut state = self.lock();
        if state.closing {
            drop(state);
            (job.done)(Err(LogError::Closed));
            return Some(LogError::Closed);
        }
        let queued_bytes = state.queue_bytes + job.cost;
        let bytes_max = self.options.queue_bytes_max;
        let taken = if let Some(failed) = state.failed.clone() {
            Err(failed)
        } else if queued_bytes > bytes_max {
            Err(LogError::Overloaded { queued_bytes, bytes_max })
        } else {
            change(&mut state.index)
        };
        let refused = taken.as_ref().err().cloned();
        job.change = taken.unwrap_or_else(|error| Change::Tell(Err(error)));
        if matches!(job.change, Change::Tell(_)) {
            job.cost = 0;
        }
        state.queue_bytes += job.cost;
        state.queue.push_back(job);
        drop(state);
        self.wake.notify_one();
        refused
    }

    /// Waits for work; `wants_mark` lets an idle time end the wait.
    pub(super) fn next(&self, wants_mark: bool) -> Next {
        let mut state = self.lock();
        let asleep = |state: &mut State| state.queue.is_empty() && !state.closing;
        if asleep(&mut state) {
            state = match self.options.mark_idle.filter(|_| wants_mark) {
                Some(idle) => {
                    let waited = self.wake.wait_timeout_while(state, idle, asleep);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let jobs = self.drain(&mut state);
        match (jobs.is_empty(), state.closing) {
            (false, _) => Next::Batch(jobs),
            (true, true) => Next::Close,
            (true, false) => Next::Idle,
        }
    }

    /// The queued calls, up to the size of a batch.
    pub(super) fn take_batch(&self) -> Vec<Job> {
        self.drain(&mut self.lock())
    }

    /// All queued calls, when the writer will not write any more.
    pub(super) fn take_all(&self) -> VecDeque<Job> {
        let mut state = self.lock();
        state.queue_bytes = 0;
        std::mem::take(&mut state.queue)
    }

    fn drain(&self, state: &mut State) -> Vec<Job> {
        let mut bytes = 0;
        let mut jobs = Vec::new();
        while let Some(next) = state.queue.front() {
            bytes += next.cost;
            let full =
                bytes > self.options.batch_bytes_max || jobs.len() >= self.options.batch_calls_max;
            if full && !jobs.is_empty() {
                break;
            }
            jobs.extend(state.queue.pop_front());
        }
        let taken: usize = jobs.iter().map(|job| job.cost).sum();
        state.queue_bytes -= taken;
        jobs
    }

    /// Accepts no more calls; queued ones are still written.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Keeps the first failure and returns the error that every caller gets.
    pub(super) fn fail(&self, error: LogError) -> LogError {
        let mut state = self.lock();
        let failed = LogError::Failed { source: Arc::new(error) };
        state.failed.get_or_insert(failed).clone()
    }

    pub(super) fn failure(&self) -> Option<LogError> {
        self.lock().failed.clone()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut LogStats)) {
        change(&mut self.lock().stats);
    }

    pub(super) fn set_on_synced(&self, callback: SyncedCallback) {
        *locked(&self.on_synced) = Some(callback);
    }

    pub(super) fn tell_synced(&self, groups: &[(u32, u64)]) {
        let callback = locked(&self.on_synced).clone();
        if let Some(callback) = callback {
            for (group, synced) in groups {
                callback(*group, *synced);
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

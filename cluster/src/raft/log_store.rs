//! The Raft library's log storage over one group's part of the node's log ([`crate::log`]).
//!
//! Order is the log writer's: vote, append, truncate and purge reach the disk in the order they
//! were asked for. An append is reported as done by the writer after its fsync, never before.
//! A log is never purged beyond what the synced state covers.

use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
    sync::Arc,
};

use bytes::Bytes;
use concordat_proto::id::GroupId;
use openraft::{
    OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use tokio::sync::oneshot;

use super::{
    convert,
    machine_store::SyncedState,
    types::{Entry, RaftLogId, RaftTypes, RaftVote},
};
use crate::log::{LogError, LogRecord, RaftLog};
use crate::planted::{self, Bug};

/// Bytes of entries that one read of the log gives at the most (and one entry at the least).
const READ_BYTES_MAX: usize = 1024 * 1024;

/// One group's log.
#[derive(Debug, Clone)]
pub(crate) struct LogStore {
    group: GroupId,
    log: RaftLog,
    state: Arc<SyncedState>,
}

impl LogStore {
    /// One group's part of the node's log; `state` tells how far the state is synced.
    pub(crate) fn new(group: GroupId, log: RaftLog, state: Arc<SyncedState>) -> Self {
        Self { group, log, state }
    }

    fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, io::Error> {
        let records = self.log.read(self.group.0, from, to, bytes_max).map_err(log_error)?;
        entries_of(&records)
    }

    fn vote(&self) -> Result<Option<RaftVote>, io::Error> {
        let vote = self.log.state(self.group.0).vote;
        Ok(vote.map(|bytes| convert::decode(&bytes)).transpose()?)
    }
}

fn entries_of(records: &[LogRecord]) -> Result<Vec<Entry>, io::Error> {
    Ok(records.iter().map(convert::entry_of).collect::<Result<_, _>>()?)
}

fn log_error(error: LogError) -> io::Error {
    io::Error::other(error)
}

impl RaftLogReader<RaftTypes> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(index) => index.saturating_add(1),
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        // Of a range the library takes what there is; what replication asks for, below, is exact.
        // A purge may come between looking where the log begins and reading it.
        let mut from = from.max(self.log.state(self.group.0).first_index);
        loop {
            match self.log.read(self.group.0, from, to.max(from), usize::MAX) {
                Ok(records) => {
                    let next = records.last().map_or(from, |last| last.id.index + 1);
                    // A log that has failed took nothing more, whatever the library believes to have
                    // appended: what it lacks is a fault, not the end of the log.
                    if next < to
                        && let Some(failure) = self.log.failure()
                        && !planted::is(Bug::FailedLogReadsNothing)
                    {
                        return Err(log_error(failure));
                    }
                    return entries_of(&records);
                }
                Err(LogError::Purged { first_index, .. }) if first_index > from => {
                    from = first_index;
                }
                Err(error) => return Err(log_error(error)),
            }
        }
    }

    async fn read_vote(&mut self) -> Result<Option<RaftVote>, io::Error> {
        self.vote()
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, READ_BYTES_MAX)
    }
}

impl RaftLogStorage<RaftTypes> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<RaftTypes>, io::Error> {
        let state = self.log.state(self.group.0);
        let purged: Option<RaftLogId> =
            state.purged.map(|bytes| convert::decode(&bytes)).transpose()?;
        let last = state.last.map(convert::record_log_id);
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.max(purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> Result<(), io::Error> {
        if planted::is(Bug::VoteNotSaved) {
            return Ok(());
        }
        let (done, saved) = oneshot::channel();
        self.log.save_vote(
            self.group.0,
            convert::encode(vote),
            Box::new(move |result| drop(done.send(result))),
        );
        if planted::is(Bug::VoteBeforeSync) {
            return Ok(());
        }
        saved.await.map_err(io::Error::other)?.map_err(log_error)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        flushed: IOFlushed<RaftTypes>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records = entries.into_iter().map(|entry| convert::record_of(&entry)).collect();
        if planted::is(Bug::AckBeforeSync) {
            self.log.append(self.group.0, records, Box::new(drop_result));
            flushed.io_completed(Ok(()));
            return Ok(());
        }
        self.log.append(
            self.group.0,
            records,
            Box::new(move |result| flushed.io_completed(result.map_err(log_error))),
        );
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> Result<(), io::Error> {
        if planted::is(Bug::TruncationForgotten) {
            return Ok(());
        }
        // Not waited for: the one writer keeps the order, and what is appended next is synced
        // together with this.
        self.log.truncate_after(self.group.0, last.map(|id| id.index), Box::new(drop_result));
        Ok(())
    }

    async fn purge(&mut self, up_to: RaftLogId) -> Result<(), io::Error> {
        self.state.ensure_synced(up_to.index)?;
        let id: Bytes = convert::encode(&up_to);
        let further = if planted::is(Bug::PurgeTooFar) { 8 } else { 0 };
        self.log.purge(self.group.0, up_to.index + further, id, Box::new(drop_result));
        Ok(())
    }
}

/// For what nobody waits for: a failure has poisoned the log, and the next append says so.
fn drop_result(_: Result<(), LogError>) {}

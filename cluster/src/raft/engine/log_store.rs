//! The Raft library's log storage over one group's part of the node's log ([`crate::log`]).
//!
//! The log writer keeps the order: vote, append, truncate and purge reach the disk in the order of
//! the calls. The writer reports an append as done after its fsync, never before. A log is never
//! purged beyond the synced state.
//!
//! **A log that rejected a change is never read again.** The library applies entries as soon as it
//! has passed them to the log, before they are synced. A follower that could not truncate entries
//! that a new leader has overwritten would apply them instead of the committed ones, and its state
//! would differ from all others for ever. So a rejection is returned at once, which stops the
//! replica before it applies anything more, and reads of a failed log are rejected too.

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

use crate::{
    log::{LogError, LogRecord, RaftLog},
    raft::engine::{
        convert,
        machine_store::SyncedState,
        types::{Entry, RaftLogId, RaftTypes, RaftVote},
    },
    raft::planted,
};

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
    /// One group's part of the node's log; `state` has the synced position of the state.
    pub(crate) fn new(group: GroupId, log: RaftLog, state: Arc<SyncedState>) -> Self {
        Self { group, log, state }
    }

    fn read(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<Entry>, io::Error> {
        let records = self.log.read(self.group.0, from, to, bytes_max).map_err(log_error)?;
        entries_of(&records)
    }

    /// Nothing, if the log took the change.
    fn taken(refused: Option<LogError>) -> Result<(), io::Error> {
        planted::on_log_refusal(refused).map_or(Ok(()), |refused| Err(log_error(refused)))
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
        // For a range the library accepts the entries that exist; replication, below, needs all of
        // them. A purge may happen between the look at the log's start and the read.
        let mut from = from.max(self.log.state(self.group.0).first_index);
        loop {
            match self.log.read(self.group.0, from, to.max(from), usize::MAX) {
                Ok(records) => {
                    // Asked after the read: a change that a failure kept out was made before it.
                    Self::taken(self.log.failure())?;
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
        if !planted::saves_votes() {
            return Ok(());
        }
        let (done, saved) = oneshot::channel();
        // A rejection is returned in that way, too.
        self.log.save_vote(
            self.group.0,
            convert::encode(vote),
            Box::new(move |result| drop(done.send(result))),
        );
        if !planted::awaits_votes() {
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
        planted::on_append(flushed, |flushed| {
            Self::taken(self.log.append(
                self.group.0,
                records,
                Box::new(move |result| flushed.io_completed(result.map_err(log_error))),
            ))
        })
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> Result<(), io::Error> {
        if !planted::truncates() {
            return Ok(());
        }
        // Not waited for: the writer keeps the order, and the next append is synced together with
        // this.
        let last = last.map(|id| id.index);
        Self::taken(self.log.truncate_after(self.group.0, last, Box::new(drop_result)))
    }

    async fn purge(&mut self, up_to: RaftLogId) -> Result<(), io::Error> {
        self.state.ensure_synced(up_to.index)?;
        let id: Bytes = convert::encode(&up_to);
        let index = planted::on_purge(up_to.index);
        Self::taken(self.log.purge(self.group.0, index, id, Box::new(drop_result)))
    }
}

/// For changes without a waiter: a failure has poisoned the log, and the next change is rejected.
fn drop_result(_: Result<(), LogError>) {}

#[cfg(test)]
mod tests {
    use openraft::entry::RaftEntry;

    use super::*;
    use crate::{
        log::{LogOptions, SimFault, SimFiles, WriterMode},
        store::{memory::MemoryStore, shadow::ShadowStore},
    };

    fn blank(term: u64, index: u64) -> Entry {
        Entry::new_blank(RaftLogId::new_term_index(term, index))
    }

    /// Found by the simulation: the state of a learner with a failed disk differed from all others.
    /// It had the entries of a leader that lost its leadership, could not truncate them, and
    /// applied them when it learned that other entries at their indexes were committed.
    #[tokio::test]
    async fn what_a_failed_log_could_not_drop_is_not_read_as_what_was_committed() {
        let files = SimFiles::new();
        let options = LogOptions { writer: WriterMode::Stepped, ..LogOptions::default() };
        let log = RaftLog::open(Arc::new(files.clone()), options).expect("a new log");
        let store = ShadowStore::open(Arc::new(MemoryStore::default())).expect("a new store");
        let state = Arc::new(SyncedState::new(GroupId(7), Arc::new(store)).without_state());
        let mut log_store = LogStore::new(GroupId(7), log.clone(), state);

        let overruled = (0..=3).map(|index| blank(1, index));
        log_store.append(overruled, IOFlushed::noop()).await.expect("it is queued");
        while log.step() > 0 {}
        assert_eq!(log_store.try_get_log_entries(0..4).await.expect("a sound log").len(), 4);

        files.inject(SimFault::WriteError { after: 0 });
        log_store.append([blank(1, 4)], IOFlushed::noop()).await.expect("it is queued");
        while log.step() > 0 {}
        assert!(log.failure().is_some(), "the disk has failed");

        let before = Some(blank(1, 1).log_id());
        assert!(log_store.truncate_after(before).await.is_err());
        assert!(log_store.append([blank(2, 2)], IOFlushed::noop()).await.is_err());
        assert!(log_store.purge(blank(1, 0).log_id()).await.is_err());
        assert!(log_store.try_get_log_entries(2..3).await.is_err(), "it has 2 of term 1");
    }
}

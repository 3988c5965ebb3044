//! The writes that a returning node's replica of a closed group has and its successor lacks: listed
//! for the operator, and looked up by write id for receipts.
//!
//! Which write can be called lost is `machine/failover/lost.rs`'s rule; here the log is read, and what was
//! read of it is kept. It must never be kept while the log may still grow.
//!
//! A write that is called lost is first recorded in its organization's home group: so it stays lost
//! when no node that has the write answers any more, and no copy of it can be executed. The record
//! is kept for a day of log time, longer than any copy may still be executed. There are no more
//! such records than writes that replicas list ([`limits::DIVERGED_WRITES_MAX`]).
//!
//! # Cost
//! The log of a closed replica does not change: it is read once. Requests about a write go only to
//! nodes whose replica can have entries of its own, and few at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use concordat_proto::{command::Proposal, failover::Succession, id::GroupId, limits, wire::Wire};
use openraft::{EntryPayload, entry::RaftEntry};
use tokio::sync::Semaphore;

use crate::{
    locks::locked,
    log::{LogRecord, RaftLog},
    machine::lost::{Rest, RestReader},
    raft::engine::convert,
    store::{StoreError, shadow::ShadowStore},
};

/// Bytes of log entries read at a time.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// The entries of this node's closed replicas, once they were read.
#[derive(Debug)]
pub(crate) struct Rests {
    known: Mutex<BTreeMap<GroupId, Arc<Rest>>>,
    /// One reading at a time.
    pub(crate) reading: tokio::sync::Mutex<()>,
    pub(crate) questions: Semaphore,
}

impl Default for Rests {
    fn default() -> Self {
        let questions = Semaphore::new(limits::DIVERGED_QUESTIONS_MAX);
        Self { known: Mutex::default(), reading: tokio::sync::Mutex::default(), questions }
    }
}

impl Rests {
    pub(crate) fn get(&self, group: GroupId, succession: &Succession) -> Option<Arc<Rest>> {
        let known = locked(&self.known);
        known.get(&group).filter(|rest| rest.is_of(succession)).cloned()
    }

    pub(crate) fn put(&self, group: GroupId, rest: &Arc<Rest>) {
        let mut known = locked(&self.known);
        known.insert(group, Arc::clone(rest));
    }
}

/// Reads what a closed group's log has that its successor lacks; nothing where it cannot be read.
pub(crate) fn read(
    store: &ShadowStore,
    log: &RaftLog,
    group: GroupId,
    succession: Succession,
) -> Option<Rest> {
    let state = log.state(group.0);
    let first = state.last.map(|_| state.first_index);
    let mut rest = RestReader::new(store, group, succession, first).ok()?;
    let Some(last) = state.last else { return Some(rest.finish()) };
    let mut next = state.first_index;
    while next <= last.index {
        let records = log.read(group.0, next, last.index + 1, READ_BYTES_MAX).ok()?;
        if records.is_empty() {
            break;
        }
        for record in &records {
            next = record.id.index + 1;
            read_one(&mut rest, record).ok()?;
        }
    }
    Some(rest.finish())
}

/// What is no proposal, or none that this build knows, is no client's write.
fn read_one(rest: &mut RestReader<'_>, record: &LogRecord) -> Result<(), StoreError> {
    let Ok(entry) = convert::entry_of(record) else { return Ok(()) };
    let EntryPayload::Normal(payload) = &entry.payload else { return Ok(()) };
    let Ok(proposal) = Proposal::decode(&payload.0) else { return Ok(()) };
    rest.take(convert::log_id(entry.log_id()), &proposal)
}

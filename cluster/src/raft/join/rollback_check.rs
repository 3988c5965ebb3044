//! The rollback check: a node asks its peers what they remember of it before it takes part again
//! after a start, so that a node whose disk has lost acknowledged entries detects it, and stops.
//!
//! A node is its data directory, and a directory can be restored to an older copy, copied and
//! started twice, or be on a disk that lies about its syncs. Raft depends on what a voter has
//! acknowledged. Entries that a replica reports are applied and synced, so no truncation and no
//! power failure removes them: if a peer remembers a report beyond the end of this node's log, the
//! directory is not the one that reported. Votes are not reported; a copy that lacks only votes is
//! not detected.
//!
//! Before a leader has answered, its entries are rejected: it would learn from its stream that the
//! log ends before the index that it knows, which its library takes for a bug. A leader that
//! reaches this node may be unreachable from here, or its address unknown: after [`ASKED_FIRST`]
//! its entries are accepted all the same, and peers are asked further. Peers of the first release
//! do not know the request, and remember nothing. It must never stop a node because an answer is
//! missing.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
    wire::{
        Wire,
        peer::{GroupProgress, PeerReply, PeerRequest},
    },
};
use futures::future;

use crate::{
    locks::locked,
    log::RaftLog,
    raft::{
        core::Core,
        engine::applied::read_applied,
        fault::Fault,
        planted,
        transport::{Channel, TransportError},
    },
    store::Reader,
};

/// Between two rounds of questions, once every peer has answered.
const ASK_EVERY: Duration = Duration::from_secs(3);
/// The same, before.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// How long after the start a leader's entries wait for its answer.
const ASKED_FIRST: Duration = Duration::from_secs(3);
/// For one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Asks all peers periodically, until the node stops. A node that is new at its start has no past
/// to lose, but a later process of it may have.
pub(crate) async fn run(core: Core) {
    loop {
        let peers = core.peers();
        let asked = peers.iter().map(|peer| ask(&core, *peer));
        let answers = future::join_all(asked).await;
        if let Some(fault) = answers.into_iter().find_map(Result::err) {
            core.fail(&fault);
            return;
        }
        let all = core.peer_memory().is_answered_by(&peers);
        tokio::time::sleep(if all { ASK_EVERY } else { ASK_AGAIN }).await;
    }
}

/// Whether a leader's entries may be accepted: it has answered, now or earlier, or cannot be asked.
pub(crate) async fn may_follow(core: &Core, peer: NodeId) -> bool {
    let is_new = core.config().cluster.is_none();
    let is_late = core.since_start() > ASKED_FIRST;
    if is_new || is_late || locked(&core.peer_memory().answered).contains(&peer) {
        return true;
    }
    match ask(core, peer).await {
        Ok(()) => locked(&core.peer_memory().answered).contains(&peer),
        Err(fault) => {
            core.fail(&fault);
            false
        }
    }
}

/// Asks one peer. A fault when the peer remembers more than this node has.
async fn ask(core: &Core, peer: NodeId) -> Result<(), Fault> {
    let body = Bytes::from(PeerRequest::Recall { run: core.run_name() }.encode());
    let transport = &core.environment().transport;
    let answer = transport.request(peer, Channel::Control, body, ANSWER_LIMIT).await;
    let reply = match answer {
        Ok(bytes) => PeerReply::decode(&bytes),
        Err(
            TransportError::UnknownPeer(_)
            | TransportError::Unreachable { .. }
            | TransportError::Lost
            | TransportError::TimedOut,
        ) => return Ok(()),
    };
    // Another answer is of the first release, or about to stop this node by another way.
    if let Ok(PeerReply::Recalled { reported, is_twice }) = reply {
        if planted::on_past(is_twice) {
            let reason = "another process with this node's id is at work: its data directory \
                          was copied; wipe this copy, and it comes back as a new node";
            return Err(Fault::caused("taking part", reason));
        }
        require_remembered(core, peer, &reported)?;
    }
    locked(&core.peer_memory().answered).insert(peer);
    Ok(())
}

/// A fault when a peer has had reports of entries that this node's log has not got.
fn require_remembered(core: &Core, peer: NodeId, reported: &[GroupProgress]) -> Result<(), Fault> {
    for GroupProgress { group, applied } in reported {
        let environment = core.environment();
        let ends = end_of_disk(&**core.shadow_store(), &environment.log, *group)?;
        if planted::on_past(*applied > ends) {
            let reason = format!(
                "node {peer} has had reports of this node up to entry {applied} of group {group}, \
                 and the log in its data directory ends at {ends}: the directory was put back to an \
                 older copy, or its disk has lost what it had synced; wipe the whole directory, and \
                 the node comes back as a new one"
            );
            return Err(Fault::caused("taking part again", reason));
        }
    }
    Ok(())
}

/// The newest entry of a group that this node's disk has, as an entry or within a state. The state is read
/// from the store: its replica may not be open yet, and a state can be ahead of a log that lost its unsynced
/// tail.
fn end_of_disk(store: &dyn Reader, log: &RaftLog, group: GroupId) -> Result<LogIndex, Fault> {
    let context = |error| Fault::caused("reading the state's position", error);
    let applied = read_applied(store, group).map_err(context)?;
    let applied = planted::on_state_recalled(applied.log_id.map(|id| id.index).unwrap_or_default());
    let state = log.state(group.0);
    let last = state.last.map_or(0, |last| last.index);
    Ok(LogIndex(last.max(state.purged_index)).max(applied))
}

impl Core {
    /// A name of this process that no other one of this node has.
    pub(crate) fn run_name(&self) -> u64 {
        self.started_at().0
    }

    /// What this node remembers of the asking peer, and whether an earlier process of it is
    /// running.
    pub(crate) fn recalled(&self, peer: NodeId, run: u64) -> PeerReply {
        let known = self.peers();
        let mut runs = locked(&self.peer_memory().runs);
        runs.retain(|node| known.contains(&node));
        let is_twice =
            known.contains(&peer) && runs.asked(peer, run, self.environment().steady.now());
        drop(runs);
        let groups = self.replicas().into_iter().map(|replica| replica.group);
        let reported = groups.filter_map(|group| {
            let applied = self.tracker().applied_of(group, peer)?;
            Some(GroupProgress { group, applied })
        });
        PeerReply::Recalled { reported: reported.collect(), is_twice }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use concordat_proto::{
        log::{LogId, Term},
        record::AppliedRecord,
    };

    use super::*;
    use crate::{
        log::{LogOptions, LogRecord, RecordId, SimFiles},
        store::{Store, WriteBatch, keys, memory::MemoryStore},
    };

    /// A node was killed while its disk hung: its state is ahead of its log.
    #[test]
    fn a_state_that_is_ahead_of_its_log_has_lost_nothing() {
        let (store, group) = (MemoryStore::default(), GroupId(2));
        let log = RaftLog::open(Arc::new(SimFiles::new()), LogOptions::default());
        let log = log.expect("a new log");
        let end = |store: &MemoryStore| end_of_disk(store, &log, group).expect("it reads");
        assert_eq!(end(&store), LogIndex(0));
        let record = |index| LogRecord { id: RecordId { term: 1, index }, payload: Bytes::new() };
        log.append(group.0, (1..=44).map(record).collect(), Box::new(drop));
        assert_eq!(end(&store), LogIndex(44));
        let log_id = Some(LogId { term: Term(1), index: LogIndex(49) });
        let applied = AppliedRecord { log_id, ..AppliedRecord::default() };
        let changes = vec![(keys::applied(group), Some(applied.encode()))];
        store.write(WriteBatch { changes, ..WriteBatch::default() }).expect("it writes");
        assert_eq!(end(&store), LogIndex(49));
    }
}

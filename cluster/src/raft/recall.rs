//! What peers remember of this node: asked before it takes part again after a start, so that a node
//! whose disk has forgotten what it acknowledged finds out, and stops.
//!
//! A node is its data directory, and a directory can be put back to an older copy, copied and started
//! twice, or be on a disk that lies about its syncs. Raft rests on what a voter has acknowledged. What a
//! replica reports is applied and synced, so no truncation and no power loss takes it away: where a
//! peer remembers a report beyond the end of this node's log, the directory is not the one that
//! reported. Votes are not reported; a copy that lacks nothing but votes is not found out.
//!
//! Before the answer of a leader, that leader's entries are not taken: it would learn from its stream
//! that the log ends before what it knows to be there, which its library takes for a defect. A leader
//! that reaches this node may be one that this node does not reach, or has no address of: after
//! [`ASKED_FIRST`] its entries are taken all the same, and peers are asked further. Peers of the first
//! release do not know the question, and remember nothing. It must never stop a node for an answer
//! that did not come.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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

use super::{
    fault::Fault,
    groups::Groups,
    transport::{Channel, TransportError},
};
use crate::{
    consistency::Runs,
    planted::{self, Bug},
};

/// Between two rounds of questions, once every peer has answered.
const ASK_EVERY: Duration = Duration::from_secs(3);
/// The same, before.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// How long after the start a leader's entries wait for its answer.
const ASKED_FIRST: Duration = Duration::from_secs(3);
/// For one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// What this process has been told of the node's past, and what it remembers of its peers' runs.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    answered: Mutex<BTreeSet<NodeId>>,
    runs: Mutex<Runs>,
}

impl Recall {
    /// Whether there are peers, and all of them have answered.
    fn is_answered_by(&self, peers: &[NodeId]) -> bool {
        let answered = lock(&self.answered);
        !peers.is_empty() && peers.iter().all(|peer| answered.contains(peer))
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks all peers now and then, until the node stops. A node without a past at its start has none to be
/// told of, but a later process of it may have.
pub(crate) async fn run(groups: Groups) {
    loop {
        let peers = groups.peers();
        let asked = peers.iter().map(|peer| ask(&groups, *peer));
        let answers = future::join_all(asked).await;
        if let Some(fault) = answers.into_iter().find_map(Result::err) {
            groups.fail(&fault);
            return;
        }
        let all = groups.recollection().is_answered_by(&peers);
        tokio::time::sleep(if all { ASK_EVERY } else { ASK_AGAIN }).await;
    }
}

/// Whether a leader's entries may be taken: it has said what it remembers, now or earlier, or cannot be
/// asked.
pub(crate) async fn may_follow(groups: &Groups, peer: NodeId) -> bool {
    let is_new = groups.config().cluster.is_none();
    let is_late = groups.since_start() > ASKED_FIRST;
    if is_new || is_late || lock(&groups.recollection().answered).contains(&peer) {
        return true;
    }
    match ask(groups, peer).await {
        Ok(()) => lock(&groups.recollection().answered).contains(&peer),
        Err(fault) => {
            groups.fail(&fault);
            false
        }
    }
}

/// Asks one peer. A fault when this node is not what the peer remembers.
async fn ask(groups: &Groups, peer: NodeId) -> Result<(), Fault> {
    let body = Bytes::from(PeerRequest::Recall { run: groups.run_name() }.encode());
    let transport = &groups.environment().transport;
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
    match reply {
        Ok(PeerReply::Recalled { reported, is_twice }) => {
            if is_twice && !planted::is(Bug::ForgottenPastIgnored) {
                let reason = "another process with this node's id is at work: its data directory \
                              was copied; wipe this copy, and it comes back as a new node";
                return Err(Fault::caused("taking part", reason));
            }
            require_remembered(groups, peer, &reported)?;
        }
        // Of the first release, or about to stop this node by another way.
        Ok(_) | Err(_) => {}
    }
    lock(&groups.recollection().answered).insert(peer);
    Ok(())
}

/// A fault when a peer has had reports of entries that this node's log has not got.
fn require_remembered(
    groups: &Groups,
    peer: NodeId,
    reported: &[GroupProgress],
) -> Result<(), Fault> {
    if planted::is(Bug::ForgottenPastIgnored) {
        return Ok(());
    }
    for GroupProgress { group, applied } in reported {
        let ends = end_of_log(groups, *group);
        if *applied > ends {
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

/// The newest entry of a group that this node's disk has, as an entry or within a state.
fn end_of_log(groups: &Groups, group: GroupId) -> LogIndex {
    let state = groups.environment().log.state(group.0);
    let last = state.last.map_or(0, |last| last.index);
    LogIndex(last.max(state.purged_index)).max(groups.applied(group))
}

impl Groups {
    /// A name of this process that no other one of this node has.
    pub(crate) fn run_name(&self) -> u64 {
        self.started_at().0
    }

    /// What this node remembers of a peer that asks, and whether an earlier process of it is at work.
    pub(crate) fn recalled(&self, peer: NodeId, run: u64) -> PeerReply {
        let known = self.peers();
        let mut runs = lock(&self.recollection().runs);
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

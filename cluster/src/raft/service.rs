//! What peers ask of this node: votes, appends, snapshots, forwarded proposals, admission.
//!
//! It unpacks, hands on and packs; a malformed frame is answered with a refusal and changes nothing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, NodeId, WriteId},
    org::NodeRecord,
    refusal::Refusal,
    version,
    wire::{
        Wire,
        peer::{Notice, PeerReply, PeerRequest, StreamHead},
    },
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use openraft::errors::{Infallible, RaftError};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    convert, divergence, failover,
    group::Replica,
    groups::Groups,
    propose::Proposed,
    recall, retime, snapshot,
    transport::{FrameReceiver, FrameStream, PeerService},
};
use crate::{
    machine::{is_ended_by, refuse_unnamed},
    planted::{self, Bug},
};

/// For a joining node's registration to be committed.
const JOIN_LIMIT: Duration = Duration::from_secs(5);

/// The receiving side of a node.
pub(crate) struct Service(pub(crate) Groups);

impl PeerService for Service {
    fn on_request(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Bytes> {
        let groups = self.0.clone();
        async move {
            let reply = match gone(&groups, from) {
                Some(gone) => gone,
                None => answer(&groups, from, &body).await,
            };
            Bytes::from(reply.encode())
        }
        .boxed()
    }

    fn on_join(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        let groups = self.0.clone();
        async move { Bytes::from(admit(&groups, &body).await.encode()) }.boxed()
    }

    fn on_stream(&self, from: NodeId, head: Bytes, stream: FrameStream) -> BoxFuture<'static, ()> {
        let groups = self.0.clone();
        async move {
            if gone(&groups, from).is_some() {
                return;
            }
            match StreamHead::decode(&head) {
                Ok(StreamHead::Append { group }) => {
                    // A leader must not learn from its stream that this node's log has lost entries.
                    if !recall::may_follow(&groups, from).await {
                        return;
                    }
                    if let Some(replica) = groups.replica(group) {
                        serve_append(&replica, stream).await;
                    }
                }
                Ok(StreamHead::Snapshot { group, body }) => {
                    serve_snapshot(&groups, group, &body, stream).await;
                }
                Err(error) => tracing::warn!(%error, "a stream with a malformed head"),
            }
        }
        .boxed()
    }

    fn on_notice(&self, from: NodeId, body: Bytes) {
        if gone(&self.0, from).is_some() {
            return;
        }
        match Notice::decode(&body) {
            Ok(Notice::Report { entries }) => {
                for entry in entries {
                    self.0.on_report(from, entry.group, entry.applied);
                }
            }
            Ok(Notice::Clock { now }) => self.0.on_clock(from, now),
            Err(error) => tracing::warn!(%from, %error, "a malformed notice"),
        }
    }
}

/// The answer to whatever a node asks that has left the cluster for good: it neither votes nor
/// leads nor reports any more, and learns of it here if it was down when it left.
fn gone(groups: &Groups, from: NodeId) -> Option<PeerReply> {
    let system = groups.system();
    let record = system.nodes.get(&from).filter(|record| !record.is_there())?;
    Some(PeerReply::Removed { replaced_by: record.replaced_by })
}

fn refused(reason: impl Into<String>) -> PeerReply {
    PeerReply::Refused(reason.into())
}

async fn answer(groups: &Groups, from: NodeId, body: &[u8]) -> PeerReply {
    match PeerRequest::decode(body) {
        Err(error) => refused(error.to_string()),
        Ok(PeerRequest::Propose { group, proposal }) => match Proposal::decode(&proposal) {
            Ok(proposal) => PeerReply::Proposed(groups.propose_here(group, proposal).await),
            Err(error) => refused(error.to_string()),
        },
        Ok(PeerRequest::ProposeInTurn { group, proposal, wait_ms }) => {
            match Proposal::decode(&proposal) {
                Ok(proposal) => {
                    let wait = Duration::from_millis(wait_ms.into());
                    PeerReply::Proposed(groups.propose_in_turn(group, proposal, wait).await)
                }
                Err(error) => refused(error.to_string()),
            }
        }
        Ok(PeerRequest::Vote { group, body }) => {
            with_vote(groups, group, &body, |replica, request| async move {
                replica.raft.vote(request).await
            })
            .await
        }
        Ok(PeerRequest::PreVote { group, body }) => {
            with_vote(groups, group, &body, |replica, request| async move {
                replica.raft.pre_vote(request).await
            })
            .await
        }
        Ok(PeerRequest::TransferLeader { group, body }) => transfer(groups, group, &body).await,
        Ok(PeerRequest::Leases { groups: wanted }) => {
            PeerReply::Leases(groups.grant_leases(from, &wanted).await)
        }
        Ok(PeerRequest::Standing) => PeerReply::Standing,
        Ok(PeerRequest::Join(record)) => introduced(groups, from, &record),
        Ok(PeerRequest::Retime { group, across }) => retime::answer(groups, group, across).await,
        Ok(PeerRequest::Closed { group }) => failover::answer_closed(groups, group),
        // A build of the first release does not know the question.
        Ok(PeerRequest::FeatureLevel) if knows_more(groups) => {
            PeerReply::FeatureLevel(groups.config().feature_level)
        }
        Ok(PeerRequest::Recall { run }) if knows_more(groups) => groups.recalled(from, run),
        Ok(PeerRequest::Cleared) => PeerReply::Cleared { is_cleared: groups.is_cleared() },
        Ok(PeerRequest::Diverged { group, after, write }) => {
            divergence::answer_diverged(groups, group, after, write).await
        }
        // What a member does not ask, and what a node that passes for one of the first release
        // cannot read.
        Ok(PeerRequest::JoinAt { .. } | PeerRequest::FeatureLevel | PeerRequest::Recall { .. }) => {
            refused("not a request of this version")
        }
    }
}

/// A vote or a pre-vote. A voter that has just been started does not answer: it has forgotten which
/// leader it granted a lease to, and would help a second one up beside it.
async fn with_vote<A, B, F>(
    groups: &Groups,
    group: GroupId,
    body: &[u8],
    ask: impl FnOnce(Arc<Replica>, A) -> F,
) -> PeerReply
where
    A: DeserializeOwned,
    B: Serialize,
    F: Future<Output = Result<B, RaftError<super::types::RaftTypes, Infallible>>>,
{
    let Some(replica) = groups.replica(group) else {
        return refused("no replica of this group");
    };
    let has_forgotten =
        groups.since_start() < replica.timings.election_max || replica.has_forgotten_its_lease();
    if has_forgotten && !planted::is(Bug::RestartedVoterVotes) {
        return refused("just started: silent for one leader lease");
    }
    let Ok(request) = convert::decode(body) else { return refused("a malformed vote") };
    match ask(replica, request).await {
        Ok(response) => PeerReply::Raft(convert::encode(&response).to_vec()),
        Err(error) => refused(error.to_string()),
    }
}

async fn transfer(groups: &Groups, group: GroupId, body: &[u8]) -> PeerReply {
    let Some(replica) = groups.replica(group) else {
        return refused("no replica of this group");
    };
    let Ok(request) = convert::decode(body) else { return refused("a malformed transfer") };
    match replica.raft.handle_transfer_leader(request).await {
        Ok(response) => PeerReply::Raft(convert::encode(&response).to_vec()),
        Err(error) => refused(error.to_string()),
    }
}

/// Appends of one leader, pipelined: requests in, answers out, in order.
async fn serve_append(replica: &Replica, stream: FrameStream) {
    let FrameStream { tx, rx } = stream;
    let mut answers = Box::pin(replica.raft.stream_append(requests(rx)).fuse());
    while let Some(answer) = answers.next().await {
        let Ok(answer) = answer else { return };
        let ends = answer.is_err();
        if tx.send(convert::encode_append_answer(&answer)).await.is_err() || ends {
            return;
        }
    }
}

fn requests(
    rx: FrameReceiver,
) -> impl futures::Stream<Item = openraft::raft::AppendEntriesRequest<super::types::RaftTypes>> + Send
{
    stream::unfold(rx, |mut rx| async move {
        let frame = rx.recv().await?.ok()?;
        match convert::decode_append(&frame) {
            Ok(request) => Some((request, rx)),
            Err(error) => {
                tracing::warn!(%error, "a malformed append");
                None
            }
        }
    })
    .fuse()
}

async fn serve_snapshot(groups: &Groups, group: GroupId, body: &[u8], stream: FrameStream) {
    let Some(replica) = groups.replica(group) else { return };
    let Ok(vote) = convert::decode(body) else { return };
    if replica.receiving.swap(true, Ordering::AcqRel) {
        tracing::warn!(%group, error = %snapshot::SnapshotError::Busy, "a snapshot is refused");
        return;
    }
    let received = snapshot::receive(&replica.raft, groups.slotted(), group, vote, stream).await;
    replica.receiving.store(false, Ordering::Release);
    if let Err(error) = received {
        tracing::warn!(%group, %error, "a snapshot was not received");
    }
}

fn knows_more(groups: &Groups) -> bool {
    groups.config().feature_level > version::FEATURE_LEVEL_FIRST
}

/// Registers a node that wants to join, and tells it the cluster.
async fn admit(groups: &Groups, body: &[u8]) -> PeerReply {
    let (record, known) = match PeerRequest::decode(body) {
        Ok(PeerRequest::Join(record)) => (record, version::FEATURE_LEVEL_FIRST),
        Ok(PeerRequest::JoinAt { node, feature_level }) if knows_more(groups) => {
            (node, feature_level)
        }
        Ok(_) => return refused("a stranger may only ask to join"),
        Err(error) => return refused(error.to_string()),
    };
    let Some(cluster) = groups.cluster() else {
        return PeerReply::NoCluster;
    };
    if let Some(gone) = gone(groups, record.id) {
        return gone;
    }
    let is_member = groups.is_member(record.id);
    let level = groups.feature_level();
    // A member has said what it knows before the level rose. It introduces itself by the older words.
    if !is_member && known < level && !planted::is(Bug::NewCommandTooEarly) {
        return refused(format!(
            "the cluster is at feature level {level}, and this node's build knows {known}: upgrade it"
        ));
    }
    if is_member || !planted::is(Bug::SeedsAskedForMissing) {
        groups.hear(&record);
    }
    if groups.is_lost() {
        // Nobody can register it now. A member may be needed for somebody to lead.
        return match is_member {
            true => PeerReply::Joined { cluster, nodes: groups.known() },
            false => PeerReply::NotLeader { leader: None },
        };
    }
    let system = groups.system();
    let there = || system.nodes.values().filter(|node| node.is_there()).cloned().collect();
    if system.nodes.get(&record.id).is_some_and(|known| is_as_registered(known, &record)) {
        return PeerReply::Joined { cluster, nodes: there() };
    }
    if let Some(holder) = holder_of_address(groups, &record).filter(|_| !is_member) {
        return refused(format!("node {holder} is alive and has this address"));
    }
    if let Some(other) = ended_by(groups, &record) {
        return refused(format!(
            "node {other} is registered at {} and would be ended by this registration; if it is lost, \
             remove it first (concordat node remove {other})",
            record.peer_address
        ));
    }
    if let Some(refusal) = unnamed(groups, &record) {
        return refused(refusal.to_string());
    }
    match register(groups, record).await {
        Proposed::Committed { applied, .. } => match applied.outcome {
            Ok(_) => {
                let system = groups.system();
                let there = system.nodes.values().filter(|node| node.is_there());
                PeerReply::Joined { cluster, nodes: there.cloned().collect() }
            }
            Err(refusal) => refused(refusal.to_string()),
        },
        Proposed::NotProposed | Proposed::Queued { .. } | Proposed::Unknown | Proposed::Closed => {
            PeerReply::NotLeader { leader: None }
        }
    }
}

/// Whether a registration would change nothing.
fn is_as_registered(known: &NodeRecord, record: &NodeRecord) -> bool {
    NodeRecord { replaced_by: None, state: known.state, ..record.clone() } == *known
}

/// A member that does not hear its leader says where it is. It has shown that it knows the cluster.
fn introduced(groups: &Groups, from: NodeId, record: &NodeRecord) -> PeerReply {
    let Some(cluster) = groups.cluster().filter(|_| record.id == from) else {
        return refused("a node speaks for itself only");
    };
    groups.hear(record);
    PeerReply::Joined { cluster, nodes: groups.known() }
}

/// A live node that has the address of another one that wants to join: most likely one of the two was
/// given the other's settings. It harms nobody, but the other nodes would find only one of them.
fn holder_of_address(groups: &Groups, record: &NodeRecord) -> Option<NodeId> {
    let system = groups.system();
    let same = system.nodes.values().find(|node| {
        node.id != record.id
            && node.is_there()
            && node.region == record.region
            && node.peer_address == record.peer_address
    });
    same.map(|node| node.id).filter(|id| *id == groups.node() || groups.tracker().is_live(*id))
}

/// The node that a registration would end, in a cluster of a feature level where it does.
fn ended_by(groups: &Groups, record: &NodeRecord) -> Option<NodeId> {
    let system = groups.system();
    let level = system.cluster.as_ref()?.feature_level;
    let ended = system.nodes.values().find(|node| is_ended_by(level, record, node));
    ended.map(|node| node.id).filter(|_| !planted::is(Bug::AddressIsIdentity))
}

/// Why the log would refuse the first node of a region, as this node sees it: one that asks again and
/// again must not fill the log.
fn unnamed(groups: &Groups, record: &NodeRecord) -> Option<Refusal> {
    let system = groups.system();
    if system.regions.contains_key(&record.region) {
        return None;
    }
    refuse_unnamed(groups.feature_level(), &system.names, &record.region)
}

/// Proposes a node's registration. One that would end another node is not proposed: until the cluster's
/// feature level is raised, others find this node by what it says of itself.
pub(crate) async fn register(groups: &Groups, record: NodeRecord) -> Proposed {
    if let Some(other) = ended_by(groups, &record) {
        let address = &record.peer_address;
        tracing::warn!(node = %record.id, %other, %address, "not registered: at this feature level that \
            would end the other node; remove that one, or give one of them another address");
        return Proposed::NotProposed;
    }
    let (id, command) = (groups.internal_write_id(), Command::RegisterNode(record));
    let proposal = groups.own_proposal(GroupId::SYSTEM, id, command);
    groups.propose(GroupId::SYSTEM, proposal, Instant::now() + JOIN_LIMIT).await
}

/// A write id for what the cluster itself does: unique by the node and a count since its start.
pub(crate) fn internal_write_id(node: NodeId, now_ms: u64, count: u64) -> WriteId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&now_ms.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&count.to_be_bytes()[6..]);
    bytes[8..].copy_from_slice(&node.0.to_be_bytes());
    // Version 7, variant 2, as RFC 9562 has them.
    bytes[6] = (bytes[6] & 0x0f) | 0x70;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    WriteId::from_bytes(bytes)
}

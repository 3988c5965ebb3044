//! The requests of peers: votes, appends, snapshots, forwarded proposals, admission.
//!
//! It decodes, delegates and encodes; a malformed frame is answered with a refusal and changes
//! nothing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    command::Proposal,
    id::{GroupId, NodeId},
    org::NodeRecord,
    version,
    wire::{
        Wire,
        peer::{Notice, PeerReply, PeerRequest, StreamHead},
    },
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use openraft::errors::{Infallible, RaftError};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    machine::admission,
    raft::{
        core::Core,
        engine::{convert, snapshot, types::RaftTypes},
        failover::{lost_writes_query, survivors},
        join::{register::register, rollback_check},
        planted,
        replica::{Replica, timing_profile},
        transport::{FrameReceiver, FrameStream, PeerService},
        write::{propose::Proposed, relay},
    },
};

/// The receiving side of a node.
pub(crate) struct Service(pub(crate) Core);

impl PeerService for Service {
    fn on_request(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Bytes> {
        let core = self.0.clone();
        async move {
            let reply = match gone(&core, from) {
                Some(gone) => gone,
                None => answer(&core, from, &body).await,
            };
            Bytes::from(reply.encode())
        }
        .boxed()
    }

    fn on_join(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        let core = self.0.clone();
        async move { Bytes::from(admit(&core, &body).await.encode()) }.boxed()
    }

    fn on_stream(&self, from: NodeId, head: Bytes, stream: FrameStream) -> BoxFuture<'static, ()> {
        let core = self.0.clone();
        async move {
            if gone(&core, from).is_some() {
                return;
            }
            match StreamHead::decode(&head) {
                Ok(StreamHead::Append { group }) => {
                    // A leader must not learn from its stream that this node's log has lost entries.
                    if !rollback_check::may_follow(&core, from).await {
                        return;
                    }
                    if let Some(replica) = core.replica(group) {
                        serve_append(&replica, stream).await;
                    }
                }
                Ok(StreamHead::Snapshot { group, body }) => {
                    serve_snapshot(&core, group, &body, stream).await;
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

/// The answer to every request of a node that was removed: it neither votes nor leads nor reports
/// any more, and learns of it here if it was down when it was removed.
fn gone(core: &Core, from: NodeId) -> Option<PeerReply> {
    let system = core.system();
    let record = system.nodes.get(&from).filter(|record| !record.is_there())?;
    Some(PeerReply::Removed { replaced_by: record.replaced_by })
}

fn refused(reason: impl Into<String>) -> PeerReply {
    PeerReply::Refused(reason.into())
}

async fn answer(core: &Core, from: NodeId, body: &[u8]) -> PeerReply {
    match PeerRequest::decode(body) {
        Err(error) => refused(error.to_string()),
        Ok(PeerRequest::Propose { group, proposal }) => match forwarded(from, group, &proposal) {
            Ok(proposal) => PeerReply::Proposed(core.propose_here(group, proposal).await),
            Err(refused) => refused,
        },
        Ok(PeerRequest::ProposeInTurn { group, proposal, wait_ms }) => {
            match forwarded(from, group, &proposal) {
                Ok(proposal) => {
                    let wait = Duration::from_millis(wait_ms.into());
                    PeerReply::Proposed(core.propose_in_turn(group, proposal, wait).await)
                }
                Err(refused) => refused,
            }
        }
        Ok(PeerRequest::Vote { group, body }) => {
            with_vote(core, group, &body, |replica, request| async move {
                replica.raft.vote(request).await
            })
            .await
        }
        Ok(PeerRequest::PreVote { group, body }) => {
            with_vote(core, group, &body, |replica, request| async move {
                replica.raft.pre_vote(request).await
            })
            .await
        }
        Ok(PeerRequest::TransferLeader { group, body }) => transfer(core, group, &body).await,
        Ok(PeerRequest::Leases { groups: wanted }) => {
            PeerReply::Leases(core.grant_leases(from, &wanted).await)
        }
        Ok(PeerRequest::StillMember) => PeerReply::StillMember,
        Ok(PeerRequest::Join(record)) => introduced(core, from, &record),
        Ok(PeerRequest::SetTimingProfile { group, wide_area }) => {
            timing_profile::answer(core, group, wide_area).await
        }
        Ok(PeerRequest::Closed { group }) => survivors::answer_closed(core, group),
        // A build of the first release does not know the question.
        Ok(PeerRequest::FeatureLevel) if knows_more(core) => {
            PeerReply::FeatureLevel(core.config().feature_level)
        }
        Ok(PeerRequest::Recall { run }) if knows_more(core) => core.recalled(from, run),
        Ok(PeerRequest::Progress { group, known, wait_ms }) if knows_more(core) => {
            relay::answer(core, group, &known, Duration::from_millis(wait_ms.into())).await
        }
        Ok(PeerRequest::GroupsOpen) => {
            PeerReply::GroupsOpen { is_known: core.knows_group_is_open() }
        }
        Ok(PeerRequest::Diverged { group, after, write }) => {
            lost_writes_query::answer_diverged(core, group, after, write).await
        }
        // What a member does not ask, and what a node that passes for one of the first release
        // cannot read.
        Ok(
            PeerRequest::JoinAt { .. }
            | PeerRequest::FeatureLevel
            | PeerRequest::Recall { .. }
            | PeerRequest::Progress { .. },
        ) => refused("not a request of this version"),
    }
}

/// A proposal of another node. What only the group's leader proposes is refused.
fn forwarded(from: NodeId, group: GroupId, proposal: &[u8]) -> Result<Proposal, PeerReply> {
    let proposal = Proposal::decode(proposal).map_err(|error| refused(error.to_string()))?;
    let command = &proposal.command;
    if command.may_be_forwarded_to(group) {
        return Ok(proposal);
    }
    tracing::warn!(%from, %group, command = command.name(), "a forwarded proposal is refused");
    Err(refused("only the leader of the group proposes this"))
}

/// A vote or a pre-vote. A voter that has just been started does not answer: it has forgotten which
/// leader it granted a lease to, and would help a second one up beside it.
async fn with_vote<A, B, F>(
    core: &Core,
    group: GroupId,
    body: &[u8],
    ask: impl FnOnce(Arc<Replica>, A) -> F,
) -> PeerReply
where
    A: DeserializeOwned,
    B: Serialize,
    F: Future<Output = Result<B, RaftError<RaftTypes, Infallible>>>,
{
    let Some(replica) = core.replica(group) else {
        return refused("no replica of this group");
    };
    let has_forgotten =
        core.since_start() < replica.timings.election_max || replica.has_forgotten_its_lease();
    if planted::on_forgotten_lease(has_forgotten) {
        return refused("just started: silent for one leader lease");
    }
    let Ok(request) = convert::decode(body) else { return refused("a malformed vote") };
    match ask(replica, request).await {
        Ok(response) => PeerReply::Raft(convert::encode(&response).to_vec()),
        Err(error) => refused(error.to_string()),
    }
}

async fn transfer(core: &Core, group: GroupId, body: &[u8]) -> PeerReply {
    let Some(replica) = core.replica(group) else {
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
    let requests = requests(replica.group, rx);
    let mut answers = Box::pin(replica.raft.stream_append(requests).fuse());
    while let Some(answer) = answers.next().await {
        let Ok(answer) = answer else { return };
        let ends = answer.is_err();
        if tx.send(convert::encode_append_answer(&answer)).await.is_err() || ends {
            return;
        }
    }
}

fn requests(
    group: GroupId,
    rx: FrameReceiver,
) -> impl futures::Stream<Item = openraft::raft::AppendEntriesRequest<RaftTypes>> + Send {
    stream::unfold(rx, move |mut rx| async move {
        let frame = rx.recv().await?.ok()?;
        match convert::decode_append(&frame).and_then(convert::readable) {
            Ok(request) => Some((request, rx)),
            Err(error) => {
                tracing::warn!(%group, %error, "an append is refused");
                None
            }
        }
    })
    .fuse()
}

async fn serve_snapshot(core: &Core, group: GroupId, body: &[u8], stream: FrameStream) {
    let Some(replica) = core.replica(group) else { return };
    let Ok(vote) = convert::decode(body) else { return };
    if replica.receiving.swap(true, Ordering::AcqRel) {
        tracing::warn!(%group, error = %snapshot::SnapshotError::Busy, "a snapshot is refused");
        return;
    }
    let received = snapshot::receive(&replica.raft, core.shadow_store(), group, vote, stream).await;
    replica.receiving.store(false, Ordering::Release);
    if let Err(error) = received {
        tracing::warn!(%group, %error, "a snapshot was not received");
    }
}

fn knows_more(core: &Core) -> bool {
    core.config().feature_level > version::FEATURE_LEVEL_FIRST
}

/// Registers a node that wants to join, and sends it the cluster's members.
async fn admit(core: &Core, body: &[u8]) -> PeerReply {
    let (record, known) = match PeerRequest::decode(body) {
        Ok(PeerRequest::Join(record)) => (record, version::FEATURE_LEVEL_FIRST),
        Ok(PeerRequest::JoinAt { node, feature_level }) if knows_more(core) => {
            (node, feature_level)
        }
        Ok(_) => return refused("a stranger may only ask to join"),
        Err(error) => return refused(error.to_string()),
    };
    let Some(cluster) = core.cluster() else {
        return PeerReply::NoCluster;
    };
    if let Some(gone) = gone(core, record.id) {
        return gone;
    }
    let is_member = core.is_member(record.id);
    if let Err(reason) = admission::require_level(is_member, known, core.feature_level()) {
        return refused(reason.to_string());
    }
    if planted::on_stranger(is_member) {
        core.on_announcement(&record);
    }
    if core.needs_peer_discovery() {
        // It cannot be registered now. A member may be needed to elect a leader.
        return match is_member {
            true => PeerReply::Joined { cluster, nodes: core.known() },
            false => PeerReply::NotLeader { leader: None },
        };
    }
    let system = core.system();
    let there = || system.nodes.values().filter(|node| node.is_there()).cloned().collect();
    if system.nodes.get(&record.id).is_some_and(|known| admission::is_as_registered(known, &record))
    {
        return PeerReply::Joined { cluster, nodes: there() };
    }
    let is_heard = |node| core.is_heard(node);
    if let Err(reason) = admission::require_admissible(&system, &record, is_member, is_heard) {
        return refused(reason.to_string());
    }
    match register(core, record).await {
        Proposed::Committed { applied, .. } => match applied.outcome {
            Ok(_) => {
                let system = core.system();
                let there = system.nodes.values().filter(|node| node.is_there());
                PeerReply::Joined { cluster, nodes: there.cloned().collect() }
            }
            Err(refusal) => refused(refusal.to_string()),
        },
        Proposed::NotProposed
        | Proposed::Busy
        | Proposed::Queued { .. }
        | Proposed::Unknown
        | Proposed::Closed => PeerReply::NotLeader { leader: None },
    }
}

/// A member that does not hear its leader says where it is. It has shown that it knows the cluster.
fn introduced(core: &Core, from: NodeId, record: &NodeRecord) -> PeerReply {
    let Some(cluster) = core.cluster().filter(|_| record.id == from) else {
        return refused("a node speaks for itself only");
    };
    core.on_announcement(record);
    PeerReply::Joined { cluster, nodes: core.known() }
}

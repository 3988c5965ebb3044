//! Whether this node was removed from its cluster.
//!
//! Normally it reads this in the system group's state. A node that was down when it was removed
//! never gets that entry: no leader replicates to it any more. So a node that has no contact with
//! the system group's leader asks its known peers, which reply `Removed` to a removed node, and it
//! stops with a clear message. Contact with other peers is not enough: they may have been removed
//! with it. It must never take silence for a removal.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    placement,
    raft::{core::Core, fault::Fault, transport::Channel},
};

/// For the answers.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Peers asked at a time.
const ASKED_MAX: usize = 16;

/// A fault when the node has left its cluster.
pub(crate) fn require(is_there: bool, replaced_by: Option<NodeId>) -> Result<(), Fault> {
    let reason = match replaced_by {
        Some(successor) => format!("node {successor} has taken this node's address over"),
        None if is_there => return Ok(()),
        None => "it was removed; an empty data directory is a new node, which may join".to_owned(),
    };
    Err(Fault::caused("this node is no longer part of the cluster", reason))
}

/// Asks the peers if there is no contact with the system group's leader.
pub(crate) async fn ask(core: &Core) -> Result<(), Fault> {
    let own = core.node();
    let others_live = || core.tracker().live(own).iter().any(|node| *node != own);
    match core.leader_of(GroupId::SYSTEM) {
        Some(leader) if leader == own && others_live() => return Ok(()),
        Some(leader) if leader != own && core.tracker().is_live(leader) => return Ok(()),
        Some(_) | None => {}
    }
    let transport = &core.environment().transport;
    let body = Bytes::from(PeerRequest::StillMember.encode());
    let mut peers = core.peers();
    if peers.len() > ASKED_MAX {
        // Others each time: the first ones may all be gone.
        peers = placement::rotated(peers, core.since_start(), ASKED_MAX);
    }
    let mut answers: FuturesUnordered<_> = peers
        .into_iter()
        .take(ASKED_MAX)
        .map(|peer| transport.request(peer, Channel::Control, body.clone(), ANSWER_LIMIT))
        .collect();
    while let Some(answer) = answers.next().await {
        let Ok(bytes) = answer else { continue };
        if let Ok(PeerReply::Removed { replaced_by }) = PeerReply::decode(&bytes) {
            return require(false, replaced_by);
        }
    }
    Ok(())
}

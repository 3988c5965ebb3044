//! Whether this node still belongs to its cluster.
//!
//! Normally it reads so in the system group's state. One that was down when it was removed never
//! gets that entry: nobody replicates to it any more. So a node that does not hear of the system
//! group's leader asks those it knows. All who belong to the cluster answer a removed one so, and it
//! stops with a clear message. That it hears of others means nothing: they may have been removed
//! with it. It must never take silence for a no.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::{StreamExt, stream::FuturesUnordered};

use super::{fault::Fault, groups::Groups, transport::Channel};

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

/// Whether the system group's leader was heard of a moment ago, or is this node and has followers.
fn is_led(groups: &Groups) -> bool {
    let Some(replica) = groups.replica(GroupId::SYSTEM) else { return false };
    match replica.leader() {
        Some(leader) if leader == groups.node() => replica.quorum_heard.load(Ordering::Acquire),
        Some(leader) => groups.tracker().is_live(leader),
        None => false,
    }
}

/// Asks the peers, unless the cluster is there.
pub(crate) async fn ask(groups: &Groups) -> Result<(), Fault> {
    if is_led(groups) {
        return Ok(());
    }
    let transport = &groups.environment().transport;
    let body = Bytes::from(PeerRequest::Standing.encode());
    let mut peers = groups.peers();
    if peers.len() > ASKED_MAX {
        // Others each time: the first ones may all be gone.
        let turn = usize::try_from(groups.since_start().as_secs()).unwrap_or(0);
        let first = turn.wrapping_mul(ASKED_MAX) % peers.len();
        peers.rotate_left(first);
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

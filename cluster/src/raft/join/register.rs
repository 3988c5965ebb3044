//! The registration of a node in the system group's log, and the request for it.
//!
//! A registration that would end another node is never proposed.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::{
    command::Command,
    id::GroupId,
    org::NodeRecord,
    version,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use tokio::time::Instant;

use crate::{
    machine::admission::ended_by,
    raft::{core::Core, transport::TransportError, write::propose::Proposed},
};

/// For a joining node's registration to be committed.
const JOIN_LIMIT: Duration = Duration::from_secs(5);
/// For a seed's answer to a request to join: longer than the registration may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(6);

/// Proposes a node's registration. One that would end another node is not proposed: until the
/// cluster's feature level is raised, others find this node by its announcements.
pub(crate) async fn register(core: &Core, record: NodeRecord) -> Proposed {
    if let Some(other) = ended_by(&core.system(), &record) {
        let address = &record.peer_address;
        tracing::warn!(node = %record.id, %other, %address, "not registered: at this feature level that \
            would end the other node; remove that one, or give one of them another address");
        return Proposed::NotProposed;
    }
    let (id, command) = (core.internal_write_id(), Command::RegisterNode(record));
    let proposal = core.own_proposal(GroupId::SYSTEM, id, command);
    core.propose(GroupId::SYSTEM, proposal, Instant::now() + JOIN_LIMIT).await
}

/// Asks a seed to admit this node, with the first release's message where it knows no other.
pub(crate) async fn ask_to_join(core: &Core, seed: &str) -> Result<Bytes, TransportError> {
    let (node, feature_level) = (core.own_record(), core.config().feature_level);
    let ask = |request: PeerRequest| {
        let body = Bytes::from(request.encode());
        core.environment().transport.request_join(seed.to_owned(), body, ANSWER_LIMIT)
    };
    if feature_level == version::FEATURE_LEVEL_FIRST {
        return ask(PeerRequest::Join(node)).await;
    }
    let reply = ask(PeerRequest::JoinAt { node: node.clone(), feature_level }).await?;
    if !matches!(PeerReply::decode(&reply), Ok(PeerReply::Refused(_))) {
        return Ok(reply);
    }
    // A seed of the first release refuses a message that it cannot read. One of this release that
    // refuses both has given its reason the first time.
    let again = ask(PeerRequest::Join(node)).await?;
    let is_refused = matches!(PeerReply::decode(&again), Ok(PeerReply::Refused(_)));
    Ok(if is_refused { reply } else { again })
}

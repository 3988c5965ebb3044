//! Nodes: `/v1/cluster/nodes`, for the operator of the cluster.
//!
//! A change is answered when it has reached the required consistency; the cluster then reconciles
//! toward it. The list shows the progress.

use concordat_proto::{
    api::node::{Node, NodePatch},
    id::NodeId,
    org::NodeState,
};

use crate::{
    api::{
        admin::{self, AdminWrite},
        read,
        write::Write,
    },
    call::core::Core,
    error::ClientError,
    model::identity::Identity,
};

const NODES: &str = "/v1/cluster/nodes";

/// The nodes of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Nodes<'a> {
    pub(crate) core: &'a Core,
}

impl<'a> Nodes<'a> {
    /// Lists them, those also that have left and are still being taken out of groups.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub async fn list(self) -> Result<Vec<Node>, ClientError> {
        Ok(read::one(self.core, Identity::Operator, NODES.to_owned()).await?.value)
    }

    /// Drains a node: it gives up votes and leadership, keeps its replicas and serves on.
    pub fn drain(self, node: NodeId) -> Write<'a, AdminWrite> {
        self.set(node, NodeState::Draining)
    }

    /// Takes a drained node, or one that has not left yet, back.
    pub fn undrain(self, node: NodeId) -> Write<'a, AdminWrite> {
        self.set(node, NodeState::Member)
    }

    /// Drains a node and then removes it for good. It is gone once it is not listed any more.
    pub fn remove(self, node: NodeId) -> Write<'a, AdminWrite> {
        admin::delete(self.core, one(node))
    }

    fn set(self, node: NodeId, state: NodeState) -> Write<'a, AdminWrite> {
        admin::patch(self.core, one(node), NodePatch { state })
    }
}

fn one(node: NodeId) -> String {
    format!("{NODES}/{node}")
}

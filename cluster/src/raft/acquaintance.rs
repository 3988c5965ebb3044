//! Addresses of members that this node's state does not name.
//!
//! Goal: who has the log of a quorum finds each other again. What the log holds is synced, what the
//! state holds is not: when the power fails everywhere soon after nodes have joined, the groups'
//! memberships name nodes that nobody has an address of, and no leader can be elected who would bring
//! it back. So a member that sees no leader and members that it cannot reach introduces itself to its
//! seeds, by the same words with which it joined; who is asked notes the address, and tells those that
//! it knows. Where the state names a node, the state is right. Nobody is taken in here: what is noted
//! was said by a member, of whom the log calls one or the state names.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use concordat_proto::{
    id::{GroupId, NodeId},
    org::NodeRecord,
};

use super::{formation, groups::Groups};

/// What members have said of themselves and of each other.
pub(crate) type Acquaintances = BTreeMap<NodeId, NodeRecord>;

impl Groups {
    /// All that the log of the system group calls a member, decided or not.
    fn members(&self) -> BTreeSet<NodeId> {
        let replica = self.replica(GroupId::SYSTEM);
        let membership = replica.map(|replica| replica.metrics().membership_config);
        let nodes = membership.iter().flat_map(|membership| membership.nodes());
        nodes.map(|(id, _)| NodeId(*id)).collect()
    }

    pub(crate) fn is_member(&self, node: NodeId) -> bool {
        self.members().contains(&node)
    }

    /// Whether nobody leads whom this node could hear of the others' addresses, and it lacks some.
    pub(crate) fn is_lost_among_strangers(&self) -> bool {
        let known: BTreeSet<NodeId> = self.known().into_iter().map(|node| node.id).collect();
        self.leader_of(GroupId::SYSTEM).is_none() && !self.members().is_subset(&known)
    }

    /// This node and everybody whose address it has.
    pub(crate) fn known(&self) -> Vec<NodeRecord> {
        let mut known = self.acquaintances().clone();
        known.insert(self.node(), self.own_record());
        known.extend(self.system().nodes.clone());
        known.into_values().filter(NodeRecord::is_there).collect()
    }

    /// Notes what a member has told, and makes those that it named reachable.
    pub(crate) fn acquaint(&self, told: &[NodeRecord]) {
        self.acquaintances().extend(told.iter().map(|node| (node.id, node.clone())));
        self.set_peers();
    }

    /// Gives the transport the addresses that this node has.
    pub(crate) fn set_peers(&self) {
        let peers = formation::peers(self.known().iter(), self.node());
        self.environment().transport.set_peers(peers);
    }

    fn acquaintances(&self) -> std::sync::MutexGuard<'_, Acquaintances> {
        self.inner_acquaintances().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

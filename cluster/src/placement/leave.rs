//! Whether a node or a region may be removed: what prevents it, and when nothing needs it any more.
//!
//! A forecast from the view of one node, so that an operator gets a refusal with a reason. Safety
//! does not depend on it: [`super::next_step`] takes no step that loses a quorum. A node whose vote
//! is still needed stays in the state `leaving`.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId, OrgId},
    org::{NodeRecord, NodeState, RegionRecord},
};

use super::desired::{GroupView, wanted_voters};

/// Why nodes cannot leave now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemovalBlocker {
    /// Without a quorum no membership changes.
    #[error("group {group} has no quorum of live voters now: nothing about it can be changed")]
    NoQuorumNow {
        /// Which.
        group: GroupId,
    },
    /// Too few of those that would vote live.
    #[error(
        "group {group} would lose its quorum: of the {voters} nodes that would vote only {live} \
         {is} alive",
        is = if *.live == 1 { "is" } else { "are" }
    )]
    NoQuorumAfter {
        /// Which.
        group: GroupId,
        /// How many nodes would vote.
        voters: usize,
        /// How many of them are live.
        live: usize,
    },
    /// No voter would be left.
    #[error("group {group} would have no voter left")]
    NoVoter {
        /// Which.
        group: GroupId,
    },
}

/// What prevents that a group is left with these nodes only.
#[must_use]
pub fn blocker(view: &GroupView, after: &BTreeMap<NodeId, NodeRecord>) -> Option<RemovalBlocker> {
    let group = view.group;
    let quorums = [Some(&view.voters), view.outgoing_voters.as_ref()];
    if !quorums.into_iter().flatten().all(|voters| view.has_live_quorum(voters)) {
        return Some(RemovalBlocker::NoQuorumNow { group });
    }
    let voters = wanted_voters(view, after);
    if voters.is_empty() {
        return Some(RemovalBlocker::NoVoter { group });
    }
    let live = voters.intersection(&view.live).count();
    let lost = !view.has_live_quorum(&voters);
    lost.then_some(RemovalBlocker::NoQuorumAfter { group, voters: voters.len(), live })
}

/// Why a region cannot leave now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegionBlocker {
    /// An organization is at home there, or was claimed for the region.
    #[error("organization {org} is at home there: move it to another region")]
    OrgAtHome {
        /// Which.
        org: OrgId,
    },
    /// A group needs its nodes.
    #[error(transparent)]
    Group(#[from] RemovalBlocker),
}

/// Why a region's group cannot be founded anew: a node has something of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("group {group} has been founded: node {holder} has entries of it")]
pub struct RecreateBlocker {
    /// The region's group.
    pub group: GroupId,
    /// Who has entries of it.
    pub holder: NodeId,
}

/// Why a node cannot get into a state now. A group that was never founded has no members, and nothing to
/// lose.
#[must_use]
pub fn node_blocker(
    views: &[GroupView],
    nodes: &BTreeMap<NodeId, NodeRecord>,
    id: NodeId,
    state: NodeState,
) -> Option<RemovalBlocker> {
    if state == NodeState::Member {
        return None;
    }
    let mut after = nodes.clone();
    after.get_mut(&id)?.state = state;
    let mut founded = views.iter().filter(|view| !view.voters.is_empty());
    founded.find_map(|view| blocker(view, &after))
}

/// Which group needs the nodes of a region that is to leave: its own goes with it.
#[must_use]
pub fn region_blocker(
    views: &[GroupView],
    nodes: &BTreeMap<NodeId, NodeRecord>,
    record: &RegionRecord,
) -> Option<RemovalBlocker> {
    let mut after = nodes.clone();
    after.retain(|_, node| node.region != record.region);
    let mut others = views.iter().filter(|view| view.group != record.group);
    others.find_map(|view| blocker(view, &after))
}

/// Why a region's group cannot be founded anew: the node that answers has something of it (`has_own`), or
/// has heard of another one that has.
#[must_use]
pub fn recreate_blocker(
    group: GroupId,
    (own, has_own): (NodeId, bool),
    mut nodes: impl Iterator<Item = NodeId>,
    has_entries: impl Fn(NodeId) -> bool,
) -> Option<RecreateBlocker> {
    let holder = if has_own { Some(own) } else { nodes.find(|node| has_entries(*node)) }?;
    Some(RecreateBlocker { group, holder })
}

/// Whether none of these nodes votes in a group, or is about to stop voting by a change under way.
#[must_use]
pub fn is_free(view: &GroupView, nodes: &BTreeSet<NodeId>) -> bool {
    let outgoing = view.outgoing_voters.as_ref();
    view.voters.is_disjoint(nodes) && outgoing.is_none_or(|voters| voters.is_disjoint(nodes))
}

#[cfg(test)]
#[path = "leave_test.rs"]
mod tests;

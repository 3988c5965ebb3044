//! Whether a node or a region can go: what stands in the way, and when nothing needs it any more.
//!
//! A forecast from what one node sees now, so that an operator is told no with a reason; safety does
//! not rest on it. Whatever was allowed, [`super::next_step`] takes no step that loses a quorum: a
//! node whose vote is needed then stays, leaving, until it is not.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    id::{GroupId, NodeId},
    org::NodeRecord,
};

use super::{GroupView, wanted_voters};

/// Why nodes cannot leave now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
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
        /// How many would vote.
        voters: usize,
        /// How many of them live.
        live: usize,
    },
    /// Nobody would be left.
    #[error("group {group} would have nobody left to vote")]
    Nobody {
        /// Which.
        group: GroupId,
    },
}

/// What stands in the way of a group that is to live with these nodes.
#[must_use]
pub fn obstacle(view: &GroupView, after: &BTreeMap<NodeId, NodeRecord>) -> Option<Obstacle> {
    let group = view.group;
    let quorums = [Some(&view.voters), view.outgoing_voters.as_ref()];
    if !quorums.into_iter().flatten().all(|voters| view.has_live_quorum(voters)) {
        return Some(Obstacle::NoQuorumNow { group });
    }
    let voters = wanted_voters(view, after);
    if voters.is_empty() {
        return Some(Obstacle::Nobody { group });
    }
    let live = voters.intersection(&view.live).count();
    let lost = !view.has_live_quorum(&voters);
    lost.then_some(Obstacle::NoQuorumAfter { group, voters: voters.len(), live })
}

/// Whether none of these nodes votes in a group, or is about to stop voting by a change under way.
#[must_use]
pub fn is_free(view: &GroupView, nodes: &BTreeSet<NodeId>) -> bool {
    let outgoing = view.outgoing_voters.as_ref();
    view.voters.is_disjoint(nodes) && outgoing.is_none_or(|voters| voters.is_disjoint(nodes))
}

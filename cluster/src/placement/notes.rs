//! What a group's own log is to say of its replicas and does not say yet; and when a replica may be
//! taken out of its group.
//!
//! Pure, for the group's leader. A note may come late, never early: a mark as leaving is never taken back,
//! and one as serving lets a replica answer reads.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId},
    lease::{LeaseTerms, ReplicaMark},
    log::LogIndex,
    org::{NodeRecord, NodeState, PartitionPolicyRecord},
    version,
};

use super::{desired::GroupView, plan::CAUGHT_UP_ENTRIES};
use crate::consistency::GroupConfigView;

/// What a group's notes are compared with.
#[derive(Debug, Clone)]
pub struct NoteView<'a> {
    /// The group, as its leader sees it.
    pub group: &'a GroupView,
    /// All nodes that ever registered, by the system group's state.
    pub nodes: &'a BTreeMap<NodeId, NodeRecord>,
    /// What the group's log says, as far as the leader has applied it.
    pub facts: &'a GroupConfigView,
    /// The newest entry that the leader has applied.
    pub applied: LogIndex,
    /// What each member has reported.
    pub reported: BTreeMap<NodeId, LogIndex>,
    /// The lease terms that operators have set.
    pub leases: LeaseTerms,
    /// What an operator has set for isolation; none before the cluster is formed.
    pub partition_policy: Option<PartitionPolicyRecord>,
    /// The cluster's feature level.
    pub feature_level: u32,
    /// The revision of the cluster-wide set of policies.
    pub policy_revision: u64,
}

impl NoteView<'_> {
    /// What the group's log is to say of its replicas and does not say yet: that some serve, for they
    /// have caught up; that some are leaving; other lease terms, or another setting for isolation, for an
    /// operator has set them; the cluster's feature level; the revision of its policies. One at a time.
    #[must_use]
    pub fn due(&self) -> Option<Command> {
        // A leader that is not registered, as far as it knows, lacks what it would judge by.
        if self.nodes.contains_key(&self.group.leader) {
            let marks: Vec<(NodeId, ReplicaMark)> =
                self.facts.nodes().filter_map(|node| self.due_mark(node)).collect();
            if !marks.is_empty() {
                return Some(Command::MarkReplicas { marks });
            }
        }
        if self.facts.leases.terms != self.leases {
            return Some(Command::SetLeases(self.leases));
        }
        let (group, partition_policy) = (self.group.group, self.partition_policy?);
        let is_due = self.facts.partition_policy.generation < partition_policy.generation;
        if group != GroupId::SYSTEM && is_due {
            return Some(Command::NotePartitionPolicy(partition_policy));
        }
        let level = due_level(group, self.facts.feature_level, self.feature_level);
        level.or_else(|| due_policies(group, self.facts.policy_revision, self.policy_revision))
    }

    fn due_mark(&self, node: NodeId) -> Option<(NodeId, ReplicaMark)> {
        let has_left = has_left(self.nodes, node);
        let mark = if has_left { ReplicaMark::Leaving } else { ReplicaMark::Serving };
        let is_due = self.facts.marks.get(&node) < Some(&mark);
        let may = match mark {
            ReplicaMark::Serving => self.has_caught_up(node),
            ReplicaMark::Leaving => may_leave(self.nodes, self.facts, node),
        };
        (is_due && may).then_some((node, mark))
    }

    /// Whether a replica is near enough to the leader to serve: it will have to show all that the
    /// leader has committed by then before it answers anything unmarked.
    fn has_caught_up(&self, node: NodeId) -> bool {
        if node == self.group.leader {
            return true;
        }
        let reported = self.reported.get(&node);
        self.group.live.contains(&node)
            && reported.is_some_and(|reported| reported.0 + CAUGHT_UP_ENTRIES >= self.applied.0)
    }
}

/// What a group's log is still to note of the level: nothing in the system group, whose state has it.
fn due_level(group: GroupId, noted: u32, level: u32) -> Option<Command> {
    (group != GroupId::SYSTEM && noted < level && level > version::FEATURE_LEVEL_FIRST)
        .then_some(Command::NoteFeatureLevel(level))
}

/// The revision of the cluster-wide set of policies that a group's log is still to note.
fn due_policies(group: GroupId, noted: u64, revision: u64) -> Option<Command> {
    (group != GroupId::SYSTEM && noted < revision).then_some(Command::NotePolicies(revision))
}

/// Whether a node was removed or replaced, which is for ever. One that is not known has not left: a
/// power failure may take this node's state of the system group back to before that one joined, and
/// a mark as leaving is never taken back.
#[must_use]
pub fn has_left(nodes: &BTreeMap<NodeId, NodeRecord>, node: NodeId) -> bool {
    nodes.get(&node).is_some_and(|record| !record.is_there())
}

/// Whether a replica of a node that has left may be marked so. It makes its region count where
/// no other replica does yet: when a node was replaced, its region would otherwise leave `all_regions` until
/// the new one serves. Only an operator takes a region away, by removing it or its nodes.
fn may_leave(nodes: &BTreeMap<NodeId, NodeRecord>, facts: &GroupConfigView, node: NodeId) -> bool {
    let Some(record) = nodes.get(&node) else { return false };
    let stays = |it: &NodeRecord| it.region == record.region && it.is_there();
    record.state == NodeState::Removed
        || !facts.is_serving(node)
        || facts.is_served_beside(node)
        || !nodes.values().any(stays)
}

/// Whether a replica may be taken out of its group: it was marked as leaving, and its last lease is
/// over. `left`: until no lease of it can be held any more.
#[must_use]
pub fn may_remove(facts: &GroupConfigView, node: NodeId, left: Duration) -> bool {
    facts.marks.get(&node) == Some(&ReplicaMark::Leaving) && left.is_zero()
}

#[cfg(test)]
#[path = "notes_test.rs"]
mod tests;

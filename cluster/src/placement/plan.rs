//! From the present membership to the desired one: the next single safe step.
//!
//! # The life of a replica
//! 1. Registered: the node is added as a learner.
//! 2. Caught up and live: it may become a voter, by one joint change.
//! 3. Drained: it leaves the voters when a caught-up node replaces it (or no node can), and stays
//!    as a learner.
//! 4. Replaced or removed: the same, and then it is removed from the learners too.
//!
//! No step takes a live quorum away. No step removes more voters than it adds, except when there
//! are too many. No step removes the leader: leadership is transferred first.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{id::NodeId, log::LogIndex, org::NodeRecord};

use super::desired::{Desired, GroupView, desired};

/// A learner this close to the leader's log may become a voter.
pub const CAUGHT_UP_ENTRIES: u64 = 1000;

/// One change of a group's membership or lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Add these as learners.
    AddLearners(BTreeSet<NodeId>),
    /// Make these the voters, by a joint change; those who vote no longer stay as learners. It also
    /// finishes a change that was left half-way.
    ChangeVoters(BTreeSet<NodeId>),
    /// Remove these learners.
    RemoveLearners(BTreeSet<NodeId>),
    /// Transfer leadership to this voter. Its log is close to the leader's and may not be equal to
    /// it: the caller pauses writes until it is, because a transfer to a replica that is behind
    /// costs an election.
    TransferLeader(NodeId),
}

/// The next step, or none: when all is as desired, or when nothing safe can be done now.
#[must_use]
pub fn next_step(view: &GroupView, nodes: &BTreeMap<NodeId, NodeRecord>) -> Option<Step> {
    if let Some(outgoing) = &view.outgoing_voters {
        // The node that began it may be gone; until it is finished both quorums are needed.
        let possible = view.has_live_quorum(outgoing) && view.has_live_quorum(&view.voters);
        return possible.then(|| Step::ChangeVoters(view.voters.clone()));
    }
    let desired = desired(view, nodes);
    add_learners(view, &desired)
        .or_else(|| lead_from_home(view, nodes, &desired))
        .or_else(|| change_voters(view, nodes, &desired))
        .or_else(|| remove_learners(view, &desired))
}

fn add_learners(view: &GroupView, desired: &Desired) -> Option<Step> {
    let wanted = desired.voters.union(&desired.learners);
    let missing: BTreeSet<NodeId> = wanted
        .filter(|node| !view.voters.contains(node) && !view.learners.contains(node))
        .copied()
        .collect();
    (!missing.is_empty()).then_some(Step::AddLearners(missing))
}

fn remove_learners(view: &GroupView, desired: &Desired) -> Option<Step> {
    let gone: BTreeSet<NodeId> = view
        .learners
        .iter()
        .filter(|node| !desired.learners.contains(node) && !desired.voters.contains(node))
        .copied()
        .collect();
    (!gone.is_empty()).then_some(Step::RemoveLearners(gone))
}

/// An election may have put the lead of a home group outside of its home region.
fn lead_from_home(
    view: &GroupView,
    nodes: &BTreeMap<NodeId, NodeRecord>,
    desired: &Desired,
) -> Option<Step> {
    let home = view.home.as_ref()?;
    let at_home = |node: &NodeId| nodes.get(node).is_some_and(|record| record.region == *home);
    if at_home(&view.leader) {
        return None;
    }
    // Not from a node that stays to one that leaves: it would have to transfer leadership back.
    let stays =
        |node: &NodeId| desired.voters.contains(node) || !desired.voters.contains(&view.leader);
    let ready =
        view.voters.iter().filter(|node| at_home(node) && stays(node) && view.could_lead(**node));
    // Prefer a node that stays: a leaving one would have to transfer leadership again.
    let best =
        ready.min_by_key(|node| (!desired.voters.contains(node), view.behind(**node), **node))?;
    Some(Step::TransferLeader(*best))
}

fn change_voters(
    view: &GroupView,
    nodes: &BTreeMap<NodeId, NodeRecord>,
    desired: &Desired,
) -> Option<Step> {
    let target = next_voters(view, desired);
    if target.contains(&view.leader) {
        return view.to_voters(target);
    }
    if let Some(successor) = successor(view, nodes, &target) {
        return view.has_live_quorum(&target).then_some(Step::TransferLeader(successor));
    }
    view.to_voters(beside_leader(view, target))
}

/// None of the new voters can lead yet: they join beside the leader, and no more leave than join.
fn beside_leader(view: &GroupView, target: BTreeSet<NodeId>) -> BTreeSet<NodeId> {
    let mut voters = target;
    voters.insert(view.leader);
    let added = voters.difference(&view.voters).count();
    let mut gone: Vec<NodeId> = view.voters.difference(&voters).copied().collect();
    // The dead go first.
    gone.sort_by_key(|node| (view.live.contains(node), *node));
    voters.extend(gone.into_iter().skip(added));
    voters
}

/// The next leader when the present one is not among the next voters: a node of the home region, if
/// one can lead.
fn successor(
    view: &GroupView,
    nodes: &BTreeMap<NodeId, NodeRecord>,
    target: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let away = |node: NodeId| {
        let region = nodes.get(&node).map(|record| &record.region);
        view.home.is_some() && region != view.home.as_ref()
    };
    let ready = target.intersection(&view.voters).filter(|node| view.could_lead(**node));
    ready.min_by_key(|node| (away(**node), view.behind(**node), **node)).copied()
}

/// The voters after the next change: the desired ones that are ready, and for each missing one a
/// voter that is to leave.
fn next_voters(view: &GroupView, desired: &Desired) -> BTreeSet<NodeId> {
    let (keep, add): (BTreeSet<NodeId>, BTreeSet<NodeId>) = desired
        .voters
        .iter()
        .filter(|node| view.voters.contains(node) || view.could_vote(**node))
        .partition(|node| view.voters.contains(node));
    if keep.len() + add.len() == desired.voters.len() {
        return desired.voters.clone();
    }
    let missing = desired.voters.len() - keep.len() - add.len();
    let mut leaving: Vec<NodeId> = view.voters.difference(&desired.voters).copied().collect();
    // The dead leave first, the leader last.
    leaving.sort_by_key(|node| (*node == view.leader, view.live.contains(node), *node));
    let gone = add.len().min(leaving.len().saturating_sub(missing));
    keep.into_iter().chain(leaving.into_iter().skip(gone)).chain(add).collect()
}

impl GroupView {
    fn behind(&self, node: NodeId) -> Option<u64> {
        if node == self.leader {
            return Some(0);
        }
        let LogIndex(matched) = *self.matched.get(&node)?;
        Some(self.last_index.0.saturating_sub(matched))
    }

    /// Live, and close to the leader's log.
    fn could_vote(&self, node: NodeId) -> bool {
        self.live.contains(&node)
            && self.learners.contains(&node)
            && self.behind(node).is_some_and(|entries| entries <= CAUGHT_UP_ENTRIES)
    }

    /// Live, and so close to the leader's log that it is level within a moment without writes.
    fn could_lead(&self, node: NodeId) -> bool {
        self.live.contains(&node)
            && self.behind(node).is_some_and(|entries| entries <= CAUGHT_UP_ENTRIES)
    }

    pub(super) fn has_live_quorum(&self, voters: &BTreeSet<NodeId>) -> bool {
        voters.intersection(&self.live).count() > voters.len() / 2
    }

    fn to_voters(&self, target: BTreeSet<NodeId>) -> Option<Step> {
        (target != self.voters && self.has_live_quorum(&target))
            .then_some(Step::ChangeVoters(target))
    }
}

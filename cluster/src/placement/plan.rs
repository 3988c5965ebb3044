//! From the present membership to the desired one: the next single safe step.
//!
//! # A node's way
//! 1. Registered: it is added as a learner.
//! 2. Caught up and live: it may become a voter, by one joint change.
//! 3. Replaced: it leaves the voters when a caught-up node takes its seat, stays as a learner for a
//!    moment, and is removed.
//!
//! No step takes a live quorum away, none removes more voters than it brings (but the last one,
//! when there are too many), and none removes the leader: it hands the lead over first.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{id::NodeId, log::LogIndex, org::NodeRecord};

use super::{Desired, GroupView, desired};

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
    /// Let this voter lead.
    TransferLeader(NodeId),
}

/// The next step, or none: when all is as desired, or when nothing safe can be done now.
#[must_use]
pub fn next_step(view: &GroupView, nodes: &BTreeMap<NodeId, NodeRecord>) -> Option<Step> {
    if let Some(outgoing) = &view.outgoing_voters {
        // Whoever began it may be gone; until it is finished both quorums are needed.
        let possible = view.has_live_quorum(outgoing) && view.has_live_quorum(&view.voters);
        return possible.then(|| Step::ChangeVoters(view.voters.clone()));
    }
    let desired = desired(view, nodes);
    add_learners(view, &desired)
        .or_else(|| lead_from_home(view, nodes, &desired))
        .or_else(|| change_voters(view, &desired))
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
    let ready = view.voters.iter().filter(|node| at_home(node) && view.could_lead(**node));
    // One that is to stay is better than one that would have to hand the lead on.
    let best = ready.min_by_key(|node| (!desired.voters.contains(node), **node))?;
    Some(Step::TransferLeader(*best))
}

fn change_voters(view: &GroupView, desired: &Desired) -> Option<Step> {
    let target = next_voters(view, desired);
    if target.contains(&view.leader) {
        return view.to_voters(target);
    }
    let successor = target.intersection(&view.voters).find(|node| view.could_lead(**node)).copied();
    if let Some(successor) = successor {
        return view.has_live_quorum(&target).then_some(Step::TransferLeader(successor));
    }
    // Nobody of the new voters can lead yet: bring them in beside the leader.
    let mut with_leader = target;
    with_leader.insert(view.leader);
    view.to_voters(with_leader)
}

/// The voters after the next change: desired ones as far as they are ready, and for each that is
/// still missing one of those that are to leave.
fn next_voters(view: &GroupView, desired: &Desired) -> BTreeSet<NodeId> {
    let (keep, add): (BTreeSet<NodeId>, BTreeSet<NodeId>) = desired
        .voters
        .iter()
        .filter(|node| view.voters.contains(node) || view.could_vote(**node))
        .partition(|node| view.voters.contains(node));
    if keep.len() + add.len() == desired.voters.len() {
        return desired.voters.clone();
    }
    let mut leaving: Vec<NodeId> = view.voters.difference(&desired.voters).copied().collect();
    // The dead leave first, the leader last.
    leaving.sort_by_key(|node| (*node == view.leader, view.live.contains(node), *node));
    keep.into_iter().chain(leaving.into_iter().skip(add.len())).chain(add).collect()
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

    /// Live, and level with the leader's log: a transfer to any other costs an election.
    fn could_lead(&self, node: NodeId) -> bool {
        self.live.contains(&node) && self.behind(node) == Some(0)
    }

    fn has_live_quorum(&self, voters: &BTreeSet<NodeId>) -> bool {
        voters.intersection(&self.live).count() > voters.len() / 2
    }

    fn to_voters(&self, target: BTreeSet<NodeId>) -> Option<Step> {
        (target != self.voters && self.has_live_quorum(&target))
            .then_some(Step::ChangeVoters(target))
    }
}

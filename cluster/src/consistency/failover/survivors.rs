//! What the survivors of a closed group have, and which of them founds its successor.
//!
//! # Why nothing acknowledged everywhere is lost
//! A survivor answers what it has only when its replica is closed: no entry comes to its log any
//! more. A node that has reported an entry as applied has it in its synced log, and behind it an entry of
//! the own term of a leader that had it committed ([`may_report`]); of the logs of all survivors the one
//! that ends last, by term and then by index, holds every entry that any of them has reported (what
//! elections rest on; `consistency/model/failover.rs` shows why the term is needed). Its last entries
//! may never have been committed: their writers got no answer or "unknown", so they may happen.
//!
//! A founder must never be chosen while one that is asked has not answered.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use concordat_proto::{
    failover::{ClosedGroup, FailoverBasis, Succession},
    id::{GroupId, NodeId},
    lease::LeaseRecord,
    log::{LogId, LogIndex, Term},
    org::NodeRecord,
    region::Region,
};

use super::fence::FENCE;

/// What one survivor has of a closed group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurvivorLog {
    /// The survivor.
    pub node: NodeId,
    /// The newest entry of its log or its state.
    pub last: LogId,
    /// The newest entry that it has applied.
    pub applied: LogIndex,
}

/// Who founds a closed group's successor, and from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Founding {
    /// The survivor whose log ends last.
    pub founder: NodeId,
    /// Where that log ends.
    pub last: LogId,
    /// The newest entry that any survivor has applied: up to it positions are known to be contained.
    pub safe_index: LogIndex,
}

/// The survivors whose answer is awaited, in order of id: all that are there, outside of the lost
/// region, and not named as absent by the operator.
#[must_use]
pub fn asked(nodes: &BTreeMap<NodeId, NodeRecord>, closed: &ClosedGroup) -> Vec<NodeId> {
    let is_asked = |node: &&NodeRecord| {
        node.is_there() && node.region != closed.lost && !closed.absent.contains(&node.id)
    };
    nodes.values().filter(is_asked).map(|node| node.id).collect()
}

/// The founder, of what all that were asked have: the survivor whose log ends last; among equal ones
/// one of the region where the successor is to be hosted, then the one with the lowest id. None where
/// no node survives.
#[must_use]
pub fn founding(
    nodes: &BTreeMap<NodeId, NodeRecord>,
    closed: &ClosedGroup,
    had: &[SurvivorLog],
) -> Option<Founding> {
    let is_near = |node: NodeId| nodes.get(&node).is_some_and(|record| record.region == closed.to);
    let rank =
        |log: &&SurvivorLog| (log.last.term, log.last.index, is_near(log.node), Reverse(log.node));
    let best = had.iter().max_by_key(rank)?;
    let safe_index = had.iter().map(|log| log.applied).max().unwrap_or_default();
    Some(Founding { founder: best.node, last: best.last, safe_index })
}

/// The newest entry that a closed replica has, in its log or applied: a power failure may have left
/// either of them behind the other.
#[must_use]
pub fn closed_end(last: LogId, applied: LogId) -> LogId {
    if (last.term, last.index) > (applied.term, applied.index) { last } else { applied }
}

/// Whether a founder is still to be named: none was, or the one that was has been removed, and no node
/// has anything of what it was to found. `of_region`: the group of the closed one's region now, if there is such a
/// region. `has_any`: whether a node is known to have entries of a group.
///
/// A successor that has been closed and succeeded itself needs no founder any more, though its own is gone and its
/// state was dropped: the rule refuses another one, and the leader would propose it for ever.
#[must_use]
pub fn needs_successor(
    nodes: &BTreeMap<NodeId, NodeRecord>,
    closed: &ClosedGroup,
    of_region: Option<GroupId>,
    has_any: impl Fn(GroupId, NodeId) -> bool,
    has_own: impl Fn(GroupId) -> bool,
) -> bool {
    let last = closed.succession.map_or(closed.group, |succession| succession.group);
    if of_region != Some(last) {
        return false;
    }
    let Some(Succession { group, founder, .. }) = closed.succession else { return true };
    let is_gone = nodes.get(&founder).is_some_and(|node| !node.is_there());
    is_gone && !has_own(group) && !nodes.keys().any(|node| has_any(group, *node))
}

/// Until a leader in the lost region grants nothing any more, from when the group was seen closed.
#[must_use]
pub fn fence_delay(basis: FailoverBasis, leases: &LeaseRecord) -> Duration {
    match basis {
        FailoverBasis::Fenced => Duration::ZERO,
        FailoverBasis::SelfFencing { .. } => leases.stretched(FENCE),
    }
}

/// When a node first saw a group closed, and closed at all its survivors, by its steady clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedSince {
    closed: Duration,
    by_all: Option<Duration>,
}

impl ClosedSince {
    /// A group that is seen closed now.
    #[must_use]
    pub const fn new(now: Duration) -> Self {
        Self { closed: now, by_all: None }
    }

    /// Whether the survivors can be asked: no leader grants anything any more.
    #[must_use]
    pub fn may_ask(&self, fence_delay: Duration, now: Duration) -> bool {
        now.saturating_sub(self.closed) >= fence_delay
    }

    /// A survivor did not answer: what was granted meanwhile may be held from now on.
    pub fn on_silence(&mut self) {
        self.by_all = None;
    }

    /// All survivors have closed the group; whether no lease can be held any more, and a successor may be
    /// named. `lease_time`: the longest lease that was ever set, stretched.
    pub fn on_answers(&mut self, lease_time: Duration, now: Duration) -> bool {
        let by_all = *self.by_all.get_or_insert(now);
        now.saturating_sub(by_all) >= lease_time
    }
}

/// Whether a group that a node has founded as a closed one's successor must not take writes of
/// organizations yet: it has one voter, and others that live could vote with it. The loss of one node
/// must not cost what was acknowledged. `voter_region`: where its voters stand; none while the region is unknown.
#[must_use]
pub fn is_founding_alone(
    nodes: &BTreeMap<NodeId, NodeRecord>,
    own: NodeId,
    voter_region: Option<&Region>,
    voters: usize,
    is_live: impl Fn(NodeId) -> bool,
) -> bool {
    let Some(voter_region) = voter_region else { return true };
    let could_vote = |node: &&NodeRecord| {
        node.id != own && is_live(node.id) && node.region == *voter_region && node.may_vote()
    };
    voters < 2 && nodes.values().any(|node| could_vote(&node))
}

/// Nodes that answer now and whose replicas can have what the successor lacks: those of the lost
/// region, and those that were not asked. The log of anyone else ends where the founder's does.
#[must_use]
pub fn may_have_more(
    nodes: &BTreeMap<NodeId, NodeRecord>,
    closed: &ClosedGroup,
    lives: impl Fn(NodeId) -> bool,
) -> Vec<NodeId> {
    let answers = |node: &&NodeRecord| node.is_there() && lives(node.id);
    let had_no_part =
        |node: &&NodeRecord| node.region == closed.lost || closed.absent.contains(&node.id);
    nodes.values().filter(answers).filter(had_no_part).map(|node| node.id).collect()
}

/// Whether a replica may report further entries: its synced log ends with an entry of the term that it
/// has voted in. Without a vote there is no leader to follow.
///
/// # Why a report rises only by an entry of the leader's own term
/// A failover founds the successor from the surviving log that ends last, by term and then by
/// index. An entry of term 1 that a leader of term 3 commits can be applied here before this log
/// has any entry of term 3. A log that ends with an entry of term 2, which was never committed,
/// then ranks above this one and lacks the entry. Once an entry of the leader's own term is
/// synced here, this log ranks above every log that lacks what that leader had committed. A new
/// leader appends such an entry at once, so reports pause for one append at most.
#[must_use]
pub fn may_report(synced: Option<Term>, voted: Option<Term>) -> bool {
    synced >= voted
}

#[cfg(test)]
#[path = "survivors_test.rs"]
mod tests;

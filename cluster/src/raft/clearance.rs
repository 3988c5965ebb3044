//! Whether this node may act for a home group: propose to it and grant leases in it. Not when the
//! group is closed; and not when it may have been closed without this node's knowledge.
//!
//! A failover closes a group whose region cannot be reached, so nobody can tell its leader. What makes
//! sure that it does not go on is one of two things.
//!
//! **The operator's word** (`when_isolated = "serve"`): all nodes of the lost region are stopped. A
//! process that is started later must find out before it acts. It is *cleared* once it has the
//! system group's state as of a moment after its start, as a lease of that group proves; or once a
//! node of its own region says that it is cleared itself. The second is sound because such a node,
//! too, was stopped when the word was given, if it ran then: so it was cleared later, in the end by
//! the system group's state, in which the closing stood. Without it a region that is cut off could
//! restart none of its nodes. A process that stood still for long counts as started anew: who gave
//! the word may have taken it for stopped.
//!
//! **The group's own log** (`when_isolated = "fence"`): a leader acts only while it has the system
//! group's state as of the last [`FENCE`]; whoever closes the group waits that out.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    org::WhenIsolated,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::future::join_all;

use super::{groups::Groups, transport::Channel};
use crate::planted::{self, Bug};

/// For how long a leader that fences itself acts on what it knows of the system group.
pub const FENCE: Duration = Duration::from_secs(10);
/// A process that stood still for this long counts as started anew.
const STILL_MAX: Duration = Duration::from_secs(10);
/// Between questions while this node is not cleared.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// For an answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);

/// What is known, by the node's steady clock.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// What is known from before this counts for nothing.
    since: Duration,
    /// A node of this region said that it is cleared.
    by_peer: bool,
    /// When the process was last seen running.
    ticked: Duration,
}

/// Whether this process may take its region's groups for open.
#[derive(Debug)]
pub(crate) struct Clearance(Mutex<Known>);

impl Clearance {
    pub(crate) fn new(now: Duration) -> Self {
        Self(Mutex::new(Known { since: now, by_peer: false, ticked: now }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process runs.
    fn tick(&self, now: Duration) {
        let mut known = self.known();
        if now.saturating_sub(known.ticked) >= STILL_MAX {
            *known = Known { since: now, by_peer: false, ticked: now };
        }
        known.ticked = now;
    }

    /// What a peer said counts if it was asked after what is known began to count.
    fn on_peer(&self, asked: Duration) {
        let mut known = self.known();
        known.by_peer |= asked >= known.since;
    }

    /// `proven`: of which moment this node has the system group's state, at least.
    fn is_cleared(&self, proven: Option<Duration>, now: Duration) -> bool {
        let known = self.known();
        let is_running = now.saturating_sub(known.ticked) < STILL_MAX;
        is_running && (known.by_peer || proven.is_some_and(|proven| proven >= known.since))
    }
}

impl Groups {
    /// Whether this node may propose to a group and grant leases in it now.
    pub(crate) fn may_act_for(&self, group: GroupId) -> bool {
        if group == GroupId::SYSTEM || planted::is(Bug::FenceIgnored) {
            return true;
        }
        let system = self.system();
        if system.is_closed(group) {
            return false;
        }
        match self.tracker().facts(group).isolation.when {
            WhenIsolated::Serve => self.is_cleared(),
            WhenIsolated::Fence => {
                let now = self.environment().steady.now();
                system.proven.is_some_and(|proven| now.saturating_sub(proven) < FENCE)
            }
        }
    }

    /// Whether a group's leader holds back here because it is cut off with its region.
    #[must_use]
    pub fn is_fenced(&self, group: GroupId) -> bool {
        let fences = self.tracker().facts(group).isolation.when == WhenIsolated::Fence;
        fences && !self.is_closed(group) && !self.may_act_for(group)
    }

    /// Whether this process knows that its region's groups were not closed before it was started.
    pub(crate) fn is_cleared(&self) -> bool {
        let now = self.environment().steady.now();
        self.clearance().is_cleared(self.system().proven, now)
    }
}

/// Sees to it that this node is cleared, until it stops.
pub(crate) async fn run(groups: Groups) {
    loop {
        groups.clearance().tick(groups.environment().steady.now());
        if !groups.is_cleared() {
            ask(&groups).await;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Asks the other nodes of this region.
async fn ask(groups: &Groups) {
    let system = groups.system();
    let near = |node: &NodeId| {
        system.nodes.get(node).is_some_and(|record| record.region == *groups.region())
    };
    let asked = groups.environment().steady.now();
    let body = Bytes::from(PeerRequest::Cleared.encode());
    let transport = &groups.environment().transport;
    let peers = groups.peers().into_iter().filter(near);
    let answers = join_all(
        peers.map(|node| transport.request(node, Channel::Control, body.clone(), ANSWER_LIMIT)),
    );
    for answer in answers.await.into_iter().flatten() {
        if let Ok(PeerReply::Cleared { is_cleared: true }) = PeerReply::decode(&answer) {
            groups.clearance().on_peer(asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_proven_before_the_start_clears_nobody() {
        let clearance = Clearance::new(s(100));
        assert!(!clearance.is_cleared(None, s(100)));
        assert!(!clearance.is_cleared(Some(s(99)), s(101)));
        assert!(clearance.is_cleared(Some(s(100)), s(101)));
    }

    #[test]
    fn a_process_that_stood_still_counts_as_started_anew() {
        let clearance = Clearance::new(s(100));
        clearance.on_peer(s(100));
        clearance.tick(s(105));
        assert!(clearance.is_cleared(None, s(114)));
        assert!(!clearance.is_cleared(None, s(115)), "before it has even noticed");
        clearance.tick(s(120));
        assert!(!clearance.is_cleared(Some(s(119)), s(120)), "what it knew from before");
        clearance.on_peer(s(119));
        assert!(!clearance.is_cleared(None, s(120)), "an answer to a question from before");
        clearance.on_peer(s(120));
        assert!(clearance.is_cleared(None, s(120)));
    }
}

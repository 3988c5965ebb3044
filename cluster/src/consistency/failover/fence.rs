//! Whether a node may act for a home group: propose to it and grant leases in it. Not when the group is
//! closed; and not when it may have been closed without this node's knowledge.
//!
//! Why each rule is needed is in `raft/failover/fencing.rs`, which asks the peers. Nothing here may be
//! decided by what was known before the process began, or before it was paused.

use std::time::Duration;

use concordat_proto::org::{PartitionPolicy, PartitionPolicyRecord};

/// For how long a leader that fences itself acts on what it knows of the system group.
pub const FENCE: Duration = Duration::from_secs(10);

/// A process that was paused for this long counts as started anew.
pub const STILL_MAX: Duration = Duration::from_secs(10);

/// What is known of whether this process may take its region's groups for open, by the node's steady
/// clock.
#[derive(Debug, Clone, Copy)]
pub struct OpenProof {
    /// What is known from before this counts for nothing.
    since: Duration,
    /// A node of this region said that it knows the groups to be open.
    by_peer: bool,
    /// When the process was last seen running.
    ticked: Duration,
}

impl OpenProof {
    /// Of a process that begins now.
    #[must_use]
    pub const fn new(now: Duration) -> Self {
        Self { since: now, by_peer: false, ticked: now }
    }

    /// The process runs.
    pub fn tick(&mut self, now: Duration) {
        if now.saturating_sub(self.ticked) >= STILL_MAX {
            *self = Self::new(now);
        }
        self.ticked = now;
    }

    /// A peer said that it knows the groups to be open. That counts if it was asked after what is known began to count.
    pub fn on_peer(&mut self, asked: Duration) {
        self.by_peer |= asked >= self.since;
    }

    /// `proven`: this node's state of the system group is at least as new as this moment.
    #[must_use]
    pub fn knows_groups_are_open(&self, proven: Option<Duration>, now: Duration) -> bool {
        let is_running = now.saturating_sub(self.ticked) < STILL_MAX;
        is_running && (self.by_peer || proven.is_some_and(|proven| proven >= self.since))
    }
}

/// What a node knows of a home group when it is to act for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeadView {
    /// The group is closed, as far as this node knows.
    pub is_closed: bool,
    /// What the group's leaders do that are cut off, by the group's own log.
    pub when: PartitionPolicy,
    /// This process knows that the group was not closed before it was started.
    pub knows_groups_are_open: bool,
    /// Of which moment this node has the system group's state, at least.
    pub proven: Option<Duration>,
}

impl LeadView {
    /// Whether the node may propose to the group and grant leases in it now.
    #[must_use]
    pub fn may_lead(&self, now: Duration) -> bool {
        if self.is_closed {
            return false;
        }
        match self.when {
            PartitionPolicy::Serve => self.knows_groups_are_open,
            PartitionPolicy::Fence => {
                self.proven.is_some_and(|proven| now.saturating_sub(proven) < FENCE)
            }
        }
    }

    /// Whether a leader here holds back because it is cut off with its region, given whether it may act.
    #[must_use]
    pub fn is_fenced(&self, may_lead: bool) -> bool {
        self.when == PartitionPolicy::Fence && !self.is_closed && !may_lead
    }
}

/// Whether a group fences its own leaders, by a setting that is still the present one: its generation.
/// Where the group has not noted the present setting, it may follow one that no survivor knows of.
#[must_use]
pub fn fencing_generation(
    present: PartitionPolicyRecord,
    noted: PartitionPolicyRecord,
) -> Option<u32> {
    let fences = noted == present && noted.when == PartitionPolicy::Fence;
    fences.then_some(noted.generation)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_proven_before_the_start_clears_nobody() {
        let proof = OpenProof::new(s(100));
        assert!(!proof.knows_groups_are_open(None, s(100)));
        assert!(!proof.knows_groups_are_open(Some(s(99)), s(101)));
        assert!(proof.knows_groups_are_open(Some(s(100)), s(101)));
    }

    #[test]
    fn a_process_that_stood_still_counts_as_started_anew() {
        let mut proof = OpenProof::new(s(100));
        proof.on_peer(s(100));
        proof.tick(s(105));
        assert!(proof.knows_groups_are_open(None, s(114)));
        assert!(!proof.knows_groups_are_open(None, s(115)), "before it has even noticed");
        proof.tick(s(120));
        assert!(!proof.knows_groups_are_open(Some(s(119)), s(120)), "what it knew from before");
        proof.on_peer(s(119));
        assert!(!proof.knows_groups_are_open(None, s(120)), "an answer to a question from before");
        proof.on_peer(s(120));
        assert!(proof.knows_groups_are_open(None, s(120)));
    }

    #[test]
    fn a_leader_acts_only_while_it_knows_that_its_group_is_open() {
        use PartitionPolicy::{Fence, Serve};
        let now = s(100);
        // Closed, setting, cleared, proven; whether it may lead, whether it is fenced.
        let table = [
            (true, Serve, true, Some(now), false, false),
            (true, Fence, true, Some(now), false, false),
            (false, Serve, true, None, true, false),
            (false, Serve, false, Some(now), false, false),
            (false, Fence, true, None, false, true),
            (false, Fence, false, Some(s(91)), true, false),
            (false, Fence, true, Some(s(90)), false, true),
        ];
        for (is_closed, when, knows_groups_are_open, proven, may_lead, is_fenced) in table {
            let view = LeadView { is_closed, when, knows_groups_are_open, proven };
            assert_eq!(view.may_lead(now), may_lead, "{view:?}");
            assert_eq!(view.is_fenced(view.may_lead(now)), is_fenced, "{view:?}");
        }
    }

    #[test]
    fn a_group_fences_itself_only_by_the_present_setting() {
        use PartitionPolicy::{Fence, Serve};
        let setting = |when, generation| PartitionPolicyRecord { when, generation };
        assert_eq!(fencing_generation(setting(Fence, 3), setting(Fence, 3)), Some(3));
        for (present, noted) in [
            (setting(Fence, 3), setting(Fence, 1)),
            (setting(Serve, 4), setting(Fence, 3)),
            (setting(Fence, 3), setting(Serve, 2)),
            (setting(Serve, 2), setting(Serve, 2)),
        ] {
            assert_eq!(fencing_generation(present, noted), None, "{present:?} {noted:?}");
        }
    }

    proptest! {
        /// A closed group's leader has nothing that lets it act; an open one's knowledge grows old.
        #[test]
        fn knowledge_only_grows_old(knows_groups_are_open: bool, fences: bool, proven in 0_u64..40, later in 0_u64..40) {
            let when = if fences { PartitionPolicy::Fence } else { PartitionPolicy::Serve };
            let view = LeadView { is_closed: false, when, knows_groups_are_open, proven: Some(s(proven)) };
            let at = |seconds| view.may_lead(s(proven + seconds));
            prop_assert!(at(later) || !at(later + 1));
            let closed = LeadView { is_closed: true, ..view };
            prop_assert!(!closed.may_lead(s(proven + later)));
        }
    }
}

//! What is known of whether this process may take its region's groups for open: a lock around the rule
//! of `consistency/failover/fence.rs`.
//!
//! Nothing is decided here.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use crate::{consistency::failover::fence::OpenProof, locks::locked};

/// Whether this process knows that its region's groups are open.
#[derive(Debug)]
pub(crate) struct FenceState(Mutex<OpenProof>);

impl FenceState {
    pub(crate) fn new(now: Duration) -> Self {
        Self(Mutex::new(OpenProof::new(now)))
    }

    fn known(&self) -> MutexGuard<'_, OpenProof> {
        locked(&self.0)
    }

    pub(crate) fn tick(&self, now: Duration) {
        self.known().tick(now);
    }

    pub(crate) fn on_peer(&self, asked: Duration) {
        self.known().on_peer(asked);
    }

    pub(crate) fn knows_groups_are_open(&self, proven: Option<Duration>, now: Duration) -> bool {
        self.known().knows_groups_are_open(proven, now)
    }
}

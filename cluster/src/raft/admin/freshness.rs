//! Whether this node's state may be read unmarked, and as of when it is.
//!
//! The rule is `consistency/read/freshness.rs`; here is what this node knows for it.

use std::sync::atomic::Ordering;

use concordat_proto::{id::GroupId, log::LogIndex};

use crate::{
    consistency::read::freshness::Freshness,
    raft::{core::Core, engine::applied::read_applied, planted, replica::Replica},
};

impl Core {
    /// Whether this node's replica of a group may answer fresh reads that start now.
    pub(crate) fn freshness(&self, group: GroupId) -> Freshness {
        let visible = |replica: &Replica| LogIndex(replica.visible.load(Ordering::Acquire));
        self.freshness_at(group, visible)
    }

    /// Whether this node's list of groups is as new as the system group's log: an object in none of
    /// them may be in a group that this node does not know of.
    pub(crate) fn list_freshness(&self) -> Freshness {
        let index = self.system().index;
        self.freshness_at(GroupId::SYSTEM, |_| index)
    }

    fn freshness_at(&self, group: GroupId, shown: impl FnOnce(&Replica) -> LogIndex) -> Freshness {
        // A record that cannot be read ends the process elsewhere.
        let applied = || read_applied(&**self.shadow_store(), group).unwrap_or_default().log_time;
        let Some(replica) = self.replica(group) else {
            return Freshness::of(false, || None, applied);
        };
        let now = self.environment().steady.now();
        let visible = shown(&replica);
        let is_current = planted::on_is_current(replica.leasing.is_current(visible, now), || {
            replica.leader() == Some(self.node())
        });
        Freshness::of(is_current, || replica.leasing.as_of(visible), applied)
    }
}

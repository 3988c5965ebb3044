//! Waits for reported progress.
//!
//! The rules are [`crate::consistency`]'s; this file has the lock, the clock and the wake-ups.
//! Nothing polls: a report wakes exactly the waiters that it completes, and a waiter that only time
//! can complete sleeps until then.

use std::{sync::Arc, time::Duration};

use concordat_proto::{id::GroupId, log::LogIndex};
use tokio::{sync::Notify, time::Instant};

use crate::{
    consistency::{Scope, StaleReaders, WaiterId, WaitersFull},
    raft::{
        core::Core,
        write::tracker::{Progress, Tracker},
    },
};

/// A wait under way. It is taken out of the list however its future ends.
struct Wait<'a> {
    tracker: &'a Tracker,
    group: GroupId,
    id: WaiterId,
    wake: Arc<Notify>,
}

impl<'a> Wait<'a> {
    fn register(
        tracker: &'a Tracker,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: &StaleReaders,
    ) -> Result<Self, WaitersFull> {
        let stale_readers = scope.asked_of(stale_readers.clone());
        let (id, wake) = tracker.register(group, index, scope, &stale_readers)?;
        Ok(Self { tracker, group, id, wake })
    }

    /// Returns when the scope is reached, or at the deadline.
    async fn ended(&self, scope: &Scope, deadline: Instant) -> Progress {
        loop {
            let (region_waits, next) = self.tracker.look(self.group, self.id);
            if scope.is_reached(&region_waits) || Instant::now() >= deadline {
                return self.tracker.progress(region_waits, scope);
            }
            // A timer may fire a moment before the clock that leases are counted by.
            let next = next.map(|next| Instant::now() + next.max(Duration::from_millis(1)));
            let until = next.map_or(deadline, |next| next.min(deadline));
            drop(tokio::time::timeout_at(until, self.wake.notified()).await);
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.tracker.unregister(self.group, self.id);
    }
}

/// Ends a wait for this node's own state however its future ends.
struct LocallyRegistered<'a> {
    tracker: &'a Tracker,
    group: GroupId,
    entry: (LogIndex, u64),
}

impl Drop for LocallyRegistered<'_> {
    fn drop(&mut self) {
        self.tracker.unregister_local(self.group, &self.entry);
    }
}

impl Core {
    /// A write's own wait: returns when the entry at `index` has reached the scope, or at the
    /// deadline, and counts the delay by leases. `stale_readers` are the stale readers: from
    /// [`Groups::propose`] or [`Groups::stale_readers`].
    pub(crate) async fn wait(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: StaleReaders,
        deadline: Instant,
    ) -> Progress {
        let Ok(wait) = Wait::register(self.tracker(), group, index, scope, &stale_readers) else {
            return self.judged_late(group, index, scope, stale_readers, deadline).await;
        };
        let progress = wait.ended(scope, deadline).await;
        self.tracker().count(group, wait.id, scope);
        progress
    }

    /// The same for a write that was answered before, for receipts.
    pub(crate) async fn wait_again(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: StaleReaders,
        deadline: Instant,
    ) -> Progress {
        match Wait::register(self.tracker(), group, index, scope, &stale_readers) {
            Ok(wait) => wait.ended(scope, deadline).await,
            Err(WaitersFull) => {
                self.judged_late(group, index, scope, stale_readers, deadline).await
            }
        }
    }

    /// Too many waits: this one checks only once, at its deadline.
    async fn judged_late(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: StaleReaders,
        deadline: Instant,
    ) -> Progress {
        tokio::time::sleep_until(deadline).await;
        self.progress(group, index, scope, stale_readers)
    }

    /// The stale readers of an entry that this node's own replica shows, without a leader's set:
    /// every replica, for one lease from when this node first showed the entry.
    pub(crate) fn stale_readers(&self, group: GroupId, index: LogIndex) -> StaleReaders {
        self.tracker().stale_readers(group, index)
    }

    /// The present state of every region that counts in the group's membership.
    pub(crate) fn progress(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: StaleReaders,
    ) -> Progress {
        let region_waits = self.tracker().judge(group, index, &scope.asked_of(stale_readers));
        self.tracker().progress(region_waits, scope)
    }

    /// Returns true when reads on this node see the entry at `index`, false at the deadline.
    pub(crate) async fn wait_visible(
        &self,
        group: GroupId,
        index: LogIndex,
        deadline: Instant,
    ) -> bool {
        let applied = || self.applied(group);
        let Some((entry, wake)) = self.tracker().register_local(group, index, applied) else {
            return true;
        };
        let _registered = LocallyRegistered { tracker: self.tracker(), group, entry };
        tokio::time::timeout_at(deadline, wake.notified()).await.is_ok()
    }

    /// Whether there are too many waits to accept another one.
    pub(crate) fn waits_are_full(&self) -> bool {
        self.tracker().is_full()
    }
}

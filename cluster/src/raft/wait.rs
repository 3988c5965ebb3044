//! Who has applied what, as reports tell, and the waits that they wake.
//!
//! The rules are [`crate::consistency`]'s; here are the lock, the clock and the wake-ups. Nothing
//! polls: a report wakes exactly the waiters whose region it completes, and a tick a few times a
//! second lets a silent replica drop out of the count.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use concordat_proto::{
    id::{GroupId, NodeId},
    limits,
    log::LogIndex,
    region::Region,
};
use tokio::{sync::Notify, time::Instant};

use super::{groups::Groups, status::RegionLag};
use crate::consistency::{self, ProgressTable, WaiterId, Waiters};

/// Where a write must have been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In one region.
    Region(Region),
    /// In every region of the group's membership.
    All,
}

/// What is known of one region and one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionProgress {
    /// The region.
    pub region: Region,
    /// Whether every read that starts there now sees the write.
    pub applied: bool,
    /// When this node learned that, where it was waiting.
    pub at: Option<Instant>,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Whether the scope was reached.
    pub reached: bool,
    /// Every region of the group's membership, in order of name.
    pub regions: Vec<RegionProgress>,
}

#[derive(Default)]
struct GroupState {
    table: ProgressTable,
    members: BTreeSet<NodeId>,
    /// Who waits for which regions.
    waiters: Waiters,
    wakes: BTreeMap<WaiterId, Arc<Notify>>,
    /// Waits for this node's own state, by index.
    local: BTreeMap<(LogIndex, u64), Arc<Notify>>,
    next_local: u64,
    visible: LogIndex,
}

impl GroupState {
    /// Wakes the waits that a region satisfies now.
    fn wake_reached(&mut self, now: Duration) {
        for region in self.table.member_regions() {
            let Some(up_to) = self.table.reached_up_to(&region, now) else { continue };
            if self.waiters.least_awaited(&region).is_none_or(|index| index > up_to) {
                continue;
            }
            for arrival in self.waiters.on_region_reached(&region, up_to, now) {
                if let Some(wake) = self.wakes.get(&arrival.waiter) {
                    wake.notify_one();
                }
            }
        }
    }
}

#[derive(Default)]
struct State {
    groups: BTreeMap<GroupId, GroupState>,
    heard: BTreeMap<NodeId, Duration>,
}

/// All groups' progress and waits.
pub(crate) struct Tracker {
    started: Instant,
    state: Mutex<State>,
}

impl Tracker {
    pub(crate) fn new(started: Instant) -> Self {
        Self { started, state: Mutex::default() }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_members(&self, group: GroupId, members: BTreeMap<NodeId, Region>) {
        let now = self.now();
        let mut state = self.state();
        let of = state.groups.entry(group).or_default();
        // Who is new here counts as alive for one window: it may serve reads already, and this
        // node, just started, has only not heard of it yet.
        let new: Vec<NodeId> =
            members.keys().filter(|node| !of.members.contains(node)).copied().collect();
        of.members = members.keys().copied().collect();
        of.table.set_members(members);
        for node in new {
            of.table.on_heard(node, now);
        }
        of.wake_reached(now);
    }

    pub(crate) fn on_report(&self, node: NodeId, group: GroupId, applied: LogIndex) {
        let now = self.now();
        let mut state = self.state();
        state.heard.insert(node, now);
        let of = state.groups.entry(group).or_default();
        of.table.on_report(node, applied, now);
        of.wake_reached(now);
    }

    /// This node's own state of a group has advanced.
    pub(crate) fn on_visible(&self, group: GroupId, applied: LogIndex) {
        let mut state = self.state();
        let of = state.groups.entry(group).or_default();
        of.visible = of.visible.max(applied);
        while let Some(entry) = of.local.first_entry()
            && entry.key().0 <= applied
        {
            entry.remove().notify_one();
        }
    }

    /// Looks again: a replica that has fallen silent may have been all that was missing.
    pub(crate) fn on_tick(&self) {
        let now = self.now();
        for of in self.state().groups.values_mut() {
            of.wake_reached(now);
        }
    }

    pub(crate) fn is_live(&self, node: NodeId) -> bool {
        self.was_heard_within(node, consistency::HEARD_WINDOW)
    }

    pub(crate) fn was_heard_within(&self, node: NodeId, window: Duration) -> bool {
        let heard = self.state().heard.get(&node).copied();
        heard.is_some_and(|heard| self.now().saturating_sub(heard) <= window)
    }

    pub(crate) fn heard_ms_ago(&self, node: NodeId) -> Option<u64> {
        let heard = self.state().heard.get(&node).copied()?;
        u64::try_from(self.now().saturating_sub(heard).as_millis()).ok()
    }

    /// Nodes heard of within the window, and this one.
    pub(crate) fn live(&self, own: NodeId) -> BTreeSet<NodeId> {
        let now = self.now();
        let state = self.state();
        let recent = |heard: &Duration| now.saturating_sub(*heard) <= consistency::HEARD_WINDOW;
        let live = state.heard.iter().filter(|(_, heard)| recent(heard)).map(|(node, _)| *node);
        live.chain([own]).collect()
    }

    pub(crate) fn applied_of(&self, group: GroupId, node: NodeId) -> Option<LogIndex> {
        self.state().groups.get(&group)?.table.applied_of(node)
    }

    pub(crate) fn region_lags(&self, group: GroupId) -> Vec<RegionLag> {
        let now = self.now();
        let state = self.state();
        let Some(of) = state.groups.get(&group) else { return Vec::new() };
        of.table
            .region_lags(now)
            .into_iter()
            .map(|lag| RegionLag {
                region: lag.region,
                applied: lag.applied,
                lag_entries: lag.lag_entries,
                age_ms: lag.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
                reached: lag.live && lag.lag_entries <= lag_limit(),
            })
            .collect()
    }

    pub(crate) fn waiters(&self) -> usize {
        self.state().groups.values().map(|of| of.waiters.len()).sum()
    }

    fn regions(&self, group: GroupId, index: LogIndex) -> Vec<(Region, bool)> {
        let now = self.now();
        let state = self.state();
        state.groups.get(&group).map(|of| of.table.regions(index, now)).unwrap_or_default()
    }

    /// Notes a wait for every region; it is woken each time one of them is reached.
    fn register(&self, group: GroupId, index: LogIndex) -> Option<(WaiterId, Arc<Notify>)> {
        let now = self.now();
        let mut state = self.state();
        let of = state.groups.entry(group).or_default();
        let id = of.waiters.register(index, of.table.member_regions()).ok()?;
        let wake = Arc::new(Notify::new());
        of.wakes.insert(id, Arc::clone(&wake));
        of.wake_reached(now);
        Some((id, wake))
    }

    fn reached_at(&self, group: GroupId, id: WaiterId) -> BTreeMap<Region, Instant> {
        let state = self.state();
        let reached = state.groups.get(&group).and_then(|of| of.waiters.reached(id));
        let reached = reached.into_iter().flatten();
        reached.map(|(region, at)| (region.clone(), self.started + *at)).collect()
    }

    fn unregister(&self, group: GroupId, id: WaiterId) {
        if let Some(of) = self.state().groups.get_mut(&group) {
            of.waiters.remove(id);
            of.wakes.remove(&id);
        }
    }

    /// Whether so many waits are under way that a further one must be turned away.
    pub(crate) fn is_full(&self) -> bool {
        self.waiters() >= limits::WAITERS_MAX
    }
}

/// Entries behind which a region is said to be late: it would still be reached, but not soon.
fn lag_limit() -> u64 {
    1000
}

/// Ends a wait however its future ends.
struct Registered<'a> {
    tracker: &'a Tracker,
    group: GroupId,
    id: WaiterId,
}

impl Drop for Registered<'_> {
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
        if let Some(of) = self.tracker.state().groups.get_mut(&self.group) {
            of.local.remove(&self.entry);
        }
    }
}

impl Groups {
    /// Returns when the entry at `index` has been applied in the scope, or at the deadline.
    pub async fn wait(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        deadline: Instant,
    ) -> Progress {
        let Some((id, wake)) = self.tracker().register(group, index) else {
            // As many waits as there may be: this one looks only once, when its time is up.
            tokio::time::sleep_until(deadline).await;
            return self.progress_of(group, index, scope, None);
        };
        let registered = Registered { tracker: self.tracker(), group, id };
        loop {
            let progress = self.progress_of(group, index, scope, Some(id));
            if progress.reached {
                return progress;
            }
            if tokio::time::timeout_at(deadline, wake.notified()).await.is_err() {
                let progress = self.progress_of(group, index, scope, Some(id));
                drop(registered);
                return progress;
            }
        }
    }

    fn progress_of(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        id: Option<WaiterId>,
    ) -> Progress {
        // What a wait has seen reached stays so: state never goes back.
        let mut seen = id.map(|id| self.tracker().reached_at(group, id)).unwrap_or_default();
        let mut regions = self.progress(group, index);
        for region in &mut regions {
            region.at = seen.remove(&region.region);
            region.applied |= region.at.is_some();
        }
        let reached = match scope {
            Scope::Region(wanted) => {
                regions.iter().any(|region| region.region == *wanted && region.applied)
            }
            Scope::All => !regions.is_empty() && regions.iter().all(|region| region.applied),
        };
        Progress { reached, regions }
    }

    /// What is known now of every region of the group's membership.
    #[must_use]
    pub fn progress(&self, group: GroupId, index: LogIndex) -> Vec<RegionProgress> {
        let regions = self.tracker().regions(group, index).into_iter();
        regions.map(|(region, applied)| RegionProgress { region, applied, at: None }).collect()
    }

    /// Returns true when reads on this node see the entry at `index`, false at the deadline.
    pub async fn wait_visible(&self, group: GroupId, index: LogIndex, deadline: Instant) -> bool {
        let (entry, wake) = {
            let mut state = self.tracker().state();
            let of = state.groups.entry(group).or_default();
            if of.visible >= index || self.applied(group) >= index {
                return true;
            }
            let entry = (index, of.next_local);
            of.next_local += 1;
            let wake = Arc::new(Notify::new());
            of.local.insert(entry, Arc::clone(&wake));
            (entry, wake)
        };
        let _registered = LocallyRegistered { tracker: self.tracker(), group, entry };
        tokio::time::timeout_at(deadline, wake.notified()).await.is_ok()
    }

    /// Whether so many writes wait here that a further one must be turned away.
    #[must_use]
    pub fn waits_are_full(&self) -> bool {
        self.tracker().is_full()
    }
}

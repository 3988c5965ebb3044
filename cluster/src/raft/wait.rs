//! Who has applied what, as reports tell, and the waits that they wake.
//!
//! The rules are [`crate::consistency`]'s; here are the lock, the clock and the wake-ups. Nothing
//! polls: a report wakes exactly the waiters that it completes, and a waiter that only time can
//! complete sleeps until then.

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

use super::{config::SteadyClock, groups::Groups, lease::Facts, status::RegionLag};
use crate::consistency::{
    self, Danger, DangerCost, ProgressTable, Scope, SeenHistory, ShownHistory, Standing, WaiterId,
    Waiters, WaitersFull, pace::REPORT_LATE_MIN,
};

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
    /// Every region that counts in the group's membership, in order of name.
    pub regions: Vec<RegionProgress>,
}

/// What waiting for replicas that may answer without an entry has cost the writes of this node, by
/// what they required.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DangerStats {
    /// Those that awaited one region.
    pub local_region: DangerCost,
    /// Those that awaited all of them.
    pub all_regions: DangerCost,
}

struct GroupState {
    facts: Arc<Facts>,
    table: ProgressTable,
    waiters: Waiters,
    wakes: BTreeMap<WaiterId, (Arc<Notify>, Scope)>,
    /// Waits for this node's own state, by index.
    local: BTreeMap<(LogIndex, u64), Arc<Notify>>,
    next_local: u64,
    visible: LogIndex,
    seen: SeenHistory,
    /// The same, coarser and further back: for people.
    shown: ShownHistory,
}

impl GroupState {
    fn new(now: Duration) -> Self {
        Self {
            facts: Arc::default(),
            table: ProgressTable::default(),
            waiters: Waiters::default(),
            wakes: BTreeMap::new(),
            local: BTreeMap::new(),
            next_local: 0,
            visible: LogIndex(0),
            seen: SeenHistory::opened(LogIndex(0), now),
            shown: ShownHistory::opened(LogIndex(0), now),
        }
    }

    fn on_report(&mut self, node: NodeId, applied: LogIndex, now: Duration) -> Duration {
        let before = self.table.applied_of(node);
        let late = before.map_or(Duration::ZERO, |before| self.lag(before, now));
        self.table.on_report(node, applied, now);
        for id in self.waiters.on_report(node, applied, now) {
            if let Some((wake, scope)) = self.wakes.get(&id)
                && scope.is_reached(&self.waiters.standing(id))
            {
                wake.notify_one();
            }
        }
        late
    }

    /// For how long at least this node has shown what comes after `applied`; zero when nothing does.
    fn lag(&self, applied: LogIndex, now: Duration) -> Duration {
        self.shown.shown_for(LogIndex(applied.0.saturating_add(1)), now)
    }

    fn untold(&self, index: LogIndex, now: Duration) -> Danger {
        Danger::untold(&self.facts.members, &self.facts.leases, self.seen.seen(index, now))
    }
}

#[derive(Default)]
struct State {
    groups: BTreeMap<GroupId, GroupState>,
    heard: BTreeMap<NodeId, Duration>,
    danger: DangerStats,
}

impl State {
    fn group(&mut self, group: GroupId, now: Duration) -> &mut GroupState {
        self.groups.entry(group).or_insert_with(|| GroupState::new(now))
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// All groups' progress and waits.
pub(crate) struct Tracker {
    clock: Arc<dyn SteadyClock>,
    state: Mutex<State>,
}

impl Tracker {
    pub(crate) fn new(clock: Arc<dyn SteadyClock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a group's log says of its replicas has changed.
    pub(crate) fn set_facts(&self, group: GroupId, facts: Facts) {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        of.table.set_members(facts.regions());
        of.facts = Arc::new(facts);
    }

    /// What a group's log says of its replicas, as far as this node has applied it.
    pub(crate) fn facts(&self, group: GroupId) -> Arc<Facts> {
        let state = self.state();
        state.groups.get(&group).map(|of| Arc::clone(&of.facts)).unwrap_or_default()
    }

    /// The replicas that have not reported what this node has shown for longer than a report takes to
    /// come again, and for how long.
    pub(crate) fn late_replicas(&self, group: GroupId) -> Vec<(NodeId, Duration)> {
        let now = self.now();
        let state = self.state();
        let Some(of) = state.groups.get(&group) else { return Vec::new() };
        let nodes = of.facts.members.values().flat_map(|members| &members.nodes);
        let late =
            |node: &NodeId| (*node, of.lag(of.table.applied_of(*node).unwrap_or_default(), now));
        nodes.map(late).filter(|(_, late)| *late > REPORT_LATE_MIN).collect()
    }

    /// A node has reported; for how long this node had shown what comes after its last report.
    pub(crate) fn on_report(&self, node: NodeId, group: GroupId, applied: LogIndex) -> Duration {
        let now = self.now();
        let mut state = self.state();
        state.heard.insert(node, now);
        state.group(group, now).on_report(node, applied, now)
    }

    /// For how long at least this node has shown what comes after an entry.
    pub(crate) fn shown_beyond(&self, group: GroupId, index: LogIndex) -> Duration {
        let now = self.now();
        self.state().groups.get(&group).map_or(Duration::ZERO, |of| of.lag(index, now))
    }

    /// For how long at least this node has shown what a replica has not reported.
    pub(crate) fn late(&self, group: GroupId, node: NodeId) -> Duration {
        let now = self.now();
        let state = self.state();
        let Some(of) = state.groups.get(&group) else { return Duration::ZERO };
        of.lag(of.table.applied_of(node).unwrap_or_default(), now)
    }

    /// This node's own state of a group has advanced.
    pub(crate) fn on_visible(&self, group: GroupId, applied: LogIndex) {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        of.visible = of.visible.max(applied);
        let kept = of.facts.leases.stretched(of.facts.leases.longest);
        of.seen.on_visible(applied, kept, now);
        of.shown.on_visible(applied, now);
        while let Some(entry) = of.local.first_entry()
            && entry.key().0 <= applied
        {
            entry.remove().notify_one();
        }
    }

    pub(crate) fn is_live(&self, node: NodeId) -> bool {
        let heard = self.state().heard.get(&node).copied();
        heard.is_some_and(|heard| self.now().saturating_sub(heard) <= consistency::HEARD_WINDOW)
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
                lag_ms: milliseconds(of.lag(lag.applied, now)),
                age_ms: lag.age.map(milliseconds),
            })
            .collect()
    }

    /// What each replica of a group has reported.
    pub(crate) fn applied(&self, group: GroupId) -> BTreeMap<NodeId, LogIndex> {
        let state = self.state();
        let Some(of) = state.groups.get(&group) else { return BTreeMap::new() };
        let nodes = of.facts.members.values().flat_map(|members| &members.nodes);
        nodes.filter_map(|node| Some((*node, of.table.applied_of(*node)?))).collect()
    }

    pub(crate) fn waiters(&self) -> usize {
        self.state().groups.values().map(|of| of.waiters.len()).sum()
    }

    pub(crate) fn danger_stats(&self) -> DangerStats {
        self.state().danger
    }

    /// Who may answer without an entry, when no leader has told: everybody, for one lease from when
    /// this node's own replica showed it.
    pub(crate) fn untold(&self, group: GroupId, index: LogIndex) -> Danger {
        let now = self.now();
        self.state().group(group, now).untold(index, now)
    }

    /// Notes a wait; it is woken when its scope is reached.
    fn register(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        danger: &Danger,
    ) -> Result<(WaiterId, Arc<Notify>), WaitersFull> {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        let id = of.waiters.register(index, danger, |node| of.table.applied_of(node), now)?;
        let wake = Arc::new(Notify::new());
        of.wakes.insert(id, (Arc::clone(&wake), scope.clone()));
        Ok((id, wake))
    }

    /// How a wait stands now, and how long until time alone may change that.
    fn look(&self, group: GroupId, id: WaiterId) -> (Vec<Standing>, Option<Duration>) {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        let next = of.waiters.look(id, now).map(|next| next.saturating_sub(now));
        (of.waiters.standing(id), next)
    }

    /// How an entry stands, looked at once.
    fn judge(&self, group: GroupId, index: LogIndex, danger: &Danger) -> Vec<Standing> {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        let mut once = Waiters::with_limit(1);
        let id = once.register(index, danger, |node| of.table.applied_of(node), now);
        id.map(|id| once.standing(id)).unwrap_or_default()
    }

    /// Counts what a write's wait has cost, which ends now.
    fn count(&self, group: GroupId, id: WaiterId, scope: &Scope) {
        let now = self.now();
        let mut state = self.state();
        let cost = state.group(group, now).waiters.cost(id, |region| scope.is_for(region), now);
        let of = match scope {
            Scope::Region(_) => &mut state.danger.local_region,
            Scope::All => &mut state.danger.all_regions,
        };
        of.add(&cost);
    }

    fn unregister(&self, group: GroupId, id: WaiterId) {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        of.waiters.remove(id);
        of.wakes.remove(&id);
    }

    fn progress(&self, standing: Vec<Standing>, scope: &Scope) -> Progress {
        let reached = scope.is_reached(&standing);
        let now = self.now();
        let at = |reached: Duration| Instant::now().checked_sub(now.saturating_sub(reached));
        let regions = standing.into_iter().filter(|of| of.counts).map(|of| RegionProgress {
            region: of.region,
            applied: of.reached.is_some(),
            at: of.reached.and_then(at),
        });
        Progress { reached, regions: regions.collect() }
    }

    /// Whether so many waits are under way that a further one must be turned away.
    pub(crate) fn is_full(&self) -> bool {
        self.waiters() >= limits::WAITERS_MAX
    }
}

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
        danger: &Danger,
    ) -> Result<Self, WaitersFull> {
        let danger = scope.asked_of(danger.clone());
        let (id, wake) = tracker.register(group, index, scope, &danger)?;
        Ok(Self { tracker, group, id, wake })
    }

    /// Returns when the scope is reached, or at the deadline.
    async fn ended(&self, scope: &Scope, deadline: Instant) -> Progress {
        loop {
            let (standing, next) = self.tracker.look(self.group, self.id);
            if scope.is_reached(&standing) || Instant::now() >= deadline {
                return self.tracker.progress(standing, scope);
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
        if let Some(of) = self.tracker.state().groups.get_mut(&self.group) {
            of.local.remove(&self.entry);
        }
    }
}

impl Groups {
    /// A write's own wait: returns when the entry at `index` has reached the scope, or at the
    /// deadline, and counts what the wait has cost. `danger` is who may answer without the entry:
    /// what [`Groups::propose`] gave, or [`Groups::danger`].
    pub async fn wait(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        danger: Danger,
        deadline: Instant,
    ) -> Progress {
        let Ok(wait) = Wait::register(self.tracker(), group, index, scope, &danger) else {
            return self.judged_late(group, index, scope, danger, deadline).await;
        };
        let progress = wait.ended(scope, deadline).await;
        self.tracker().count(group, wait.id, scope);
        progress
    }

    /// The same of a write that was answered before, for whoever asks what has become of it.
    pub async fn wait_again(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        danger: Danger,
        deadline: Instant,
    ) -> Progress {
        match Wait::register(self.tracker(), group, index, scope, &danger) {
            Ok(wait) => wait.ended(scope, deadline).await,
            Err(WaitersFull) => self.judged_late(group, index, scope, danger, deadline).await,
        }
    }

    /// As many waits as there may be: this one looks only once, when its time is up.
    async fn judged_late(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        danger: Danger,
        deadline: Instant,
    ) -> Progress {
        tokio::time::sleep_until(deadline).await;
        self.progress(group, index, scope, danger)
    }

    /// Who may answer without an entry that this node's own replica shows, where the group's leader
    /// has not told: everybody, for one lease from when it first did.
    #[must_use]
    pub fn danger(&self, group: GroupId, index: LogIndex) -> Danger {
        self.tracker().untold(group, index)
    }

    /// What is known now of every region that counts in the group's membership.
    #[must_use]
    pub fn progress(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        danger: Danger,
    ) -> Progress {
        let standing = self.tracker().judge(group, index, &scope.asked_of(danger));
        self.tracker().progress(standing, scope)
    }

    /// Returns true when reads on this node see the entry at `index`, false at the deadline.
    pub async fn wait_visible(&self, group: GroupId, index: LogIndex, deadline: Instant) -> bool {
        let (entry, wake) = {
            let now = self.tracker().now();
            let mut state = self.tracker().state();
            let of = state.group(group, now);
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

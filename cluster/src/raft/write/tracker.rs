//! The reported progress of all replicas, and the waits for it: one lock around the rules of
//! [`crate::consistency`].
//!
//! It never waits itself: `wait.rs` does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use concordat_proto::{
    id::{GroupId, NodeId},
    limits,
    log::LogIndex,
    region::Region,
    wire::peer::NodeProgress,
};
use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};

use crate::{
    consistency::{
        self, AppliedTimes, GroupConfigView, LeaseWaitCost, ProgressTable, RegionWait, Scope,
        StaleReaders, VisibilityHistory, WaiterId, Waiters, WaitersFull, pace::REPORT_LATE_MIN,
    },
    locks::locked,
    raft::config::SteadyClock,
};

/// A region's progress in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionLag {
    /// The region.
    pub region: Region,
    /// The index that every live replica of it has applied.
    pub applied: LogIndex,
    /// Behind the furthest replica known.
    pub lag_entries: u64,
    /// For how long this node has shown entries that the region lacks, since its start at most;
    /// zero when it lacks none. Never more than the true lag, and less by no more than an eighth of
    /// it or 20 ms.
    pub lag_ms: u64,
    /// Age of the oldest report this is taken from.
    pub age_ms: Option<u64>,
}

/// The state of one region for one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionProgress {
    /// The region.
    pub region: Region,
    /// Whether every read that starts there now sees the write.
    pub applied: bool,
    /// When this node learned that, if it was waiting.
    pub at: Option<Instant>,
}

/// The result of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Whether the scope was reached.
    pub reached: bool,
    /// Every region that counts in the group's membership, in order of name.
    pub regions: Vec<RegionProgress>,
}

/// The delays of this node's writes by stale readers, by the required level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseWaitStats {
    /// Those that awaited one region.
    pub local_region: LeaseWaitCost,
    /// Those that awaited all of them.
    pub all_regions: LeaseWaitCost,
}

struct GroupState {
    facts: Arc<GroupConfigView>,
    table: ProgressTable,
    waiters: Waiters,
    wakes: BTreeMap<WaiterId, (Arc<Notify>, Scope)>,
    /// Waits for this node's own state, by index.
    local: BTreeMap<(LogIndex, u64), Arc<Notify>>,
    next_local: u64,
    visible: LogIndex,
    applied_times: AppliedTimes,
    /// The same, coarser and further back: for people.
    visibility: VisibilityHistory,
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
            applied_times: AppliedTimes::opened(LogIndex(0), now),
            visibility: VisibilityHistory::opened(LogIndex(0), now),
        }
    }

    fn on_report(&mut self, node: NodeId, applied: LogIndex, now: Duration) -> Duration {
        let before = self.table.applied_of(node);
        let late = before.map_or(Duration::ZERO, |before| self.lag(before, now));
        self.table.on_report(node, applied, now);
        for id in self.waiters.on_report(node, applied, now) {
            if let Some((wake, scope)) = self.wakes.get(&id)
                && scope.is_reached(&self.waiters.region_waits(id))
            {
                wake.notify_one();
            }
        }
        late
    }

    /// For how long at least this node has shown entries after `applied`; zero when there are none.
    fn lag(&self, applied: LogIndex, now: Duration) -> Duration {
        self.visibility.shown_for(LogIndex(applied.0.saturating_add(1)), now)
    }

    fn applied_of(&self, node: NodeId) -> LogIndex {
        self.table.applied_of(node).unwrap_or_default()
    }

    fn stale_readers(&self, index: LogIndex, now: Duration) -> StaleReaders {
        StaleReaders::conservative(
            &self.facts.members,
            &self.facts.leases,
            self.applied_times.seen(index, now),
        )
    }
}

#[derive(Default)]
struct State {
    groups: BTreeMap<GroupId, GroupState>,
    heard: BTreeMap<NodeId, Duration>,
    lease_waits: LeaseWaitStats,
}

impl State {
    fn group(&mut self, group: GroupId, now: Duration) -> &mut GroupState {
        self.groups.entry(group).or_insert_with(|| GroupState::new(now))
    }

    /// The replicas of a group whose nodes have not been heard of within the window.
    fn unheard(&self, of: &GroupState, now: Duration) -> impl Iterator<Item = NodeId> {
        let recent = move |heard: &Duration| now.saturating_sub(*heard) <= consistency::LIVE_WINDOW;
        let nodes = of.facts.members.values().flat_map(|members| members.nodes.iter().copied());
        nodes.filter(move |node| !self.heard.get(node).is_some_and(recent))
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// All groups' progress and waits.
pub(crate) struct Tracker {
    clock: Arc<dyn SteadyClock>,
    state: Mutex<State>,
    /// A replica has reported.
    reported: Notify,
}

impl Tracker {
    pub(crate) fn new(clock: Arc<dyn SteadyClock>) -> Self {
        Self { clock, state: Mutex::default(), reported: Notify::new() }
    }

    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// The marks and settings in a group's log have changed.
    pub(crate) fn set_group_config(&self, group: GroupId, facts: GroupConfigView) {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        of.table.set_members(facts.regions());
        of.facts = Arc::new(facts);
    }

    /// The marks and settings in a group's log, as far as this node has applied them.
    pub(crate) fn group_config(&self, group: GroupId) -> Arc<GroupConfigView> {
        let state = self.state();
        state.groups.get(&group).map(|of| Arc::clone(&of.facts)).unwrap_or_default()
    }

    /// The replicas that have not reported entries that this node has shown for longer than the
    /// report interval, and for how long.
    pub(crate) fn late_replicas(&self, group: GroupId) -> Vec<(NodeId, Duration)> {
        let now = self.now();
        let state = self.state();
        let Some(of) = state.groups.get(&group) else { return Vec::new() };
        let nodes = of.facts.nodes();
        let late =
            |node: NodeId| (node, of.lag(of.table.applied_of(node).unwrap_or_default(), now));
        nodes.map(late).filter(|(_, late)| *late > REPORT_LATE_MIN).collect()
    }

    /// A node has reported. Returns for how long this node had shown entries after its last report.
    pub(crate) fn on_report(&self, node: NodeId, group: GroupId, applied: LogIndex) -> Duration {
        let now = self.now();
        let mut state = self.state();
        state.heard.insert(node, now);
        let late = state.group(group, now).on_report(node, applied, now);
        drop(state);
        self.reported.notify_waiters();
        late
    }

    /// Another node has said how far a replica is that has reported so to it. Such a report is as good
    /// as the replica's own, for it stays true. That its node is alive does not follow from it.
    pub(crate) fn on_relayed(&self, group: GroupId, replica: NodeProgress) {
        let now = self.now();
        self.state().group(group, now).on_report(replica.node, replica.applied, now);
    }

    /// The groups in which a wait lacks the report of a replica whose node this one does not hear.
    pub(crate) fn groups_unheard(&self) -> Vec<GroupId> {
        let now = self.now();
        let state = self.state();
        let waiting = state.groups.iter().filter(|(_, of)| !of.waiters.is_empty());
        let lacks = |of: &GroupState| state.unheard(of, now).any(|node| of.waiters.awaits(node));
        waiting.filter(|(_, of)| lacks(of)).map(|(group, _)| *group).collect()
    }

    /// The replicas of a group whose nodes this one does not hear, and what it knows of them.
    pub(crate) fn unheard(&self, group: GroupId) -> Vec<NodeProgress> {
        let now = self.now();
        let state = self.state();
        let Some(of) = state.groups.get(&group) else { return Vec::new() };
        let known = |node| NodeProgress { node, applied: of.applied_of(node) };
        state.unheard(of, now).map(known).collect()
    }

    /// Those replicas that have reported more than an asker knows of them.
    pub(crate) fn past(&self, group: GroupId, known: &[NodeProgress]) -> Vec<NodeProgress> {
        let state = self.state();
        let Some(of) = state.groups.get(&group) else { return Vec::new() };
        let now =
            |it: &NodeProgress| NodeProgress { node: it.node, applied: of.applied_of(it.node) };
        known.iter().filter(|it| now(it).applied > it.applied).map(now).collect()
    }

    /// Wakes at the next report of any replica.
    pub(crate) fn reported(&self) -> Notified<'_> {
        self.reported.notified()
    }

    /// For how long at least this node has shown entries after an index.
    pub(crate) fn shown_beyond(&self, group: GroupId, index: LogIndex) -> Duration {
        let now = self.now();
        self.state().groups.get(&group).map_or(Duration::ZERO, |of| of.lag(index, now))
    }

    /// For how long at least this node has shown entries that a replica has not reported.
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
        let kept = of.facts.longest_lease();
        of.applied_times.on_visible(applied, kept, now);
        of.visibility.on_visible(applied, now);
        while let Some(entry) = of.local.first_entry()
            && entry.key().0 <= applied
        {
            entry.remove().notify_one();
        }
    }

    pub(crate) fn is_live(&self, node: NodeId) -> bool {
        let heard = self.state().heard.get(&node).copied();
        heard.is_some_and(|heard| self.now().saturating_sub(heard) <= consistency::LIVE_WINDOW)
    }

    pub(crate) fn last_heard_ms(&self, node: NodeId) -> Option<u64> {
        let heard = self.state().heard.get(&node).copied()?;
        u64::try_from(self.now().saturating_sub(heard).as_millis()).ok()
    }

    /// Nodes heard from within the window, and this one.
    pub(crate) fn live(&self, own: NodeId) -> BTreeSet<NodeId> {
        let now = self.now();
        let state = self.state();
        let recent = |heard: &Duration| now.saturating_sub(*heard) <= consistency::LIVE_WINDOW;
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

    /// The reported index of each replica of a group.
    pub(crate) fn applied(&self, group: GroupId) -> BTreeMap<NodeId, LogIndex> {
        let state = self.state();
        let Some(of) = state.groups.get(&group) else { return BTreeMap::new() };
        let nodes = of.facts.nodes();
        nodes.filter_map(|node| Some((node, of.table.applied_of(node)?))).collect()
    }

    pub(crate) fn waiters(&self) -> usize {
        self.state().groups.values().map(|of| of.waiters.len()).sum()
    }

    pub(crate) fn lease_wait_stats(&self) -> LeaseWaitStats {
        self.state().lease_waits
    }

    /// The stale readers of an entry without a leader's set: every replica, for one lease from when
    /// this node's own replica showed it.
    pub(crate) fn stale_readers(&self, group: GroupId, index: LogIndex) -> StaleReaders {
        let now = self.now();
        self.state().group(group, now).stale_readers(index, now)
    }

    /// Notes a wait; it is woken when its scope is reached.
    pub(crate) fn register(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: &StaleReaders,
    ) -> Result<(WaiterId, Arc<Notify>), WaitersFull> {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        let id =
            of.waiters.register(index, stale_readers, |node| of.table.applied_of(node), now)?;
        let wake = Arc::new(Notify::new());
        of.wakes.insert(id, (Arc::clone(&wake), scope.clone()));
        Ok((id, wake))
    }

    /// The present state of a wait, and the time until time alone may change it.
    pub(crate) fn look(&self, group: GroupId, id: WaiterId) -> (Vec<RegionWait>, Option<Duration>) {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        let next = of.waiters.look(id, now).map(|next| next.saturating_sub(now));
        (of.waiters.region_waits(id), next)
    }

    /// The state of an entry, checked once.
    pub(crate) fn judge(
        &self,
        group: GroupId,
        index: LogIndex,
        stale_readers: &StaleReaders,
    ) -> Vec<RegionWait> {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        let mut once = Waiters::with_limit(1);
        let id = once.register(index, stale_readers, |node| of.table.applied_of(node), now);
        id.map(|id| once.region_waits(id)).unwrap_or_default()
    }

    /// Counts the delay of a write's wait, which ends now.
    pub(crate) fn count(&self, group: GroupId, id: WaiterId, scope: &Scope) {
        let now = self.now();
        let mut state = self.state();
        let cost = state.group(group, now).waiters.cost(id, |region| scope.is_for(region), now);
        let of = match scope {
            Scope::Region(_) => &mut state.lease_waits.local_region,
            Scope::All => &mut state.lease_waits.all_regions,
        };
        of.add(&cost);
    }

    pub(crate) fn unregister(&self, group: GroupId, id: WaiterId) {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        of.waiters.remove(id);
        of.wakes.remove(&id);
    }

    pub(crate) fn progress(&self, region_waits: Vec<RegionWait>, scope: &Scope) -> Progress {
        let reached = scope.is_reached(&region_waits);
        let now = self.now();
        let at = |reached: Duration| Instant::now().checked_sub(now.saturating_sub(reached));
        let regions = region_waits.into_iter().filter(|of| of.counts).map(|of| RegionProgress {
            region: of.region,
            applied: of.reached.is_some(),
            at: of.reached.and_then(at),
        });
        Progress { reached, regions: regions.collect() }
    }

    /// Notes a wait for this node's own state, unless it has the entry: `applied` is asked after
    /// the lock is taken.
    pub(crate) fn register_local(
        &self,
        group: GroupId,
        index: LogIndex,
        applied: impl FnOnce() -> LogIndex,
    ) -> Option<((LogIndex, u64), Arc<Notify>)> {
        let now = self.now();
        let mut state = self.state();
        let of = state.group(group, now);
        if of.visible >= index || applied() >= index {
            return None;
        }
        let entry = (index, of.next_local);
        of.next_local += 1;
        let wake = Arc::new(Notify::new());
        of.local.insert(entry, Arc::clone(&wake));
        Some((entry, wake))
    }

    pub(crate) fn unregister_local(&self, group: GroupId, entry: &(LogIndex, u64)) {
        if let Some(of) = self.state().groups.get_mut(&group) {
            of.local.remove(entry);
        }
    }

    /// Whether there are too many waits to accept another one.
    pub(crate) fn is_full(&self) -> bool {
        self.waiters() >= limits::WAITERS_MAX
    }
}

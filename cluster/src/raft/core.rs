//! The state that all tasks of a node share: its replicas, what is known of them, and how they are
//! opened, closed and reopened.
//!
//! It knows no task. A field that only one task needs belongs in that task.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concordat_proto::{
    failover::ClosedGroup,
    id::{ClusterId, GroupId, NodeId, WriteId},
    log::{LogIndex, Term},
    org::{NodeRecord, NodeState},
    region::Region,
    time::LogTime,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    consistency::{
        PeerClocks,
        group_config::{self, GroupConfigView},
    },
    error_chain::chain,
    locks::{locked, read_locked, write_locked},
    machine::SystemView,
    machine::{policy, query},
    placement::Addresses,
    raft::{
        config::{Environment, GroupsConfig},
        engine::{
            applied::{position_of, read_applied},
            machine_store::{Advanced, OnAdvanced},
        },
        failover::{fence_state::FenceState, lost_writes::Rests},
        fault::Fault,
        fault_watch::{note_first, watched},
        join::peer_memory::PeerMemory,
        lease::state::SleepWatch,
        org_move::queue::Turns,
        replica::{Replica, log_time::GroupTimes, spread},
        write::{arrivals::Arrivals, reporter::Reporter, tracker::Tracker, write_id},
    },
    store::{Reader, Store, keys, shadow::ShadowStore},
};

/// The shared state. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Core {
    inner: Arc<Inner>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Core(node {})", self.inner.config.node)
    }
}

struct Inner {
    config: GroupsConfig,
    environment: Environment,
    store: Arc<ShadowStore>,
    replicas: RwLock<BTreeMap<GroupId, Arc<Replica>>>,
    opening: tokio::sync::Mutex<()>,
    system: RwLock<Arc<SystemView>>,
    system_changed: Notify,
    cluster: Mutex<Option<ClusterId>>,
    cluster_saved: AtomicBool,
    tracker: Tracker,
    reporter: Reporter,
    arrivals: Arrivals,
    turns: Arc<Turns>,
    sleep_watch: SleepWatch,
    fence_state: FenceState,
    leader_news: Arc<Notify>,
    times: GroupTimes,
    clocks: Mutex<PeerClocks>,
    addresses: Mutex<Addresses>,
    peer_memory: PeerMemory,
    started_at: LogTime,
    faulted: watch::Sender<Option<String>>,
    started: Instant,
    internal_writes: AtomicU64,
    rests: Rests,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Core {
    /// The state of a node that has just started; nothing runs yet.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub(crate) fn new(environment: Environment, config: GroupsConfig) -> Result<Self, Fault> {
        let faulted = watch::Sender::new(None);
        let store = watched(&environment.store, faulted.clone());
        let store =
            ShadowStore::open(store).map_err(|error| Fault::caused("opening the store", error))?;
        let tracker = Tracker::new(Arc::clone(&environment.steady));
        let sleep_watch = SleepWatch::new(&*environment.steady);
        let started_at = environment.clock.now();
        let fence_state = FenceState::new(environment.steady.now());
        let core = Self {
            inner: Arc::new(Inner {
                cluster: Mutex::new(config.cluster),
                cluster_saved: AtomicBool::new(config.cluster.is_some()),
                config,
                environment,
                store: Arc::new(store),
                replicas: RwLock::default(),
                opening: tokio::sync::Mutex::default(),
                system: RwLock::default(),
                system_changed: Notify::new(),
                tracker,
                reporter: Reporter::default(),
                arrivals: Arrivals::default(),
                turns: Arc::default(),
                sleep_watch,
                fence_state,
                leader_news: Arc::default(),
                times: GroupTimes::default(),
                clocks: Mutex::default(),
                addresses: Mutex::default(),
                peer_memory: PeerMemory::default(),
                started_at,
                faulted,
                started: Instant::now(),
                internal_writes: AtomicU64::new(0),
                rests: Rests::default(),
                tasks: Mutex::default(),
            }),
        };
        let synced = Arc::downgrade(&core.inner);
        core.inner.environment.log.on_synced(Arc::new(move |group, _| {
            if let Some(inner) = synced.upgrade() {
                inner.reporter.on_advanced(GroupId(group), &[]);
            }
        }));
        Ok(core)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task);
        locked(&self.inner.tasks).push(handle);
    }

    pub(crate) fn fail(&self, fault: &Fault) {
        note_first(&self.inner.faulted, || chain(fault));
    }

    /// Turns to `Some` when the process must stop, with the reason.
    pub(crate) fn faulted(&self) -> watch::Receiver<Option<String>> {
        self.inner.faulted.subscribe()
    }

    /// Those who wait for writes here.
    pub(crate) fn arrivals(&self) -> &Arrivals {
        &self.inner.arrivals
    }

    /// This node.
    pub(crate) fn node(&self) -> NodeId {
        self.inner.config.node
    }

    /// Its region.
    pub(crate) fn region(&self) -> &Region {
        &self.inner.config.region
    }

    /// The state of all groups, for reading.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.store) as Arc<dyn Store>
    }

    /// The home groups and their regions, in order of region.
    pub(crate) fn home_groups(&self) -> Vec<(GroupId, Region)> {
        let system = self.system();
        system.regions.values().map(|record| (record.group, record.region.clone())).collect()
    }

    /// The groups that this node believes it leads, and the terms.
    pub(crate) fn led(&self) -> Vec<(GroupId, u64)> {
        let replicas = self.replicas();
        let leads = |replica: &Arc<Replica>| Some((replica.group, replica.led_term()?));
        replicas.iter().filter_map(leads).collect()
    }

    /// The groups in which this node looks for organizations: the home groups; and the closed one
    /// that one of them has succeeded, as long as nothing of the successor is here.
    pub(crate) fn readable_groups(&self) -> Vec<GroupId> {
        self.system().readable_groups(|group| self.has_state(group))
    }

    /// The cluster, once the node belongs to one.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        *locked(&self.inner.cluster)
    }

    /// Stops the replicas and their tasks. Acknowledged entries are on disk already.
    pub(crate) async fn shutdown(&self) {
        let tasks = std::mem::take(&mut *locked(&self.inner.tasks));
        for task in &tasks {
            task.abort();
        }
        for replica in self.replicas() {
            if let Err(error) = replica.raft.shutdown().await {
                tracing::warn!(group = %replica.group, %error, "a replica did not stop in order");
            }
        }
        write_locked(&self.inner.replicas).clear();
    }

    pub(crate) fn set_cluster(&self, cluster: ClusterId) {
        *locked(&self.inner.cluster) = Some(cluster);
        self.inner.environment.transport.set_identity(cluster, self.node());
    }

    /// Saves the cluster's id, once: this node's own registration has come through its log.
    pub(crate) fn save_cluster(&self) -> Result<(), Fault> {
        let Some(cluster) = self.cluster() else { return Ok(()) };
        if self.inner.cluster_saved.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        (self.inner.environment.save_cluster)(cluster)
            .map_err(|error| Fault::caused("saving the cluster's id", error))
    }

    pub(crate) fn inner_addresses(&self) -> &Mutex<Addresses> {
        &self.inner.addresses
    }

    pub(crate) fn own_record(&self) -> NodeRecord {
        NodeRecord {
            id: self.node(),
            region: self.region().clone(),
            peer_address: self.inner.config.peer_address.clone(),
            api_url: self.inner.config.api_url.clone(),
            replaced_by: None,
            // A registration does not change it.
            state: self.system().nodes.get(&self.node()).map_or(NodeState::Member, |own| own.state),
        }
    }

    pub(crate) fn internal_write_id(&self) -> WriteId {
        let count = self.inner.internal_writes.fetch_add(1, Ordering::Relaxed);
        write_id::internal_write_id(self.node(), self.inner.environment.clock.now().0, count)
    }

    pub(crate) fn config(&self) -> &GroupsConfig {
        &self.inner.config
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    pub(crate) fn shadow_store(&self) -> &Arc<ShadowStore> {
        &self.inner.store
    }

    pub(crate) fn rests(&self) -> &Rests {
        &self.inner.rests
    }

    pub(crate) fn times(&self) -> &GroupTimes {
        &self.inner.times
    }

    /// The median of the cluster's wall clocks.
    pub(crate) fn agreed_wall(&self) -> LogTime {
        let (own, steady) = (self.environment().clock.now(), self.environment().steady.now());
        self.clocks().median_time(own, steady)
    }

    /// A peer has reported its wall clock. Reports of unknown nodes are ignored.
    pub(crate) fn on_clock(&self, from: NodeId, said: LogTime) {
        let system = self.system();
        let is_there = |node| system.nodes.get(&node).is_some_and(NodeRecord::is_there);
        let mut clocks = self.clocks();
        clocks.retain(is_there);
        if is_there(from) {
            clocks.heard(from, said, self.environment().steady.now());
        }
    }

    fn clocks(&self) -> MutexGuard<'_, PeerClocks> {
        locked(&self.inner.clocks)
    }

    /// A group's state has reached a log time.
    pub(crate) fn observe_time(&self, group: GroupId, time: LogTime) {
        self.inner.times.observed(group, time, self.environment().steady.now());
    }

    pub(crate) fn tracker(&self) -> &Tracker {
        &self.inner.tracker
    }

    pub(crate) fn reporter(&self) -> &Reporter {
        &self.inner.reporter
    }

    pub(crate) fn turns(&self) -> &Arc<Turns> {
        &self.inner.turns
    }

    pub(crate) fn sleep_watch(&self) -> &SleepWatch {
        &self.inner.sleep_watch
    }

    pub(crate) fn fence_state(&self) -> &FenceState {
        &self.inner.fence_state
    }

    pub(crate) fn peer_memory(&self) -> &PeerMemory {
        &self.inner.peer_memory
    }

    /// The wall clock when the process began.
    pub(crate) fn started_at(&self) -> LogTime {
        self.inner.started_at
    }

    /// Woken when the leader changes.
    pub(crate) fn leader_news(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.leader_news)
    }

    pub(crate) fn system_changed(&self) -> &Notify {
        &self.inner.system_changed
    }

    pub(crate) fn since_start(&self) -> Duration {
        self.inner.started.elapsed()
    }

    pub(crate) fn system(&self) -> Arc<SystemView> {
        Arc::clone(&read_locked(&self.inner.system))
    }

    pub(crate) fn peers(&self) -> Vec<NodeId> {
        let system = self.system();
        let there = system.nodes.values().filter(|node| node.is_there());
        there.map(|node| node.id).filter(|id| *id != self.node()).collect()
    }

    pub(crate) fn replica(&self, group: GroupId) -> Option<Arc<Replica>> {
        let replicas = read_locked(&self.inner.replicas);
        replicas.get(&group).cloned()
    }

    pub(crate) fn replicas(&self) -> Vec<Arc<Replica>> {
        let replicas = read_locked(&self.inner.replicas);
        replicas.values().cloned().collect()
    }

    /// Whether a node was heard of a moment ago, or is this one.
    pub(crate) fn is_heard(&self, node: NodeId) -> bool {
        node == self.node() || self.tracker().is_live(node)
    }

    pub(crate) fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        self.replica(group)?.leader()
    }

    /// Reads the system group's state again.
    pub(crate) fn reload_system(&self) -> Result<(), Fault> {
        let context = |error| Fault::caused("reading the system group's state", error);
        let store = &*self.inner.store;
        // Taken before the state is read: a lower bound of the state's age.
        let replica = self.replica(GroupId::SYSTEM);
        let visible = replica.as_ref().map(|replica| replica.visible.load(Ordering::Acquire));
        let index = LogIndex(visible.unwrap_or(0));
        let proven = replica.and_then(|replica| replica.leasing.proven(index));
        let view = SystemView::read(store, proven, index).map_err(context)?;
        *write_locked(&self.inner.system) = Arc::new(view);
        Ok(())
    }

    /// Opens a group's replica, unless it is open.
    pub(crate) async fn open(&self, group: GroupId) -> Result<(), Fault> {
        let _one_at_a_time = self.inner.opening.lock().await;
        if self.replica(group).is_some() {
            return Ok(());
        }
        // Made before the replica: the library applies entries of the log while it starts.
        let visible = Arc::new(AtomicU64::new(0));
        let wide_area = spread::wanted_at_start(&self.system(), self.shadow_store(), group)?;
        self.start_replica(group, visible, wide_area).await.map(drop)
    }

    /// Opens a group's replica again with other timings, unless it has them.
    pub(crate) async fn reopen(&self, group: GroupId, wide_area: bool) -> Result<(), Fault> {
        let _one_at_a_time = self.inner.opening.lock().await;
        let Some(old) = self.replica(group).filter(|old| old.wide_area != wide_area) else {
            return Ok(());
        };
        // Until the new replica is open, the old one answers that the leader is unknown.
        old.stop().await?;
        let again = self.start_replica(group, Arc::clone(&old.visible), wide_area).await?;
        again.leasing.remember(&old.leasing, self.applied(group));
        again.reopened.store(true, Ordering::Release);
        Ok(())
    }

    /// Stops a group's replica for good. It stays in the table until nothing can write its log any
    /// more: a closed group's log must not change after its end was reported.
    pub(crate) async fn close(&self, group: GroupId) -> Result<(), Fault> {
        let _one_at_a_time = self.inner.opening.lock().await;
        let Some(replica) = self.replica(group) else { return Ok(()) };
        replica.stop().await?;
        write_locked(&self.inner.replicas).remove(&group);
        Ok(())
    }

    async fn start_replica(
        &self,
        group: GroupId,
        visible: Arc<AtomicU64>,
        wide_area: bool,
    ) -> Result<Arc<Replica>, Fault> {
        let notify = self.on_advanced(Arc::clone(&visible));
        let replica = Replica::open(
            group,
            (self.config(), self.environment(), self.shadow_store()),
            visible,
            (notify, self.times(), wide_area),
        )
        .await?;
        write_locked(&self.inner.replicas).insert(group, Arc::clone(&replica));
        self.reload_group_config(group)?;
        let (core, followed) = (self.clone(), Arc::clone(&replica));
        self.spawn(async move {
            let reason = followed.follow(|leader| core.on_leader(&followed, leader)).await;
            if !followed.is_stopping() {
                core.fail(&Fault { context: reason, source: None });
            }
        });
        Ok(replica)
    }

    /// Called by a replica's state machine after each batch; must not keep the node alive.
    fn on_advanced(&self, visible: Arc<AtomicU64>) -> OnAdvanced {
        let inner = Arc::downgrade(&self.inner);
        Arc::new(move |advanced: Advanced| {
            let Some(inner) = inner.upgrade() else { return };
            let core = Core { inner };
            // Before the entries count as visible: a lease is granted once the leader shows its own
            // term's entry, by marks that must then be as far.
            if advanced.is_about_replicas
                && let Err(fault) = core.reload_group_config(advanced.group)
            {
                core.fail(&fault);
            }
            core.observe_time(advanced.group, advanced.log_time);
            visible.fetch_max(advanced.applied.0, Ordering::AcqRel);
            core.inner.reporter.on_advanced(advanced.group, &advanced.origins);
            core.inner.tracker.on_visible(advanced.group, advanced.applied);
            core.inner.arrivals.note(&advanced.writes);
            core.inner.turns.note(&advanced.moved);
            if advanced.group == GroupId::SYSTEM {
                core.inner.system_changed.notify_one();
            }
        })
    }

    /// The leader has changed: a new one is asked for leases at once. Leadership that begins here
    /// counts from now, not from its first write.
    fn on_leader(&self, replica: &Replica, leader: Option<NodeId>) {
        if leader == Some(self.node()) {
            let term = Term(replica.metrics().current_term);
            let facts = self.inner.tracker.group_config(replica.group);
            replica.leasing.begin(term, &facts, self.inner.environment.steady.now());
        }
        self.inner.leader_news.notify_one();
    }

    /// Whether this node has any state of a group.
    pub(crate) fn has_state(&self, group: GroupId) -> bool {
        self.shadow_store().get(&keys::applied(group)).is_ok_and(|found| found.is_some())
    }

    /// Whether a group is closed, as far as this node knows.
    pub(crate) fn is_closed(&self, group: GroupId) -> bool {
        self.system().is_closed(group)
    }

    /// The last successor of a closed group; the group itself if it is open, or closed without a
    /// successor yet.
    pub(crate) fn successor(&self, group: GroupId) -> GroupId {
        self.system().successor(group)
    }

    /// The closed group's record, if it is closed.
    pub(crate) fn closed(&self, group: GroupId) -> Option<ClosedGroup> {
        self.system().closed.get(&group).cloned()
    }

    /// The newest entry visible to reads that start now on this node.
    pub(crate) fn applied(&self, group: GroupId) -> LogIndex {
        let visible = self.replica(group).map(|replica| replica.visible.load(Ordering::Acquire));
        LogIndex(visible.unwrap_or(0))
    }

    /// The cluster's feature level, as far as this node has applied it: commands up to it may be
    /// proposed.
    pub(crate) fn feature_level(&self) -> u32 {
        self.system().feature_level()
    }

    /// Reads the marks and settings of a group's replicas from its state again.
    pub(crate) fn reload_group_config(&self, group: GroupId) -> Result<(), Fault> {
        let context = |error| Fault::caused("reading what a log says of its replicas", error);
        let store = &**self.shadow_store();
        let applied = read_applied(store, group).and_then(|record| position_of(&record));
        let unread = |error| Fault::caused("reading what a log says of its replicas", error);
        let (_, membership) = applied.map_err(unread)?;
        let marks = query::replica_marks(store, group).map_err(context)?;
        let leases = query::leases(store, group).map_err(context)?;
        let partition_policy = query::partition_policy(store, group).map_err(context)?;
        let feature_level = query::feature_level(store, group).map_err(context)?;
        let policy_revision = policy::revision(store, group).map_err(context)?;
        let region = |region: &str| Region::new(region.to_owned()).ok();
        let nodes = membership.nodes();
        let nodes = nodes.filter_map(|(id, it)| Some((NodeId(*id), region(&it.region)?)));
        let members = group_config::members(nodes, &marks);
        self.tracker().set_group_config(
            group,
            GroupConfigView {
                members,
                marks,
                leases,
                partition_policy,
                feature_level,
                policy_revision,
            },
        );
        Ok(())
    }
}

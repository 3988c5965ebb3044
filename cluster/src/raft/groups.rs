//! The façade: all replicas of a node, and the tasks that keep them.

use std::{
    collections::BTreeMap,
    fmt, iter,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concordat_proto::{
    id::{ClusterId, GroupId, NodeId, WriteId},
    log::{LogIndex, Term},
    org::{NodeRecord, NodeState, RegionRecord, RegionState},
    region::Region,
    time::LogTime,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

pub(crate) use super::system_view::SystemView;
use super::{
    acquaintance,
    addresses::Addresses,
    clearance::{self, Clearance},
    config::{Environment, GroupsConfig},
    divergence::Rests,
    failover,
    fault::Fault,
    formation,
    group::Replica,
    group_time::GroupTimes,
    lease::{self, SleepWatch},
    machine_store::{Advanced, OnAdvanced},
    membership, movement,
    recall::{self, Recall},
    report::{self, Reporter},
    retime,
    service::{self, Service},
    transfer,
    transport::PeerService,
    turns::Turns,
    wait::Tracker,
};
use crate::{
    consistency::PeerClocks,
    machine::query,
    store::{Store, StoreError, slots::SlottedStore, watched::WatchedStore},
};

/// All replicas of a node. Cheap to clone.
#[derive(Clone)]
pub struct Groups {
    inner: Arc<Inner>,
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Groups(node {})", self.inner.config.node)
    }
}

struct Inner {
    config: GroupsConfig,
    environment: Environment,
    store: Arc<SlottedStore>,
    replicas: RwLock<BTreeMap<GroupId, Arc<Replica>>>,
    opening: tokio::sync::Mutex<()>,
    system: RwLock<Arc<SystemView>>,
    system_changed: Notify,
    cluster: Mutex<Option<ClusterId>>,
    cluster_saved: AtomicBool,
    tracker: Tracker,
    reporter: Reporter,
    turns: Turns,
    sleep_watch: SleepWatch,
    clearance: Clearance,
    leader_news: Arc<Notify>,
    times: GroupTimes,
    clocks: Mutex<PeerClocks>,
    addresses: Mutex<Addresses>,
    recall: Recall,
    started_at: LogTime,
    faulted: watch::Sender<Option<String>>,
    started: Instant,
    internal_writes: AtomicU64,
    rests: Rests,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Whoever meets a failure of the store, it ends the process: its answers cannot be trusted.
fn watched(store: &Arc<dyn Store>, faulted: watch::Sender<Option<String>>) -> Arc<dyn Store> {
    let fail = move |error: &StoreError| note_first(&faulted, || chain(error));
    Arc::new(WatchedStore::new(Arc::clone(store), Box::new(fail)))
}

/// The first fault is the reason; what follows from it is not.
fn note_first(faulted: &watch::Sender<Option<String>>, reason: impl FnOnce() -> String) {
    faulted.send_if_modified(|known| {
        let is_first = known.is_none();
        if is_first {
            *known = Some(reason());
        }
        is_first
    });
}

/// An error and all that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl Groups {
    /// Starts the node's replicas from what its log and store hold. The node begins or joins its
    /// cluster in the background; the caller gives [`Groups::service`] to the transport.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub async fn start(environment: Environment, config: GroupsConfig) -> Result<Self, Fault> {
        let faulted = watch::Sender::new(None);
        let store = watched(&environment.store, faulted.clone());
        let store =
            SlottedStore::open(store).map_err(|error| Fault::caused("opening the store", error))?;
        let tracker = Tracker::new(Arc::clone(&environment.steady));
        let sleep_watch = SleepWatch::new(&*environment.steady);
        let started_at = environment.clock.now();
        let clearance = Clearance::new(environment.steady.now());
        let groups = Self {
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
                turns: Turns::default(),
                sleep_watch,
                clearance,
                leader_news: Arc::default(),
                times: GroupTimes::default(),
                clocks: Mutex::default(),
                addresses: Mutex::default(),
                recall: Recall::default(),
                started_at,
                faulted,
                started: Instant::now(),
                internal_writes: AtomicU64::new(0),
                rests: Rests::default(),
                tasks: Mutex::default(),
            }),
        };
        let synced = Arc::downgrade(&groups.inner);
        groups.inner.environment.log.on_synced(Arc::new(move |group, _| {
            if let Some(inner) = synced.upgrade() {
                inner.reporter.on_advanced(GroupId(group), &[]);
            }
        }));
        let formation = groups.clone();
        groups.spawn(async move {
            let fault = formation::run(formation.clone()).await;
            formation.fail(&fault);
        });
        groups.spawn(report::run(groups.clone()));
        groups.spawn(lease::run(groups.clone(), Arc::clone(&groups.inner.leader_news)));
        groups.spawn(membership::run(groups.clone()));
        groups.spawn(movement::run(groups.clone()));
        groups.spawn(acquaintance::run(groups.clone()));
        groups.spawn(clearance::run(groups.clone()));
        groups.spawn(failover::run(groups.clone()));
        groups.spawn(recall::run(groups.clone()));
        Ok(groups)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task);
        self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
    }

    pub(crate) fn fail(&self, fault: &Fault) {
        note_first(&self.inner.faulted, || chain(fault));
    }

    /// Turns to `Some` when the process must stop, with the reason.
    #[must_use]
    pub fn faulted(&self) -> watch::Receiver<Option<String>> {
        self.inner.faulted.subscribe()
    }

    /// The receiving side, for the transport.
    #[must_use]
    pub fn service(&self) -> Arc<dyn PeerService> {
        Arc::new(Service(self.clone()))
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.inner.config.node
    }

    /// Its region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.inner.config.region
    }

    /// The state of all groups, for reading.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.store) as Arc<dyn Store>
    }

    /// The home groups and their regions, in order of region.
    #[must_use]
    pub fn home_groups(&self) -> Vec<(GroupId, Region)> {
        let system = self.system();
        system.regions.values().map(|record| (record.group, record.region.clone())).collect()
    }

    /// The groups that this node leads, by its own word, and in which term.
    #[must_use]
    pub fn led(&self) -> Vec<(GroupId, u64)> {
        let replicas = self.replicas();
        let leads = |replica: &Arc<Replica>| Some((replica.group, replica.led_term()?));
        replicas.iter().filter_map(leads).collect()
    }

    /// The groups in which this node looks for organisations: the home groups; and the closed one
    /// that one of them has succeeded, as long as nothing of the successor is here.
    #[must_use]
    pub fn readable_groups(&self) -> Vec<GroupId> {
        let system = self.system();
        let mut groups: Vec<GroupId> = system.regions.values().map(|record| record.group).collect();
        if system.closed.is_empty() {
            return groups;
        }
        let mut look = groups.clone();
        while let Some(group) = look.pop() {
            if let Some((closed, _)) = system.predecessor(group)
                && !self.has_state(group)
            {
                groups.push(closed.group);
                look.push(closed.group);
            }
        }
        groups
    }

    /// The cluster, once the node belongs to one.
    #[must_use]
    pub fn cluster(&self) -> Option<ClusterId> {
        *self.inner.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over whatever this node leads, as far as there is somebody to take it over within some
    /// seconds. For a node that is about to stop.
    pub async fn hand_over(&self) {
        transfer::all(self).await;
    }

    /// Stops the replicas and their tasks. What was acknowledged is on disk already.
    pub async fn shutdown(&self) {
        let tasks =
            std::mem::take(&mut *self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in &tasks {
            task.abort();
        }
        for replica in self.replicas() {
            if let Err(error) = replica.raft.shutdown().await {
                tracing::warn!(group = %replica.group, %error, "a replica did not stop in order");
            }
        }
        self.inner.replicas.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn set_cluster(&self, cluster: ClusterId) {
        *self.inner.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
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

    pub(super) fn inner_addresses(&self) -> &Mutex<Addresses> {
        &self.inner.addresses
    }

    pub(crate) fn own_record(&self) -> NodeRecord {
        NodeRecord {
            id: self.node(),
            region: self.region().clone(),
            peer_address: self.inner.config.peer_address.clone(),
            api_url: self.inner.config.api_url.clone(),
            replaced_by: None,
            // No registration changes it: it is whatever the state says.
            state: self.system().nodes.get(&self.node()).map_or(NodeState::Member, |own| own.state),
        }
    }

    pub(crate) fn internal_write_id(&self) -> WriteId {
        let count = self.inner.internal_writes.fetch_add(1, Ordering::Relaxed);
        service::internal_write_id(self.node(), self.inner.environment.clock.now().0, count)
    }

    pub(crate) fn config(&self) -> &GroupsConfig {
        &self.inner.config
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    pub(crate) fn slotted(&self) -> &Arc<SlottedStore> {
        &self.inner.store
    }

    pub(crate) fn rests(&self) -> &Rests {
        &self.inner.rests
    }

    pub(crate) fn times(&self) -> &GroupTimes {
        &self.inner.times
    }

    /// What time it is, as far as most clocks of the cluster say.
    pub(crate) fn agreed_wall(&self) -> LogTime {
        let (own, steady) = (self.environment().clock.now(), self.environment().steady.now());
        self.clocks().agreed(own, steady)
    }

    /// A peer has said what time it is. Strangers are not asked.
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
        self.inner.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a group has come to a time of its log.
    pub(crate) fn observe_time(&self, group: GroupId, time: LogTime) {
        self.inner.times.observed(group, time, self.environment().steady.now());
    }

    pub(crate) fn tracker(&self) -> &Tracker {
        &self.inner.tracker
    }

    pub(crate) fn reporter(&self) -> &Reporter {
        &self.inner.reporter
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.inner.turns
    }

    pub(crate) fn sleep_watch(&self) -> &SleepWatch {
        &self.inner.sleep_watch
    }

    pub(crate) fn clearance(&self) -> &Clearance {
        &self.inner.clearance
    }

    pub(crate) fn recollection(&self) -> &Recall {
        &self.inner.recall
    }

    /// The wall clock when the process began.
    pub(crate) fn started_at(&self) -> LogTime {
        self.inner.started_at
    }

    pub(crate) fn system_changed(&self) -> &Notify {
        &self.inner.system_changed
    }

    pub(crate) fn since_start(&self) -> Duration {
        self.inner.started.elapsed()
    }

    pub(crate) fn system(&self) -> Arc<SystemView> {
        Arc::clone(&self.inner.system.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn peers(&self) -> Vec<NodeId> {
        let system = self.system();
        let there = system.nodes.values().filter(|node| node.is_there());
        there.map(|node| node.id).filter(|id| *id != self.node()).collect()
    }

    pub(crate) fn replica(&self, group: GroupId) -> Option<Arc<Replica>> {
        let replicas = self.inner.replicas.read().unwrap_or_else(PoisonError::into_inner);
        replicas.get(&group).cloned()
    }

    pub(crate) fn replicas(&self) -> Vec<Arc<Replica>> {
        let replicas = self.inner.replicas.read().unwrap_or_else(PoisonError::into_inner);
        replicas.values().cloned().collect()
    }

    pub(crate) fn leader_of(&self, group: GroupId) -> Option<NodeId> {
        self.replica(group)?.leader()
    }

    /// Reads the system group's state again.
    pub(crate) fn reload_system(&self) -> Result<(), Fault> {
        let doing = |error| Fault::caused("reading the system group's state", error);
        let store = &*self.inner.store;
        // Before the state is read: it is of that moment at least.
        let replica = self.replica(GroupId::SYSTEM);
        let visible = replica.as_ref().map(|replica| replica.visible.load(Ordering::Acquire));
        let index = LogIndex(visible.unwrap_or(0));
        let proven = replica.and_then(|replica| replica.leasing.proven(index));
        let closed = query::closed_groups(store).map_err(doing)?;
        let regions = query::regions(store).map_err(doing)?;
        let nodes = query::nodes(store).map_err(doing)?;
        let (removed, regions): (Vec<RegionRecord>, Vec<RegionRecord>) =
            regions.into_iter().partition(|record| record.state == RegionState::Removed);
        let view = SystemView {
            cluster: query::cluster(store).map_err(doing)?,
            regions: regions.into_iter().map(|record| (record.region.clone(), record)).collect(),
            nodes,
            names: query::region_names(store).map_err(doing)?,
            removed: removed.into_iter().map(|record| record.group).collect(),
            closed: closed.into_iter().map(|closed| (closed.group, closed)).collect(),
            proven,
            index,
        };
        *self.inner.system.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        Ok(())
    }

    /// Opens a group's replica, unless it is open.
    pub(crate) async fn open(&self, group: GroupId) -> Result<(), Fault> {
        let _one_at_a_time = self.inner.opening.lock().await;
        if self.replica(group).is_some() {
            return Ok(());
        }
        // Made before the replica: the library applies what it finds in the log while it starts.
        let visible = Arc::new(AtomicU64::new(0));
        let across = retime::wanted_at_start(self, group)?;
        self.start_replica(group, visible, across).await.map(drop)
    }

    /// Opens a group's replica again with other timings, unless it has them.
    pub(crate) async fn reopen(&self, group: GroupId, across: bool) -> Result<(), Fault> {
        let _one_at_a_time = self.inner.opening.lock().await;
        let Some(old) = self.replica(group).filter(|old| old.across != across) else {
            return Ok(());
        };
        // Until the new one stands the old one answers that it does not know.
        old.stop().await?;
        let again = self.start_replica(group, Arc::clone(&old.visible), across).await?;
        again.leasing.remember(&old.leasing, self.applied(group));
        again.reopened.store(true, Ordering::Release);
        Ok(())
    }

    /// Stops a group's replica for good. It is there until nothing can reach its log any more: what
    /// is told of a closed group's log must not change after.
    pub(crate) async fn close(&self, group: GroupId) -> Result<(), Fault> {
        let _one_at_a_time = self.inner.opening.lock().await;
        let Some(replica) = self.replica(group) else { return Ok(()) };
        replica.stop().await?;
        self.inner.replicas.write().unwrap_or_else(PoisonError::into_inner).remove(&group);
        Ok(())
    }

    async fn start_replica(
        &self,
        group: GroupId,
        visible: Arc<AtomicU64>,
        across: bool,
    ) -> Result<Arc<Replica>, Fault> {
        let told = self.on_advanced(Arc::clone(&visible));
        let replica = Replica::open(group, self, visible, (told, across)).await?;
        self.inner
            .replicas
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(group, Arc::clone(&replica));
        self.reload_facts(group)?;
        let (groups, followed) = (self.clone(), Arc::clone(&replica));
        self.spawn(async move {
            let reason = followed.follow(|leader| groups.on_leader(&followed, leader)).await;
            if !followed.is_stopping() {
                groups.fail(&Fault { doing: reason, source: None });
            }
        });
        Ok(replica)
    }

    /// Called by a replica's state machine after each batch; must not keep the node alive.
    fn on_advanced(&self, visible: Arc<AtomicU64>) -> OnAdvanced {
        let inner = Arc::downgrade(&self.inner);
        Arc::new(move |advanced: Advanced| {
            let Some(inner) = inner.upgrade() else { return };
            let groups = Groups { inner };
            // Before the entries count as visible: a lease is granted once the leader shows its own
            // term's entry, by marks that must then be as far.
            if advanced.is_about_replicas
                && let Err(fault) = groups.reload_facts(advanced.group)
            {
                groups.fail(&fault);
            }
            groups.observe_time(advanced.group, advanced.log_time);
            visible.fetch_max(advanced.applied.0, Ordering::AcqRel);
            groups.inner.reporter.on_advanced(advanced.group, &advanced.origins);
            groups.inner.tracker.on_visible(advanced.group, advanced.applied);
            groups.inner.turns.note(&advanced.moved);
            if advanced.group == GroupId::SYSTEM {
                groups.inner.system_changed.notify_one();
            }
        })
    }

    /// Another node leads, or nobody: whoever it is, it is asked for leases at once. A lead that
    /// begins here counts from now, not from its first write.
    fn on_leader(&self, replica: &Replica, leader: Option<NodeId>) {
        if leader == Some(self.node()) {
            let term = Term(replica.metrics().current_term);
            let facts = self.inner.tracker.facts(replica.group);
            replica.leasing.begin(term, &facts, self.inner.environment.steady.now());
        }
        self.inner.leader_news.notify_one();
    }
}

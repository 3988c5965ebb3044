//! A machine: a disk and a clock that stay, and a process that starts and ends. Each process has a
//! runtime of its own, with one thread and paused time, that the world advances step by step.
//!
//! A process ends by dropping its runtime: nothing of it continues, and the fate of unsynced data
//! is decided first, so that the end itself writes nothing.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use concordat_cluster::{
    locks::locked,
    log::{LogOptions, RaftLog, SimFiles, WriterMode},
    raft::{
        self, Bootstrap, GroupsConfig, RuntimeClock, Timings,
        in_process::{InProcessNetwork, InProcessTransport},
    },
    store::Store,
};
use concordat_node::{embedded::EmbeddedNode, entropy, environment::Environment, keyring::Keyring};
use concordat_proto::{
    id::{ClusterId, NodeId},
    org::ApiKey,
    region::Region,
};
use concordat_tests::rng::Rng;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
    time::{Instant, advance, sleep_until},
};

use crate::{
    disk::CrashStore,
    outside::{SimEntropy, SimWall},
    shape::Shape,
};

/// After this idle time the log's writer writes a mark.
const MARK_IDLE: Duration = Duration::from_millis(10);

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Killed; the machine stays up.
    Killed,
    /// With its machine: unsynced data may be gone, or half there.
    PowerLost,
}

/// The common settings of all machines.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) seed: u64,
    pub(crate) network: InProcessNetwork,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) bootstrap: Bootstrap,
    pub(crate) seeds: Vec<String>,
    pub(crate) shape: Shape,
}

/// A started process.
struct Process {
    runtime: Runtime,
    started: Duration,
    base: Instant,
    log: RaftLog,
    transport: Arc<InProcessTransport>,
    /// While it starts.
    starting: Option<JoinHandle<Result<EmbeddedNode, String>>>,
    node: Option<EmbeddedNode>,
    /// When the sync under way will be done.
    sync_due: Option<Duration>,
    idle_since: Option<Duration>,
}

/// A machine: its disk, its clock and its process.
pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) region: Region,
    pub(crate) address: String,
    pub(crate) id: NodeId,
    pub(crate) wall: SimWall,
    pub(crate) files: SimFiles,
    /// Paused until it is resumed.
    pub(crate) is_paused: bool,
    /// How long a sync takes, in milliseconds, at most.
    pub(crate) sync_ms: u64,
    /// Its disk hangs until it is repaired; the process lives.
    pub(crate) is_hung: bool,
    /// Its disk can never be started from again.
    pub(crate) damaged: Option<String>,
    /// Synced data of its disk was altered on purpose.
    pub(crate) is_harmed: bool,
    /// A disk that could not be started from, although it was not altered.
    pub(crate) unexplained: Option<String>,
    /// The feature level of its build: of the first release until it is upgraded, in some clusters.
    pub(crate) feature_level: u32,
    /// Its settings for the cluster that it is to bootstrap.
    bootstrap: Option<Bootstrap>,
    store: Arc<CrashStore>,
    cluster: Arc<Mutex<Option<ClusterId>>>,
    drift: f64,
    rng: Rng,
    lives: u64,
    /// The seeds in its process's settings at its start.
    told: Vec<String>,
    process: Option<Process>,
    common: Common,
    /// Disks that it had before it was wiped.
    gone: Vec<Disk>,
}

/// A machine's disk: its log's files, and its state.
pub(crate) type Disk = (SimFiles, Arc<CrashStore>);

impl Host {
    pub(crate) fn new(number: usize, region: Region, wall: SimWall, common: &Common) -> Self {
        let seed = common.seed.wrapping_mul(31).wrapping_add(number as u64);
        let mut host = Self {
            number,
            region,
            address: format!("place-{number}"),
            id: NodeId(0),
            wall,
            files: SimFiles::new(),
            is_paused: false,
            sync_ms: 3,
            is_hung: false,
            damaged: None,
            is_harmed: false,
            unexplained: None,
            feature_level: common.shape.feature_level,
            bootstrap: None,
            store: Arc::default(),
            cluster: Arc::default(),
            // One that comes last of all has a right clock.
            drift: common.shape.drift.get(number).copied().unwrap_or_default(),
            rng: Rng::new(seed),
            lives: 0,
            told: Vec::new(),
            process: None,
            common: common.clone(),
            gone: Vec::new(),
        };
        host.wipe();
        host.bootstrap = (number == 0).then(|| common.bootstrap.clone());
        host
    }

    /// An empty disk is a new node.
    pub(crate) fn wipe(&mut self) {
        assert!(self.process.is_none(), "the disk of a process that runs");
        let files = std::mem::replace(&mut self.files, SimFiles::new());
        self.gone.push((files, std::mem::take(&mut self.store)));
        self.cluster = Arc::default();
        self.damaged = None;
        self.is_harmed = false;
        if let Some(bootstrap) = &mut self.bootstrap
            && self.rng.below(2) == 0
        {
            // A start with an empty disk draws an id; here it may be the one that is in use.
            bootstrap.cluster = ClusterId::from_bytes(drawn_id(&mut self.rng));
        }
        self.id = NodeId(self.rng.next().max(1));
    }

    /// A copy of its disk, while its process is off.
    pub(crate) fn copied(&self) -> Disk {
        assert!(self.process.is_none(), "the disk of a process that runs");
        (self.files.fork(), Arc::new(self.store.copied()))
    }

    /// The unsynced part of its state is lost: the most that a power failure takes.
    pub(crate) fn forget_state(&mut self) {
        assert!(self.process.is_none(), "the disk of a process that runs");
        self.store = Arc::new(self.store.synced());
    }

    /// Its disk is put back to a copy of an earlier time.
    pub(crate) fn put_back(&mut self, (files, store): Disk) {
        assert!(self.process.is_none(), "the disk of a process that runs");
        let files = std::mem::replace(&mut self.files, files);
        self.gone.push((files, std::mem::replace(&mut self.store, store)));
        self.is_harmed = true;
    }

    /// Its settings name other seeds, from the next start on.
    pub(crate) fn set_seeds(&mut self, seeds: &[String]) {
        self.common.seeds = seeds.to_vec();
    }

    /// The seeds in its process's settings.
    pub(crate) fn started_with(&self) -> &[String] {
        &self.told
    }

    /// Whether it knows no cluster, and was started before its settings had the present seeds: none
    /// of the nodes it asks may exist any more.
    pub(crate) fn waits_for_old_seeds(&self) -> bool {
        self.told != self.common.seeds
            && self.node().is_some_and(|node| node.groups().cluster().is_none())
    }

    /// Whether its settings say that it bootstraps a cluster.
    pub(crate) const fn is_first(&self) -> bool {
        self.bootstrap.is_some()
    }

    /// How often its process was started.
    pub(crate) const fn lives(&self) -> u64 {
        self.lives
    }

    /// Since when its process runs, in true time.
    pub(crate) fn runs_since(&self) -> Option<Duration> {
        self.process.as_ref().map(|process| process.started)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// It runs, and is not paused, and has started.
    pub(crate) fn node(&self) -> Option<&EmbeddedNode> {
        if self.is_paused {
            return None;
        }
        self.process.as_ref()?.node.as_ref()
    }

    /// The runtime for requests from outside; also while it is paused.
    pub(crate) fn door(&self) -> Option<(Handle, EmbeddedNode)> {
        let process = self.process.as_ref()?;
        Some((process.runtime.handle().clone(), process.node.clone()?))
    }

    pub(crate) fn log(&self) -> Option<&RaftLog> {
        self.process.as_ref().map(|process| &process.log)
    }

    /// All disks that it ever had.
    pub(crate) fn disks(&self) -> impl Iterator<Item = Disk> {
        let now = (self.files.clone(), Arc::clone(&self.store));
        self.gone.iter().cloned().chain([now])
    }

    /// Why it cannot continue, if so.
    pub(crate) fn fault(&self) -> Option<String> {
        let groups = self.process.as_ref()?.node.as_ref()?.groups();
        groups.faulted().borrow().clone()
    }

    /// Starts the process; a disk that is damaged is remembered as such.
    pub(crate) fn start(&mut self, now: Duration) {
        assert!(self.process.is_none(), "it runs");
        self.lives += 1;
        self.told.clone_from(&self.common.seeds);
        if self.lives > 1 {
            // A node may be upgraded at a restart.
            self.feature_level = self.feature_level.max(self.common.shape.upgraded_to);
        }
        let options = LogOptions {
            segment_bytes: self.common.shape.segment_bytes,
            cache_bytes_max: 1 << 20,
            mark_idle: None,
            writer: WriterMode::Stepped,
            ..LogOptions::default()
        };
        let log = match RaftLog::open(Arc::new(self.files.clone()), options) {
            Ok(log) => log,
            Err(error) => {
                self.cannot_start(error.to_string());
                return;
            }
        };
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let guard = runtime.enter();
        let transport = self.common.network.attach(self.address.clone(), self.region.clone());
        let base = Instant::now();
        let starting = self.starting(&log, &transport);
        let starting = Some(tokio::spawn(starting));
        drop(guard);
        self.process = Some(Process {
            runtime,
            started: now,
            base,
            log,
            transport,
            starting,
            node: None,
            sync_due: None,
            idle_since: None,
        });
    }

    /// Its disk is one that cannot be started from.
    pub(crate) fn cannot_start(&mut self, reason: String) {
        if !self.is_harmed {
            self.unexplained = Some(reason.clone());
        }
        self.damaged = Some(reason);
    }

    fn starting(
        &self,
        log: &RaftLog,
        transport: &Arc<InProcessTransport>,
    ) -> impl Future<Output = Result<EmbeddedNode, String>> + 'static {
        let cluster = Arc::clone(&self.cluster);
        let steady = Arc::new(RuntimeClock::start());
        let replicas = raft::Environment {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            log: log.clone(),
            transport: transport.clone(),
            clock: Arc::new(self.wall.clone()),
            steady: steady.clone(),
            save_cluster: Arc::new(move |id| {
                *locked(&cluster) = Some(id);
                Ok(())
            }),
        };
        let entropy = self.common.seed ^ (self.number as u64) << 32 ^ self.lives << 48;
        let environment = Environment {
            clock: Arc::new(self.wall.clone()),
            steady,
            entropy: Arc::new(SimEntropy::new(entropy)),
        };
        let (config, keyring) = (self.config(), Arc::clone(&self.common.keyring));
        let transport = Arc::clone(transport);
        async move {
            let node = EmbeddedNode::start(environment, replicas, config, keyring).await;
            let node = node.map_err(|failure| failure.chain())?;
            transport.serve(node.groups().service());
            let finisher = node.clone();
            tokio::spawn(async move { drop(finisher.finish().await) });
            Ok(node)
        }
    }

    fn config(&self) -> GroupsConfig {
        let cluster = *locked(&self.cluster);
        GroupsConfig {
            node: self.id,
            region: self.region.clone(),
            cluster,
            peer_address: self.address.clone(),
            api_url: format!("http://{}", self.address),
            seeds: self.common.seeds.clone(),
            bootstrap: self.bootstrap.clone(),
            home_timings: Timings::home(),
            system_timings: Timings::wide_area(),
            retention: self.common.shape.retention,
            regions: self.common.shape.regions.clone(),
            feature_level: self.feature_level,
        }
    }

    /// Ends the process at once.
    pub(crate) fn end(&mut self, how: End) {
        let Some(process) = self.process.take() else { return };
        process.transport.detach();
        let seed = self.rng.next();
        let (files, store) = match how {
            End::Killed => (self.files.restart(), self.store.restarted()),
            End::PowerLost => (self.files.crash(seed), self.store.crashed(&mut self.rng)),
        };
        (self.files, self.store) = (files, Arc::new(store));
        self.is_paused = false;
        drop(process);
    }

    /// Every write of the state fails from now on.
    pub(crate) fn fail_state(&self) {
        self.store.fail();
    }

    /// Runs until a moment of true time.
    pub(crate) fn run_until(&mut self, now: Duration) {
        if self.is_paused {
            return;
        }
        let (drift, sync_ms) = (self.drift, self.sync_ms);
        let Some(process) = &mut self.process else { return };
        let local = (now - process.started).mul_f64(1.0 + drift);
        let target = process.base + local;
        process.runtime.block_on(async move { sleep_until(target).await });
        let waits = self.rng.below(sync_ms + 1);
        if !self.is_hung {
            process.write(now, Duration::from_millis(waits));
        }
        if process.starting.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(starting) = process.starting.take()
        {
            match process.runtime.block_on(starting) {
                Ok(Ok(node)) => process.node = Some(node),
                Ok(Err(reason)) => self.cannot_start(reason),
                Err(error) => panic!("starting {}: {error}", self.address),
            }
        }
    }

    /// Resumes after a pause: its clock jumps.
    pub(crate) fn resume(&mut self, now: Duration) {
        self.is_paused = false;
        let drift = self.drift;
        let Some(process) = &mut self.process else { return };
        let local = (now - process.started).mul_f64(1.0 + drift);
        let behind = process
            .runtime
            .block_on(async { (process.base + local).saturating_duration_since(Instant::now()) });
        process.runtime.block_on(advance(behind));
    }

    /// Its syncs take as long as they ought to.
    pub(crate) const fn mend_syncs(&mut self) {
        self.sync_ms = 3;
        self.is_hung = false;
    }

    /// Its disk works from now on; its effect on the process stays.
    pub(crate) fn mend_disk(&mut self) {
        self.files.repair();
        self.store.repair();
        self.mend_syncs();
    }
}

impl Process {
    /// The disk's part: a sync takes its time, then its whole batch is acknowledged at once.
    fn write(&mut self, now: Duration, takes: Duration) {
        let queued = self.log.stats().queued_calls > 0;
        match self.sync_due {
            None if queued => {
                self.sync_due = Some(now + takes);
                self.idle_since = None;
            }
            Some(due) if due <= now => {
                self.sync_due = None;
                let _here = self.runtime.enter();
                self.log.step();
                self.idle_since = Some(now);
            }
            None if self.idle_since.is_some_and(|since| now - since >= MARK_IDLE) => {
                self.idle_since = None;
                let _here = self.runtime.enter();
                self.log.mark(Box::new(drop));
                self.log.step();
            }
            None | Some(_) => {}
        }
    }
}

fn drawn_id(rng: &mut Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&rng.next().to_be_bytes());
    bytes[8..].copy_from_slice(&rng.next().to_be_bytes());
    bytes
}

/// A node id as the API shows it.
pub(crate) fn shown(id: NodeId) -> String {
    id.to_string()
}

/// An operator key and a cluster, drawn from a seed.
pub(crate) fn beginning(seed: u64) -> (String, Bootstrap, Arc<Keyring>) {
    let source = SimEntropy::new(seed);
    let (key, operator_key) = concordat_node::embedded::operator_key(&source);
    let cluster = entropy::cluster_id(&source);
    let keyring = Arc::new(Keyring::in_memory(&source));
    let operator_key = ApiKey { id: keyring.mark(cluster), ..operator_key };
    (key.expose().to_owned(), Bootstrap { cluster, operator_key }, keyring)
}

//! Puts a node together: log, state and identity from a data directory, replicas over a transport,
//! and the tasks that keep it. The same for a server and for each node of the demo.

use std::{path::PathBuf, sync::Arc, time::Duration};

use concordat_cluster::{
    log::{LogOptions, RaftLog, RealFiles},
    raft::{self, Bootstrap, Groups, GroupsConfig, Timings, transport::PeerTransport},
    store::{
        Store,
        rocks::{RocksOptions, RocksStore},
    },
};
use concordat_proto::{id::GroupId, limits, org::ApiKey, region::Region};
use tokio::{net::TcpListener, sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    boot::{
        config::{HttpLimits, StorageSizes},
        failure::Failure,
        identity::IdentityFile,
        keyring_check,
        supervise::Supervisor,
    },
    entropy,
    environment::Environment,
    http::{route::Routes, server},
    keyring::{Keyring, KeyringCheck},
    node::{Cuts, LogStats, Node},
    observe::metrics::Metrics,
    request::write::org_create,
    seal::Sealer,
    turnstile::Turnstile,
};

/// Least time between two searches for organizations whose creation was interrupted.
const FINISH_EVERY: Duration = Duration::from_secs(60);
/// Such a search takes at most one part in so many of the time.
const FINISH_SHARE: u32 = 20;
/// For work that outlived its request, at the end.
const DETACHED_TIME_MAX: Duration = Duration::from_secs(2);

/// What a node is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) environment: Environment,
    pub(crate) data_dir: PathBuf,
    pub(crate) region: Region,
    /// The names of the regions that a cluster begins with.
    pub(crate) regions: Vec<Region>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) sizes: StorageSizes,
    pub(crate) http: HttpLimits,
    pub(crate) api_url: String,
    pub(crate) peer_address: String,
    pub(crate) seeds: Vec<String>,
    pub(crate) transport: Arc<dyn PeerTransport>,
    pub(crate) cuts: Option<Arc<dyn Cuts>>,
}

/// What a data directory holds.
pub(crate) struct Kept {
    pub(crate) log: RaftLog,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) identity: IdentityFile,
}

/// Opens a data directory, or makes one. The log's lock keeps every other process out of it.
pub(crate) fn open(parts: &Parts, rocks: &RocksOptions) -> Result<Kept, Failure> {
    let doing = || format!("opening {}", parts.data_dir.display());
    let files = RealFiles::open(parts.data_dir.join("log"))
        .map_err(|error| Failure::fault(doing(), error))?;
    let entropy = &*parts.environment.entropy;
    let identity = IdentityFile::open(&parts.data_dir, &parts.region, entropy)?;
    let options = LogOptions { segment_bytes: parts.sizes.segment_bytes, ..LogOptions::default() };
    let log = RaftLog::open(Arc::new(files), options).map_err(|e| Failure::fault(doing(), e))?;
    let store = RocksStore::open(&parts.data_dir.join("state"), rocks)
        .map_err(|error| Failure::fault(doing(), error))?;
    Ok(Kept { log, store: Arc::new(store), identity })
}

/// The options of the state's store.
pub(crate) fn rocks_options(sizes: &StorageSizes) -> Result<RocksOptions, Failure> {
    let options = RocksOptions::new(sizes.cache_bytes)
        .map_err(|error| Failure::fault("preparing the state's store", error))?;
    Ok(options.with_write_buffer_bytes(sizes.write_buffer_bytes))
}

/// Begins a cluster with a directory that belongs to none; on others it does nothing. The operator
/// key's id says with which keyring.
pub(crate) fn bootstrap(
    kept: &Kept,
    environment: &Environment,
    keyring: &Keyring,
    operator_key: impl FnOnce() -> Result<ApiKey, Failure>,
) -> Result<(), Failure> {
    if !kept.identity.is_free() {
        return Ok(());
    }
    let cluster = entropy::cluster_id(&*environment.entropy);
    let operator_key = ApiKey { id: keyring.mark(cluster), ..operator_key()? };
    kept.identity.found(Bootstrap { cluster, operator_key })
}

/// Starts the replicas. The caller gives their service to the transport.
pub(crate) async fn node(parts: Parts, kept: Kept) -> Result<Arc<Node>, Failure> {
    let identity = kept.identity.identity();
    let config = GroupsConfig {
        node: identity.node,
        region: identity.region,
        cluster: identity.cluster,
        peer_address: parts.peer_address,
        api_url: parts.api_url,
        seeds: parts.seeds,
        bootstrap: identity.founded,
        regions: parts.regions,
        home_timings: Timings::home(),
        system_timings: Timings::across(),
        retention: parts.sizes.retention,
        feature_level: concordat_proto::version::FEATURE_LEVEL,
    };
    let log = kept.log.clone();
    let environment = raft::Environment {
        store: kept.store,
        log: kept.log,
        transport: parts.transport,
        clock: Arc::clone(&parts.environment.clock),
        steady: Arc::clone(&parts.environment.steady),
        save_cluster: kept.identity.save_cluster(),
    };
    let groups = Groups::start(environment, config).await;
    let groups = groups.map_err(|error| Failure::fault("starting the replicas", error))?;
    let extras = (parts.http, parts.cuts);
    Ok(Arc::new(of_groups(groups, log, parts.keyring, parts.environment, extras)))
}

/// What a request finds, around replicas that run.
pub(crate) fn of_groups(
    groups: Groups,
    log: RaftLog,
    keyring: Arc<Keyring>,
    environment: Environment,
    (http, cuts): (HttpLimits, Option<Arc<dyn Cuts>>),
) -> Node {
    Node {
        store: groups.store(),
        groups,
        log: LogStats(log),
        sealer: Sealer::new(keyring, Arc::clone(&environment.entropy)),
        keyring_check: KeyringCheck::default(),
        environment,
        routes: Routes::new(cuts.is_some()),
        metrics: Metrics::default(),
        limits: http,
        places: Arc::new(Semaphore::new(http.requests)),
        writes: Turnstile::new(limits::ORG_WRITES_MAX),
        moves: Semaphore::new(limits::MOVES_ASKED_MAX),
        cuts,
        detached: TaskTracker::new(),
    }
}

/// Starts the tasks that keep a node: its API, the watch for faults, the look at its keyring, the
/// finishing of what others began.
pub(crate) fn keep(
    supervisor: &mut Supervisor,
    name: &str,
    node: &Arc<Node>,
    listener: TcpListener,
) {
    let stop = supervisor.stop();
    let (served, until) = (Arc::clone(node), stop.clone());
    supervisor.spawn(format!("{name}: API"), async move {
        let served = server::run(listener, served, until).await;
        served.map_err(|error| Failure::fault("serving the API", error))
    });
    let faulted = faulted(node.groups.clone(), stop.clone());
    supervisor.spawn(format!("{name}: faults"), faulted);
    let checked = keyring_check::run(Arc::clone(node), stop.clone());
    supervisor.spawn(format!("{name}: keyring"), checked);
    supervisor.spawn(format!("{name}: interrupted claims"), finish(Arc::clone(node), stop));
}

/// Stops a node whose API has been drained.
pub(crate) async fn close(node: &Node) {
    node.detached.close();
    if tokio::time::timeout(DETACHED_TIME_MAX, node.detached.wait()).await.is_err() {
        tracing::info!("organisations that are being made will be finished after the next start");
    }
    node.groups.shutdown().await;
}

async fn faulted(groups: Groups, stop: CancellationToken) -> Result<(), Failure> {
    let mut faulted = groups.faulted();
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        fault = faulted.wait_for(Option::is_some) => match fault {
            Ok(reason) => {
                let reason = reason.clone().unwrap_or_default();
                Err(Failure::fault("the node cannot go on", reason))
            }
            // The replicas are gone: they were shut down.
            Err(_) => Ok(()),
        },
    }
}

/// On the leader of the node's home group, when the system group has moved since the last search.
pub(crate) async fn finish(node: Arc<Node>, stop: CancellationToken) -> Result<(), Failure> {
    let mut pause = FINISH_EVERY;
    let mut searched = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        let applied = node.groups.applied(GroupId::SYSTEM);
        if searched == Some(applied) || !leads_home(&node) {
            continue;
        }
        let begun = Instant::now();
        let finished = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            finished = org_create::resume(&node) => finished,
        };
        match finished {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "organizations whose creation was interrupted"),
            Err(error) => return Err(Failure::fault("looking for interrupted claims", error)),
        }
        searched = Some(applied);
        pause = FINISH_EVERY.max(begun.elapsed() * FINISH_SHARE);
    }
}

fn leads_home(node: &Node) -> bool {
    let home = node.groups.home_groups().into_iter();
    let home = home.filter(|(_, region)| region == node.groups.region()).map(|(group, _)| group);
    let led = node.groups.metrics().groups;
    home.into_iter().any(|home| led.iter().any(|(group, .., leads)| *group == home && *leads))
}

//! Assembles a node: log, state and identity from a data directory, replicas over a transport, and
//! the background tasks. The same for a server and for each node of the demo.

use std::{path::PathBuf, sync::Arc, time::Duration};

use concordat_cluster::{
    log::{LogOptions, RaftLog, RealFiles},
    raft::{self, Bootstrap, Groups, GroupsConfig, Timings, transport::PeerTransport},
    store::{Store, StoreError},
};
use concordat_proto::{id::GroupId, limits, org::ApiKey, region::Region};
use tokio::{net::TcpListener, sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::Remembered,
    boot::{
        config::{HttpLimits, StorageSizes},
        failure::Failure,
        identity::IdentityFile,
        keyring_check,
        state::StateStores,
        supervise::Supervisor,
    },
    entropy,
    environment::Environment,
    grpc::streams::Streams,
    http::{route::Routes, server},
    keyring::{Keyring, KeyringCheck},
    node::{Cuts, LogStats, Node},
    observe::metrics::Metrics,
    org_limits::PerOrgLimiter,
    places::Places,
    policy::cache::PolicyCache,
    request::write::{org_create, org_end, suborganization},
    seal::Sealer,
};

/// Least time between two searches for interrupted creations of organizations.
const FINISH_EVERY: Duration = Duration::from_secs(60);
/// The interval between looks at suborganizations whose parents have moved, and at organizations that have ended.
const FOLLOW_EVERY: Duration = Duration::from_secs(2);
/// The interval for each of them, where there are many: a look takes a hundredth of it.
const LOOK_TIME: Duration = Duration::from_millis(3);
/// Such a search takes at most one part in this many of the time.
const FINISH_SHARE: u32 = 20;
/// For work that outlived its request, at the end.
const DETACHED_TIME_MAX: Duration = Duration::from_secs(2);

/// The parts of a node.
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

/// The contents of a data directory.
pub(crate) struct Kept {
    pub(crate) log: RaftLog,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) identity: IdentityFile,
}

/// Opens a data directory, or makes one. The log's lock keeps every other process out of it.
pub(crate) fn open(parts: &Parts, stores: &StateStores) -> Result<Kept, Failure> {
    let context = || format!("opening {}", parts.data_dir.display());
    let files = RealFiles::open(parts.data_dir.join("log"))
        .map_err(|error| Failure::fault(context(), error))?;
    let entropy = &*parts.environment.entropy;
    let identity = IdentityFile::open(&parts.data_dir, &parts.region, entropy)?;
    let options = LogOptions { segment_bytes: parts.sizes.segment_bytes, ..LogOptions::default() };
    let log = RaftLog::open(Arc::new(files), options).map_err(|e| Failure::fault(context(), e))?;
    let store = stores.open(&parts.data_dir)?;
    Ok(Kept { log, store, identity })
}

/// Creates a cluster with a directory that belongs to none; has no effect on others. The operator
/// key's id identifies the keyring.
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
        system_timings: Timings::wide_area(),
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

/// The node that requests use, around running replicas.
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
        places: Places::new(http.requests),
        writes: PerOrgLimiter::new(limits::ORG_WRITES_MAX),
        moves: Semaphore::new(limits::MOVES_ASKED_MAX),
        cuts,
        remembered: Remembered::default(),
        policies: PolicyCache::default(),
        streams: Streams::default(),
        detached: TaskTracker::new(),
    }
}

/// Starts the background tasks of a node: its API, the fault watch, the keyring check, and the
/// completion of interrupted creations.
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
    let followed = follow(Arc::clone(node), stop.clone());
    supervisor.spawn(format!("{name}: suborganizations and ends"), followed);
    supervisor.spawn(format!("{name}: interrupted claims"), finish(Arc::clone(node), stop));
}

/// Stops a node whose API has been drained.
pub(crate) async fn close(node: &Node) {
    node.detached.close();
    if tokio::time::timeout(DETACHED_TIME_MAX, node.detached.wait()).await.is_err() {
        tracing::info!("unfinished creations of organizations are completed after the next start");
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
                Err(Failure::fault("the node cannot continue", reason))
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
            Err(error) => return Err(Failure::fault("searching for interrupted creations", error)),
        }
        searched = Some(applied);
        pause = FINISH_EVERY.max(begun.elapsed() * FINISH_SHARE);
    }
}

/// On the leaders of home groups: keeps suborganizations where their parents are, and ends the claims of
/// organizations that have ended.
pub(crate) async fn follow(node: Arc<Node>, stop: CancellationToken) -> Result<(), Failure> {
    let mut pause = FOLLOW_EVERY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        let followed = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            followed = follow_all(&node) => followed,
        };
        match followed {
            Ok(looked) => pause = FOLLOW_EVERY.max(LOOK_TIME * looked),
            Err(error) => {
                return Err(Failure::fault("looking for suborganizations and ends", error));
            }
        }
    }
}

/// How many it looked at.
async fn follow_all(node: &Node) -> Result<u32, StoreError> {
    let led = node.groups.metrics().groups;
    let leads = |group: GroupId| led.iter().any(|(led, .., leads)| *led == group && *leads);
    let mut looked = 0;
    for group in node.home_groups().into_iter().filter(|group| leads(*group)) {
        looked += suborganization::follow(node, group).await?;
        looked += org_end::settle(node, group).await?;
    }
    Ok(u32::try_from(looked).unwrap_or(u32::MAX))
}

fn leads_home(node: &Node) -> bool {
    let home = node.groups.home_groups().into_iter();
    let home = home.filter(|(_, region)| region == node.groups.region()).map(|(group, _)| group);
    let led = node.groups.metrics().groups;
    home.into_iter().any(|home| led.iter().any(|(group, .., leads)| *group == home && *leads))
}

//! The node that a request uses: the replicas, encryption, the outside world, the limits. Made once
//! when the node is assembled; only its counters change.

use std::sync::Arc;

use concordat_cluster::{
    log::RaftLog,
    raft::Groups,
    store::{Reader, Store},
};
use concordat_proto::{api::demo::DemoTarget, id::GroupId, time::LogTime};
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};
use tokio_util::task::TaskTracker;

use crate::{
    auth::Remembered, boot::config::HttpLimits, environment::Environment, grpc::streams::Streams,
    http::route::Routes, keyring::KeyringCheck, observe::metrics::Metrics,
    org_limits::PerOrgLimiter, places::Places, policy::cache::PolicyCache, seal::Sealer,
};

/// A node, as its requests see it.
#[derive(Debug)]
pub(crate) struct Node {
    /// The replicas.
    pub(crate) groups: Groups,
    /// Their state.
    pub(crate) store: Arc<dyn Store>,
    /// Their log, for its counters.
    pub(crate) log: LogStats,
    /// Seals and opens secrets.
    pub(crate) sealer: Sealer,
    /// Whether that keyring is the cluster's.
    pub(crate) keyring_check: KeyringCheck,
    /// Clock and chance.
    pub(crate) environment: Environment,
    /// The route table.
    pub(crate) routes: Routes,
    /// The request metrics.
    pub(crate) metrics: Metrics,
    /// The HTTP limits.
    pub(crate) limits: HttpLimits,
    /// A place for each request in flight.
    pub(crate) places: Places,
    /// The limit of concurrent writes per organization.
    pub(crate) writes: PerOrgLimiter,
    /// The limit of moves that wait for their turn, or are being started.
    pub(crate) moves: Semaphore,
    /// Cuts the network; only in the demo.
    pub(crate) cuts: Option<Arc<dyn Cuts>>,
    /// Keys that were let in.
    pub(crate) remembered: Remembered,
    /// Compiled sets of policies, and what they decided.
    pub(crate) policies: PolicyCache,
    /// The streams of calls.
    pub(crate) streams: Streams,
    /// Work that continues after its request was answered.
    pub(crate) detached: TaskTracker,
}

/// The log's counters; the log itself is the replicas'.
#[derive(Clone)]
pub(crate) struct LogStats(pub(crate) RaftLog);

impl std::fmt::Debug for LogStats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogStats")
    }
}

/// Cuts and heals the demo's network; false when it knows no such place.
pub(crate) trait Cuts: std::fmt::Debug + Send + Sync {
    /// Cuts it off from all others.
    fn cut(&self, target: &DemoTarget) -> bool;
    /// Undoes that.
    fn heal(&self, target: &DemoTarget) -> bool;
}

impl Node {
    /// The state as of now.
    pub(crate) fn state(&self) -> &dyn Reader {
        &*self.store
    }

    /// The groups in which organizations are looked for: the home groups, and while a region is
    /// being failed over, its closed one.
    pub(crate) fn home_groups(&self) -> Vec<GroupId> {
        self.groups.readable_groups()
    }

    /// Whether it is a full member, with the cluster's keyring.
    ///
    /// # Errors
    /// What prevents it, for people.
    pub(crate) fn ready(&self) -> Result<(), String> {
        self.groups.ready().map_err(|reason| reason.to_string())?;
        if self.keyring_check.has_passed() {
            return Ok(());
        }
        Err("this node's keyring has not been held against the cluster's state yet".to_owned())
    }

    /// Does work that takes a part of a second: on a thread of its own, or on the caller's where nothing blocks.
    /// So a simulated node has one thread, and its runs repeat exactly.
    ///
    /// # Errors
    /// When the work has panicked.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        if self.store.blocks() { spawn_blocking(work).await } else { Ok(work()) }
    }

    /// Wall time.
    pub(crate) fn now(&self) -> LogTime {
        self.environment.clock.now()
    }
}

//! The settings of a node's replicas at their start, and the interfaces to the outside world.

use std::{fmt, io, sync::Arc, time::Duration};

use concordat_proto::{
    id::{ClusterId, NodeId},
    org::ApiKey,
    region::Region,
    time::LogTime,
};

use tokio::time::Instant;

use super::transport::PeerTransport;
use crate::{log::RaftLog, store::Store};

/// The wall clock, for stamps only: nothing waits by it.
pub trait WallClock: fmt::Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> LogTime;
}

/// A clock that only goes forward, at the pace of time, also while the machine sleeps: leases are
/// counted by it.
pub trait SteadyClock: fmt::Debug + Send + Sync + 'static {
    /// Since some moment before the process began.
    fn now(&self) -> Duration;
}

/// Tokio's clock as a steady one: for tests, where it can be paused. It sleeps with the machine.
#[derive(Debug)]
pub struct RuntimeClock(Instant);

impl RuntimeClock {
    /// Counts from now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl SteadyClock for RuntimeClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Saves the cluster's id beside the node's own, durably.
pub type SaveCluster = Arc<dyn Fn(ClusterId) -> io::Result<()> + Send + Sync>;

/// The outside world.
#[derive(Clone)]
pub struct Environment {
    /// Keeps the state.
    pub store: Arc<dyn Store>,
    /// Keeps the logs and votes.
    pub log: RaftLog,
    /// Reaches the peers.
    pub transport: Arc<dyn PeerTransport>,
    /// Stamps entries.
    pub clock: Arc<dyn WallClock>,
    /// Counts leases.
    pub steady: Arc<dyn SteadyClock>,
    /// Called once the node belongs to a cluster.
    pub save_cluster: SaveCluster,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// Raft's times for one kind of group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// Between heartbeats; also one heartbeat's own time limit, so it must exceed the round trip
    /// between voters.
    pub heartbeat: Duration,
    /// Shortest silence before an election.
    pub election_min: Duration,
    /// Longest; also the leader's lease.
    pub election_max: Duration,
}

impl Timings {
    /// For a group whose voters are in one region.
    #[must_use]
    pub const fn home() -> Self {
        Self {
            heartbeat: Duration::from_millis(200),
            election_min: Duration::from_millis(600),
            election_max: Duration::from_millis(1200),
        }
    }

    /// For a group whose voters are in several regions.
    #[must_use]
    pub const fn wide_area() -> Self {
        Self {
            heartbeat: Duration::from_millis(500),
            election_min: Duration::from_millis(1500),
            election_max: Duration::from_millis(3000),
        }
    }
}

/// The retention of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Entries after which the state is synced, so that the log before may go.
    pub snapshot_every: u64,
    /// Entries of each group that stay, for followers that are a little behind.
    pub keep: u64,
    /// The time that entries stay beyond those, for replicas that were away.
    pub time: Duration,
    /// Bytes of all groups' entries on this node beyond which the oldest go, whatever their age and
    /// number. Each entry also takes 24 bytes of memory, and is read when the node starts.
    pub bytes: u64,
}

impl Retention {
    /// The default.
    pub const DEFAULT: Self = Self {
        snapshot_every: 10_000,
        keep: 20_000,
        time: Duration::from_hours(1),
        bytes: 1 << 30,
    };

    /// By number alone: for tests, where followers must soon be behind the log.
    #[must_use]
    pub const fn by_entries(snapshot_every: u64, keep: u64) -> Self {
        Self { snapshot_every, keep, time: Duration::ZERO, bytes: u64::MAX }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The beginning of a cluster, given to one node once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// The cluster's id.
    pub cluster: ClusterId,
    /// The first operator key.
    pub operator_key: ApiKey,
}

/// The settings of a node's replicas at their start.
#[derive(Debug, Clone)]
pub struct GroupsConfig {
    /// This node: random, made once for its data directory.
    pub node: NodeId,
    /// Its region, which never changes.
    pub region: Region,
    /// The cluster, once the node belongs to one.
    pub cluster: Option<ClusterId>,
    /// The address at which peers reach it.
    pub peer_address: String,
    /// The URL at which clients reach it.
    pub api_url: String,
    /// Peer addresses to ask for admission.
    pub seeds: Vec<String>,
    /// Begin a cluster. Does nothing on a node that belongs to one.
    pub bootstrap: Option<Bootstrap>,
    /// The names of the regions of a cluster that this node creates, its own among them; an empty
    /// list means its own region only.
    pub regions: Vec<Region>,
    /// The newest feature level that it knows: [`concordat_proto::version::FEATURE_LEVEL`]. Tests let
    /// a node pass for one of an earlier release.
    pub feature_level: u32,
    /// For home groups.
    pub home_timings: Timings,
    /// For the system group.
    pub system_timings: Timings,
    /// For all groups.
    pub retention: Retention,
}

//! The replicas: Raft groups on openraft over [`crate::log`] and [`crate::store`], one of each
//! group on every node, reached through [`transport::PeerTransport`].
//!
//! [`Groups`] is the façade: propose at any node, wait until a write has reached its regions, read
//! the status. No type of the Raft library leaves this module.
//!
//! # Imports
//! `groups.rs` starts the tasks and delegates to them; `service.rs` does the same for peers. The
//! tasks use `core.rs`, which holds their shared state and uses none of them. The core uses
//! replicas and the state parts of tasks (files without a task); `engine` uses only itself. No file
//! imports one that imports it.
//!
//! # The path of a write
//! 1. [`Groups::propose`] finds the group's leader and proposes to it, and retries under the same
//!    write id until the deadline (`write/propose.rs`).
//! 2. The leader stamps the time and appends; the library replicates (`engine/network.rs`,
//!    `service.rs`) through the node's log (`engine/log_store.rs`).
//! 3. Committed entries are applied in batches (`engine/machine_store.rs`).
//! 4. Entries that are visible and synced are reported to the leader and to the nodes that received
//!    the writes (`write/report.rs`), where the reports wake the waiters (`write/wait.rs`).
//!
//! # Membership changes
//! Each group's leader, for its own group, from the nodes in the system group's state, one safe
//! step of [`crate::placement`] at a time, conditional on the membership it was planned from
//! (`membership/apply_step.rs`). Why not one planner for all: the condition makes two planners
//! harmless either way, and a group's leader has first-hand knowledge that another node would have
//! to request (caught-up and live members).
//!
//! # Moves of organizations
//! The leaders of the two home groups, each from its own node's replicas (`org_move/drive.rs`). A
//! move begins only when the two homes have a slot for it (`org_move/queue.rs`).
//!
//! # Failover of a lost region
//! An operator closes its group; the system group's leader finds the most advanced survivor, and
//! that node creates the successor (`failover/survivors.rs`, `failover/successor.rs`).
//! `failover/fencing.rs` prevents the closed group's leader from committing anything.

/// The operator's view: status, health, and what prevents a change.
pub(crate) mod admin;
/// Work that may block, on threads of its own.
pub(crate) mod blocking;
/// The replicas' environment: settings, clocks, log, store, transport.
pub(crate) mod config;
/// The state that all tasks share; it uses none of them.
pub(crate) mod core;
/// The Raft library's adapters: log, state machine, network, snapshots.
pub(crate) mod engine;
/// A closed group: its fence, its survivors, its successor, and the writes that were lost.
pub(crate) mod failover;
/// Faults, as opposed to refusals.
pub(crate) mod fault;
/// The first fault: why the process must stop.
pub(crate) mod fault_watch;
/// The façade: starts and stops everything, and delegates.
pub(crate) mod groups;
/// Joining a cluster, and peer discovery.
pub(crate) mod join;
/// Read leases, asked for and granted.
pub(crate) mod lease;
/// How much of the groups' logs stays.
pub(crate) mod log_retention;
#[cfg(test)]
mod log_retention_test;
/// Changes of membership, one safe step at a time.
pub(crate) mod membership;
/// Moves of organizations between home groups.
pub(crate) mod org_move;
/// Hooks of planted bugs in the replicas.
pub(crate) mod planted;
/// One group's replica on this node, its timings and its log's time.
pub(crate) mod replica;
/// The requests of peers.
pub(crate) mod service;
#[cfg(test)]
mod testkit;
/// How replicas reach one another: the trait, its contract, and the network in one process.
pub mod transport;
/// A write: propose, report, wait.
pub(crate) mod write;

pub use admin::{
    admin_view::{NodeView, RegionView},
    health::NodeHealth,
    status::{ClusterStatus, GroupStatus, GroupsMetrics, NodeStatus, Role},
};
pub use config::{
    Bootstrap, Environment, GroupsConfig, Retention, RuntimeClock, SaveCluster, SteadyClock,
    Timings, WallClock,
};
#[cfg(any(test, feature = "testing"))]
pub use engine::storage_suite;
pub use failover::lost_writes_query::{Divergence, LeftBehind};
pub use fault::Fault;
pub use groups::Groups;
#[cfg(any(test, feature = "testing"))]
pub use transport::contract as transport_contract;
pub use transport::in_process;
pub use write::{
    arrivals::Expected,
    propose::Proposed,
    tracker::{LeaseWaitStats, Progress, RegionLag, RegionProgress},
};

pub use crate::consistency::{
    StaleReaders,
    cost::{Buckets, LeaseWaitCost},
    failover::{blocker::FailoverBlocker, fence::FENCE},
    read::freshness::{AsOf, Freshness},
    readiness::{Hindrance, Lack, Lead, NotReady, Purpose, ReplicaHealth, Staleness},
    write_availability::WriteBlocker,
};

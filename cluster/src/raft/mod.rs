//! The replicas: Raft groups on openraft over [`crate::log`] and [`crate::store`], one of each
//! group on every node, reached through [`transport::PeerTransport`].
//!
//! [`Groups`] is the façade: propose anywhere, wait until a write has arrived, ask how things
//! stand. No type of the Raft library leaves this module.
//!
//! # How a write goes
//! 1. [`Groups::propose`] finds the group's leader and asks it, again and again under the same
//!    write id until the time is up (`propose.rs`).
//! 2. The leader stamps the time and appends; the library replicates (`network.rs`, `service.rs`)
//!    through the node's log (`log_store.rs`).
//! 3. Committed entries are applied in batches (`machine_store.rs`).
//! 4. What has become visible and synced is reported to the leader and to the nodes where the
//!    writes landed (`report.rs`), whose waiters it wakes (`wait.rs`).
//!
//! # Who changes memberships
//! Each group's leader, for its own group, from the nodes that the system group's state names, one
//! safe step of [`crate::placement`] at a time, conditional on the membership it was planned from
//! (`membership.rs`). Why not one planner for all: the condition makes two planners harmless either
//! way, and a group's leader knows at first hand what a remote planner would have to be told (who
//! has caught up, who is alive).
//!
//! # Who moves organisations
//! The leaders of the two home groups, each by looking at its own node's replicas (`movement.rs`). A
//! move begins only when the two homes have a slot for it (`turns.rs`).
//!
//! # Who fails a lost region over
//! An operator closes its group; the system group's leader finds the most advanced survivor, and that
//! one founds the successor (`failover.rs`, `founding.rs`). What keeps the closed group's leader from going on is in
//! `clearance.rs`.

mod acquaintance;
mod addresses;
mod blocking;
mod clearance;
mod closing;
mod config;
mod convert;
mod divergence;
mod failover;
mod fault;
mod features;
mod formation;
mod founding;
mod group;
mod group_time;
mod groups;
mod health;
pub mod in_process;
mod lease;
mod log_store;
mod machine_store;
mod membership;
mod movement;
mod network;
mod operate;
mod positions;
mod propose;
mod recall;
mod report;
#[cfg(test)]
mod report_test;
mod retime;
mod retire;
mod service;
mod snapshot;
mod standing;
mod status;
mod sweep;
mod system_view;
mod transfer;
pub mod transport;
pub mod transport_contract;
mod turns;
mod types;
mod wait;

pub use clearance::FENCE;
pub use config::{
    Bootstrap, Environment, GroupsConfig, Retention, RuntimeClock, SaveCluster, SteadyClock,
    Timings, WallClock,
};
pub use divergence::{Divergence, LeftBehind};
pub use fault::Fault;
pub use groups::Groups;
pub use health::NodeHealth;
pub use operate::{NodeStanding, RegionStanding};
pub use propose::Proposed;
pub use status::{
    AsOf, ClusterStatus, Freshness, GroupStatus, GroupsMetrics, NodeStatus, RegionLag, Role,
};
pub use wait::{DangerStats, Progress, RegionProgress};

pub use crate::consistency::{
    Danger,
    cost::{Buckets, DangerCost},
    outlook::Obstacle,
    readiness::{Lack, Lead, Purpose, ReplicaHealth, Staleness},
};

/// For the Raft library's own storage test suite, run on our log and state.
pub mod storage_suite;

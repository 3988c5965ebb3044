//! The adapters of the Raft library: its log, its state machine, its network and its snapshots over
//! ours.
//!
//! They know one group and its values; never the node's shared state.

pub(crate) mod applied;
pub(crate) mod convert;
pub(crate) mod log_store;
pub(crate) mod machine_store;
pub(crate) mod network;
pub(crate) mod raft;
pub(crate) mod snapshot;
pub(crate) mod staging;
pub(crate) mod types;

/// For the Raft library's own storage test suite, run on our log and state.
#[cfg(any(test, feature = "testing"))]
pub mod storage_suite;

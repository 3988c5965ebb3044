//! The rules and the replicas: what a command does ([`machine`]), where replicas belong
//! ([`placement`]), when a write has arrived ([`consistency`]), what is kept ([`store`], [`log`]),
//! and the Raft groups that order it all ([`raft`]).
//!
//! `machine`, `placement` and `consistency` are pure: no IO, no clock, no randomness, no hash
//! order. They build without the features below, which is the proof that no replica code leaks in.

pub mod consistency;
pub mod error_chain;
pub mod locks;
pub mod log;
pub mod machine;
pub mod placement;
pub mod planted;
#[cfg(feature = "raft")]
pub mod raft;
pub mod store;

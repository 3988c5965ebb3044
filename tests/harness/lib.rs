//! The shared part of the tests of this package and the bench: processes, clusters, a plain HTTP
//! client, clients under load and the checkers of their histories.
//!
//! Nothing here knows the product's own types beyond its API: a test that shares code with its
//! subject shares its bugs. Everything that waits has a limit and reports what it waited for; every
//! started process is ended, even when the test itself is killed.
//!
//! A check is trusted after it has caught something. Each of these was planted and found: a secret
//! written to a file in plaintext, in base64 and in hex ([`canary`]); a forgotten and a doubled
//! write ([`model`]); a process's watchdog that was ended ([`process`]); and by `tests/faults`:
//! forgotten idempotency keys, forgotten write ids, an acknowledgement before the log was synced, a
//! snapshot that left one record out, reports ahead of what readers see, an idempotency key that is
//! ignored now and then, a `not_after` that is never checked, a 408 that is two milliseconds early,
//! stale reads marked as fresh by a process that had been paused.
#![allow(clippy::panic, reason = "a harness fails its test by panicking")]

pub mod canary;
pub mod checker;
mod clients;
mod cluster;
pub mod document;
pub mod http;
mod message;
pub mod rng;
pub mod wait;

pub use clients::{connection, dialects, history, model, policies, recorded, workload};
pub use cluster::{demo, disk, links, process, process_cluster};

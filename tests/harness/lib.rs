//! What the tests of this package and the bench share: processes, clusters, a plain HTTP client,
//! clients at work and the models that judge them.
//!
//! Nothing here knows the product's own types beyond what its API shows: a test that shares code
//! with what it tests shares its bugs. Everything that waits has a limit and says what it waited
//! for; whatever was started is ended, even when the test itself is killed.
//!
//! A check is trusted after it has caught something. Each of these was planted and found: a secret
//! written to a file in the clear, in base64 and in hex ([`canary`]); a forgotten and a doubled
//! write ([`model`]); a processes' leash that was let go ([`process`]); and by `tests/faults`:
//! forgotten idempotency keys, forgotten write ids, an acknowledgement before the log was synced, a
//! snapshot that left one record out, reports ahead of what readers see, an idempotency key that is
//! overlooked now and then, a `not_after` that nobody looks at, a 408 that is two milliseconds early,
//! unmarked stale reads of a process that had stood still.
#![allow(clippy::panic, reason = "a harness fails its test by panicking")]

pub mod canary;
pub mod chance;
pub mod checker;
pub mod connection;
pub mod demo;
pub mod disk;
pub mod history;
pub mod http;
pub mod links;
pub mod model;
pub mod nine;
mod ports;
pub mod process;
pub mod recorded;
pub mod wait;
pub mod workload;

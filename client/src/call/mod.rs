//! One call from its start to its end: which node is asked, what an answer means, whether it is
//! retried. Nothing here knows the call's subject.
//!
//! hyper is named in `transport.rs` alone. `classify`, `retry` and `endpoints` are pure.

mod classify;
pub(crate) mod core;
pub(crate) mod endpoints;
pub(crate) mod entropy;
pub(crate) mod header;
mod retry;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod transport;
pub(crate) mod types;

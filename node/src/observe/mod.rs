//! Observability: log lines, counters, probes. None of them ever contains a secret, a body, a key
//! or a header, at any level.

pub mod log;

pub(crate) mod gauges;
pub(crate) mod health;
pub(crate) mod histogram;
mod lines;
pub(crate) mod metrics;
pub(crate) mod probe;

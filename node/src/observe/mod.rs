//! What the process says of itself: log lines, counters, probes. Never a secret, a body, a key or a
//! header in any of them, at any level.

pub mod log;

pub(crate) mod health;
pub(crate) mod histogram;
mod lines;
pub(crate) mod metrics;
pub(crate) mod probe;
pub(crate) mod standing;

//! Reads at a replica: whether its state is current, when it asks for its next lease, and whether the
//! machine slept meanwhile.
//!
//! Pure: time comes in as a span. Nothing here grants a lease; that is [`super::lease`].

pub mod freshness;
pub mod renewal;
pub mod sleep;

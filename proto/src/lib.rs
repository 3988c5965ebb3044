//! Shared types and wire formats: ids, commands, replies, refusals, headers, receipts, limits, and
//! their versioned bytes.
//!
//! Everything here is a value. This crate must never do IO, read a clock or draw randomness. [`wire`] knows
//! how a value becomes bytes that are stored or sent between nodes; [`api`] has the documents of the HTTP
//! APIs. What a dialect demands of requests is not known here.

pub mod api;
mod base;
pub mod command;
pub mod consistency;
pub mod duration;
pub mod header;
pub mod limits;
mod records;
pub mod refusal;
pub mod reply;
pub mod version;
pub mod wire;

pub use base::{id, log, region, secret, time};
pub use records::{
    failover, key, lease, movement, oidc, org, policy, record, registration, resource, scopes,
};

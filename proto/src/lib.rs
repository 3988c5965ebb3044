//! The words of Concordat: ids, commands, replies, refusals, headers, receipts, limits, and the
//! versioned bytes they travel in.
//!
//! Everything here is a value. This crate must never do IO, read a clock, draw randomness or know
//! an API dialect's JSON; only [`wire`] knows how a value becomes bytes.

pub mod command;
pub mod consistency;
pub mod duration;
pub mod failover;
pub mod header;
pub mod id;
pub mod lease;
pub mod limits;
pub mod log;
pub mod movement;
pub mod oidc;
pub mod org;
pub mod record;
pub mod refusal;
pub mod region;
pub mod reply;
pub mod scopes;
pub mod secret;
pub mod time;
pub mod version;
pub mod wire;

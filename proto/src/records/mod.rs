//! The records of the state: organizations and their credentials, nodes and regions, leases, moves,
//! failovers, and remembered writes.
//!
//! The crate's root re-exports them. Nothing here knows the commands that change them.

pub mod failover;
pub mod key;
pub mod lease;
pub mod movement;
pub mod oidc;
pub mod org;
pub mod policy;
pub mod record;
pub mod registration;
pub mod resource;
pub mod scopes;

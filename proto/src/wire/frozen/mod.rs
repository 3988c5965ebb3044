//! The frozen mirrors of the domain types, one file for each file of domain types, and the macros that write
//! them. A mirror that has been released never changes; nothing outside of [`crate::wire`] names one.

pub(super) mod cluster;
pub(super) mod command;
pub(super) mod failover;
pub(super) mod key;
pub(super) mod lease;
pub(super) mod mirror;
pub(super) mod movement;
pub(super) mod oidc;
pub(super) mod org;
pub(super) mod policy;
pub(super) mod record;
pub(super) mod registration;
pub(super) mod reply;
pub(super) mod resource;

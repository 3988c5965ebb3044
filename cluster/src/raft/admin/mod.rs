//! The operator's view: status, health, and why a change of the membership would be refused.
//!
//! It only reads; no promise depends on it.

pub(crate) mod admin_view;
pub(crate) mod freshness;
pub(crate) mod health;
pub(crate) mod status;

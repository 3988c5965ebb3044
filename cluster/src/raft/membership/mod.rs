//! The groups' memberships: one safe step of [`crate::placement`] at a time.
//!
//! Nothing here plans a membership of its own.

pub(crate) mod apply_step;
pub(crate) mod decommission;
pub(crate) mod feature_level;
pub(crate) mod group_gc;
pub(crate) mod step_error;
pub(crate) mod transfer;
pub(crate) mod view;

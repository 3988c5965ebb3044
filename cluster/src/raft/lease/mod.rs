//! Read leases: which replicas may answer reads without asking the leader.
//!
//! The rules are in [`crate::consistency`]; this folder carries them out.

pub(crate) mod grant;
pub(crate) mod renew;
pub(crate) mod state;

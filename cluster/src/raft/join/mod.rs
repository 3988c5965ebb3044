//! How a node joins its cluster, finds its peers, and learns that it was removed.
//!
//! No node that has joined may ever create a second cluster.

pub(crate) mod bootstrap;
pub(crate) mod peer_discovery;
pub(crate) mod peer_memory;
pub(crate) mod register;
pub(crate) mod removal_check;
pub(crate) mod rollback_check;

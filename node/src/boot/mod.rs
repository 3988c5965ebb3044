//! Start, operation and shutdown of a node: settings, identity, assembly, supervision.
//!
//! [`start`] reads [`config`] and the node's [`identity`] in the data directory; `assemble` makes a
//! node from them, with its `state` on disk or in memory, and starts its background tasks;
//! `supervise` stops them in order; `keyring_check` stops a node whose keyring is not its
//! cluster's. Nothing here answers a request.

pub(crate) mod assemble;
pub mod atomic_file;
pub mod config;
pub mod failure;
pub mod identity;
pub(crate) mod keyring_check;
pub mod start;
pub(crate) mod state;
pub(crate) mod supervise;

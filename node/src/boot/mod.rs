//! How a node comes to be, is kept and ends: settings, identity, assembly, supervision.
//!
//! [`start`] reads [`config`] and what the data directory says of the node's [`identity`]; `assemble`
//! makes a node of that and starts the tasks that keep it; `supervise` stops them in order;
//! `keyring_check` ends a node whose keyring is not its cluster's. Nothing here answers a request.

pub(crate) mod assemble;
pub mod config;
pub mod durable;
pub mod failure;
pub mod identity;
pub(crate) mod keyring_check;
pub mod start;
pub(crate) mod supervise;

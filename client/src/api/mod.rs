//! Typed calls: one file a resource, each a handle that borrows the client's core.

pub(crate) mod admin;
pub(crate) mod bindings;
pub(crate) mod cluster;
pub(crate) mod credentials;
pub(crate) mod keys;
pub(crate) mod nodes;
pub(crate) mod orgs;
pub(crate) mod own;
pub(crate) mod policies;
pub(crate) mod read;
pub(crate) mod regions;
pub(crate) mod resources;
pub(crate) mod write;
pub(crate) mod writes;

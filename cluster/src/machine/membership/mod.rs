//! The rules of the cluster's membership: its creation, its nodes and regions and their life
//! cycles, the names of regions, and the feature level that all its members support.

pub mod admission;
pub(super) mod cluster;
pub(super) mod feature;
pub(super) mod lifecycle;
pub(super) mod naming;

#[cfg(test)]
mod lifecycle_test;
#[cfg(test)]
mod naming_test;

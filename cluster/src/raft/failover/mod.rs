//! The failover of a closed group: its survivors, its successor, its lost writes, and fencing.
//!
//! A group that may have been closed must not commit anything.

pub(crate) mod fence_state;
pub(crate) mod fencing;
pub(crate) mod lost_writes;
pub(crate) mod lost_writes_query;
pub(crate) mod successor;
pub(crate) mod survivors;

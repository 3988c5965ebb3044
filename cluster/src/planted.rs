//! Bugs that a build with the feature `planted` contains. Each is off until it is switched on by
//! its name. The simulation must find every one: a check that has never failed proves nothing.
//!
//! Without the feature there are none: [`is`] is a constant, and what it guards is not compiled in.
//! No build that serves clients may have the feature.
//!
//! A bug's body is in a hook (`planted/`; `raft/planted.rs` for the replicas), which the product calls with
//! what its rule says: so the product reads as if there were no bugs.

mod bug;
mod consistency;
mod machine;
mod node;
mod storage;

pub use bug::*;
pub use node::*;

pub(crate) use self::{consistency::*, machine::*, storage::*};

//! The Raft library's instance, over our log and our state machine.
//!
//! A file of its own, so that the state machine does not depend on the instance.

use crate::raft::engine::{machine_store::MachineStore, types::RaftTypes};

pub(crate) type Raft = openraft::Raft<RaftTypes, MachineStore>;

//! The outside world that a node is handed: its clock and its chance. Sockets and directories are
//! named by the configuration, or put in by the demo.

use std::sync::Arc;

use concordat_cluster::raft::WallClock;

use crate::{
    clock::SystemClock,
    entropy::{Entropy, OsEntropy},
};

/// Clock and chance.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Wall time, for stamps.
    pub clock: Arc<dyn WallClock>,
    /// Random bytes, for keys and ids.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Environment {
    /// The real ones.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(OsEntropy) }
    }
}

//! The outside world that a node is handed: its clock and its chance. Sockets and directories are
//! named by the configuration, or put in by the demo.

use std::sync::Arc;

use concordat_cluster::raft::{SteadyClock, WallClock};

use crate::{
    clock::{BootClock, SystemClock},
    entropy::{Entropy, OsEntropy},
};

/// Clock and chance.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Wall time, for stamps.
    pub clock: Arc<dyn WallClock>,
    /// Counts leases, also while the machine sleeps.
    pub steady: Arc<dyn SteadyClock>,
    /// Random bytes, for keys and ids.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Environment {
    /// The real ones.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            steady: Arc::new(BootClock),
            entropy: Arc::new(OsEntropy),
        }
    }
}

//! The outside world as a node sees it: its clock and its randomness. The configuration names
//! sockets and directories, or the demo passes its own in.

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

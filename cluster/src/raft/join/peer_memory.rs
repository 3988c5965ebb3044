//! The peers' answers about this node's past, and the peers' runs that this process remembers.
//!
//! It sends no request: `rollback_check.rs` does.

use std::{collections::BTreeSet, sync::Mutex};

use concordat_proto::id::NodeId;

use crate::{consistency::Runs, locks::locked};

/// The peers' answers about this node's past, and the peers' runs that this process remembers.
#[derive(Debug, Default)]
pub(crate) struct PeerMemory {
    pub(crate) answered: Mutex<BTreeSet<NodeId>>,
    pub(crate) runs: Mutex<Runs>,
}

impl PeerMemory {
    /// Whether there are peers, and all of them have answered.
    pub(crate) fn is_answered_by(&self, peers: &[NodeId]) -> bool {
        let answered = locked(&self.answered);
        !peers.is_empty() && peers.iter().all(|peer| answered.contains(peer))
    }
}

//! What must hold, one invariant a file. Those here look into the nodes while the simulation goes on;
//! those of `tests/harness/checker` judge what clients saw, at the end: linearizability of each
//! organisation, the promises about reads, at most once, no acknowledged write lost.
//!
//! A check returns what is wrong; it never mends, and never changes what the nodes do.

mod digests;
mod leaders;
mod logs;
mod progress;
pub(crate) mod secrets;

use crate::world::World;

/// Everything that is watched while a cluster runs.
#[derive(Default)]
pub(crate) struct Watch {
    digests: digests::Digests,
    leaders: leaders::Leaders,
    logs: logs::Logs,
    progress: progress::Progress,
}

impl Watch {
    /// Looks at all nodes that run.
    pub(crate) fn look(&mut self, world: &World) -> Result<(), String> {
        self.leaders.look(world)?;
        self.logs.look(world)?;
        self.progress.look(world)?;
        self.digests.look(world)
    }

    /// Snapshots that were installed, as far as they were seen.
    pub(crate) fn snapshots(&self) -> u64 {
        self.logs.snapshots()
    }
}

//! What must hold, one invariant a file. Those here look into the nodes while the simulation goes on:
//! `promise`, `synced`, `leaders` and `late` in every step, `frozen` while many organizations move and
//! nothing is in the way, the others between two faults and at the end;
//! those of `tests/harness/checker` judge what clients saw, at the end: linearizability of each
//! organisation, the promises about reads, at most once, no acknowledged write lost, what is unknown.
//!
//! A check returns what is wrong; it never mends, and never changes what the nodes do.

mod digests;
mod disks;
pub(crate) mod features;
pub(crate) mod frozen;
mod homes;
pub(crate) mod late;
pub(crate) mod leaders;
mod logs;
mod progress;
pub(crate) mod promise;
mod regions;
pub(crate) mod secrets;
mod synced;

use crate::world::World;

/// Everything that is watched while a cluster runs.
#[derive(Default)]
pub(crate) struct Watch {
    digests: digests::Digests,
    homes: homes::Homes,
    /// A group may be closed without its replicas' knowing: what it has counts no more.
    groups_may_close: bool,
    logs: logs::Logs,
    progress: progress::Progress,
}

impl Watch {
    /// Looks at all nodes that run.
    pub(crate) fn look(&mut self, world: &World) -> Result<(), String> {
        world.promise.holds()?;
        world.leaders.holds()?;
        world.late.holds()?;
        world.weather.has_leaked()?;
        disks::look(world)?;
        features::look(world)?;
        regions::look(world)?;
        if !self.groups_may_close {
            self.homes.look(world)?;
        }
        self.logs.look(world)?;
        self.progress.look(world)?;
        self.digests.look(world)
    }

    /// A region is about to be lost for good.
    pub(crate) const fn groups_may_close(&mut self) {
        self.groups_may_close = true;
    }

    /// Snapshots that were installed, as far as they were seen.
    pub(crate) fn snapshots(&self) -> u64 {
        self.logs.snapshots()
    }
}

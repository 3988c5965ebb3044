//! The invariants, one per file. Those here inspect the nodes while the simulation runs: `promise`,
//! `synced`, `leaders` and `late` in every step, `frozen` while many organizations move without a
//! fault, the others between two faults and at the end; those of `tests/harness/checker` judge what
//! clients saw, at the end: linearizability of each organization, the promises about reads, at most
//! once, no acknowledged write lost, unknown outcomes.
//!
//! A check returns the violation; it never repairs, and never changes the nodes' behavior.

mod digests;
mod disks;
pub(crate) mod features;
pub(crate) mod frozen;
mod homes;
pub(crate) mod late;
pub(crate) mod leaders;
pub(crate) mod logs;
mod numbers;
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
    features: features::Features,
    ends: homes::Ends,
    homes: homes::Homes,
    /// A group may be closed without its replicas' knowledge: its state does not count any more.
    groups_may_close: bool,
    logs: logs::Logs,
    numbers: numbers::Numbers,
    progress: progress::Progress,
}

impl Watch {
    /// Looks at all nodes that run.
    pub(crate) fn look(&mut self, world: &World) -> Result<(), String> {
        world.promise.holds()?;
        world.leaders.holds()?;
        world.late.holds()?;
        world.network_faults.has_leaked()?;
        disks::look(world)?;
        self.features.look(world)?;
        regions::look(world)?;
        if !self.groups_may_close {
            self.homes.look(world)?;
        }
        self.ends.look(world, self.groups_may_close)?;
        self.logs.look(world)?;
        self.numbers.look(world)?;
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

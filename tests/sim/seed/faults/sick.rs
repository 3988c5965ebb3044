//! Nodes with one failing part: a disk that hangs, a node that receives nothing while its own
//! messages arrive. Such a node must give its leases up, or each write waits for one
//! (`invariants/late.rs` checks this).
//!
//! It breaks nothing for longer than it says, and judges nothing.

use super::{FaultPlan, Repair};
use crate::world::World;

impl FaultPlan {
    /// The disk of one node hangs, and its process lives on: it shows entries that others have
    /// synced, and cannot report them. Mostly it is a voter that does not lead.
    pub(super) fn hang_a_disk(&mut self, world: &mut World) {
        let voter = self.leader(world).and_then(|(_, others)| {
            let running = |number: &usize| world.hosts[*number].node().is_some();
            others.into_iter().find(running)
        });
        let voter = voter.filter(|_| self.rng.below(4) > 0);
        let Some(number) = voter.or_else(|| self.running(world)) else { return };
        world.trace.line(format_args!("the disk of {number} hangs"));
        world.hosts[number].is_hung = true;
        self.count("disk hangs", 1);
        let after = self.ms(2000, 5000);
        self.later(world, after, Repair::Disk(number));
    }

    /// Nothing that a leader sends reaches one of its followers, which the leader can hear: it
    /// receives lease requests, and its answers and its entries are lost.
    pub(super) fn deafen_one(&mut self, world: &mut World) {
        let Some((leader, others)) = self.leader(world) else { return };
        let Some(deaf) = others.first().copied() else { return };
        world.trace.line(format_args!("{deaf} hears nothing of {leader}"));
        let (from, to) = (world.hosts[leader].id, world.hosts[deaf].id);
        world.network.cut_link(from, to);
        self.count("deaf follower", 1);
        let after = self.ms(2000, 4000);
        self.later(world, after, Repair::Network);
    }
}

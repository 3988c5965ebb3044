//! Nodes that are sick in one part and alive in all others: a disk that hangs, a node to which nothing
//! gets while what it says arrives. Such a node must give its leases up, or each write waits for one
//! (`invariants/late.rs` looks whether it does).
//!
//! It breaks nothing for longer than it says, and judges nothing.

use super::{Mend, Trouble};
use crate::world::World;

impl Trouble {
    /// The disk of one node does nothing any more, and its process lives on: it shows what others have
    /// synced, and cannot report it. Most of the time it is a voter's that does not lead.
    pub(super) fn hang_a_disk(&mut self, world: &mut World) {
        let voter = self.leader(world).and_then(|(_, others)| {
            let running = |number: &usize| world.hosts[*number].node().is_some();
            others.into_iter().find(running)
        });
        let voter = voter.filter(|_| self.chance.below(4) > 0);
        let Some(number) = voter.or_else(|| self.running(world)) else { return };
        world.trace.line(format_args!("the disk of {number} hangs"));
        world.hosts[number].is_hung = true;
        self.count("disk hangs", 1);
        let after = self.ms(2000, 5000);
        self.later(world, after, Mend::Disk(number));
    }

    /// Nothing that a leader sends gets to one of its followers, which it hears well: it is asked for
    /// leases, and its answers and its entries are lost.
    pub(super) fn deafen_one(&mut self, world: &mut World) {
        let Some((leader, others)) = self.leader(world) else { return };
        let Some(deaf) = others.first().copied() else { return };
        world.trace.line(format_args!("{deaf} hears nothing of {leader}"));
        let (from, to) = (world.hosts[leader].id, world.hosts[deaf].id);
        world.network.cut_link(from, to);
        self.count("deaf follower", 1);
        let after = self.ms(2000, 4000);
        self.later(world, after, Mend::Network);
    }
}

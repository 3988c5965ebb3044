//! Addresses that change: nodes that return at new ones, at each other's, at one of a node that is
//! down.
//!
//! No two machines are ever at one address at once, and the settings have the right seeds from each
//! machine's next start on; a running process keeps its old ones.

use std::time::Duration;

use super::{FaultPlan, Repair};
use crate::{host::End, world::World};

impl FaultPlan {
    /// Some machines get other addresses.
    pub(super) fn move_addresses(&mut self, world: &mut World) {
        let (few, all) = (1 + self.rng.place(2), world.hosts.len());
        match self.rng.below(4) {
            0 => self.exchange(world),
            1 => self.reuse(world),
            2 => self.renew(world, few),
            // Every address in every state is wrong.
            _ => self.renew(world, all),
        }
    }

    /// Two nodes that run, of one region where there are two. None at the first feature level: there a
    /// registration at another node's address ends that node, so the product refuses it, and operators
    /// must not give one node another's address.
    fn pair(&mut self, world: &World) -> Option<(usize, usize)> {
        let is_first = |level: u32| level <= concordat_proto::version::FEATURE_LEVEL_FIRST;
        if world.nodes().any(|(_, node)| is_first(node.groups().feature_level())) {
            return None;
        }
        let one = self.running(world)?;
        let region = world.hosts[one].region.clone();
        let runs =
            |world: &World, number: usize| number != one && world.hosts[number].node().is_some();
        let near = |world: &World, number: usize| {
            runs(world, number) && world.hosts[number].region == region
        };
        let other = self.any(world, near).or_else(|| self.any(world, runs))?;
        Some((one, other))
    }

    fn exchange(&mut self, world: &mut World) {
        let Some((one, other)) = self.pair(world) else { return };
        world.trace.line(format_args!("{one} and {other} exchange their addresses"));
        self.stop(world, &[one, other]);
        let first = world.hosts[one].address.clone();
        world.hosts[one].address = std::mem::replace(&mut world.hosts[other].address, first);
        world.name_seeds();
        self.start_later(world, &[one, other]);
        self.count("addresses exchanged", 1);
    }

    /// One node comes back where another was, which comes back elsewhere much later.
    fn reuse(&mut self, world: &mut World) {
        let Some((one, other)) = self.pair(world) else { return };
        world.trace.line(format_args!("{one} comes back at the address of {other}"));
        self.stop(world, &[one, other]);
        let fresh = self.fresh(one);
        world.hosts[one].address = std::mem::replace(&mut world.hosts[other].address, fresh);
        world.name_seeds();
        self.start_later(world, &[one]);
        let after = self.ms(2000, 5000);
        self.later(world, after, Repair::Start(other));
        self.count("address reused", 1);
    }

    fn renew(&mut self, world: &mut World, count: usize) {
        let mut numbers: Vec<usize> = (0..world.hosts.len()).collect();
        while numbers.len() > count {
            numbers.swap_remove(self.rng.place(numbers.len()));
        }
        numbers.retain(|number| world.hosts[*number].is_up());
        world.trace.line(format_args!("{numbers:?} get new addresses"));
        self.stop(world, &numbers);
        for number in &numbers {
            world.hosts[*number].address = self.fresh(*number);
        }
        world.name_seeds();
        self.start_later(world, &numbers);
        self.count("addresses renewed", 1);
    }

    fn fresh(&mut self, number: usize) -> String {
        format!("place-{number}-{:x}", self.rng.below(1 << 40))
    }

    fn stop(&mut self, world: &mut World, numbers: &[usize]) {
        for number in numbers {
            let how = [End::Killed, End::PowerLost][self.rng.place(2)];
            world.end(*number, how);
        }
    }

    fn start_later(&mut self, world: &World, numbers: &[usize]) {
        for number in numbers {
            let after = Duration::from_millis(50 + self.rng.below(1500));
            self.later(world, after, Repair::Start(*number));
        }
    }
}

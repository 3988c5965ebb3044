//! A disk that loses or alters synced data: one at a time, and only where all others of its region
//! are whole.

use std::time::Duration;

use concordat_cluster::log::FileSystem;

use super::{FaultPlan, Repair};
use crate::{host::End, world::World};

impl FaultPlan {
    pub(super) fn lose_a_disk(&mut self, world: &mut World) {
        let Some(number) = self.running(world) else { return };
        if !self.may_lose(world, number) {
            return;
        }
        self.recovering = Some(number);
        let after = self.ms(100, 1500);
        // Cut off and idle, its log writes a mark: a bit that flips in the very last batch before a
        // mark is the one thing that a log cannot distinguish from a torn write.
        let id = world.hosts[number].id;
        world.network.cut_node(id);
        world.run(Duration::from_millis(400));
        world.end(number, End::PowerLost);
        self.later(world, after, Repair::Network);
        if self.rng.below(2) == 0 {
            world.wipe(number);
            self.count("wiped node", 1);
            self.count("wiped first node", u64::from(world.hosts[number].is_first()));
        } else {
            let files = world.hosts[number].files.clone();
            let names = files.list().unwrap_or_default();
            let name = &names[self.rng.place(names.len())];
            let length = files.contents(name).map_or(0, |bytes| bytes.len());
            // Most of a segment is not written yet: flips are put where records are.
            let offset = self.rng.place(length.clamp(1, 4096));
            let bit = u32::try_from(self.rng.below(8)).unwrap_or(0);
            world.trace.line(format_args!("bit {bit} of byte {offset} of {name} of {number}"));
            files.flip_bit(name, offset, bit);
            world.hosts[number].is_harmed = true;
            self.count("bit flip", 1);
        }
        self.later(world, after, Repair::Start(number));
    }
}

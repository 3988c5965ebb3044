//! A node whose settings misspell its region, while clients write: it is refused for as long as nobody
//! has named that region, and writes to all regions arrive without it. Then its machine is taken away,
//! or the region is named and it joins.
//!
//! Nothing is broken meanwhile. What must never be is an invariant's to see (`invariants/regions.rs`).

use std::time::Duration;

use concordat_proto::region::Region;
use concordat_tests::chance::Chance;

use super::{MEND_LIMIT, Run};
use crate::{host::End, operator};

const MISSPELT: &str = "us-ioawa";

impl Run {
    pub(super) fn misspell_a_region(&mut self, chance: &mut Chance) -> Result<(), String> {
        let region = Region::new(MISSPELT).expect("a good name");
        let number = self.world.add_host(&region);
        self.world.trace.line(format_args!("{number} is of {region}, which nobody has named"));
        self.world.start(number);
        self.trouble.count("misspelt region", 1);
        for _ in 0..2 + chance.below(4) {
            self.run(Duration::from_millis(700))?;
        }
        // A name that is there already changes nothing, and has to reach all regions.
        let known = self.world.shape.regions[0].clone();
        if !operator::add_region(&mut self.world, &known) {
            return Err(
                "liveness: no word reaches all regions beside a node that is refused".into()
            );
        }
        if chance.below(2) == 0 {
            self.world.end(number, End::Killed);
            self.world.take_away(number);
            return self.run(Duration::from_millis(500));
        }
        self.world.named.insert(region.clone());
        let joined = self.world.within(MEND_LIMIT, |world| {
            operator::add_region(world, &region);
            world.ready()
        });
        if joined.is_err() {
            self.world.describe();
        }
        joined.map_err(|reason| format!("liveness: {region} was named: {reason}"))?;
        self.trouble.count("region added", 1);
        self.run(Duration::from_secs(1))
    }
}

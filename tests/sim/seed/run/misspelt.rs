//! A node whose settings misspell its region, while clients write: it is refused until an operator
//! adds that region's name, and writes to all regions complete without it. Then its machine is
//! removed, or the name is added and it joins.
//!
//! Nothing else is broken meanwhile. The invariant is in `invariants/regions.rs`.

use std::time::Duration;

use concordat_proto::region::Region;
use concordat_tests::rng::Rng;

use super::{MEND_LIMIT, Run};
use crate::{host::End, operator};

const MISSPELT: &str = "us-ioawa";

impl Run {
    pub(super) fn misspell_a_region(&mut self, rng: &mut Rng) -> Result<(), String> {
        let region = Region::new(MISSPELT).expect("a good name");
        let number = self.world.add_host(&region);
        self.world.trace.line(format_args!("{number} is of {region}, which nobody has named"));
        self.world.start(number);
        self.fault_plan.count("misspelt region", 1);
        for _ in 0..2 + rng.below(4) {
            self.run(Duration::from_millis(700))?;
        }
        // A name that is there already changes nothing, and has to reach all regions.
        let known = self.world.shape.regions[0].clone();
        if !operator::add_region(&mut self.world, &known) {
            return Err(
                "liveness: no word reaches all regions beside a node that is refused".into()
            );
        }
        if rng.below(2) == 0 {
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
        self.fault_plan.count("region added", 1);
        self.run(Duration::from_secs(1))
    }
}

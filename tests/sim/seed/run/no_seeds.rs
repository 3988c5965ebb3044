//! A total power failure right after a cluster has formed, on disks that have synced no state yet,
//! with settings whose seeds do not exist any more: the memberships are in the logs, and their
//! members' addresses are nowhere else. The cluster must form again from its logs alone.

use concordat_tests::rng::Rng;

use super::{FORM_LIMIT, Run};
use crate::host::End;

/// One seed in this many.
const ONE_IN: u64 = 8;
/// An address without a node.
const NOWHERE: &str = "place-of-nobody";

impl Run {
    /// Does that in some runs.
    pub(super) fn lose_power_without_seeds(&mut self) -> Result<(), String> {
        let mut rng = Rng::new(self.seed ^ 0x5eed_1e55);
        if rng.below(ONE_IN) != 0 {
            return Ok(());
        }
        self.world.trace.line(format_args!("power is lost everywhere, and nobody is left to ask"));
        for number in 0..self.world.hosts.len() {
            self.world.end(number, End::PowerLost);
            let host = &mut self.world.hosts[number];
            host.forget_state();
            host.set_seeds(&[NOWHERE.to_owned()]);
        }
        for number in 0..self.world.hosts.len() {
            self.world.start(number);
        }
        self.fault_plan.count("power lost without seeds", 1);
        let formed = self.world.within(FORM_LIMIT, |world| world.ready());
        self.world.name_seeds();
        formed.map_err(|reason| {
            format!("liveness: the cluster does not come together from its logs: {reason}")
        })
    }
}

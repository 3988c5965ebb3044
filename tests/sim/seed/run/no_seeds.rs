//! Power lost everywhere right after a cluster has formed, on disks that have synced no state yet, and
//! settings that name no seed that is still there: the memberships are in the logs, and where their
//! members are is nowhere else. The cluster must come together from its logs alone.

use concordat_tests::chance::Chance;

use super::{FORM_LIMIT, Run};
use crate::host::End;

/// One seed in so many.
const ONE_IN: u64 = 8;
/// Where nobody is.
const NOWHERE: &str = "place-of-nobody";

impl Run {
    /// Does that in some runs.
    pub(super) fn lose_power_without_seeds(&mut self) -> Result<(), String> {
        let mut chance = Chance::new(self.seed ^ 0x5eed_1e55);
        if chance.below(ONE_IN) != 0 {
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
        self.trouble.count("power lost without seeds", 1);
        let formed = self.world.within(FORM_LIMIT, |world| world.ready());
        self.world.name_seeds();
        formed.map_err(|reason| {
            format!("liveness: the cluster does not come together from its logs: {reason}")
        })
    }
}

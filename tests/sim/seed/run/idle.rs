//! Hours in which nothing happens, between spans of work: all machines are suspended at one moment and
//! resumed hours later, which is what an idle cluster goes through without its heartbeats. Every timer is
//! overdue then, no lease is left, and all that expires comes due.
//!
//! It breaks nothing: what was whole before must be whole soon after.

use std::time::Duration;

use concordat_tests::rng::Rng;

use super::{Run, overdue::Overdue};
use crate::clients::Gate;

/// One seed in this many has idle hours.
const ONE_IN: u64 = 3;
/// The longest span.
const HOURS_MAX: u64 = 30;
/// Spans of work between them.
const WORK: Duration = Duration::from_secs(2);
/// Work in which most groups get enough entries to remove what has expired.
const FORGET_TIME: Duration = Duration::from_secs(8);
/// For the entries of working clients to remove it.
const FORGET_LIMIT: Duration = Duration::from_secs(60);

impl Run {
    /// A few times hours pass; then all that has expired is removed as the clients continue to write.
    pub(super) fn idle(&mut self) -> Result<(), String> {
        let mut rng = Rng::new(self.seed ^ 0x1d1e_0420);
        if rng.below(ONE_IN) != 0 {
            return Ok(());
        }
        let spans = 1 + rng.below(3);
        for span in 0..spans {
            self.hold()?;
            // The last one is longer than anything is remembered.
            let hours = if span + 1 == spans { HOURS_MAX } else { 1 + rng.below(HOURS_MAX) };
            self.world.suspend_all(Duration::from_secs(3600 * hours));
            let work = self.work();
            {
                let _here = self.world.clients().enter();
                work.recorder.forget();
            }
            self.fault_plan.count("hours pass", 1);
            work.gate.send_replace(Gate::Open);
            self.run(WORK)?;
            self.repair("after hours")?;
        }
        let mut overdue = Overdue::default();
        let first = overdue.look(&self.world);
        debug_assert!(first.is_ok(), "no entry has followed yet");
        self.run(FORGET_TIME)?;
        let until = self.world.now + FORGET_LIMIT;
        loop {
            self.run(Duration::from_millis(500))?;
            let Err(reason) = overdue.look(&self.world) else { return Ok(()) };
            if self.world.now >= until {
                return Err(format!("growth: {reason}"));
            }
        }
    }
}

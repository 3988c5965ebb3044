//! Finds out that the machine slept: then the Raft library, which counts by a clock that slept with
//! it, may believe in a lead that is long over.
//!
//! It compares two clocks and reads none.

use std::time::Duration;

/// A jump of the steady clock against the runtime's that means that the machine slept.
pub const SLEPT_MIN: Duration = Duration::from_millis(50);

/// What two clocks have shown: the steady one, which continues while the machine sleeps, and the runtime's,
/// which does not.
#[derive(Debug, Clone, Copy)]
pub struct SleepDetector {
    /// How far the steady clock is ahead of the runtime's.
    apart: Duration,
    /// When a sleep was noticed last, by the runtime's clock.
    noticed: Option<Duration>,
}

impl SleepDetector {
    /// Begins to compare: the steady clock shows `steady`, the runtime's zero.
    #[must_use]
    pub const fn new(steady: Duration) -> Self {
        Self { apart: steady, noticed: None }
    }

    /// What the clocks show now; whether the machine slept less than `window` ago, by the runtime's clock.
    pub fn slept_within(&mut self, steady: Duration, runtime: Duration, window: Duration) -> bool {
        let apart = steady.saturating_sub(runtime);
        if apart > self.apart.saturating_add(SLEPT_MIN) {
            self.noticed = Some(runtime);
        }
        self.apart = apart;
        self.noticed.is_some_and(|noticed| runtime.saturating_sub(noticed) < window)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_sleep_counts_until_the_window_is_over() {
        let (mut watch, window) = (SleepDetector::new(ms(1000)), ms(300));
        assert!(!watch.slept_within(ms(1100), ms(100), window));
        assert!(!watch.slept_within(ms(1250), ms(200), window), "a jump within the margin");
        assert!(watch.slept_within(ms(1401), ms(300), window));
        assert!(watch.slept_within(ms(1700), ms(599), window));
        assert!(!watch.slept_within(ms(1701), ms(600), window));
    }

    proptest! {
        #[test]
        fn clocks_that_run_alike_never_slept(steps in vec(0_u64..10_000, 1..30), begin: u32) {
            let begin = ms(u64::from(begin));
            let (mut watch, mut now) = (SleepDetector::new(begin), Duration::ZERO);
            for step in steps {
                now += ms(step);
                prop_assert!(!watch.slept_within(begin + now, now, ms(10_000)));
            }
        }
    }
}

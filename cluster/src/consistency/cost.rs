//! Metrics: how long writes were delayed by outstanding read leases.
//!
//! Of each wait it records how many stale readers (replicas that may answer without the write)
//! there were when it began and when it ended, and the *lost time*. Without stale readers a write
//! would have been reached as soon as one replica of each awaited region had reported it. The time
//! from then on is lost to leases, whether a late report, the end of a lease or the caller's
//! timeout ended the wait. If no replica of a region reports, that costs a 408, and no time is lost
//! to leases.

use std::time::Duration;

/// Upper ends of the buckets of sizes.
pub const SIZE_ENDS: [u64; 7] = [0, 1, 2, 3, 6, 12, 24];
/// Upper ends of the buckets of lost time, in microseconds.
pub const LOST_ENDS_US: [u64; 10] =
    [0, 1_000, 5_000, 25_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000];

/// The delay of one wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WaitCost {
    /// Replicas in its way when it began: they had not reported, and might answer without it.
    pub began_with: usize,
    /// The same when it ended.
    pub ended_with: usize,
    /// From when it would have arrived without them until it ended.
    pub lost: Duration,
    /// Whether a region was reached because leases expired, not by a report.
    pub waited_out: bool,
}

/// Values by bucket, with their number and sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets<const N: usize> {
    /// Upper ends, in ascending order.
    pub ends: [u64; N],
    /// The number of values in each bucket; values beyond the last one are in none.
    pub counts: [u64; N],
    /// The number of values.
    pub count: u64,
    /// All of them together.
    pub sum: u64,
}

impl<const N: usize> Buckets<N> {
    /// None yet.
    #[must_use]
    pub const fn new(ends: [u64; N]) -> Self {
        Self { ends, counts: [0; N], count: 0, sum: 0 }
    }

    fn add(&mut self, value: u64) {
        if let Some(bucket) = self.ends.iter().position(|end| value <= *end) {
            self.counts[bucket] += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }
}

/// The delays of all waits with the same required consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseWaitCost {
    /// Replicas in their way when they began.
    pub began_with: Buckets<{ SIZE_ENDS.len() }>,
    /// The same when they ended.
    pub ended_with: Buckets<{ SIZE_ENDS.len() }>,
    /// Microseconds lost.
    pub lost_us: Buckets<{ LOST_ENDS_US.len() }>,
    /// Waits that the end of a lease ended.
    pub waited_out: u64,
}

impl Default for LeaseWaitCost {
    fn default() -> Self {
        let sizes = Buckets::new(SIZE_ENDS);
        Self {
            began_with: sizes,
            ended_with: sizes,
            lost_us: Buckets::new(LOST_ENDS_US),
            waited_out: 0,
        }
    }
}

impl LeaseWaitCost {
    /// Counts one.
    pub fn add(&mut self, cost: &WaitCost) {
        let size = |holders: usize| u64::try_from(holders).unwrap_or(u64::MAX);
        self.began_with.add(size(cost.began_with));
        self.ended_with.add(size(cost.ended_with));
        self.lost_us.add(u64::try_from(cost.lost.as_micros()).unwrap_or(u64::MAX));
        self.waited_out += u64::from(cost.waited_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_one_bucket_or_beyond_them() {
        let mut cost = LeaseWaitCost::default();
        for (holders, milliseconds) in [(0, 0), (2, 5), (4, 6), (1000, 100_000)] {
            let lost = Duration::from_millis(milliseconds);
            let waited_out = holders == 2;
            cost.add(&WaitCost { began_with: holders, ended_with: 1, lost, waited_out });
        }
        assert_eq!(cost.began_with.counts, [1, 0, 1, 0, 1, 0, 0]);
        assert_eq!((cost.began_with.count, cost.began_with.sum), (4, 1006));
        assert_eq!(cost.ended_with.counts, [0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(cost.lost_us.counts, [1, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!((cost.lost_us.sum, cost.waited_out), (100_011_000, 1));
    }
}

//! The delay of a frame between two regions.
//!
//! Values only: no clock, no randomness. The same pair always has the same delay, so that the order
//! on a stream and a test's result do not depend on chance.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::region::Region;

/// The default round trip inside a region.
const WITHIN_REGION: Duration = Duration::from_micros(300);

/// One-way delays shorter than this are not waited for: the timer counts whole milliseconds and
/// would turn a third of one into two.
const SHORTEST_WAIT: Duration = Duration::from_micros(500);

/// Round trips between pairs of regions, whichever way round they are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayMatrix {
    within: Duration,
    elsewhere: Duration,
    pairs: BTreeMap<(Region, Region), Duration>,
}

impl Default for DelayMatrix {
    fn default() -> Self {
        Self::new()
    }
}

impl DelayMatrix {
    /// 0.3 ms everywhere, in effect none.
    #[must_use]
    pub const fn new() -> Self {
        Self { within: WITHIN_REGION, elsewhere: WITHIN_REGION, pairs: BTreeMap::new() }
    }

    /// Sets the round trip between two nodes of one region.
    #[must_use]
    pub const fn within(mut self, round_trip: Duration) -> Self {
        self.within = round_trip;
        self
    }

    /// Sets the round trip between regions that are not named as a pair.
    #[must_use]
    pub const fn elsewhere(mut self, round_trip: Duration) -> Self {
        self.elsewhere = round_trip;
        self
    }

    /// Sets the round trip between two regions.
    #[must_use]
    pub fn between(mut self, one: &Region, other: &Region, round_trip: Duration) -> Self {
        self.pairs.insert(pair(one, other), round_trip);
        self
    }

    /// The round trip between two places.
    #[must_use]
    pub fn round_trip(&self, one: &Region, other: &Region) -> Duration {
        if one == other {
            return self.within;
        }
        self.pairs.get(&pair(one, other)).copied().unwrap_or(self.elsewhere)
    }

    /// The delay of a frame: half a round trip, or nothing when that is too short to time.
    pub(super) fn one_way(&self, one: &Region, other: &Region) -> Duration {
        let delay = self.round_trip(one, other) / 2;
        if delay < SHORTEST_WAIT { Duration::ZERO } else { delay }
    }
}

fn pair(one: &Region, other: &Region) -> (Region, Region) {
    if one <= other { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_found_both_ways_round() {
        let (a, b, c) =
            (Region::new("aa").unwrap(), Region::new("bb").unwrap(), Region::new("cc").unwrap());
        let delays = DelayMatrix::new()
            .between(&b, &a, Duration::from_millis(80))
            .elsewhere(Duration::from_millis(20));
        assert_eq!(delays.round_trip(&a, &b), Duration::from_millis(80));
        assert_eq!(delays.one_way(&b, &a), Duration::from_millis(40));
        assert_eq!(delays.one_way(&a, &c), Duration::from_millis(10));
        assert_eq!(delays.one_way(&a, &a), Duration::ZERO);
    }
}

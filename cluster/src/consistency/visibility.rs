//! History of when entries became visible here, used to report replication lag in seconds.
//!
//! Coarse, and for status only. No promise depends on it: the stale readers of an entry use
//! [`super::AppliedTimes`], which is exact for the length of a lease and forgets the rest.
//!
//! # Precision
//! The reported lag is never longer than the true one, and shorter by less than 20 ms or an eighth
//! of it, whichever is more. Entries that existed when the replica was opened count as visible
//! since then.
//!
//! # Why it is bounded
//! Samples are thinned out as they age, so that any two, except neighbors, have at least an eighth
//! of their age between them: their number grows with the logarithm of the age, to less than 500 in
//! a hundred years.

use std::{collections::VecDeque, time::Duration};

use concordat_proto::log::LogIndex;

/// Samples may always be this close to each other.
const APART_MIN: Duration = Duration::from_millis(20);
/// They may be closer than this part of their age only to one neighbor.
const PART_OF_AGE: u32 = 8;

/// When each entry became visible.
#[derive(Debug)]
pub struct VisibilityHistory {
    /// Newest last: up to this entry, at the latest since this time.
    samples: VecDeque<(LogIndex, Duration)>,
}

impl VisibilityHistory {
    /// The history of a replica that was just opened.
    #[must_use]
    pub fn opened(visible: LogIndex, now: Duration) -> Self {
        Self { samples: VecDeque::from([(visible, now)]) }
    }

    /// The state now shows the entries up to `visible`.
    pub fn on_visible(&mut self, visible: LogIndex, now: Duration) {
        if self.samples.back().is_some_and(|(index, _)| *index >= visible) {
            return;
        }
        let earlier = self.samples.len().checked_sub(2).map(|earlier| self.samples[earlier].1);
        if earlier.is_some_and(|at| now.saturating_sub(at) < APART_MIN) {
            // Most calls of a busy replica: what thinning out would do, without looking at the rest.
            self.samples.pop_back();
            self.samples.push_back((visible, now));
            return;
        }
        self.samples.push_back((visible, now));
        let mut thinned: VecDeque<(LogIndex, Duration)> = VecDeque::new();
        for sample in self.samples.drain(..) {
            let gap = APART_MIN.max(now.saturating_sub(sample.1) / PART_OF_AGE);
            // The later sample stands in for the one between the two.
            while let Some(earlier) = thinned.len().checked_sub(2)
                && sample.1.saturating_sub(thinned[earlier].1) < gap
            {
                thinned.pop_back();
            }
            thinned.push_back(sample);
        }
        self.samples = thinned;
    }

    /// For how long the entry has been shown at least; zero when it was not shown yet.
    #[must_use]
    pub fn shown_for(&self, index: LogIndex, now: Duration) -> Duration {
        let since = self.samples.partition_point(|(shown, _)| *shown < index);
        self.samples.get(since).map_or(Duration::ZERO, |(_, at)| now.saturating_sub(*at))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    const HUNDRED_YEARS_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn what_was_there_at_the_start_counts_since_then() {
        let mut history = VisibilityHistory::opened(LogIndex(5), ms(100));
        assert_eq!(history.shown_for(LogIndex(1), ms(250)), ms(150));
        assert_eq!(history.shown_for(LogIndex(6), ms(250)), ms(0), "not yet");
        history.on_visible(LogIndex(6), ms(300));
        assert_eq!(history.shown_for(LogIndex(6), ms(3_600_300)), ms(3_600_000));
    }

    #[test]
    fn a_hundred_years_of_writes_take_little_room() {
        let mut history = VisibilityHistory::opened(LogIndex(0), ms(0));
        // A write each 21 ms; the older ones are thinned out already.
        let (mut back, mut times) = (21, Vec::new());
        while back < HUNDRED_YEARS_MS {
            times.push(HUNDRED_YEARS_MS - back);
            back += 21 + back / 50;
        }
        for (index, at) in (1_u64..).zip(times.into_iter().rev()) {
            history.on_visible(LogIndex(index), ms(at));
        }
        assert!(history.samples.len() < 500, "{}", history.samples.len());
    }

    proptest! {
        /// Never longer than the truth, nor shorter than the precision allows; and the room that it
        /// takes does not grow with the number of entries.
        #[test]
        fn told_as_precisely_as_promised(
            steps in vec((prop_oneof![4 => 1_u64..50, 1 => 1_u64..100_000], 0_u64..5), 1..300),
            quiet in 0_u64..10_000_000,
            probe: u64,
        ) {
            let mut history = VisibilityHistory::opened(LogIndex(1), ms(0));
            let (mut now, mut visible) = (0, 1);
            let mut truth = BTreeMap::from([(1, 0)]);
            for (wait, entries) in steps {
                now += wait;
                for index in visible + 1..=visible + entries {
                    truth.insert(index, now);
                }
                visible += entries;
                history.on_visible(LogIndex(visible), ms(now));
            }
            let most = 2 * usize::try_from((now / 20 + 2).ilog2() + 1).unwrap() * 7;
            prop_assert!(history.samples.len() <= most, "{} of {most}", history.samples.len());
            now += quiet;
            let index = 1 + probe % visible;
            let (reported, since) = (history.shown_for(LogIndex(index), ms(now)), now - truth[&index]);
            prop_assert!(reported <= ms(since), "{reported:?} of {since}");
            let loss = APART_MIN.max(reported / PART_OF_AGE);
            prop_assert!(reported + loss >= ms(since), "{reported:?} of {since}");
        }
    }
}

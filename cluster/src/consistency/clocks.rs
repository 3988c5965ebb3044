//! The cluster's time: the median of the wall clocks of all nodes that this node has heard from,
//! its own included.
//!
//! Log time never goes back, and TTLs use it. If a leader stamped entries with its own clock alone,
//! one clock that is a day ahead would make its group expire records a day early. With an even
//! number of clocks the lower one of the two in the middle is taken: a clock that is behind does no
//! harm, because a group's time continues from the newest stamp in its log.
//!
//! This file reports no clock as wrong, and no lease depends on it.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{id::NodeId, time::LogTime};

/// The wall clocks that other nodes have reported, and when this node received them, by its steady
/// clock.
///
/// A reported clock is kept as long as the process lives and advances at the steady clock's pace,
/// so that a node that is partitioned does not fall back to its own clock.
#[derive(Debug, Clone, Default)]
pub struct PeerClocks {
    heard: BTreeMap<NodeId, (LogTime, Duration)>,
}

impl PeerClocks {
    /// A node has reported its wall clock.
    pub fn heard(&mut self, node: NodeId, said: LogTime, steady: Duration) {
        self.heard.insert(node, (said, steady));
    }

    /// Removes the clocks of nodes that are not present any more.
    pub fn retain(&mut self, is_there: impl Fn(NodeId) -> bool) {
        self.heard.retain(|node, _| is_there(*node));
    }

    /// The median time; this node's own when no other clock is known.
    #[must_use]
    pub fn median_time(&self, own: LogTime, steady: Duration) -> LogTime {
        let goes_on = |(said, at): &(LogTime, Duration)| said.after(steady.saturating_sub(*at));
        let mut times: Vec<LogTime> = self.heard.values().map(goes_on).collect();
        times.push(own);
        let middle = (times.len() - 1) / 2;
        *times.select_nth_unstable(middle).1
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn alone_a_node_believes_itself() {
        assert_eq!(PeerClocks::default().median_time(LogTime(5), at(9)), LogTime(5));
    }

    #[test]
    fn one_clock_that_is_a_day_ahead_is_not_believed() {
        let mut clocks = PeerClocks::default();
        clocks.heard(NodeId(2), LogTime(1000), at(1));
        assert_eq!(
            clocks.median_time(LogTime(DAY_MS), at(3)),
            LogTime(3000),
            "of two, the lower one"
        );
        clocks.heard(NodeId(3), LogTime(2 * DAY_MS), at(3));
        assert_eq!(clocks.median_time(LogTime(3100), at(3)), LogTime(3100));
        // It is cut off, and its own clock goes wrong.
        assert_eq!(clocks.median_time(LogTime(9 * DAY_MS), at(603)), LogTime(2 * DAY_MS + 600_000));
        clocks.retain(|node| node != NodeId(3));
        assert_eq!(clocks.median_time(LogTime(9 * DAY_MS), at(603)), LogTime(603_000));
    }

    proptest! {
        /// While less than half of the clocks are wrong, the time agreed upon is between right ones.
        #[test]
        fn a_minority_of_wrong_clocks_changes_nothing(
            right in vec(0_u64..2000, 2..6),
            wrong in vec(any::<u64>(), 0..5),
            own_is_wrong: bool,
        ) {
            let wrong = &wrong[..wrong.len().min(right.len() - 1)];
            let mut all: Vec<u64> = right.iter().chain(wrong).copied().collect();
            if own_is_wrong && !wrong.is_empty() {
                all.reverse();
            }
            let mut clocks = PeerClocks::default();
            for (number, time) in all.iter().enumerate().skip(1) {
                clocks.heard(NodeId(number as u64), LogTime(*time), at(0));
            }
            let median_time = clocks.median_time(LogTime(all[0]), at(0)).0;
            prop_assert!(right.iter().min() <= Some(&median_time) && Some(&median_time) <= right.iter().max());
        }
    }
}

//! Whose wall clock to believe: that in the middle of all clocks of the cluster that this node has
//! heard of, its own one among them.
//!
//! Log time never goes back, and what is remembered for a time is forgotten by it. Were a leader to
//! stamp by its own clock alone, one clock that is a day ahead would for good make its group forget
//! what it keeps for a day. The lower one of two in the middle is taken: a clock that is behind does
//! no harm, for a group's time goes on from its log's newest stamp.
//!
//! Nothing is taken for wrong, and nobody is told to set a clock. No lease rests on this.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{id::NodeId, time::LogTime};

/// What the other nodes said it is, and when that was heard by this node's steady clock.
///
/// A saying stays for as long as the process lives: it goes on at the steady clock's pace, so that a
/// node that is cut off does not go back to believing itself.
#[derive(Debug, Clone, Default)]
pub struct PeerClocks {
    heard: BTreeMap<NodeId, (LogTime, Duration)>,
}

impl PeerClocks {
    /// A node has said what time it is.
    pub fn heard(&mut self, node: NodeId, said: LogTime, steady: Duration) {
        self.heard.insert(node, (said, steady));
    }

    /// Drops what nodes have said that are there no more.
    pub fn retain(&mut self, is_there: impl Fn(NodeId) -> bool) {
        self.heard.retain(|node, _| is_there(*node));
    }

    /// The time in the middle; its own when nothing was heard yet.
    #[must_use]
    pub fn agreed(&self, own: LogTime, steady: Duration) -> LogTime {
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
        assert_eq!(PeerClocks::default().agreed(LogTime(5), at(9)), LogTime(5));
    }

    #[test]
    fn one_clock_that_is_a_day_ahead_is_not_believed() {
        let mut clocks = PeerClocks::default();
        clocks.heard(NodeId(2), LogTime(1000), at(1));
        assert_eq!(clocks.agreed(LogTime(DAY_MS), at(3)), LogTime(3000), "of two, the lower one");
        clocks.heard(NodeId(3), LogTime(2 * DAY_MS), at(3));
        assert_eq!(clocks.agreed(LogTime(3100), at(3)), LogTime(3100));
        // It is cut off, and its own clock goes wrong.
        assert_eq!(clocks.agreed(LogTime(9 * DAY_MS), at(603)), LogTime(2 * DAY_MS + 600_000));
        clocks.retain(|node| node != NodeId(3));
        assert_eq!(clocks.agreed(LogTime(9 * DAY_MS), at(603)), LogTime(603_000));
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
            let agreed = clocks.agreed(LogTime(all[0]), at(0)).0;
            prop_assert!(right.iter().min() <= Some(&agreed) && Some(&agreed) <= right.iter().max());
        }
    }
}

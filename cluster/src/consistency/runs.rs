//! Detects two running processes of one node, from the requests that a peer receives.
//!
//! A copied data directory, or a machine image that was started twice, makes a second process with
//! the id of the first. Both would acknowledge and vote under one name. Each process draws a name
//! for its run and asks its peers now and then. A peer that receives requests of an earlier run
//! after a later one has begun knows that both are alive. It reports that to the later one, which
//! stops.
//!
//! A message of the earlier run that was only late never counts.

use std::collections::BTreeMap;
use std::time::Duration;

use concordat_proto::id::NodeId;

/// An earlier run's question counts when it comes this long after the later one's first: no message
/// of a process that has ended is under way for longer.
pub const LATE_MAX: Duration = Duration::from_secs(2);
/// Runs of a node that are remembered.
const RUNS_MAX: usize = 4;

#[derive(Debug, Clone, Copy)]
struct Run {
    name: u64,
    first: Duration,
    last: Duration,
}

/// The runs of each node that have asked.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    of: BTreeMap<NodeId, Vec<Run>>,
}

impl Runs {
    /// A run of a node asks: whether an earlier run of it is still at work.
    pub fn asked(&mut self, node: NodeId, name: u64, now: Duration) -> bool {
        let runs = self.of.entry(node).or_default();
        let own = match runs.iter_mut().find(|run| run.name == name) {
            Some(known) => {
                known.last = now;
                *known
            }
            None => {
                if runs.len() == RUNS_MAX {
                    runs.remove(0);
                }
                let new = Run { name, first: now, last: now };
                runs.push(new);
                new
            }
        };
        // In order of their first questions.
        let mut earlier = runs.iter().take_while(|run| run.name != name);
        earlier.any(|run| run.last > own.first + LATE_MAX)
    }

    /// Removes the nodes that are not present any more.
    pub fn retain(&mut self, is_there: impl Fn(NodeId) -> bool) {
        self.of.retain(|node, _| is_there(*node));
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const NODE: NodeId = NodeId(7);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn of_two_that_live_the_later_one_is_told() {
        let mut runs = Runs::default();
        assert!(!runs.asked(NODE, 1, at(0)));
        assert!(!runs.asked(NODE, 2, at(1000)), "the first may have ended");
        assert!(!runs.asked(NODE, 1, at(3000)), "it is the earlier one, and only late perhaps");
        assert!(!runs.asked(NODE, 2, at(3100)));
        assert!(!runs.asked(NODE, 1, at(3200)), "the earlier one is never told");
        assert!(runs.asked(NODE, 2, at(3300)));
        assert!(!runs.asked(NodeId(8), 2, at(3300)), "another node");
    }

    proptest! {
        #[test]
        fn one_process_after_another_is_never_told(
            lives in vec((1_u64..5, 0_u64..2000), 1..20),
        ) {
            let (mut runs, mut now) = (Runs::default(), 0);
            for (name, (questions, pause)) in lives.iter().enumerate() {
                for _ in 0..*questions {
                    now += 1000;
                    prop_assert!(!runs.asked(NODE, name as u64, at(now)));
                }
                // The last question of its predecessor comes late.
                if name > 0 {
                    prop_assert!(!runs.asked(NODE, name as u64 - 1, at(now.min(*pause))));
                }
            }
        }
    }
}

//! A replica that cannot report what it shows costs one lease, once: when it has been late for as
//! long as its leader tolerates, and the longest lease has passed since, it holds none of its
//! leader's leases any more. Otherwise each write waits for one.
//!
//! It is checked every few steps. The lateness that a leader reports is never longer than the
//! truth.

use std::{collections::BTreeMap, time::Duration};

use concordat_cluster::consistency::{lease::PROOF_MAX, pace};
use concordat_proto::{id::GroupId, log::LogIndex};

use crate::host::Host;

/// Between looks.
const EVERY_MS: u128 = 10;
/// A step for each thing that happens, and a clock that runs fast.
const SLACK: Duration = Duration::from_millis(250);

/// A process that leads a group: which machine, which of its lives, which term.
type Led = (usize, u64, GroupId, u64);

#[derive(Debug, Default)]
pub(crate) struct Late {
    led_since: BTreeMap<Led, Duration>,
    broken: Option<String>,
}

impl Late {
    /// Looks at all nodes that lead, at the end of a step.
    pub(crate) fn look(&mut self, hosts: &[Host], now: Duration) {
        if !now.as_millis().is_multiple_of(EVERY_MS) {
            return;
        }
        for leader in hosts.iter().filter(|host| host.node().is_some()) {
            let Some((handle, node)) = leader.door() else { continue };
            // On its clock.
            let _here = handle.enter();
            for (group, term) in node.groups().led() {
                let led = (leader.number, leader.lives(), group, term);
                let since = *self.led_since.entry(led).or_insert(now);
                for holder in hosts {
                    let (late, longest) = node.groups().lateness(group, holder.id);
                    // A new leader counts with what those before it may have granted.
                    let may_hold = pace::report_limit(longest) + PROOF_MAX + longest + SLACK;
                    if late.min(now - since) <= may_hold {
                        continue;
                    }
                    let any = LogIndex(u64::MAX);
                    let left = node.groups().lease_left_without(group, holder.id, any);
                    if left.is_some_and(|left| !left.is_zero()) {
                        self.broken.get_or_insert_with(|| {
                            format!(
                                "late: node {} has been late with group {group} for {late:?}, and its \
                                 leader {} still counts with a lease of it: each write waits for that",
                                holder.number, leader.number
                            )
                        });
                    }
                }
            }
        }
    }

    /// The finding, if there is one.
    pub(crate) fn holds(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

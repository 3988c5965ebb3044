//! No node calls a group led that has no leader: a node says so only while a leader can be heard there
//! that has a quorum, or had one no longer ago than an election waits; and for a read lease after
//! that. A leader grants leases by answers of a quorum that may be as old (`raft/lease/grant.rs`).
//! `/readyz?for=writes` and its verbose page repeat what the nodes say.
//!
//! A replica that asks for no leases has no proof of its leader, and is not judged: it is not ready
//! for writes anyhow.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_cluster::raft::{Lead, Timings, in_process::InProcessNetwork};
use concordat_proto::id::{GroupId, NodeId};

use crate::host::Host;

/// Between looks at who leads.
const EVERY_MS: u128 = 10;
/// Between looks at what the nodes say.
const JUDGED_EVERY_MS: u128 = 100;
/// How old a leader's voters may be.
const VOTERS_EVERY_MS: u128 = 500;
/// A look, a late message, voters that are out of date, and a clock that runs slow.
const SLACK: Duration = Duration::from_millis(1500);

/// A process that leads a group: which machine, which of its lives, which term.
type Led = (usize, u64, GroupId, u64);

#[derive(Debug, Default)]
pub(super) struct Readiness {
    /// The voters, as a leader had them a moment ago.
    voters: BTreeMap<Led, Vec<NodeId>>,
    /// When each voter of a leader could last hear and answer it.
    answered: BTreeMap<Led, BTreeMap<NodeId, Duration>>,
    /// By group and node: when a leader with a proof could last be heard there.
    heard: BTreeMap<(GroupId, NodeId), Duration>,
    /// Since when nodes run without a pause.
    runs_since: BTreeMap<NodeId, Duration>,
    broken: Option<String>,
}

impl Readiness {
    /// Looks at all nodes that run, at the end of a step.
    pub(super) fn look(&mut self, hosts: &[Host], network: &InProcessNetwork, now: Duration) {
        if !now.as_millis().is_multiple_of(EVERY_MS) {
            return;
        }
        let running: BTreeMap<NodeId, &Host> =
            hosts.iter().filter(|host| host.node().is_some()).map(|host| (host.id, host)).collect();
        self.runs_since.retain(|id, _| running.contains_key(id));
        for id in running.keys() {
            self.runs_since.entry(*id).or_insert(now);
        }
        for leader in running.values() {
            self.note_led(leader, &running, network, now);
        }
        if now.as_millis().is_multiple_of(JUDGED_EVERY_MS) {
            for host in running.values() {
                self.judge(host, now);
            }
        }
    }

    /// Notes where a leader can be heard, if it has a proof of its leadership.
    fn note_led(
        &mut self,
        leader: &Host,
        running: &BTreeMap<NodeId, &Host>,
        network: &InProcessNetwork,
        now: Duration,
    ) {
        let Some(node) = leader.node() else { return };
        let led = node.groups().led().into_iter();
        let led: BTreeMap<GroupId, Led> = led
            .map(|(group, term)| (group, (leader.number, leader.lives(), group, term)))
            .collect();
        let must_ask = now.as_millis().is_multiple_of(VOTERS_EVERY_MS)
            || !led.values().all(|led| self.voters.contains_key(led));
        if must_ask && !led.is_empty() {
            for status in node.groups().metrics().statuses {
                if let Some(led) = led.get(&status.group) {
                    self.voters.insert(*led, status.voters);
                }
            }
        }
        let passes = |from: &Host, to: &Host| {
            from.id == to.id || network.passes((&from.region, from.id), (&to.region, to.id))
        };
        let hears: BTreeSet<NodeId> =
            running.values().filter(|to| passes(leader, to)).map(|to| to.id).collect();
        for (group, led) in led {
            let voters = self.voters.get(&led).map_or(&[][..], Vec::as_slice);
            let answers = |voter: &&NodeId| {
                hears.contains(voter) && running.get(voter).is_some_and(|from| passes(from, leader))
            };
            let answered = self.answered.entry(led).or_default();
            answered.extend(voters.iter().filter(answers).map(|voter| (*voter, now)));
            let proved = if voters.is_empty() { Some(now) } else { proved(voters, answered) };
            if proved.is_some_and(|at| now - at <= Timings::wide_area().election_max) {
                self.heard.extend(hears.iter().map(|id| ((group, *id), now)));
            }
        }
    }

    fn judge(&mut self, host: &Host, now: Duration) {
        // Ages are by its clock.
        let Some((handle, node)) = host.door() else { return };
        let _here = handle.enter();
        for replica in node.groups().health().replicas {
            let asks = replica.is_open && replica.has_been_current && !replica.is_disk_late;
            if asks && replica.lead.is_led() {
                self.hold((replica.group, host.id, host.number), replica.lead, now);
            }
        }
    }

    /// A node says that a group is led.
    fn hold(&mut self, said: (GroupId, NodeId, usize), lead: Lead, now: Duration) {
        let (group, id, number) = said;
        let runs_since = self.runs_since.get(&id).copied().unwrap_or(now);
        let heard = self.heard.get(&(group, id)).copied().unwrap_or_default().max(runs_since);
        if now - heard > lead.counts_for + SLACK {
            self.broken.get_or_insert_with(|| {
                format!(
                    "led: node {number} says that group {group} is led; no leader that had a quorum \
                     could be heard there for {:?}: {lead:?}",
                    now - heard
                )
            });
        }
    }

    /// The finding, if there is one.
    pub(super) fn holds(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

/// Since when a leader's quorum is known to be with it: voters answer one after another, so it is the oldest
/// of the newest answers of a quorum. No quorum of a joint membership is smaller than half of all its voters here.
fn proved(voters: &[NodeId], answered: &BTreeMap<NodeId, Duration>) -> Option<Duration> {
    let mut answers: Vec<Duration> =
        voters.iter().filter_map(|voter| answered.get(voter)).copied().collect();
    answers.sort_unstable_by(|one, other| other.cmp(one));
    answers.get(voters.len().div_ceil(2).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_led_while_a_leader_is_heard_and_a_lease_longer() {
        let (group, id) = (GroupId(1), NodeId(7));
        let lead = Lead { counts_for: Duration::from_secs(1), ..Lead::default() };
        let mut readiness = Readiness::default();
        readiness.runs_since.insert(id, Duration::ZERO);
        readiness.heard.insert((group, id), Duration::from_secs(10));
        readiness.hold((group, id, 0), lead, Duration::from_secs(12));
        assert_eq!(readiness.holds(), Ok(()));
        readiness.hold((group, id, 0), lead, Duration::from_secs(13));
        assert!(readiness.holds().is_err_and(|reason| reason.starts_with("led: node 0")));
    }

    #[test]
    fn a_quorum_that_answered_one_after_another_is_one() {
        let voters = [1, 2, 3, 4, 5].map(NodeId);
        let at = |seconds| seconds_of(&voters, seconds);
        assert_eq!(proved(&voters, &at(&[9, 8, 7])), Some(Duration::from_secs(7)));
        assert_eq!(proved(&voters, &at(&[9, 2, 8, 1])), Some(Duration::from_secs(2)));
        assert_eq!(proved(&voters, &at(&[9, 8])), None);
    }

    fn seconds_of(voters: &[NodeId], seconds: &[u64]) -> BTreeMap<NodeId, Duration> {
        voters.iter().copied().zip(seconds.iter().map(|it| Duration::from_secs(*it))).collect()
    }
}

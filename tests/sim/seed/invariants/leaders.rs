//! No term of a group has two leaders. It is checked in every step: a leader that learns of another
//! one steps down a moment later. And no node calls a group led that is not.

mod readiness;

use std::{collections::BTreeMap, time::Duration};

use concordat_cluster::raft::in_process::InProcessNetwork;
use concordat_proto::id::{GroupId, NodeId};

use self::readiness::Readiness;
use crate::host::Host;

#[derive(Debug, Default)]
pub(crate) struct Leaders {
    known: BTreeMap<(GroupId, u64), NodeId>,
    readiness: Readiness,
    broken: Option<String>,
}

impl Leaders {
    /// Looks at all nodes that run, at the end of a step.
    pub(crate) fn look(&mut self, hosts: &[Host], network: &InProcessNetwork, now: Duration) {
        self.readiness.look(hosts, network, now);
        for host in hosts {
            let Some(node) = host.node() else { continue };
            for (group, term) in node.groups().led() {
                self.note(group, term, host.id);
            }
        }
    }

    fn note(&mut self, group: GroupId, term: u64, leader: NodeId) {
        let known = *self.known.entry((group, term)).or_insert(leader);
        if known != leader {
            let reason = || format!("leaders: group {group}, term {term}: {known} and {leader}");
            self.broken.get_or_insert_with(reason);
        }
    }

    /// The finding, if there is one.
    pub(crate) fn holds(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)?;
        self.readiness.holds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_has_one_leader() {
        let (group, mut leaders) = (GroupId(1), Leaders::default());
        for (group, term, leader) in [(1, 1, 7), (1, 1, 7), (1, 2, 8), (2, 1, 8), (1, 1, 7)] {
            leaders.note(GroupId(group), term, NodeId(leader));
        }
        assert_eq!(leaders.holds(), Ok(()));
        leaders.note(group, 2, NodeId(7));
        assert!(leaders.holds().is_err_and(|reason| reason.starts_with("leaders: group")));
    }
}

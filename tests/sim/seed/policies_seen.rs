//! What the nodes' states say of policies, for the judge of histories: the revisions of the cluster-wide set,
//! and the entry by which each home group has noted one at the latest. Nothing is judged here.
//!
//! An index and a revision are read from one state: at that index the group has noted that revision. A state that
//! is behind, or was put back, says less, and nothing wrong.

use std::{collections::BTreeMap, time::Duration};

use concordat_cluster::machine::{policy, query};
use concordat_node::embedded::EmbeddedNode;
use concordat_proto::id::GroupId;
use concordat_tests::policies::{Noted, PolicyChange, PolicyHistory};

use crate::host::Host;

/// Between two looks.
const EVERY_MS: u128 = 10;

/// Everything that was seen.
#[derive(Default)]
pub(crate) struct PoliciesSeen {
    is_on: bool,
    revisions: BTreeMap<u64, String>,
    /// By group and revision: the first entry at which it was seen as noted.
    noted: BTreeMap<(GroupId, u64), u64>,
    /// By machine and group: the applied index of the last look.
    looked: BTreeMap<(usize, GroupId), u64>,
}

impl PoliciesSeen {
    /// From now on there are policies.
    pub(crate) const fn begin(&mut self) {
        self.is_on = true;
    }

    /// Looks at all nodes that run.
    pub(crate) fn look(&mut self, hosts: &[Host], now: Duration) {
        if !self.is_on || !now.as_millis().is_multiple_of(EVERY_MS) {
            return;
        }
        for host in hosts {
            let Some(node) = host.node() else { continue };
            let groups = node.groups().readable_groups();
            for group in groups.into_iter().chain([GroupId::SYSTEM]) {
                let applied = node.groups().applied(group).0;
                if self.looked.insert((host.number, group), applied) != Some(applied) {
                    self.look_at(node, group);
                }
            }
        }
    }

    fn look_at(&mut self, node: &EmbeddedNode, group: GroupId) {
        let state = node.state();
        if group == GroupId::SYSTEM {
            if let Ok(Some(set)) = policy::set(state) {
                self.revisions.entry(set.revision).or_insert(set.text);
            }
            return;
        }
        let applied = query::applied(state, group).ok().and_then(|applied| applied.log_id);
        let (Some(applied), Ok(revision)) = (applied, policy::revision(state, group)) else {
            return;
        };
        let first = self.noted.entry((group, revision)).or_insert(applied.index.0);
        *first = applied.index.0.min(*first);
    }

    /// All of it, beside what clients have asked for.
    pub(crate) fn seen(&self, changes: Vec<PolicyChange>) -> PolicyHistory {
        let revisions = self.revisions.iter().map(|(revision, text)| (*revision, text.clone()));
        let noted = self.noted.iter().map(|((group, revision), index)| Noted {
            group: group.0,
            index: *index,
            revision: *revision,
        });
        PolicyHistory { changes, revisions: revisions.collect(), noted: noted.collect() }
    }
}

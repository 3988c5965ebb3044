//! Replicas that have applied the same entries have the same state: one digest for each group and
//! index, on every node and at any time.
//!
//! A digest reads the whole state. So that of a replica which applies one entry after another is taken a few
//! times a second, and that of one which applies none now and then: it must not change without an entry.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::id::GroupId;

use crate::world::{World, at_once};

/// Least time between two digests of a replica.
const EVERY: Duration = Duration::from_millis(250);
/// The same without a new entry.
const EVERY_AT_REST: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Digests {
    known: BTreeMap<(GroupId, u64), (u128, usize)>,
    /// By node, its life, and group: when, and at which index.
    looked: BTreeMap<(usize, u64, GroupId), (Duration, u64)>,
}

impl Digests {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (number, node) in world.nodes() {
            let life = world.hosts[number].lives();
            for (group, _, applied, ..) in node.groups().indexes() {
                if !self.is_due((number, life, group), world.now, applied) {
                    continue;
                }
                let Some(Ok((index, digest))) = at_once(node.groups().digest(group)) else {
                    continue;
                };
                world.trace.line(format_args!("{number} {group} {}: {digest:x}", index.0));
                self.note((group, index.0), digest, number)?;
            }
        }
        Ok(())
    }

    /// Whether a replica is to be looked at now; if so, it is noted.
    fn is_due(&mut self, replica: (usize, u64, GroupId), now: Duration, applied: u64) -> bool {
        let looked = self.looked.get(&replica);
        let is_due = looked.is_none_or(|(at, index)| {
            now - *at >= if *index == applied { EVERY_AT_REST } else { EVERY }
        });
        if is_due {
            self.looked.insert(replica, (now, applied));
        }
        is_due
    }

    fn note(&mut self, at: (GroupId, u64), digest: u128, number: usize) -> Result<(), String> {
        let (known, other) = *self.known.entry(at).or_insert((digest, number));
        if known != digest {
            let (group, index) = at;
            return Err(format!("digests: group {group} at {index}: {number} and {other} differ"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_index_has_one_digest() {
        let mut digests = Digests::default();
        digests.note((GroupId(1), 7), 1, 0).expect("the first");
        digests.note((GroupId(1), 8), 2, 0).expect("of another index");
        assert_eq!(digests.note((GroupId(1), 7), 1, 1), Ok(()));
        assert!(digests.note((GroupId(1), 7), 2, 1).is_err_and(|it| it.contains("1 and 0 differ")));
    }

    #[test]
    fn a_replica_is_looked_at_when_it_has_changed_and_sometimes_when_not() {
        let mut digests = Digests::default();
        let replica = (3, 1, GroupId(1));
        let at = Duration::from_secs(9);
        assert!(digests.is_due(replica, at, 7));
        assert!(!digests.is_due(replica, at + EVERY, 7), "nothing has changed");
        assert!(!digests.is_due(replica, at + EVERY / 2, 8), "too soon");
        assert!(digests.is_due(replica, at + EVERY, 8));
        assert!(digests.is_due(replica, at + EVERY + EVERY_AT_REST, 8));
        assert!(digests.is_due((3, 2, GroupId(1)), at + EVERY, 7), "another life");
    }
}

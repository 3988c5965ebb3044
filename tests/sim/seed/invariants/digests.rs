//! Replicas that have applied the same entries have the same state: one digest for each group and
//! index, on every node and at any time.

use std::collections::BTreeMap;

use concordat_proto::id::GroupId;

use crate::world::{World, at_once};

#[derive(Default)]
pub(super) struct Digests(BTreeMap<(GroupId, u64), (u128, usize)>);

impl Digests {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (number, node) in world.nodes() {
            for (group, ..) in node.groups().metrics().groups {
                let Some(Ok((index, digest))) = at_once(node.groups().digest(group)) else {
                    continue;
                };
                world.trace.line(format_args!("{number} {group} {}: {digest:x}", index.0));
                self.note((group, index.0), digest, number)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, at: (GroupId, u64), digest: u128, number: usize) -> Result<(), String> {
        let (known, other) = *self.0.entry(at).or_insert((digest, number));
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
}

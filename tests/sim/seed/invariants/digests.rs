//! Replicas that have applied the same entries have the same state: one digest for each group and
//! index, whoever computes it and whenever.

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
                let known = self.0.entry((group, index.0)).or_insert((digest, number));
                if known.0 != digest {
                    let other = known.1;
                    return Err(format!(
                        "digests: group {group} at {}: nodes {number} and {other} differ",
                        index.0
                    ));
                }
            }
        }
        Ok(())
    }
}

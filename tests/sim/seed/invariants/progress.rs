//! What a process has shown of a group it goes on to show: the index that its reads stand at never
//! goes back while it lives, nor does its term.

use std::collections::BTreeMap;

use concordat_proto::id::GroupId;

use crate::world::World;

#[derive(Default)]
pub(super) struct Progress(BTreeMap<(u64, u64, GroupId), (u64, u64)>);

impl Progress {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (number, node) in world.nodes() {
            let host = &world.hosts[number];
            for (group, term, applied, ..) in node.groups().metrics().groups {
                let shown = self.0.entry((host.id.0, host.lives(), group)).or_default();
                if shown.0 > term || shown.1 > applied {
                    return Err(format!(
                        "progress: node {number}, group {group}: from term {} and index {} to \
                         {term} and {applied}",
                        shown.0, shown.1
                    ));
                }
                *shown = (term, applied);
            }
        }
        Ok(())
    }
}

//! No term of a group has two leaders.

use std::collections::BTreeMap;

use concordat_proto::id::{GroupId, NodeId};

use crate::world::World;

#[derive(Default)]
pub(super) struct Leaders(BTreeMap<(GroupId, u64), NodeId>);

impl Leaders {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (number, node) in world.nodes() {
            let id = world.hosts[number].id;
            for (group, term, _, _, leads) in node.groups().metrics().groups {
                if !leads {
                    continue;
                }
                let known = *self.0.entry((group, term)).or_insert(id);
                if known != id {
                    return Err(format!("leaders: group {group}, term {term}: {known} and {id}"));
                }
            }
        }
        Ok(())
    }
}

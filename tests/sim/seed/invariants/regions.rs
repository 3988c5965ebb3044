//! No region counts whose name was not added: neither the state of any node nor a group's
//! membership has a node of it.
//!
//! The names come from the machines' settings and the operator's commands, not from the nodes'
//! records.

use crate::world::World;

/// Looks at all nodes that run.
pub(super) fn look(world: &World) -> Result<(), String> {
    for (number, node) in world.nodes() {
        let groups = node.groups();
        let regions = groups.regions().into_iter().map(|view| view.record.region);
        let of_nodes = groups.nodes().into_iter().map(|view| view.record.region);
        if let Some(region) = regions.chain(of_nodes).find(|it| !world.named.contains(it)) {
            return Err(format!("regions: {region} counts at {number}, and nobody has named it"));
        }
    }
    Ok(())
}

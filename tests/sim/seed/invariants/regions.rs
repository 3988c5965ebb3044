//! No region counts that nobody has named: neither the state of any node nor a group's membership has a
//! node of it.
//!
//! What was named is what the machines' settings and the operator have said, not what the nodes have
//! recorded of it.

use crate::world::World;

/// Looks at all nodes that run.
pub(super) fn look(world: &World) -> Result<(), String> {
    for (number, node) in world.nodes() {
        let groups = node.groups();
        let regions = groups.regions().into_iter().map(|standing| standing.record.region);
        let of_nodes = groups.nodes().into_iter().map(|standing| standing.record.region);
        if let Some(region) = regions.chain(of_nodes).find(|it| !world.named.contains(it)) {
            return Err(format!("regions: {region} counts at {number}, and nobody has named it"));
        }
    }
    Ok(())
}

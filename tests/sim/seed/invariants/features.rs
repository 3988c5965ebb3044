//! No node ever meets an entry that its build cannot read, and once all builds are of one release the
//! cluster has that release's feature level everywhere.

use concordat_proto::version::FEATURE_LEVEL;

use crate::world::World;

/// The text with which a node reports one.
const UNREADABLE: &str = "a committed entry cannot be read";

/// Looks at all nodes that run.
pub(super) fn look(world: &World) -> Result<(), String> {
    for host in &world.hosts {
        if let Some(fault) = host.fault().filter(|fault| fault.contains(UNREADABLE)) {
            let (number, level) = (host.number, host.feature_level);
            return Err(format!("features: {number}, which knows level {level}: {fault}"));
        }
    }
    Ok(())
}

/// Whether every node knows by now that the cluster has the newest level.
pub(crate) fn raised(world: &World) -> Result<(), String> {
    for (number, node) in world.nodes() {
        let level = node.groups().feature_level();
        if level != FEATURE_LEVEL {
            return Err(format!("features: the cluster has level {level} at {number}"));
        }
    }
    Ok(())
}

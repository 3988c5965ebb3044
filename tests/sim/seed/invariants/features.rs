//! No node ever meets an entry that its build cannot read, nor writes a log that the release before
//! cannot read, until the level has risen. Once all builds are of one release the cluster has that
//! release's feature level everywhere.

use concordat_proto::version::{FEATURE_LEVEL, LEVEL_OF_CARRIED_ENTRIES};

use crate::world::World;

/// The text with which a node reports one.
const UNREADABLE: &str = "a committed entry cannot be read";

/// The format version of the log's segments that every release reads.
const FIRST_FORMAT: u32 = 1;

/// The newest level that any node has had.
#[derive(Default)]
pub(super) struct Features {
    newest: u32,
}

impl Features {
    /// Looks at all nodes that run.
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (_, node) in world.nodes() {
            self.newest = self.newest.max(node.groups().feature_level());
        }
        let formats =
            world.hosts.iter().filter_map(|host| Some((host, host.log()?.stats().format)));
        for (host, format) in formats {
            if format > FIRST_FORMAT && self.newest < LEVEL_OF_CARRIED_ENTRIES {
                let (number, level) = (host.number, self.newest);
                return Err(format!(
                    "features: {number} writes a log of format {format} at level {level}"
                ));
            }
        }
        entries_are_readable(world)
    }
}

fn entries_are_readable(world: &World) -> Result<(), String> {
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

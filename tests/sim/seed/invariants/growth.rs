//! The log is given back: once nothing is in the way, the entries of a node's groups take no more bytes than
//! its settings say.
//!
//! Groups that are closed do not count: their replicas are gone, and so is who would purge.

use crate::world::World;

/// The last entries of its groups stay, and a look at the log takes a second.
const SLACK: u64 = 16 << 10;

/// Whether every running node's log is within its bounds; clusters whose logs are bounded by number are not
/// looked at. The error names the node.
pub(crate) fn bounded(world: &World) -> Result<(), String> {
    let bytes_max = world.shape.retention.bytes;
    if bytes_max == u64::MAX {
        return Ok(());
    }
    for host in &world.hosts {
        let (Some(node), Some(log)) = (host.node(), host.log()) else { continue };
        let groups = node.groups().metrics().groups;
        let bytes: u64 = groups.iter().map(|(group, ..)| log.group_bytes(group.0)).sum();
        if bytes > bytes_max.saturating_add(SLACK) {
            let number = host.number;
            return Err(format!("{number} keeps {bytes} bytes of log, and shall keep {bytes_max}"));
        }
    }
    Ok(())
}

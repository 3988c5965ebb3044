//! Log matching: an entry of one term and index is the same on every node that has it (Raft, section
//! 5.3). And the log is given back: once nothing is in the way, the entries of a node's groups take no more
//! bytes than its settings say. Closed groups do not count: their replicas are gone, and so is what would purge.

use std::collections::BTreeMap;

use crate::world::World;

const READ_BYTES: usize = 1 << 20;
/// Looked at again, for they may have been replaced.
const AGAIN: u64 = 64;
/// Bytes beyond the settings: the last entries of the groups stay, and a look at the log takes a second.
const SLACK: u64 = 16 << 10;

/// Group, index and term.
type Key = (u32, u64, u64);

#[derive(Default)]
pub(super) struct Logs {
    entries: BTreeMap<Key, (u32, usize)>,
    /// By node and group: how far it was looked at.
    seen: BTreeMap<(u64, u32), u64>,
    snapshots: u64,
}

impl Logs {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for host in &world.hosts {
            let Some(log) = host.log().filter(|_| host.node().is_some()) else { continue };
            for group in log.groups() {
                let state = log.state(group);
                let Some(last) = state.last else { continue };
                let seen = self.seen.entry((host.id.0, group)).or_default();
                // The log continues behind a point that it never had.
                if *seen > 0 && state.purged_index > *seen {
                    self.snapshots += 1;
                }
                let from = state.first_index.max(seen.saturating_sub(AGAIN));
                *seen = last.index;
                let Ok(records) = log.read(group, from, last.index + 1, READ_BYTES) else {
                    continue;
                };
                for record in records {
                    let key = (group, record.id.index, record.id.term);
                    self.note(key, &record.payload, host.number)?;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, key: Key, payload: &[u8], number: usize) -> Result<(), String> {
        let sum = crc32c::crc32c(payload);
        let (known, other) = *self.entries.entry(key).or_insert((sum, number));
        if known != sum {
            return Err(format!("logs: {key:?} differs at {number} and {other}"));
        }
        Ok(())
    }

    pub(super) fn snapshots(&self) -> u64 {
        self.snapshots
    }
}

/// Whether every running node's log is within its bounds; clusters whose logs are bounded by number are not
/// looked at. The error names the node.
pub(crate) fn bounded(world: &World) -> Result<(), String> {
    let bytes_max = world.shape.retention.bytes;
    if bytes_max == u64::MAX {
        return Ok(());
    }
    for host in &world.hosts {
        let (Some(node), Some(log)) = (host.node(), host.log()) else { continue };
        let groups = node.groups().indexes();
        let bytes: u64 = groups.iter().map(|(group, ..)| log.group_bytes(group.0)).sum();
        if bytes > bytes_max.saturating_add(SLACK) {
            let number = host.number;
            return Err(format!("{number} keeps {bytes} bytes of log, and shall keep {bytes_max}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_same_everywhere() {
        let mut logs = Logs::default();
        logs.note((1, 7, 2), b"one", 0).expect("the first");
        logs.note((1, 7, 3), b"two", 1).expect("of a later term, in its place");
        logs.note((2, 7, 2), b"two", 1).expect("of another group");
        assert_eq!(logs.note((1, 7, 2), b"one", 2), Ok(()));
        assert!(logs.note((1, 7, 2), b"two", 2).is_err_and(|reason| reason.contains("2 and 0")));
    }
}

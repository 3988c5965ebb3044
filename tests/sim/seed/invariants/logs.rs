//! Log matching: an entry of one term and index is the same on every node that has it (Raft, section
//! 5.3).

use std::collections::BTreeMap;

use crate::world::World;

const READ_BYTES: usize = 1 << 20;
/// Looked at again, for they may have been replaced.
const AGAIN: u64 = 64;

#[derive(Default)]
pub(super) struct Logs {
    /// By group, index and term.
    entries: BTreeMap<(u32, u64, u64), (u32, usize)>,
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
                // The log goes on behind a point that it never had.
                if *seen > 0 && state.purged_index > *seen {
                    self.snapshots += 1;
                }
                let from = state.first_index.max(seen.saturating_sub(AGAIN));
                *seen = last.index;
                let Ok(records) = log.read(group, from, last.index + 1, READ_BYTES) else {
                    continue;
                };
                for record in records {
                    let sum = crc32c::crc32c(&record.payload);
                    let key = (group, record.id.index, record.id.term);
                    let (known, other) = *self.entries.entry(key).or_insert((sum, host.number));
                    if known != sum {
                        let number = host.number;
                        return Err(format!("logs: {key:?} differs at {number} and {other}"));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn snapshots(&self) -> u64 {
        self.snapshots
    }
}

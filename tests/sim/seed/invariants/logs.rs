//! Log matching: an entry of one term and index is the same on every node that has it (Raft, section
//! 5.3).

use std::collections::BTreeMap;

use crate::world::World;

const READ_BYTES: usize = 1 << 20;
/// Looked at again, for they may have been replaced.
const AGAIN: u64 = 64;

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

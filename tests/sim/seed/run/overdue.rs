//! What has expired is removed by the entries that follow: each removes some of it, so that a group with
//! enough entries keeps nothing that was due before them. A group without entries is not judged: its log
//! time does not advance. It must change nothing.

use std::{collections::BTreeMap, time::Duration};

use concordat_cluster::{raft::WallClock, store::keys};
use concordat_proto::id::GroupId;

use crate::world::World;

/// After this many entries of a group nothing of it is overdue. Each removes up to
/// `limits::FORGET_PER_ENTRY_MAX` records, and some of them are of one moment.
const ENTRIES: u64 = 64;
/// A record is overdue when it was due this long ago: clocks and log times differ.
const SLACK: Duration = Duration::from_secs(30);

/// Where the groups were at the first look.
#[derive(Debug, Default)]
pub(super) struct Overdue(BTreeMap<(usize, u64, GroupId), u64>);

impl Overdue {
    /// Whether nothing is overdue. The error names a node.
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for host in &world.hosts {
            let Some(node) = host.node() else { continue };
            let due = host.wall.now().0.saturating_sub(SLACK.as_millis().try_into().unwrap_or(0));
            let mut overdue: BTreeMap<GroupId, usize> = BTreeMap::new();
            for (key, _) in host.store().pairs() {
                let (Some((expires, _)), Some(parsed)) =
                    (keys::parse_expiry(&key), keys::parse(&key))
                else {
                    continue;
                };
                if expires.0 < due {
                    *overdue.entry(parsed.group).or_default() += 1;
                }
            }
            for (group, _, applied, ..) in node.groups().metrics().groups {
                let place = (host.number, host.lives(), group);
                let began = *self.0.entry(place).or_insert(applied);
                let left = overdue.get(&group).copied().unwrap_or_default();
                judge(applied - began, left)
                    .map_err(|reason| format!("node {}, group {group}: {reason}", host.number))?;
            }
        }
        Ok(())
    }
}

/// Judges a replica that has had this many entries since the first look, and this much that is overdue.
fn judge(entries: u64, overdue: usize) -> Result<(), String> {
    if overdue > 0 && entries >= ENTRIES {
        return Err(format!("{overdue} records are overdue after {entries} entries"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overdue_after_enough_entries() {
        assert_eq!(judge(ENTRIES - 1, 7), Ok(()));
        assert_eq!(judge(ENTRIES, 0), Ok(()));
        assert!(judge(ENTRIES, 1).is_err());
    }
}

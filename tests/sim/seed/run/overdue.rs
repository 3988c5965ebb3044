//! What is kept without need. What has expired is removed by the entries that follow: each removes some of
//! it, so that a group with enough entries keeps nothing that was due before them. A group without entries is
//! not judged: its log time does not advance. And no node keeps a state that nothing reads: of a snapshot that
//! did not arrive, or from before one that did. It must change nothing.

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
            let store = node.groups().store();
            for (group, _, applied, ..) in node.groups().indexes() {
                let place = (host.number, host.lives(), group);
                let began = *self.0.entry(place).or_insert(applied);
                let prefix = keys::kind_prefix(group, keys::NO_ORG, keys::Kind::Expiry);
                let records = store.scan(&prefix, None, usize::MAX);
                let records = records.map_err(|error| format!("growth: {error}"))?;
                let times = records.iter().filter_map(|(key, _)| keys::parse_expiry(key));
                let left = times.filter(|(expires, _)| expires.0 < due).count();
                judge(applied - began, left)
                    .map_err(|reason| format!("node {}, group {group}: {reason}", host.number))?;
            }
        }
        Ok(())
    }
}

/// Whether no node has anything in a spare slot, once no snapshot is under way.
pub(super) fn no_spare_state(world: &World) -> Result<(), String> {
    for (number, node) in world.nodes() {
        let used = node.groups().used_spares().map_err(|error| error.to_string())?;
        if let Some(group) = used.first() {
            return Err(format!("node {number} keeps a state of group {group} that nothing reads"));
        }
    }
    Ok(())
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

//! An entry that a receipt names as applied in a region is on a disk there: the node that reported
//! it had synced it before. A power failure of all that region's machines at that moment would lose
//! nothing.
//!
//! It does not judge regions in which a machine is off, new, or was altered: that may have been the
//! one.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{
    id::{GroupId, NodeId},
    region::Region,
};

use crate::host::Host;

/// A machine that joined or was wiped this long ago is not the one that an answer is about.
const SETTLED: Duration = Duration::from_secs(10);

/// Since when each machine has its present disk.
#[derive(Debug, Default)]
pub(super) struct Disks(BTreeMap<usize, (NodeId, Duration)>);

impl Disks {
    /// Looks who has which.
    pub(super) fn look(&mut self, hosts: &[Host], now: Duration) {
        for host in hosts {
            let known = self.0.entry(host.number).or_insert((host.id, now));
            if known.0 != host.id {
                *known = (host.id, now);
            }
        }
    }

    /// Why an entry that was reported in a region is on no disk there, if so.
    pub(super) fn lack(
        &self,
        hosts: &[Host],
        region: &Region,
        (group, index): (GroupId, u64),
        now: Duration,
    ) -> Option<String> {
        let mut synced = Vec::new();
        for host in hosts.iter().filter(|host| host.region == *region) {
            let since = self.0.get(&host.number).map(|(_, since)| *since)?;
            let log = host.log().filter(|_| !host.is_harmed && now - since >= SETTLED)?;
            synced.push(log.synced_index(group.0).max(log.state(group.0).purged_index));
        }
        is_lacked(&synced, index).then(|| {
            format!(
                "synced: {index} of group {group} was told to be in {region}, whose disks have it up \
                 to {synced:?}"
            )
        })
    }
}

/// Whether an index is on none of the disks.
fn is_lacked(synced: &[u64], index: u64) -> bool {
    !synced.is_empty() && synced.iter().all(|synced| *synced < index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disk_is_enough() {
        assert!(is_lacked(&[6, 0], 7));
        assert!(!is_lacked(&[6, 7], 7));
        assert!(!is_lacked(&[], 7), "nobody is known to have been there");
    }
}

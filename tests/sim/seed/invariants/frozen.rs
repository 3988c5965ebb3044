//! Without a fault, a moving organization accepts writes again after the longest lease and some
//! steps, however many move at once.
//!
//! It is checked only while every group has its quorum and its leader, and no node is cut off.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_cluster::machine::query;
use concordat_proto::id::{GroupId, OrgId};

use crate::world::World;

/// The time of a move beside the longest lease: the round trips between its two homes, and the
/// disks.
const STEPS: Duration = Duration::from_millis(1500);

/// Since when organizations are frozen and in no new home, and their next epoch.
#[derive(Default)]
pub(crate) struct Frozen {
    since: BTreeMap<(OrgId, u32), Duration>,
    longest: Duration,
}

impl Frozen {
    /// Looks at all nodes that run; the longest time that any organization was frozen.
    pub(crate) fn look(&mut self, world: &World) -> Result<(), String> {
        let mut released: BTreeSet<(OrgId, u32)> = BTreeSet::new();
        let mut newest: BTreeMap<OrgId, u32> = BTreeMap::new();
        let mut limit = Duration::ZERO;
        for (_, node) in world.nodes() {
            for (group, ..) in node.groups().indexes() {
                if group == GroupId::SYSTEM {
                    continue;
                }
                let leases = query::leases(node.state(), group).unwrap_or_default();
                limit = limit.max(leases.stretched(leases.longest) + STEPS);
                for org in query::on_move(node.state(), group).unwrap_or_default() {
                    let home = query::home(node.state(), group, org).ok().flatten();
                    if let Some(release) = home.and_then(|home| home.release) {
                        released.insert((org, release.epoch));
                    }
                }
            }
        }
        for (_, node) in world.nodes() {
            for (org, _) in &released {
                for (group, ..) in node.groups().indexes() {
                    let home = query::home(node.state(), group, *org).ok().flatten();
                    if let Some(home) = home.filter(|home| home.release.is_none()) {
                        let known = newest.entry(*org).or_default();
                        *known = (*known).max(home.org.epoch);
                    }
                }
            }
        }
        let is_frozen =
            |(org, epoch): &(OrgId, u32)| newest.get(org).is_none_or(|newest| newest < epoch);
        let frozen: Vec<(OrgId, u32)> = released.into_iter().filter(is_frozen).collect();
        self.judge(&frozen, world.now, limit)
    }

    fn judge(
        &mut self,
        frozen: &[(OrgId, u32)],
        now: Duration,
        limit: Duration,
    ) -> Result<(), String> {
        self.since.retain(|org, _| frozen.contains(org));
        for org in frozen {
            let since = *self.since.entry(*org).or_insert(now);
            self.longest = self.longest.max(now - since);
            if now - since > limit {
                return Err(format!(
                    "frozen: {} cannot be written to for {:?}, more than {limit:?}; {} at once",
                    org.0,
                    now - since,
                    frozen.len()
                ));
            }
        }
        Ok(())
    }

    /// The longest time that any organization was frozen.
    pub(crate) const fn longest(&self) -> Duration {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_is_frozen_for_its_own_move_only() {
        let (one, two) = ((OrgId::from_bytes([1; 16]), 2), (OrgId::from_bytes([2; 16]), 2));
        let (second, limit) = (Duration::from_secs(1), Duration::from_secs(3));
        let mut frozen = Frozen::default();
        assert_eq!(frozen.judge(&[one], second, limit), Ok(()));
        assert_eq!(frozen.judge(&[one, two], 4 * second, limit), Ok(()));
        assert_eq!(frozen.judge(&[two], 5 * second, limit), Ok(()), "the first has arrived");
        assert_eq!(frozen.longest(), 3 * second);
        let reason = frozen.judge(&[two], 8 * second, limit).expect_err("too long");
        assert!(reason.starts_with("frozen: "), "{reason}");
    }
}

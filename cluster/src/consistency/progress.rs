//! The known applied index of each replica of one group, for status and for waits that begin.
//! [`super::Waiters`] judges whether a write has *reached* a region.
//!
//! Progress only grows: a late report never lowers it. A node must report only entries that are
//! visible to its readers and synced, or this table would be wrong after a restart.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{id::NodeId, log::LogIndex, region::Region};

/// A replica that this node has not heard from for longer counts as not live for placement and
/// status. No promise depends on it.
pub const LIVE_WINDOW: Duration = Duration::from_secs(1);

/// The progress of one group's replicas.
#[derive(Debug, Clone, Default)]
pub struct ProgressTable {
    replicas: BTreeMap<NodeId, Replica>,
}

#[derive(Debug, Clone)]
struct Replica {
    region: Region,
    applied: Option<LogIndex>,
    /// When it last reported.
    reported: Option<Duration>,
}

impl Replica {
    fn is_live(&self, now: Duration) -> bool {
        self.reported.is_some_and(|reported| now.saturating_sub(reported) <= LIVE_WINDOW)
    }
}

/// One region's progress, for status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionLag {
    /// The region.
    pub region: Region,
    /// The index that every live replica of it has applied; zero when nothing is known.
    pub applied: LogIndex,
    /// Entries between the furthest replica of the group and `applied`.
    pub lag_entries: u64,
    /// Age of the oldest report that counts, or of the newest one when no replica is live.
    pub age: Option<Duration>,
}

impl ProgressTable {
    /// Replaces the membership. Members that stay keep their progress; a member that left and
    /// returns begins anew.
    pub fn set_members(&mut self, members: BTreeMap<NodeId, Region>) {
        let mut before = std::mem::take(&mut self.replicas);
        let replica = |(node, region): (NodeId, Region)| {
            let kept = before.remove(&node).filter(|replica| replica.region == region);
            let new = Replica { region, applied: None, reported: None };
            (node, kept.unwrap_or(new))
        };
        self.replicas = members.into_iter().map(replica).collect();
    }

    /// A replica has reported how far it has applied. One that is no member is not listened to.
    pub fn on_report(&mut self, node: NodeId, applied: LogIndex, now: Duration) {
        if let Some(replica) = self.replicas.get_mut(&node) {
            replica.applied = replica.applied.max(Some(applied));
            replica.reported = replica.reported.max(Some(now));
        }
    }

    /// A replica's reported index.
    #[must_use]
    pub fn applied_of(&self, node: NodeId) -> Option<LogIndex> {
        self.replicas.get(&node)?.applied
    }

    /// The index that every live replica of the region has applied; without a live one, the
    /// furthest replica's.
    fn applied_up_to(&self, region: &Region, now: Duration) -> Option<LogIndex> {
        let live = self.of_region(region).filter(|replica| replica.is_live(now));
        match live.map(|replica| replica.applied).min() {
            Some(behind_most) => behind_most,
            None => self.of_region(region).filter_map(|replica| replica.applied).max(),
        }
    }

    /// Every region's lag, in order of name.
    #[must_use]
    pub fn region_lags(&self, now: Duration) -> Vec<RegionLag> {
        let furthest = self.replicas.values().filter_map(|replica| replica.applied).max();
        let furthest = furthest.unwrap_or_default();
        let lag = |region: &Region| {
            let applied = self.applied_up_to(region, now).unwrap_or_default();
            let live = || self.of_region(region).filter(|replica| replica.is_live(now));
            let counts = if live().next().is_some() {
                live().filter_map(|replica| replica.reported).min()
            } else {
                self.of_region(region).filter_map(|replica| replica.reported).max()
            };
            RegionLag {
                region: region.clone(),
                applied,
                lag_entries: furthest.0.saturating_sub(applied.0),
                age: counts.map(|reported| now.saturating_sub(reported)),
            }
        };
        self.region_names().into_iter().map(lag).collect()
    }

    fn of_region<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = &'a Replica> {
        self.replicas.values().filter(move |replica| replica.region == *region)
    }

    fn region_names(&self) -> Vec<&Region> {
        let mut names: Vec<&Region> =
            self.replicas.values().map(|replica| &replica.region).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

//! What is known of how far each replica of one group has applied its log, for status and for
//! waits that begin. Whether a write has *reached* a region is judged by [`super::Waiters`].
//!
//! Progress only grows: a report that comes late never lowers it. What a node reports it must have
//! both visible to its readers and synced, or a restart would make this table lie.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{id::NodeId, log::LogIndex, region::Region};

use super::HEARD_WINDOW;

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
    /// When anything last came from it.
    heard: Option<Duration>,
}

impl Replica {
    fn is_live(&self, now: Duration) -> bool {
        self.heard.is_some_and(|heard| now.saturating_sub(heard) <= HEARD_WINDOW)
    }
}

/// How far one region is, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionLag {
    /// The region.
    pub region: Region,
    /// What every live replica of it has applied; zero when nothing is known.
    pub applied: LogIndex,
    /// The furthest of its replicas.
    pub applied_max: LogIndex,
    /// Entries between the furthest replica of the group and `applied`.
    pub lag_entries: u64,
    /// Age of the oldest report that counts, or of the newest one when no replica is live.
    pub age: Option<Duration>,
    /// Whether any of its replicas was heard of within the window.
    pub live: bool,
}

impl ProgressTable {
    /// Takes over the membership. Whoever stays keeps its progress; whoever went and comes back
    /// begins anew.
    pub fn set_members(&mut self, members: BTreeMap<NodeId, Region>) {
        let mut before = std::mem::take(&mut self.replicas);
        let replica = |(node, region): (NodeId, Region)| {
            let kept = before.remove(&node).filter(|replica| replica.region == region);
            let new = Replica { region, applied: None, reported: None, heard: None };
            (node, kept.unwrap_or(new))
        };
        self.replicas = members.into_iter().map(replica).collect();
    }

    /// A replica has reported how far it has applied. One that is no member is not listened to.
    pub fn on_report(&mut self, node: NodeId, applied: LogIndex, now: Duration) {
        if let Some(replica) = self.replicas.get_mut(&node) {
            replica.applied = replica.applied.max(Some(applied));
            replica.reported = replica.reported.max(Some(now));
            replica.heard = replica.heard.max(Some(now));
        }
    }

    /// Anything has come from a node.
    pub fn on_heard(&mut self, node: NodeId, now: Duration) {
        if let Some(replica) = self.replicas.get_mut(&node) {
            replica.heard = replica.heard.max(Some(now));
        }
    }

    /// How far a replica has reported.
    #[must_use]
    pub fn applied_of(&self, node: NodeId) -> Option<LogIndex> {
        self.replicas.get(&node)?.applied
    }

    /// What every live replica of the region has applied; without a live one, what the furthest has.
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
            let any_live = live().next().is_some();
            let counts = if any_live {
                live().filter_map(|replica| replica.reported).min()
            } else {
                self.of_region(region).filter_map(|replica| replica.reported).max()
            };
            RegionLag {
                region: region.clone(),
                applied,
                applied_max: self
                    .of_region(region)
                    .filter_map(|replica| replica.applied)
                    .max()
                    .unwrap_or_default(),
                lag_entries: furthest.0.saturating_sub(applied.0),
                age: counts.map(|reported| now.saturating_sub(reported)),
                live: any_live,
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

//! What is known of how far each replica of one group has applied its log.
//!
//! Progress only grows: a report that comes late never lowers it. What a node reports it must have
//! both visible to its readers and synced, or a restart would make this table lie.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_proto::{
    consistency::RequiredConsistency, id::NodeId, log::LogIndex, region::Region,
};

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

    fn has_applied(&self, index: LogIndex) -> bool {
        self.applied.is_some_and(|applied| applied >= index)
    }
}

/// How far one region is, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionLag {
    /// The region.
    pub region: Region,
    /// The index up to which the region is reached now; zero when nothing is known.
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

    /// Whether every read that starts in the region from now on sees the entry: a replica has
    /// reported it, and so has every one heard of within the window.
    #[must_use]
    pub fn reached(&self, region: &Region, index: LogIndex, now: Duration) -> bool {
        let mut any = false;
        for replica in self.of_region(region) {
            let applied = replica.has_applied(index);
            if !applied && replica.is_live(now) {
                return false;
            }
            any |= applied;
        }
        any
    }

    /// The regions of the membership, in order of name.
    #[must_use]
    pub fn member_regions(&self) -> BTreeSet<Region> {
        self.region_names().into_iter().cloned().collect()
    }

    /// The greatest index that has reached the region; what is below it has, too.
    #[must_use]
    pub fn reached_up_to(&self, region: &Region, now: Duration) -> Option<LogIndex> {
        let live = self.of_region(region).filter(|replica| replica.is_live(now));
        match live.map(|replica| replica.applied).min() {
            Some(behind_most) => behind_most,
            None => self.of_region(region).filter_map(|replica| replica.applied).max(),
        }
    }

    /// Whether a write at this index has arrived as far as its caller asked.
    #[must_use]
    pub fn satisfied(
        &self,
        required: RequiredConsistency,
        caller_region: &Region,
        index: LogIndex,
        now: Duration,
    ) -> bool {
        match required {
            RequiredConsistency::LocalRegion => self.reached(caller_region, index, now),
            RequiredConsistency::AllRegions => {
                let regions = self.regions(index, now);
                !regions.is_empty() && regions.iter().all(|(_, reached)| *reached)
            }
        }
    }

    /// Every region of the membership in order of name, and whether the entry has reached it.
    #[must_use]
    pub fn regions(&self, index: LogIndex, now: Duration) -> Vec<(Region, bool)> {
        let names = self.region_names();
        names.into_iter().map(|region| (region.clone(), self.reached(region, index, now))).collect()
    }

    /// Every region's lag, in order of name.
    #[must_use]
    pub fn region_lags(&self, now: Duration) -> Vec<RegionLag> {
        let furthest = self.replicas.values().filter_map(|replica| replica.applied).max();
        let furthest = furthest.unwrap_or_default();
        let lag = |region: &Region| {
            let applied = self.reached_up_to(region, now).unwrap_or_default();
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

    /// How long until a live replica that holds its region back falls out of the window, if it
    /// stays silent: then waiters must be looked at again. Without a report nothing changes before.
    #[must_use]
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        let holds_back = |replica: &&Replica| {
            replica.is_live(now)
                && self.of_region(&replica.region).any(|other| other.applied > replica.applied)
        };
        let due = |replica: &Replica| {
            let last_live = replica.heard?.saturating_add(HEARD_WINDOW);
            Some(last_live.saturating_sub(now).saturating_add(Duration::from_nanos(1)))
        };
        self.replicas.values().filter(holds_back).filter_map(due).min()
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

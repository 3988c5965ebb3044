//! The promise of a 2xx, checked in every step: from the moment the client gets it, no node in its
//! scope would give a fresh answer without the write; and in each region in its scope some node has
//! it.
//!
//! Clients see a broken promise only where they happen to read; this checks the state that a read
//! would see. It judges only answers that a client has received.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use concordat_cluster::{locks::locked, raft::Freshness};
use concordat_proto::{
    consistency::Position,
    id::{GroupId, OrgId},
    log::LogIndex,
    region::Region,
};

use super::synced::Disks;
use crate::host::Host;

/// A process must have run this long before its state is checked: one that was restarted, or has
/// joined, may have been the one that an answer was about, and have lost unsynced data.
const SETTLED: Duration = Duration::from_secs(10);
/// Between looks at who serves at all.
const SERVING_EVERY_MS: u128 = 200;
/// Between looks at the leases themselves.
const LEASES_EVERY_MS: u128 = 10;

/// A write that was reported to have reached a region, or all of them.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    pub(crate) org: Option<OrgId>,
    pub(crate) position: Position,
    pub(crate) region: Option<Region>,
    /// The applied regions in the receipt, if it is the write's own: a repeat may get the position
    /// of a first one long ago, in another group.
    pub(crate) applied: Vec<Region>,
}

/// The answers since the last check. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Reached>>>);

impl Told {
    pub(crate) fn add(&self, reached: Reached) {
        locked(&self.0).push(reached);
    }

    fn take(&self) -> Vec<Reached> {
        std::mem::take(&mut locked(&self.0))
    }
}

/// The furthest index of each group that a region was reported to have.
#[derive(Debug, Default)]
pub(crate) struct Promise {
    told: Told,
    reached: BTreeMap<GroupId, BTreeMap<Region, u64>>,
    /// The newest epoch of each organization of which a region was reported to have something.
    epochs: BTreeMap<OrgId, BTreeMap<Region, u32>>,
    /// The lives of nodes that have given a fresh answer of a group: this makes their region count.
    served: BTreeSet<(usize, u64, GroupId)>,
    disks: Disks,
    broken: Option<String>,
}

impl Promise {
    /// Clients record their answers here.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// Looks at all nodes that run, at the end of a step.
    pub(crate) fn look(&mut self, hosts: &[Host], now: Duration) {
        if now.as_millis().is_multiple_of(SERVING_EVERY_MS) {
            self.look_who_serves(hosts);
        }
        self.disks.look(hosts, now);
        for told in self.told.take() {
            let (group, index) = (told.position.group, told.position.index.0);
            for region in &told.applied {
                if let Some(reason) = self.disks.lack(hosts, region, (group, index), now) {
                    self.broken.get_or_insert(reason);
                }
            }
            let mut regions: Vec<&Region> = hosts.iter().map(|host| &host.region).collect();
            regions.sort_unstable();
            regions.dedup();
            for region in regions {
                if told.region.as_ref().is_some_and(|only| only != region) {
                    continue;
                }
                if let Some(reason) = self.nobody_has(hosts, region, &told, now) {
                    self.broken.get_or_insert(reason);
                }
                if let Some(org) = told.org {
                    let newest = self.epochs.entry(org).or_default();
                    let newest = newest.entry(region.clone()).or_default();
                    *newest = told.position.epoch.max(*newest);
                }
                let furthest = self.reached.entry(group).or_default();
                let furthest = furthest.entry(region.clone()).or_default();
                *furthest = index.max(*furthest);
            }
        }
        self.look_at_reads(hosts);
        if now.as_millis().is_multiple_of(LEASES_EVERY_MS) {
            self.look_at_leases(hosts);
            self.look_at_homes(hosts);
        }
    }

    /// No node gives a fresh answer from a home that an organization has left, once a region was
    /// reported to have something of a later one.
    fn look_at_homes(&mut self, hosts: &[Host]) {
        for host in hosts.iter().filter(|host| host.node().is_some()) {
            let Some((handle, node)) = host.door() else { continue };
            let _here = handle.enter();
            for (org, regions) in &self.epochs {
                let Some(newest) = regions.get(&host.region).filter(|epoch| **epoch > 1) else {
                    continue;
                };
                if let Ok(Some((epoch, Freshness::Current))) = node.reading(*org)
                    && epoch < *newest
                {
                    self.broken.get_or_insert_with(|| {
                        format!(
                            "promise: node {} would answer of {org} unmarked in epoch {epoch}, and \
                             {newest} was told to be in {}",
                            host.number, host.region
                        )
                    });
                }
            }
        }
    }

    /// A leader counts every node that would give a fresh answer without an entry that the leader
    /// has committed: otherwise it could acknowledge a write while old answers are still given.
    fn look_at_leases(&mut self, hosts: &[Host]) {
        let groups: BTreeSet<GroupId> = self.served.iter().map(|(.., group)| *group).collect();
        for (holder, group) in hosts.iter().flat_map(|host| groups.iter().map(move |it| (host, it)))
        {
            let Some((handle, node)) = holder.door().filter(|_| !holder.is_paused) else {
                continue;
            };
            let applied = node.groups().applied(*group);
            let leaders = hosts.iter().filter(|host| host.number != holder.number);
            let ahead = leaders.filter_map(|host| {
                let (handle, node) = host.door()?;
                (node.groups().applied(*group) > applied).then_some((host.number, handle, node))
            });
            for (leader, leaders_handle, ahead) in ahead {
                let is_current = {
                    let _here = handle.enter();
                    node.groups().freshness(*group) == Freshness::Current
                };
                let _there = leaders_handle.enter();
                let next = LogIndex(applied.0 + 1);
                let left = ahead.groups().lease_left_without(*group, holder.id, next);
                if is_current && left == Some(Duration::ZERO) {
                    self.broken.get_or_insert_with(|| {
                        format!(
                            "promise: node {} would answer of group {group} unmarked at {}, and its \
                             leader {leader}, who has {next}, does not count with that",
                            holder.number, applied.0
                        )
                    });
                }
            }
        }
    }

    fn look_at_reads(&mut self, hosts: &[Host]) {
        for host in hosts.iter().filter(|host| host.node().is_some()) {
            let Some((handle, node)) = host.door() else { continue };
            // On its clock.
            let _here = handle.enter();
            for (group, regions) in &self.reached {
                let Some(index) = regions.get(&host.region) else { continue };
                let applied = node.groups().applied(*group).0;
                if applied < *index && node.groups().freshness(*group) == Freshness::Current {
                    self.broken.get_or_insert_with(|| {
                        format!(
                            "promise: node {} would answer of group {group} unmarked at {applied}, \
                             and {index} was told to be in {}",
                            host.number, host.region
                        )
                    });
                }
            }
        }
    }

    fn look_who_serves(&mut self, hosts: &[Host]) {
        for host in hosts.iter().filter(|host| host.node().is_some()) {
            let Some((handle, node)) = host.door() else { continue };
            let _here = handle.enter();
            for (group, ..) in node.groups().indexes() {
                if node.groups().freshness(group) == Freshness::Current {
                    self.served.insert((host.number, host.lives(), group));
                }
            }
        }
    }

    /// Why no node of a region can ever have had an entry, if so: all of it has served for long,
    /// and is behind. One that has the organization in a later home has all that the earlier one had:
    /// a repeat under a key is answered there, with the position of the first answer.
    fn nobody_has(
        &self,
        hosts: &[Host],
        region: &Region,
        told: &Reached,
        now: Duration,
    ) -> Option<String> {
        let (group, index) = (told.position.group, told.position.index.0);
        let of_region: Vec<&Host> = hosts.iter().filter(|host| host.region == *region).collect();
        let lacks = |host: &&Host| {
            let Some((handle, node)) = host.door() else { return false };
            let _here = handle.enter();
            let epoch = told.org.and_then(|org| node.reading(org).ok().flatten());
            if epoch.is_some_and(|(epoch, _)| epoch > told.position.epoch) {
                return false;
            }
            let is_behind = |(it, _, applied, ..): &(GroupId, u64, u64, u64, bool)| {
                *it == group && *applied < index
            };
            host.runs_since().is_some_and(|since| now - since >= SETTLED)
                && self.served.contains(&(host.number, host.lives(), group))
                && node.groups().indexes().iter().any(is_behind)
        };
        (!of_region.is_empty() && of_region.iter().all(lacks)).then(|| {
            format!(
                "promise: nobody in {region} has {index} of group {group}, which was told to be there"
            )
        })
    }

    /// The finding, if there is one.
    pub(crate) fn holds(&self) -> Result<(), String> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

//! The waits of one group, and what each wait still needs: a report looks only at the waits that it
//! may complete.
//!
//! This file judges "reached" (see `mod.rs`). A region that was seen reached stays so for the wait.
//! Nothing here reads a clock or wakes a task.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::planted;
use concordat_proto::{id::NodeId, limits, log::LogIndex, region::Region};

use super::{
    cost::WaitCost,
    stale_readers::{RegionReaders, StaleReaders},
};

/// A wait's number; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaiterId(u64);

/// There are as many waits as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many pending writes")]
pub struct WaitersFull;

/// What one region still needs for an entry.
#[derive(Debug, Clone)]
struct Pending {
    /// A replica of it must have applied the entry.
    counts: bool,
    any_applied: bool,
    /// Since when only lease holders have delayed it: one replica has applied the entry, or none
    /// needs to.
    held_since: Option<Duration>,
    /// Holders when the wait began.
    began_with: usize,
    /// Those that may answer without the entry, and until when.
    holders: BTreeMap<NodeId, Duration>,
}

impl Pending {
    fn new(readers: &RegionReaders, now: Duration) -> Self {
        Self {
            counts: readers.counts,
            any_applied: false,
            held_since: (!readers.counts).then_some(now),
            began_with: 0,
            holders: readers.replicas.clone(),
        }
    }

    fn on_applied(&mut self, node: NodeId, now: Duration) {
        self.any_applied = true;
        self.held_since = self.held_since.or(Some(now));
        self.holders.remove(&node);
    }

    fn is_reached(&self, now: Duration) -> bool {
        let any_applied = planted::on_any_applied(self.any_applied);
        let reached =
            (any_applied || !self.counts) && self.holders.values().all(|until| *until <= now);
        planted::on_region_reached(reached, self.any_applied, self.counts)
    }

    fn next_expiry(&self, now: Duration) -> Option<Duration> {
        self.holders.values().filter(|until| **until > now).min().copied()
    }

    fn holding(&self, now: Duration) -> usize {
        self.holders.values().filter(|until| **until > now).count()
    }
}

/// A region that a wait has seen reached.
#[derive(Debug)]
struct Reached {
    at: Duration,
    /// Since when only lease holders delayed it.
    held_since: Option<Duration>,
    /// Holders when the wait began.
    began_with: usize,
    /// By the mere passing of time.
    waited_out: bool,
}

#[derive(Debug)]
struct Waiter {
    index: LogIndex,
    pending: BTreeMap<Region, Pending>,
    reached: BTreeMap<Region, Reached>,
    /// The regions that count.
    counting: BTreeSet<Region>,
    /// Replicas whose report still matters, with their regions.
    awaited: BTreeMap<NodeId, Region>,
}

impl Waiter {
    /// Moves the regions that are reached now, by a report or by the mere passing of time; whether
    /// there was one.
    fn resolve(&mut self, waited_out: bool, now: Duration) -> bool {
        let reached: Vec<Region> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.is_reached(now))
            .map(|(region, _)| region.clone())
            .collect();
        let moved = !reached.is_empty();
        for region in reached {
            let Some(Pending { held_since, began_with, .. }) = self.pending.remove(&region) else {
                continue;
            };
            self.reached.insert(region, Reached { at: now, held_since, began_with, waited_out });
        }
        moved
    }

    /// Its delay until now, for the regions that it required.
    fn cost(&self, is_for: impl Fn(&Region) -> bool, now: Duration) -> WaitCost {
        let pending: Vec<&Pending> =
            self.pending.iter().filter(|(region, _)| is_for(region)).map(|(_, of)| of).collect();
        let reached = || self.reached.iter().filter(|(region, _)| is_for(region)).map(|(_, of)| of);
        // None when a region needs more than its lease holders.
        let held_since: Option<Vec<Duration>> = reached()
            .map(|of| of.held_since)
            .chain(pending.iter().map(|of| of.held_since))
            .collect();
        let held_since = held_since.and_then(|all| all.into_iter().max());
        let ended = if pending.is_empty() { reached().map(|of| of.at).max() } else { Some(now) };
        WaitCost {
            began_with: reached()
                .map(|of| of.began_with)
                .chain(pending.iter().map(|of| of.began_with))
                .sum(),
            ended_with: pending.iter().map(|of| of.holding(now)).sum(),
            lost: ended
                .zip(held_since)
                .map_or(Duration::ZERO, |(to, from)| to.saturating_sub(from)),
            waited_out: reached().any(|of| of.waited_out),
        }
    }
}

/// One region's state in a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionWait {
    /// The region.
    pub region: Region,
    /// Whether `all_regions` requires it.
    pub counts: bool,
    /// When it was seen reached.
    pub reached: Option<Duration>,
}

/// The waits of one group.
#[derive(Debug)]
pub struct Waiters {
    next: u64,
    limit: usize,
    waiters: BTreeMap<WaiterId, Waiter>,
    by_node: BTreeMap<NodeId, BTreeSet<(LogIndex, WaiterId)>>,
}

impl Default for Waiters {
    fn default() -> Self {
        Self::with_limit(limits::WAITERS_MAX)
    }
}

impl Waiters {
    /// With another limit.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { next: 0, limit, waiters: BTreeMap::new(), by_node: BTreeMap::new() }
    }

    /// Registers a wait for an index. It stays until it is removed, complete or not. `applied` is
    /// the reported index of each replica.
    ///
    /// # Errors
    /// When there are too many.
    pub fn register(
        &mut self,
        index: LogIndex,
        stale_readers: &StaleReaders,
        applied: impl Fn(NodeId) -> Option<LogIndex>,
        now: Duration,
    ) -> Result<WaiterId, WaitersFull> {
        if self.waiters.len() >= self.limit {
            return Err(WaitersFull);
        }
        let id = WaiterId(self.next);
        self.next += 1;
        let mut waiter = Waiter {
            index,
            pending: BTreeMap::new(),
            reached: BTreeMap::new(),
            counting: BTreeSet::new(),
            awaited: BTreeMap::new(),
        };
        for (region, readers) in &stale_readers.regions {
            let mut pending = Pending::new(readers, now);
            for node in readers.replicas.keys() {
                if applied(*node).is_some_and(|applied| applied >= index) {
                    pending.on_applied(*node, now);
                } else {
                    waiter.awaited.insert(*node, region.clone());
                    self.by_node.entry(*node).or_default().insert((index, id));
                }
            }
            if readers.counts {
                waiter.counting.insert(region.clone());
            }
            pending.began_with = pending.holding(now);
            waiter.pending.insert(region.clone(), pending);
        }
        waiter.resolve(false, now);
        self.waiters.insert(id, waiter);
        Ok(id)
    }

    /// A replica has applied all entries up to an index: the waits for which that reached a region,
    /// in order of index.
    pub fn on_report(&mut self, node: NodeId, up_to: LogIndex, now: Duration) -> Vec<WaiterId> {
        let Some(awaiting) = self.by_node.get_mut(&node) else { return Vec::new() };
        let mut moved = Vec::new();
        while let Some(&(index, id)) = awaiting.first()
            && index <= up_to
        {
            awaiting.pop_first();
            let Some(waiter) = self.waiters.get_mut(&id) else { continue };
            let Some(region) = waiter.awaited.remove(&node) else { continue };
            if let Some(pending) = waiter.pending.get_mut(&region) {
                pending.on_applied(node, now);
                if waiter.resolve(false, now) {
                    moved.push(id);
                }
            }
        }
        if awaiting.is_empty() {
            self.by_node.remove(&node);
        }
        moved
    }

    /// Whether a wait still lacks a replica's report: its region is not reached yet.
    #[must_use]
    pub fn awaits(&self, node: NodeId) -> bool {
        let lacks = |waiter: &Waiter| {
            waiter.awaited.get(&node).is_some_and(|region| waiter.pending.contains_key(region))
        };
        let waits = self.by_node.get(&node).into_iter().flatten();
        waits.filter_map(|(_, id)| self.waiters.get(id)).any(lacks)
    }

    /// Looks again at one wait: what held it up may be over. Returns when next to look, if time
    /// alone can change anything.
    pub fn look(&mut self, id: WaiterId, now: Duration) -> Option<Duration> {
        let waiter = self.waiters.get_mut(&id)?;
        waiter.resolve(true, now);
        waiter.pending.values().filter_map(|pending| pending.next_expiry(now)).min()
    }

    /// Every region's state in a wait, in order of name.
    #[must_use]
    pub fn region_waits(&self, id: WaiterId) -> Vec<RegionWait> {
        let Some(waiter) = self.waiters.get(&id) else { return Vec::new() };
        let regions: BTreeSet<&Region> =
            waiter.pending.keys().chain(waiter.reached.keys()).collect();
        let region_waits = |region: &Region| RegionWait {
            region: region.clone(),
            counts: waiter.counting.contains(region),
            reached: waiter.reached.get(region).map(|of| of.at),
        };
        regions.into_iter().map(region_waits).collect()
    }

    /// The delay until now of a wait that required only some of the regions.
    #[must_use]
    pub fn cost(&self, id: WaiterId, is_for: impl Fn(&Region) -> bool, now: Duration) -> WaitCost {
        self.waiters.get(&id).map(|waiter| waiter.cost(is_for, now)).unwrap_or_default()
    }

    /// Ends a wait. An id that is not there is no matter.
    pub fn remove(&mut self, id: WaiterId) {
        let Some(waiter) = self.waiters.remove(&id) else { return };
        for node in waiter.awaited.into_keys() {
            if let Some(awaiting) = self.by_node.get_mut(&node) {
                awaiting.remove(&(waiter.index, id));
                if awaiting.is_empty() {
                    self.by_node.remove(&node);
                }
            }
        }
    }

    /// The number of waits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether there is no wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }
}

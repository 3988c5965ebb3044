//! Who waits for which entry of one group, and what each wait still lacks: a report looks only at
//! the waits that it may complete.
//!
//! This is where "reached" is judged (see the module above). What a wait has once seen reached stays
//! so. Nothing here knows a clock or wakes anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::planted::{self, Bug};
use concordat_proto::{id::NodeId, limits, log::LogIndex, region::Region};

use super::{
    cost::WaitCost,
    danger::{Danger, RegionStanding},
};

/// A wait's number; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaiterId(u64);

/// There are as many waits as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many writes wait for their consistency")]
pub struct WaitersFull;

/// What one region lacks for an entry.
#[derive(Debug, Clone)]
struct Pending {
    /// A replica of it must have applied the entry.
    counts: bool,
    any_applied: bool,
    /// Since when nothing but its holders is in the way: one has applied the entry, or need not.
    held_since: Option<Duration>,
    /// Holders when the wait began.
    began_with: usize,
    /// Those that may answer without the entry, and until when.
    holders: BTreeMap<NodeId, Duration>,
}

impl Pending {
    fn new(standing: &RegionStanding, now: Duration) -> Self {
        Self {
            counts: standing.counts,
            any_applied: false,
            held_since: (!standing.counts).then_some(now),
            began_with: 0,
            holders: standing.replicas.clone(),
        }
    }

    fn on_applied(&mut self, node: NodeId, now: Duration) {
        self.any_applied = true;
        self.held_since = self.held_since.or(Some(now));
        self.holders.remove(&node);
    }

    fn is_reached(&self, now: Duration) -> bool {
        if planted::is(Bug::DangerIgnored) {
            return self.any_applied || !self.counts;
        }
        let any_applied = self.any_applied || planted::is(Bug::ReachedByNobody);
        (any_applied || !self.counts) && self.holders.values().all(|until| *until <= now)
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
    /// Since when only holders were in the way.
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
    /// Of the regions that count.
    counting: BTreeSet<Region>,
    /// Replicas whose report matters yet, with their regions.
    awaited: BTreeMap<NodeId, Region>,
}

impl Waiter {
    /// Moves the regions that are reached now, by a report or by the mere passing of time; whether
    /// there was one.
    fn settle(&mut self, waited_out: bool, now: Duration) -> bool {
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

    /// What it has cost until now, of the regions that it was for.
    fn cost(&self, is_for: impl Fn(&Region) -> bool, now: Duration) -> WaitCost {
        let pending: Vec<&Pending> =
            self.pending.iter().filter(|(region, _)| is_for(region)).map(|(_, of)| of).collect();
        let reached = || self.reached.iter().filter(|(region, _)| is_for(region)).map(|(_, of)| of);
        // None when a region lacks more than the word of its holders.
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

/// How one region stands for a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub region: Region,
    /// Whether `all_regions` asks for it.
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

    /// Notes a wait for an index. It stays until it is removed, finished or not. `applied` is what
    /// each replica has reported so far.
    ///
    /// # Errors
    /// When there are too many.
    pub fn register(
        &mut self,
        index: LogIndex,
        danger: &Danger,
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
        for (region, standing) in &danger.regions {
            let mut pending = Pending::new(standing, now);
            for node in standing.replicas.keys() {
                if applied(*node).is_some_and(|applied| applied >= index) {
                    pending.on_applied(*node, now);
                } else {
                    waiter.awaited.insert(*node, region.clone());
                    self.by_node.entry(*node).or_default().insert((index, id));
                }
            }
            if standing.counts {
                waiter.counting.insert(region.clone());
            }
            pending.began_with = pending.holding(now);
            waiter.pending.insert(region.clone(), pending);
        }
        waiter.settle(false, now);
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
                if waiter.settle(false, now) {
                    moved.push(id);
                }
            }
        }
        if awaiting.is_empty() {
            self.by_node.remove(&node);
        }
        moved
    }

    /// Looks again at one wait: what held it up may be over. Returns when next to look, if time
    /// alone can change anything.
    pub fn look(&mut self, id: WaiterId, now: Duration) -> Option<Duration> {
        let waiter = self.waiters.get_mut(&id)?;
        waiter.settle(true, now);
        waiter.pending.values().filter_map(|pending| pending.next_expiry(now)).min()
    }

    /// How every region stands for a wait, in order of name.
    #[must_use]
    pub fn standing(&self, id: WaiterId) -> Vec<Standing> {
        let Some(waiter) = self.waiters.get(&id) else { return Vec::new() };
        let regions: BTreeSet<&Region> =
            waiter.pending.keys().chain(waiter.reached.keys()).collect();
        let standing = |region: &Region| Standing {
            region: region.clone(),
            counts: waiter.counting.contains(region),
            reached: waiter.reached.get(region).map(|of| of.at),
        };
        regions.into_iter().map(standing).collect()
    }

    /// What a wait has cost until now that was for some of the regions only.
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

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }
}

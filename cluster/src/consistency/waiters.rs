//! Who waits for which entry of one group, and where: sorted by index, so that a report looks only
//! at those it completes.
//!
//! What a wait has once seen reached stays so. Nothing here knows a clock or wakes anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_proto::{limits, log::LogIndex, region::Region};

/// A wait's number; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaiterId(u64);

/// There are as many waits as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many writes wait for their consistency")]
pub struct WaitersFull;

/// A region that a wait waited for has been reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Whose wait.
    pub waiter: WaiterId,
    /// Where.
    pub region: Region,
    /// Whether it was the last one.
    pub finished: bool,
}

#[derive(Debug)]
struct Waiter {
    index: LogIndex,
    pending: BTreeSet<Region>,
    reached: BTreeMap<Region, Duration>,
}

/// The waits of one group.
#[derive(Debug)]
pub struct Waiters {
    next: u64,
    limit: usize,
    waiters: BTreeMap<WaiterId, Waiter>,
    by_region: BTreeMap<Region, BTreeSet<(LogIndex, WaiterId)>>,
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
        Self { next: 0, limit, waiters: BTreeMap::new(), by_region: BTreeMap::new() }
    }

    /// Notes a wait for an index in these regions. It stays until it is removed, finished or not.
    ///
    /// # Errors
    /// When there are too many.
    pub fn register(
        &mut self,
        index: LogIndex,
        regions: BTreeSet<Region>,
    ) -> Result<WaiterId, WaitersFull> {
        if self.waiters.len() >= self.limit {
            return Err(WaitersFull);
        }
        let id = WaiterId(self.next);
        self.next += 1;
        for region in &regions {
            self.by_region.entry(region.clone()).or_default().insert((index, id));
        }
        let waiter = Waiter { index, pending: regions, reached: BTreeMap::new() };
        self.waiters.insert(id, waiter);
        Ok(id)
    }

    /// All entries up to an index have reached a region: who learns of it, in order of index.
    pub fn on_region_reached(
        &mut self,
        region: &Region,
        up_to: LogIndex,
        now: Duration,
    ) -> Vec<Arrival> {
        let Some(waiting) = self.by_region.get_mut(region) else { return Vec::new() };
        let mut arrivals = Vec::new();
        while let Some(&(index, id)) = waiting.first()
            && index <= up_to
        {
            waiting.pop_first();
            if let Some(waiter) = self.waiters.get_mut(&id) {
                waiter.pending.remove(region);
                waiter.reached.insert(region.clone(), now);
                let finished = waiter.pending.is_empty();
                arrivals.push(Arrival { waiter: id, region: region.clone(), finished });
            }
        }
        if waiting.is_empty() {
            self.by_region.remove(region);
        }
        arrivals
    }

    /// When each region that a wait has seen reached was.
    #[must_use]
    pub fn reached(&self, id: WaiterId) -> Option<&BTreeMap<Region, Duration>> {
        self.waiters.get(&id).map(|waiter| &waiter.reached)
    }

    /// The least index that anybody waits for in a region.
    #[must_use]
    pub fn least_awaited(&self, region: &Region) -> Option<LogIndex> {
        self.by_region.get(region)?.first().map(|(index, _)| *index)
    }

    /// Ends a wait. An id that is not there is no matter.
    pub fn remove(&mut self, id: WaiterId) {
        let Some(waiter) = self.waiters.remove(&id) else { return };
        for region in waiter.pending {
            if let Some(waiting) = self.by_region.get_mut(&region) {
                waiting.remove(&(waiter.index, id));
                if waiting.is_empty() {
                    self.by_region.remove(&region);
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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Register(u64, BTreeSet<u8>),
        Reach(u8, u64),
        Remove(usize),
    }

    fn region(number: u8) -> Region {
        Region::new(format!("r{number}")).unwrap()
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0_u64..9, proptest::collection::btree_set(0_u8..3, 0..4))
                .prop_map(|(index, regions)| Step::Register(index, regions)),
            3 => (0_u8..3, 0_u64..9).prop_map(|(region, index)| Step::Reach(region, index)),
            1 => (0_usize..12).prop_map(Step::Remove),
        ];
        vec(step, 0..40)
    }

    /// The naive model: every wait is looked at every time.
    struct Naive {
        id: WaiterId,
        index: u64,
        pending: BTreeSet<u8>,
        removed: bool,
    }

    proptest! {
        #[test]
        fn agree_with_looking_at_everybody(steps in steps()) {
            const LIMIT: usize = 8;
            let mut waiters = Waiters::with_limit(LIMIT);
            let mut naive: Vec<Naive> = Vec::new();
            for (now, step) in (0_u64..).zip(steps) {
                match step {
                    Step::Register(index, pending) => {
                        let present = naive.iter().filter(|waiter| !waiter.removed).count();
                        let regions = pending.iter().map(|number| region(*number)).collect();
                        let registered = waiters.register(LogIndex(index), regions);
                        prop_assert_eq!(registered.is_ok(), present < LIMIT);
                        if let Ok(id) = registered {
                            naive.push(Naive { id, index, pending, removed: false });
                        }
                    }
                    Step::Reach(number, up_to) => {
                        let now = Duration::from_secs(now);
                        let mut got =
                            waiters.on_region_reached(&region(number), LogIndex(up_to), now);
                        let mut expected = Vec::new();
                        for waiter in naive.iter_mut().filter(|waiter| !waiter.removed) {
                            if waiter.index <= up_to && waiter.pending.remove(&number) {
                                expected.push(Arrival {
                                    waiter: waiter.id,
                                    region: region(number),
                                    finished: waiter.pending.is_empty(),
                                });
                                let reached = waiters.reached(waiter.id).unwrap();
                                prop_assert_eq!(reached.get(&region(number)), Some(&now));
                            }
                        }
                        got.sort_by_key(|arrival| arrival.waiter);
                        prop_assert_eq!(got, expected);
                    }
                    Step::Remove(at) => {
                        if let Some(waiter) = naive.get_mut(at) {
                            waiter.removed = true;
                            waiters.remove(waiter.id);
                        }
                    }
                }
                for number in 0..3 {
                    let least = naive
                        .iter()
                        .filter(|waiter| !waiter.removed && waiter.pending.contains(&number))
                        .map(|waiter| LogIndex(waiter.index))
                        .min();
                    prop_assert_eq!(waiters.least_awaited(&region(number)), least);
                }
            }
        }
    }
}

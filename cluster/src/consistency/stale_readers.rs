//! Stale readers: the replicas that may still answer reads without an entry, as one node computes
//! them. They come from the leader's set, converted to this node's own clock; without a leader's
//! set, every replica counts for the length of a lease.
//!
//! Any node may evaluate the set, leader or not, at any time: the set only shrinks.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::planted;
use concordat_proto::{
    id::NodeId,
    lease::{LeaseRecord, StaleReaderSet},
    log::LogIndex,
    region::Region,
};

/// One region of a group's membership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionMembers {
    /// Whether it has a replica that is marked as serving.
    pub counts: bool,
    /// All its replicas.
    pub nodes: Vec<NodeId>,
}

/// A group's membership by region.
pub type Members = BTreeMap<Region, RegionMembers>;

/// The replicas that may still answer without an entry, on this node's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaleReaders {
    /// Every region of the membership.
    pub regions: BTreeMap<Region, RegionReaders>,
}

/// One region of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionReaders {
    /// Whether a replica of it must have applied the entry.
    pub counts: bool,
    /// Each replica, and until when it may answer without the entry unless it has reported it.
    pub replicas: BTreeMap<NodeId, Duration>,
}

impl StaleReaders {
    /// From the leader's set, at the moment of receipt.
    #[must_use]
    pub fn from_leader(set: &StaleReaderSet, leases: &LeaseRecord, now: Duration) -> Self {
        let regions = set.regions.iter().map(|region| {
            let replicas = region.replicas.iter();
            let until = replicas
                .map(|replica| (replica.node, now.saturating_add(leases.stretched(replica.left))))
                .collect();
            let readers = RegionReaders { counts: region.counts, replicas: until };
            (region.region.clone(), readers)
        });
        Self { regions: counted(regions.collect()) }
    }

    /// Without a leader's set, on a node whose own replica has applied the entry by `seen`: every
    /// replica counts, until the longest lease has expired since then.
    ///
    /// Why that suffices: a replica applies only entries that a leader knew to be committed. A
    /// lease that does not cover the entry was granted on a proof of leadership from before that
    /// leader knew the commit, or by an earlier leader, whose last proof was before the later
    /// leader's election. In both cases the proof was before `seen`.
    #[must_use]
    pub fn conservative(members: &Members, leases: &LeaseRecord, seen: Option<Duration>) -> Self {
        let until = seen
            .map_or(Duration::ZERO, |seen| seen.saturating_add(leases.stretched(leases.longest)));
        let regions = members.iter().map(|(region, members)| {
            let replicas = members.nodes.iter().map(|node| (*node, until)).collect();
            (region.clone(), RegionReaders { counts: members.counts, replicas })
        });
        Self { regions: counted(regions.collect()) }
    }

    /// How many replicas may still answer without the entry.
    #[must_use]
    pub fn size(&self, now: Duration) -> usize {
        let all = self.regions.values().flat_map(|region| region.replicas.values());
        all.filter(|until| **until > now).count()
    }
}

/// In a group that has no serving replica yet every region of its membership counts: a write that is
/// judged against no region could never arrive, and its receipt would name nothing.
fn counted(mut regions: BTreeMap<Region, RegionReaders>) -> BTreeMap<Region, RegionReaders> {
    if !planted::on_counting(regions.values().any(|of| of.counts)) {
        regions.values_mut().for_each(|of| of.counts = true);
    }
    regions
}

/// When this node's own replica first showed each entry, for as long as the longest lease.
#[derive(Debug)]
pub struct AppliedTimes {
    /// Newest last: up to this entry, at the latest at this time.
    samples: VecDeque<(LogIndex, Duration)>,
    /// Up to here it was seen longer ago than is kept.
    long_ago: LogIndex,
}

/// Samples closer than this become one, with the later time.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

impl AppliedTimes {
    /// The history of a replica that was just opened: what it shows counts as seen now.
    #[must_use]
    pub fn opened(visible: LogIndex, now: Duration) -> Self {
        Self { samples: VecDeque::from([(visible, now)]), long_ago: LogIndex(0) }
    }

    /// The state now shows the entries up to `visible`. Samples older than `kept` are dropped.
    pub fn on_visible(&mut self, visible: LogIndex, kept: Duration, now: Duration) {
        let earlier = self.samples.iter().rev().nth(1).map(|(_, at)| *at);
        match self.samples.back_mut() {
            Some((index, _)) if *index >= visible => return,
            Some(last) if earlier.is_some_and(|at| now.saturating_sub(at) < SAMPLE_EVERY) => {
                *last = (visible, now);
            }
            _ => self.samples.push_back((visible, now)),
        }
        while let Some((index, at)) = self.samples.front()
            && at.saturating_add(kept) < now
        {
            self.long_ago = *index;
            self.samples.pop_front();
        }
    }

    /// The time by which the entry was seen; `None` when that is so long ago that no lease from
    /// before can be held. An entry that was not seen yet counts as seen `now`.
    #[must_use]
    pub fn seen(&self, index: LogIndex, now: Duration) -> Option<Duration> {
        if index <= self.long_ago {
            return None;
        }
        let at = self.samples.iter().find(|(seen, _)| *seen >= index).map(|(_, at)| *at);
        Some(at.unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use concordat_proto::lease::{RegionStaleReaders, StaleReader};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    #[test]
    fn what_the_leader_told_is_counted_on_ones_own_clock() {
        let replicas = vec![
            StaleReader { node: NodeId(1), left: ms(100) },
            StaleReader { node: NodeId(2), left: ms(0) },
        ];
        let regions = vec![RegionStaleReaders { region: region("a"), counts: true, replicas }];
        let stale_readers = StaleReaders::from_leader(
            &StaleReaderSet { regions },
            &LeaseRecord::default(),
            ms(1000),
        );
        let until = [(NodeId(1), ms(1102)), (NodeId(2), ms(1000))].into();
        let readers = RegionReaders { counts: true, replicas: until };
        assert_eq!(stale_readers.regions, [(region("a"), readers)].into());
        assert_eq!((stale_readers.size(ms(1101)), stale_readers.size(ms(1102))), (1, 0));
    }

    #[test]
    fn without_a_word_everybody_counts_for_the_longest_lease() {
        let nodes = vec![NodeId(1), NodeId(2)];
        let members = Members::from([(region("a"), RegionMembers { counts: false, nodes })]);
        let leases = LeaseRecord::default();
        let stale_readers = StaleReaders::conservative(&members, &leases, Some(ms(1000)));
        let until = ms(1000) + leases.stretched(leases.longest);
        assert!(stale_readers.regions[&region("a")].replicas.values().all(|found| *found == until));
        assert_eq!(StaleReaders::conservative(&members, &leases, None).size(ms(0)), 0);
    }

    #[test]
    fn where_no_region_counts_yet_each_of_the_membership_does() {
        let replicas = |node| vec![StaleReader { node: NodeId(node), left: ms(0) }];
        let of = |name, node| RegionStaleReaders {
            region: region(name),
            counts: false,
            replicas: replicas(node),
        };
        let set = StaleReaderSet { regions: vec![of("a", 1), of("b", 2)] };
        let readers = StaleReaders::from_leader(&set, &LeaseRecord::default(), ms(0));
        assert!(readers.regions.len() == 2 && readers.regions.values().all(|of| of.counts));
        let members = |counts| {
            let of = |counts, node| RegionMembers { counts, nodes: vec![NodeId(node)] };
            Members::from([(region("a"), of(counts, 1)), (region("b"), of(false, 2))])
        };
        let conservative =
            |counts| StaleReaders::conservative(&members(counts), &LeaseRecord::default(), None);
        assert!(conservative(false).regions.values().all(|of| of.counts));
        assert!(!conservative(true).regions[&region("b")].counts, "one that does not serve yet");
    }

    proptest! {
        /// The reported time of an entry is never before it was seen, and never dropped while a
        /// lease from before may be held.
        #[test]
        fn never_seen_too_early(steps in vec((1_u64..50, 0_u64..5), 1..200), probe: u64) {
            let kept = ms(1000);
            let mut history = AppliedTimes::opened(LogIndex(1), ms(0));
            let (mut now, mut visible) = (0, 1);
            let mut truth = BTreeMap::from([(1, 0)]);
            for (wait, entries) in steps {
                now += wait;
                for index in visible + 1..=visible + entries {
                    truth.insert(index, now);
                }
                visible += entries;
                history.on_visible(LogIndex(visible), kept, ms(now));
                let index = 1 + probe % visible;
                match history.seen(LogIndex(index), ms(now)) {
                    Some(at) => prop_assert!(at >= ms(truth[&index]) && at <= ms(now)),
                    None => prop_assert!(ms(truth[&index]) + kept < ms(now)),
                }
            }
            prop_assert!(history.samples.len() <= 110, "{}", history.samples.len());
        }
    }
}

//! Who may still answer reads without an entry, as one node judges it: the leader's danger set
//! turned into this node's own time, or, without one, everybody for the length of a lease.
//!
//! Whoever holds this may judge, leader or not, at any time: the set only shrinks.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::planted::{self, Bug};
use concordat_proto::{
    id::NodeId,
    lease::{DangerSet, LeaseRecord},
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

/// Who may still answer without an entry, on this node's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Danger {
    /// Every region of the membership.
    pub regions: BTreeMap<Region, RegionStanding>,
}

/// One region of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionStanding {
    /// Whether a replica of it must have applied the entry.
    pub counts: bool,
    /// Each replica, and until when it may answer without the entry unless it has reported it.
    pub replicas: BTreeMap<NodeId, Duration>,
}

impl Danger {
    /// What the leader told, at the moment of receipt.
    #[must_use]
    pub fn told(set: &DangerSet, leases: &LeaseRecord, now: Duration) -> Self {
        let regions = set.regions.iter().map(|region| {
            let replicas = region.replicas.iter();
            let until = replicas
                .map(|replica| (replica.node, now.saturating_add(leases.stretched(replica.left))))
                .collect();
            let standing = RegionStanding { counts: region.counts, replicas: until };
            (region.region.clone(), standing)
        });
        Self { regions: counted(regions.collect()) }
    }

    /// Without a leader's word, on a node whose own replica has applied the entry by `seen`: every
    /// replica, until the longest lease is over since then.
    ///
    /// Why that suffices: a replica applies only what a leader knew to be committed. A lease that
    /// does not cover the entry was proved before that leader knew so, or by one before it, and
    /// that one's last proof was before this one's election: in either case before `seen`.
    #[must_use]
    pub fn untold(members: &Members, leases: &LeaseRecord, seen: Option<Duration>) -> Self {
        let until = seen
            .map_or(Duration::ZERO, |seen| seen.saturating_add(leases.stretched(leases.longest)));
        let regions = members.iter().map(|(region, members)| {
            let replicas = members.nodes.iter().map(|node| (*node, until)).collect();
            (region.clone(), RegionStanding { counts: members.counts, replicas })
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
fn counted(mut regions: BTreeMap<Region, RegionStanding>) -> BTreeMap<Region, RegionStanding> {
    if !planted::is(Bug::JudgedByNobody) && regions.values().all(|of| !of.counts) {
        regions.values_mut().for_each(|of| of.counts = true);
    }
    regions
}

/// When this node's own replica first showed each entry, as far back as the longest lease reaches.
#[derive(Debug)]
pub struct SeenHistory {
    /// Newest last: up to this entry, at the latest at this time.
    samples: VecDeque<(LogIndex, Duration)>,
    /// Up to here it was seen longer ago than is kept.
    long_ago: LogIndex,
}

/// Samples closer than this become one, with the later time.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

impl SeenHistory {
    /// A replica that has just been opened, with what it shows: seen now at the latest.
    #[must_use]
    pub fn opened(visible: LogIndex, now: Duration) -> Self {
        Self { samples: VecDeque::from([(visible, now)]), long_ago: LogIndex(0) }
    }

    /// The state now shows the entries up to `visible`; what was seen longer than `kept` ago needs
    /// no time any more.
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

    /// By when the entry was seen: `None` when that is so long ago that no lease from before can be
    /// held. An entry that was not seen yet counts as seen `now`.
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
    use concordat_proto::lease::{RegionDanger, ReplicaDanger};
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
            ReplicaDanger { node: NodeId(1), left: ms(100) },
            ReplicaDanger { node: NodeId(2), left: ms(0) },
        ];
        let regions = vec![RegionDanger { region: region("a"), counts: true, replicas }];
        let danger = Danger::told(&DangerSet { regions }, &LeaseRecord::default(), ms(1000));
        let until = [(NodeId(1), ms(1102)), (NodeId(2), ms(1000))].into();
        let standing = RegionStanding { counts: true, replicas: until };
        assert_eq!(danger.regions, [(region("a"), standing)].into());
        assert_eq!((danger.size(ms(1101)), danger.size(ms(1102))), (1, 0));
    }

    #[test]
    fn without_a_word_everybody_counts_for_the_longest_lease() {
        let nodes = vec![NodeId(1), NodeId(2)];
        let members = Members::from([(region("a"), RegionMembers { counts: false, nodes })]);
        let leases = LeaseRecord::default();
        let danger = Danger::untold(&members, &leases, Some(ms(1000)));
        let until = ms(1000) + leases.stretched(leases.longest);
        assert!(danger.regions[&region("a")].replicas.values().all(|found| *found == until));
        assert_eq!(Danger::untold(&members, &leases, None).size(ms(0)), 0);
    }

    #[test]
    fn where_no_region_counts_yet_each_of_the_membership_does() {
        let replicas = |node| vec![ReplicaDanger { node: NodeId(node), left: ms(0) }];
        let of = |name, node| RegionDanger {
            region: region(name),
            counts: false,
            replicas: replicas(node),
        };
        let set = DangerSet { regions: vec![of("a", 1), of("b", 2)] };
        let told = Danger::told(&set, &LeaseRecord::default(), ms(0));
        assert!(told.regions.len() == 2 && told.regions.values().all(|of| of.counts));
        let members = |counts| {
            let of = |counts, node| RegionMembers { counts, nodes: vec![NodeId(node)] };
            Members::from([(region("a"), of(counts, 1)), (region("b"), of(false, 2))])
        };
        let untold = |counts| Danger::untold(&members(counts), &LeaseRecord::default(), None);
        assert!(untold(false).regions.values().all(|of| of.counts));
        assert!(!untold(true).regions[&region("b")].counts, "one that does not serve yet");
    }

    proptest! {
        /// The time that is told of an entry is never before it was seen, and never gone while a
        /// lease from before may be held.
        #[test]
        fn never_seen_too_early(steps in vec((1_u64..50, 0_u64..5), 1..200), probe: u64) {
            let kept = ms(1000);
            let mut history = SeenHistory::opened(LogIndex(1), ms(0));
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

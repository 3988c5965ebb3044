//! What the system group's state says, read from it whenever it changes: regions, nodes, closed groups.
//!
//! A value of one moment. It must never be taken for current where a promise rests on it: `proven`
//! is the moment that it is at least as new as.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_proto::{
    failover::{ClosedGroup, Succession},
    id::{GroupId, NodeId},
    log::{LogId, LogIndex},
    org::{ClusterRecord, NodeRecord, RegionRecord, RegionState, SurvivalGoal},
    region::Region,
    version,
};

use super::query;
use crate::store::{Reader, StoreError};

/// What the system group's state says, as of one moment.
#[derive(Debug, Default)]
pub struct SystemView {
    /// The cluster; none before it was formed.
    pub cluster: Option<ClusterRecord>,
    /// The regions that were not removed.
    pub regions: BTreeMap<Region, RegionRecord>,
    /// All nodes that ever registered.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// The names of the regions that nodes may join in.
    pub names: BTreeSet<Region>,
    /// The groups of regions that were removed.
    pub removed: Vec<GroupId>,
    /// The closed groups.
    pub closed: BTreeMap<GroupId, ClosedGroup>,
    /// All this is at least as new as this moment of the node's steady clock; none before the first
    /// lease of the system group.
    pub proven: Option<Duration>,
    /// How much of the system group's log it has at least.
    pub index: LogIndex,
}

impl SystemView {
    /// Reads the state. `proven` and `index` must have been looked at before.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn read(
        reader: &dyn Reader,
        proven: Option<Duration>,
        index: LogIndex,
    ) -> Result<Self, StoreError> {
        let closed = query::closed_groups(reader)?;
        let regions = query::regions(reader)?;
        let nodes = query::nodes(reader)?;
        let (removed, regions): (Vec<RegionRecord>, Vec<RegionRecord>) =
            regions.into_iter().partition(|record| record.state == RegionState::Removed);
        Ok(Self {
            cluster: query::cluster(reader)?,
            regions: regions.into_iter().map(|record| (record.region.clone(), record)).collect(),
            nodes,
            names: query::region_names(reader)?,
            removed: removed.into_iter().map(|record| record.group).collect(),
            closed: closed.into_iter().map(|closed| (closed.group, closed)).collect(),
            proven,
            index,
        })
    }

    /// The region whose home group it is; none for the system group.
    #[must_use]
    pub fn home_of(&self, group: GroupId) -> Option<Region> {
        let of = |record: &&RegionRecord| record.group == group;
        self.regions.values().find(of).map(|record| record.region.clone())
    }

    /// The region where a home group's voters stand; none for the system group.
    #[must_use]
    pub fn voter_region_of(&self, group: GroupId) -> Option<Region> {
        let of = |record: &&RegionRecord| record.group == group;
        self.regions.values().find(of).map(|record| record.voter_region.clone())
    }

    /// Whether a group is closed.
    #[must_use]
    pub fn is_closed(&self, group: GroupId) -> bool {
        self.closed.contains_key(&group)
    }

    /// Whether a node keeps its replica of a group: the system group's, and those of groups that have a
    /// region and are open. While no region is known, nothing is known of any group.
    #[must_use]
    pub fn keeps_replica_of(&self, group: GroupId) -> bool {
        let is_open = self.home_of(group).is_some() && !self.is_closed(group);
        self.regions.is_empty() || group == GroupId::SYSTEM || is_open
    }

    /// The end of a group's line of successors.
    #[must_use]
    pub fn successor(&self, mut group: GroupId) -> GroupId {
        // A successor has a greater number than what it succeeds: the line ends.
        while let Some(next) = self.closed.get(&group).and_then(|closed| closed.succession) {
            group = next.group;
        }
        group
    }

    /// The closed group that a group has succeeded.
    #[must_use]
    pub fn predecessor(&self, group: GroupId) -> Option<(&ClosedGroup, Succession)> {
        self.closed.values().find_map(|closed| {
            let succession = closed.succession.filter(|succession| succession.group == group)?;
            Some((closed, succession))
        })
    }

    /// The groups in which a node looks for organizations: the home groups; and the closed one that one
    /// of them has succeeded, as long as the node has nothing of the successor's state.
    #[must_use]
    pub fn readable_groups(&self, has_state: impl Fn(GroupId) -> bool) -> Vec<GroupId> {
        let mut groups: Vec<GroupId> = self.regions.values().map(|record| record.group).collect();
        if self.closed.is_empty() {
            return groups;
        }
        let mut look = groups.clone();
        while let Some(group) = look.pop() {
            if let Some((closed, _)) = self.predecessor(group)
                && !has_state(group)
            {
                groups.push(closed.group);
                look.push(closed.group);
            }
        }
        groups
    }

    /// What home groups must outlive.
    #[must_use]
    pub fn survival_goal(&self) -> SurvivalGoal {
        self.cluster.as_ref().map_or(SurvivalGoal::Node, |cluster| cluster.survival_goal)
    }

    /// The cluster's feature level: what may be proposed. The first one before the cluster was formed.
    #[must_use]
    pub fn feature_level(&self) -> u32 {
        self.cluster.as_ref().map_or(version::FEATURE_LEVEL_FIRST, |it| it.feature_level)
    }

    /// The regions that are leaving.
    #[must_use]
    pub fn leaving(&self) -> BTreeSet<Region> {
        let regions = self.regions.values();
        let regions = regions.filter(|record| record.state == RegionState::Leaving);
        regions.map(|record| record.region.clone()).collect()
    }
}

/// Whether what a closed group's replica held can go once its successor's state is here: the successor
/// lacks none of it. Without any entry there is nothing to drop.
#[must_use]
pub fn is_carried_over(succession: &Succession, last: Option<LogId>) -> bool {
    last.is_some_and(|last| !succession.lacks(last))
}

#[cfg(test)]
mod tests {
    use concordat_proto::{failover::FailoverBasis, log::Term};
    use proptest::prelude::*;

    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    fn record(name: &str, group: u32) -> RegionRecord {
        RegionRecord {
            region: region(name),
            group: GroupId(group),
            founder: NodeId(1),
            state: RegionState::Open,
            voter_region: region(name),
        }
    }

    fn closed(group: u32, next: Option<u32>) -> ClosedGroup {
        let last = LogId { term: Term(2), index: LogIndex(5) };
        let (founder, safe_index) = (NodeId(1), LogIndex(5));
        ClosedGroup {
            group: GroupId(group),
            region: region("east"),
            lost: region("east"),
            to: region("west"),
            basis: FailoverBasis::Fenced,
            absent: Vec::new(),
            succession: next.map(|group| Succession {
                group: GroupId(group),
                founder,
                last,
                safe_index,
            }),
        }
    }

    fn view(regions: &[(&str, u32)], lines: &[(u32, Option<u32>)]) -> SystemView {
        let regions = regions.iter().map(|(name, group)| (region(name), record(name, *group)));
        let closed = lines.iter().map(|(group, next)| (GroupId(*group), closed(*group, *next)));
        SystemView { regions: regions.collect(), closed: closed.collect(), ..SystemView::default() }
    }

    #[test]
    fn a_replica_stays_until_its_group_is_known_to_be_gone() {
        let system = view(&[("east", 3), ("west", 2)], &[(1, Some(3))]);
        for (group, stays) in [(0, true), (1, false), (2, true), (3, true), (9, false)] {
            assert_eq!(system.keeps_replica_of(GroupId(group)), stays, "group {group}");
        }
        assert!(SystemView::default().keeps_replica_of(GroupId(9)), "nothing is known yet");
        let unnamed = view(&[("east", 1)], &[(1, None)]);
        assert!(!unnamed.keeps_replica_of(GroupId(1)), "closed, without a successor yet");
    }

    #[test]
    fn a_closed_group_is_read_until_its_successor_is_here() {
        let system = view(&[("east", 5), ("west", 2)], &[(1, Some(3)), (3, Some(5))]);
        let read = |here: &[u32]| {
            let groups = system.readable_groups(|group| here.contains(&group.0));
            groups.into_iter().map(|group| group.0).collect::<Vec<_>>()
        };
        assert_eq!(read(&[]), [5, 2, 3, 1]);
        assert_eq!(read(&[3]), [5, 2, 3], "what the second one has is newer than the first");
        assert_eq!(read(&[5]), [5, 2]);
    }

    #[test]
    fn what_the_successor_lacks_is_kept() {
        let succession = closed(1, Some(3)).succession.unwrap();
        let id = |term, index| Some(LogId { term: Term(term), index: LogIndex(index) });
        for (last, goes) in [
            (None, false),
            (id(2, 5), true),
            (id(1, 4), true),
            (id(2, 6), false),
            (id(3, 1), false),
        ] {
            assert_eq!(is_carried_over(&succession, last), goes, "{last:?}");
        }
    }

    proptest! {
        #[test]
        fn a_line_of_successors_has_one_end_from_wherever_it_is_followed(length in 1_u32..20) {
            let lines: Vec<_> = (1..length).map(|group| (group, Some(group + 1))).collect();
            let system = view(&[("east", length)], &lines);
            for group in 1..=length {
                prop_assert_eq!(system.successor(GroupId(group)), GroupId(length));
                let before = system.predecessor(GroupId(group)).map(|(closed, _)| closed.group.0);
                prop_assert_eq!(before, (group > 1).then(|| group - 1));
            }
        }
    }
}

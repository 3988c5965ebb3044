//! What the system group's state says, read from it whenever it changes: regions, nodes, closed groups.
//!
//! A value of one moment. It must never be taken for current where a promise rests on it: `proven`
//! says of which moment it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use concordat_proto::{
    failover::{ClosedGroup, Succession},
    id::{GroupId, NodeId},
    log::LogIndex,
    org::{ClusterRecord, NodeRecord, RegionRecord, Survive},
    region::Region,
};

/// What the system group's state says, read from it whenever it changes.
#[derive(Debug, Default)]
pub(crate) struct SystemView {
    pub(crate) cluster: Option<ClusterRecord>,
    pub(crate) regions: BTreeMap<Region, RegionRecord>,
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    /// The names of the regions that nodes may join in.
    pub(crate) names: BTreeSet<Region>,
    /// The groups of regions that were removed.
    pub(crate) removed: Vec<GroupId>,
    /// The closed groups.
    pub(crate) closed: BTreeMap<GroupId, ClosedGroup>,
    /// The moment, by the node's steady clock, of which all this is at least; none before the first
    /// lease of the system group.
    pub(crate) proven: Option<Duration>,
    /// How much of the system group's log it has at least.
    pub(crate) index: LogIndex,
}

impl SystemView {
    /// The region whose home group it is; none for the system group.
    pub(crate) fn home_of(&self, group: GroupId) -> Option<Region> {
        let of = |record: &&RegionRecord| record.group == group;
        self.regions.values().find(of).map(|record| record.region.clone())
    }

    /// The region where a home group's voters stand; none for the system group.
    pub(crate) fn seat_of(&self, group: GroupId) -> Option<Region> {
        let of = |record: &&RegionRecord| record.group == group;
        self.regions.values().find(of).map(|record| record.seat.clone())
    }

    pub(crate) fn is_closed(&self, group: GroupId) -> bool {
        self.closed.contains_key(&group)
    }

    /// The end of a group's line of successors.
    pub(crate) fn successor(&self, mut group: GroupId) -> GroupId {
        // A successor has a greater number than what it succeeds: the line ends.
        while let Some(next) = self.closed.get(&group).and_then(|closed| closed.succession) {
            group = next.group;
        }
        group
    }

    /// The closed group that a group has succeeded.
    pub(crate) fn predecessor(&self, group: GroupId) -> Option<(&ClosedGroup, Succession)> {
        self.closed.values().find_map(|closed| {
            let succession = closed.succession.filter(|succession| succession.group == group)?;
            Some((closed, succession))
        })
    }

    /// What home groups must outlive.
    pub(crate) fn survive(&self) -> Survive {
        self.cluster.as_ref().map_or(Survive::Node, |cluster| cluster.survive)
    }
}

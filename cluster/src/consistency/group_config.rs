//! What a group's log says of its replicas: who is a member where, who serves, how long leases are.
//!
//! As far as one node has applied that log; it must never be taken for what the leader knows.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{
    id::NodeId,
    lease::{LeaseRecord, ReplicaMark},
    org::PartitionPolicyRecord,
    region::Region,
};

use super::stale_readers::{Members, RegionMembers};

/// What a group's log says of its replicas, as far as this node has applied it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupConfigView {
    /// By region.
    pub members: Members,
    /// Who is marked as what.
    pub marks: BTreeMap<NodeId, ReplicaMark>,
    /// The lease terms, and the longest lease ever set.
    pub leases: LeaseRecord,
    /// What the group's leaders do that are cut off.
    pub partition_policy: PartitionPolicyRecord,
    /// The feature level that the group's log has noted.
    pub feature_level: u32,
    /// The revision of the cluster-wide set of policies: in the system group the newest one, in a home group
    /// the one that its log has noted.
    pub policy_revision: u64,
}

/// The members of a group by region: a region counts where one of its replicas is marked as serving.
#[must_use]
pub fn members(
    nodes: impl IntoIterator<Item = (NodeId, Region)>,
    marks: &BTreeMap<NodeId, ReplicaMark>,
) -> Members {
    let mut members = Members::new();
    for (node, region) in nodes {
        let of = members.entry(region).or_default();
        of.nodes.push(node);
        of.counts |= marks.get(&node) == Some(&ReplicaMark::Serving);
    }
    members
}

impl GroupConfigView {
    /// The members by node.
    #[must_use]
    pub fn regions(&self) -> BTreeMap<NodeId, Region> {
        let of = |(region, members): (&Region, &RegionMembers)| {
            members.nodes.iter().map(|node| (*node, region.clone())).collect::<Vec<_>>()
        };
        self.members.iter().flat_map(of).collect()
    }

    /// All replicas, by region.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.members.values().flat_map(|members| &members.nodes).copied()
    }

    /// Whether any region counts: without one there is nowhere that a write could arrive.
    #[must_use]
    pub fn counts_any(&self) -> bool {
        self.members.values().any(|of| of.counts)
    }

    /// Whether a replica is marked as serving.
    #[must_use]
    pub fn is_serving(&self, node: NodeId) -> bool {
        self.marks.get(&node) == Some(&ReplicaMark::Serving)
    }

    /// Whether another replica of a replica's region serves.
    #[must_use]
    pub fn is_served_beside(&self, node: NodeId) -> bool {
        let beside = self.region_of(node).and_then(|region| self.members.get(region));
        let nodes = beside.into_iter().flat_map(|members| &members.nodes);
        nodes.filter(|it| **it != node).any(|it| self.is_serving(*it))
    }

    /// The region of a replica, if it is a member.
    #[must_use]
    pub fn region_of(&self, node: NodeId) -> Option<&Region> {
        let holds = |(_, members): &(&Region, &RegionMembers)| members.nodes.contains(&node);
        self.members.iter().find(holds).map(|(region, _)| region)
    }

    /// How long a replica's lease is; none for one that may hold none.
    #[must_use]
    pub fn length(&self, node: NodeId, home: Option<&Region>) -> Option<Duration> {
        let region = self.region_of(node).filter(|_| self.is_serving(node))?;
        Some(self.length_in(region, home))
    }

    /// How long leases are in a region.
    #[must_use]
    pub fn length_in(&self, region: &Region, home: Option<&Region>) -> Duration {
        let terms = self.leases.terms;
        if Some(region) == home { terms.home } else { terms.away }
    }

    /// Until no lease of the group can be held any more, from when none is granted, by a clock that may
    /// run fast: the longest that was ever set.
    #[must_use]
    pub fn longest_lease(&self) -> Duration {
        self.leases.stretched(self.leases.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    fn config(marks: &[(u64, ReplicaMark)]) -> GroupConfigView {
        let marks = marks.iter().map(|(node, mark)| (NodeId(*node), *mark)).collect();
        let nodes = [(1, "east"), (2, "east"), (3, "west")];
        let nodes = nodes.map(|(node, name)| (NodeId(node), region(name)));
        GroupConfigView { members: members(nodes, &marks), marks, ..GroupConfigView::default() }
    }

    #[test]
    fn a_region_counts_once_a_replica_of_it_serves() {
        let counting = |config: &GroupConfigView| {
            let of = config.members.iter().filter(|(_, of)| of.counts);
            of.map(|(region, _)| region.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert!(counting(&config(&[])).is_empty() && !config(&[]).counts_any());
        let east = config(&[(2, ReplicaMark::Serving), (3, ReplicaMark::Leaving)]);
        assert_eq!(counting(&east), ["east"]);
        assert!(east.counts_any());
        assert!(east.is_served_beside(NodeId(1)) && !east.is_served_beside(NodeId(2)));
        assert_eq!(east.nodes().collect::<Vec<_>>(), [1, 2, 3].map(NodeId));
    }

    #[test]
    fn only_a_serving_member_may_hold_a_lease() {
        let config = config(&[
            (1, ReplicaMark::Serving),
            (3, ReplicaMark::Leaving),
            (9, ReplicaMark::Serving),
        ]);
        let (east, terms) = (region("east"), config.leases.terms);
        assert_eq!(config.length(NodeId(1), Some(&east)), Some(terms.home));
        assert_eq!(config.length(NodeId(1), Some(&region("west"))), Some(terms.away));
        assert_eq!(config.length(NodeId(1), None), Some(terms.away), "the system group");
        for node in [2, 3, 9] {
            assert_eq!(config.length(NodeId(node), Some(&east)), None, "node {node}");
        }
    }
}

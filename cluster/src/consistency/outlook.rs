//! Whether a write would succeed now, and who is in the way if not: the first question of whoever
//! is called at night.
//!
//! A forecast from what one node knows, no promise: it may be wrong by what has changed since it
//! last heard of the others. It must never say yes without having heard of everybody that a yes
//! needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use concordat_proto::{id::NodeId, log::LogIndex, region::Region};

use super::Members;

/// Entries behind which a replica is in the way: it would still arrive, but hardly in time.
pub const BEHIND_MAX: u64 = 1000;

/// What a forecast for one group is made from.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Who leads.
    pub leader: Option<NodeId>,
    /// Each set of which a majority is needed for a commit: one, or two while voters change.
    pub quorums: Vec<BTreeSet<NodeId>>,
    /// Its replicas by region.
    pub members: &'a Members,
    /// What each replica has reported.
    pub applied: BTreeMap<NodeId, LogIndex>,
    /// Nodes heard of a moment ago, this one included.
    pub live: BTreeSet<NodeId>,
}

/// What is in a write's way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// Nobody leads, or the leader is not heard of.
    NoLeader(Option<NodeId>),
    /// These voters are not heard of, and without some of them there is no majority.
    NoQuorum(Vec<NodeId>),
    /// The region has no replica that serves.
    NotServed(Region),
    /// None of the region's replicas is heard of.
    Silent(Region, Vec<NodeId>),
    /// Nobody of the region is near enough to the newest entry: the entries that the furthest lacks.
    Behind(Region, u64),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed =
            |nodes: &[NodeId]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::NoLeader(None) => f.write_str("it has no leader"),
            Self::NoLeader(Some(node)) => write!(f, "its leader {node} is not heard of"),
            Self::NoQuorum(nodes) => write!(f, "voters not heard of: {}", listed(nodes)),
            Self::NotServed(region) => write!(f, "{region} has no replica that serves"),
            Self::Silent(region, nodes) => {
                write!(f, "nothing is heard of {region} (nodes {})", listed(nodes))
            }
            Self::Behind(region, entries) => write!(f, "{region} is {entries} entries behind"),
        }
    }
}

/// What is in the way of a write that must reach one region.
#[must_use]
pub fn of_region(known: &Known<'_>, region: &Region) -> Vec<Obstacle> {
    let mut obstacles = of_commit(known);
    obstacles.extend(of_arrival(known, region));
    obstacles
}

/// What is in the way of a write that must reach every region.
#[must_use]
pub fn of_all(known: &Known<'_>) -> Vec<Obstacle> {
    let mut obstacles = of_commit(known);
    let counting = known.members.iter().filter(|(_, members)| members.counts);
    obstacles.extend(counting.filter_map(|(region, _)| of_arrival(known, region)));
    obstacles
}

fn of_commit(known: &Known<'_>) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    if known.leader.is_none_or(|leader| !known.live.contains(&leader)) {
        obstacles.push(Obstacle::NoLeader(known.leader));
    }
    obstacles.extend(of_quorums(&known.quorums, &known.live));
    obstacles
}

/// Each set that has no majority among those that are heard of.
#[must_use]
pub fn of_quorums(quorums: &[BTreeSet<NodeId>], live: &BTreeSet<NodeId>) -> Vec<Obstacle> {
    let lacks = |voters: &&BTreeSet<NodeId>| voters.intersection(live).count() <= voters.len() / 2;
    let silent = |voters: &BTreeSet<NodeId>| voters.difference(live).copied().collect();
    quorums.iter().filter(lacks).map(|voters| Obstacle::NoQuorum(silent(voters))).collect()
}

fn of_arrival(known: &Known<'_>, region: &Region) -> Option<Obstacle> {
    let Some(members) = known.members.get(region).filter(|members| members.counts) else {
        return Some(Obstacle::NotServed(region.clone()));
    };
    let live = members.nodes.iter().filter(|node| known.live.contains(node));
    let of = |node: &NodeId| known.applied.get(node).copied().unwrap_or_default();
    // Those that are silent cost one lease; of the others the furthest decides.
    let Some(furthest) = live.map(of).max() else {
        return Some(Obstacle::Silent(region.clone(), members.nodes.clone()));
    };
    let newest = known.applied.values().max().copied().unwrap_or_default();
    let behind = newest.0.saturating_sub(furthest.0);
    // Where nobody has anything of the group yet, all of its state is still to come.
    let has_nothing = furthest == LogIndex(0) && behind > 0;
    (behind > BEHIND_MAX || has_nothing).then(|| Obstacle::Behind(region.clone(), behind))
}

#[cfg(test)]
mod tests {
    use super::{super::RegionMembers, *};

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    fn nodes(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    /// Nodes 1 to 3 in `a` vote, 4 to 6 are in `b`; 7 in `c` does not serve yet.
    fn members() -> Members {
        let of =
            |ids: &[u64], counts| RegionMembers { counts, nodes: nodes(ids).into_iter().collect() };
        [
            (region("a"), of(&[1, 2, 3], true)),
            (region("b"), of(&[4, 5, 6], true)),
            (region("c"), of(&[7], false)),
        ]
        .into()
    }

    fn known<'a>(members: &'a Members, live: &[u64]) -> Known<'a> {
        Known {
            leader: Some(NodeId(1)),
            quorums: vec![nodes(&[1, 2, 3])],
            members,
            applied: (1..=7).map(|node| (NodeId(node), LogIndex(5000))).collect(),
            live: nodes(live),
        }
    }

    #[test]
    fn a_healthy_group_takes_both() {
        let members = members();
        let known = known(&members, &[1, 2, 3, 4, 5, 6, 7]);
        assert!(of_region(&known, &region("a")).is_empty() && of_all(&known).is_empty());
        assert_eq!(of_region(&known, &region("c")), [Obstacle::NotServed(region("c"))]);
    }

    #[test]
    fn a_dead_minority_is_not_in_the_way() {
        let members = members();
        assert!(of_all(&known(&members, &[1, 2, 6])).is_empty());
    }

    #[test]
    fn who_is_in_the_way_is_named() {
        let members = members();
        let far = known(&members, &[1, 2, 3]);
        let silent = Obstacle::Silent(region("b"), vec![NodeId(4), NodeId(5), NodeId(6)]);
        assert!(of_region(&far, &region("a")).is_empty());
        assert_eq!(of_all(&far), std::slice::from_ref(&silent));
        assert_eq!(
            silent.to_string(),
            format!("nothing is heard of b (nodes {}, {}, {})", NodeId(4), NodeId(5), NodeId(6))
        );
        let headless = known(&members, &[3, 4, 5, 6]);
        let expected =
            [Obstacle::NoLeader(Some(NodeId(1))), Obstacle::NoQuorum(vec![NodeId(1), NodeId(2)])];
        assert_eq!(of_region(&headless, &region("a")), expected);
        let mut late = known(&members, &[1, 2, 3, 4]);
        late.applied.insert(NodeId(4), LogIndex(3000));
        assert_eq!(of_all(&late), [Obstacle::Behind(region("b"), 2000)]);
        // A successor's first entries, and a region that has nothing of it yet.
        late.applied = (1..=3).map(|node| (NodeId(node), LogIndex(5))).collect();
        assert_eq!(of_all(&late), [Obstacle::Behind(region("b"), 5)]);
    }

    #[test]
    fn half_way_through_a_change_both_majorities_are_needed() {
        let members = members();
        let mut known = known(&members, &[1, 2, 3, 4, 5]);
        known.quorums.push(nodes(&[4, 7, 8]));
        assert_eq!(of_commit(&known), [Obstacle::NoQuorum(vec![NodeId(7), NodeId(8)])]);
    }
}

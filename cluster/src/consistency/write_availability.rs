//! Whether a write would succeed now, and what prevents it if not: the first question of the
//! on-call engineer.
//!
//! A forecast from one node's view, no promise: it may be outdated by changes since the node last
//! heard from the others. It must never predict success without a recent report from every node
//! that success needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use concordat_proto::{id::NodeId, log::LogIndex, region::Region};

use super::Members;

/// Entries behind which a replica is in the way: it would still arrive, but hardly in time.
pub const BEHIND_MAX: u64 = 1000;

/// The input of a forecast for one group.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The leader.
    pub leader: Option<NodeId>,
    /// The sets of voters. A commit needs a majority of each: of one set, or of two while voters
    /// change.
    pub quorums: Vec<BTreeSet<NodeId>>,
    /// Its replicas by region.
    pub members: &'a Members,
    /// Each replica's reported index.
    pub applied: BTreeMap<NodeId, LogIndex>,
    /// Nodes heard from within the window, this one included.
    pub live: BTreeSet<NodeId>,
}

/// A reason why a write would not succeed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteBlocker {
    /// The group has no leader, or the leader is unreachable.
    NoLeader(Option<NodeId>),
    /// These voters are unreachable, and the others have no majority.
    NoQuorum(Vec<NodeId>),
    /// The region has no replica that serves.
    NotServed(Region),
    /// None of the region's replicas is reachable.
    Silent(Region, Vec<NodeId>),
    /// No replica of the region is near enough to the newest entry: the entries that the furthest
    /// lacks.
    Behind(Region, u64),
}

impl fmt::Display for WriteBlocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed =
            |nodes: &[NodeId]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::NoLeader(None) => f.write_str("no leader"),
            Self::NoLeader(Some(node)) => write!(f, "leader {node} is unreachable"),
            Self::NoQuorum(nodes) => write!(f, "no quorum, unreachable voters: {}", listed(nodes)),
            Self::NotServed(region) => write!(f, "region {region} has no serving replica"),
            Self::Silent(region, nodes) => {
                write!(f, "region {region} is unreachable (nodes {})", listed(nodes))
            }
            Self::Behind(region, entries) => {
                write!(f, "region {region} is {entries} entries behind")
            }
        }
    }
}

/// What blocks a write that must reach one region.
#[must_use]
pub fn of_region(known: &Known<'_>, region: &Region) -> Vec<WriteBlocker> {
    let mut blockers = of_commit(known);
    blockers.extend(of_arrival(known, region));
    blockers
}

/// What blocks a write that must reach every region.
#[must_use]
pub fn of_all(known: &Known<'_>) -> Vec<WriteBlocker> {
    let mut blockers = of_commit(known);
    let counting = known.members.iter().filter(|(_, members)| members.counts);
    blockers.extend(counting.filter_map(|(region, _)| of_arrival(known, region)));
    blockers
}

fn of_commit(known: &Known<'_>) -> Vec<WriteBlocker> {
    let mut blockers = Vec::new();
    if known.leader.is_none_or(|leader| !known.live.contains(&leader)) {
        blockers.push(WriteBlocker::NoLeader(known.leader));
    }
    blockers.extend(of_quorums(&known.quorums, &known.live));
    blockers
}

/// The sets that have no majority among the reachable nodes.
#[must_use]
pub fn of_quorums(quorums: &[BTreeSet<NodeId>], live: &BTreeSet<NodeId>) -> Vec<WriteBlocker> {
    let lacks = |voters: &&BTreeSet<NodeId>| voters.intersection(live).count() <= voters.len() / 2;
    let silent = |voters: &BTreeSet<NodeId>| voters.difference(live).copied().collect();
    quorums.iter().filter(lacks).map(|voters| WriteBlocker::NoQuorum(silent(voters))).collect()
}

fn of_arrival(known: &Known<'_>, region: &Region) -> Option<WriteBlocker> {
    let Some(members) = known.members.get(region).filter(|members| members.counts) else {
        return Some(WriteBlocker::NotServed(region.clone()));
    };
    let live = members.nodes.iter().filter(|node| known.live.contains(node));
    let of = |node: &NodeId| known.applied.get(node).copied().unwrap_or_default();
    // Those that are silent cost one lease; of the others the furthest decides.
    let Some(furthest) = live.map(of).max() else {
        return Some(WriteBlocker::Silent(region.clone(), members.nodes.clone()));
    };
    let newest = known.applied.values().max().copied().unwrap_or_default();
    let behind = newest.0.saturating_sub(furthest.0);
    // Where no replica has an entry of the group yet, all of its state is still to come.
    let has_nothing = furthest == LogIndex(0) && behind > 0;
    (behind > BEHIND_MAX || has_nothing).then(|| WriteBlocker::Behind(region.clone(), behind))
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
        assert_eq!(of_region(&known, &region("c")), [WriteBlocker::NotServed(region("c"))]);
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
        let silent = WriteBlocker::Silent(region("b"), vec![NodeId(4), NodeId(5), NodeId(6)]);
        assert!(of_region(&far, &region("a")).is_empty());
        assert_eq!(of_all(&far), std::slice::from_ref(&silent));
        assert_eq!(
            silent.to_string(),
            format!("region b is unreachable (nodes {}, {}, {})", NodeId(4), NodeId(5), NodeId(6))
        );
        let headless = known(&members, &[3, 4, 5, 6]);
        let expected = [
            WriteBlocker::NoLeader(Some(NodeId(1))),
            WriteBlocker::NoQuorum(vec![NodeId(1), NodeId(2)]),
        ];
        assert_eq!(of_region(&headless, &region("a")), expected);
        let mut late = known(&members, &[1, 2, 3, 4]);
        late.applied.insert(NodeId(4), LogIndex(3000));
        assert_eq!(of_all(&late), [WriteBlocker::Behind(region("b"), 2000)]);
        // A successor's first entries, and a region that has nothing of it yet.
        late.applied = (1..=3).map(|node| (NodeId(node), LogIndex(5))).collect();
        assert_eq!(of_all(&late), [WriteBlocker::Behind(region("b"), 5)]);
    }

    #[test]
    fn half_way_through_a_change_both_majorities_are_needed() {
        let members = members();
        let mut known = known(&members, &[1, 2, 3, 4, 5]);
        known.quorums.push(nodes(&[4, 7, 8]));
        assert_eq!(of_commit(&known), [WriteBlocker::NoQuorum(vec![NodeId(7), NodeId(8)])]);
    }
}

//! Why an operator's failover of a region's group would be refused now.
//!
//! A forecast from what one node sees, for people. What must never happen (two groups that take writes
//! of one region) is prevented elsewhere: by the fence, by the survivors' answers, by the machine's rules.

use std::{collections::BTreeMap, fmt};

use concordat_proto::{
    id::NodeId,
    org::{NodeRecord, RegionRecord},
    region::Region,
};

/// Why a region's group cannot be failed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailoverBlocker {
    /// The group's voters are hosted in the wanted region already.
    HostedThere {
        /// Whose group.
        region: Region,
        /// Where it is hosted.
        host: Region,
    },
    /// A node of the region that hosts the group lives.
    HostAlive {
        /// The node.
        node: NodeId,
        /// Its region.
        region: Region,
    },
    /// A node elsewhere leads the group and lives.
    Led {
        /// The leader.
        leader: NodeId,
        /// Its region.
        region: Region,
    },
    /// A node whose log is to be skipped lives.
    SkippedAlive {
        /// The node.
        node: NodeId,
    },
    /// Nodes do not answer whose logs are needed.
    Silent {
        /// Those, in order of id.
        nodes: Vec<NodeId>,
    },
}

impl fmt::Display for FailoverBlocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostedThere { region, host } => {
                write!(f, "the group of region {region} is already hosted in region {host}")
            }
            Self::HostAlive { node, region } => {
                write!(f, "node {node} of region {region} is alive: stop it, or relocate the group")
            }
            Self::Led { leader, region } => write!(
                f,
                "node {leader} of region {region} leads the group: relocate the group instead"
            ),
            Self::SkippedAlive { node } => {
                write!(f, "node {node} is alive, so its log cannot be skipped")
            }
            Self::Silent { nodes } => {
                let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                let nodes = nodes.join(", ");
                write!(f, "these nodes do not answer, and may have what no other has: {nodes}")
            }
        }
    }
}

impl std::error::Error for FailoverBlocker {}

/// Why the open group of a region cannot be failed over to another region. `absent`: nodes whose logs
/// the operator wants to skip; `leader`: the group's, as far as this node knows; `is_heard`: whether a
/// node was heard of a moment ago, this one included.
#[must_use]
pub fn blocker(
    nodes: &BTreeMap<NodeId, NodeRecord>,
    record: &RegionRecord,
    (to, absent): (&Region, &[NodeId]),
    leader: Option<NodeId>,
    is_heard: impl Fn(NodeId) -> bool,
) -> Option<FailoverBlocker> {
    // A client that got no answer in time asks again. This answer must not ask it to stop the nodes there.
    if record.voter_region == *to {
        let (region, host) = (record.region.clone(), to.clone());
        return Some(FailoverBlocker::HostedThere { region, host });
    }
    let lives = |node: &&NodeRecord| node.is_there() && is_heard(node.id);
    let mut lost = nodes.values().filter(|node| node.region == record.voter_region);
    if let Some(node) = lost.find(lives) {
        return Some(FailoverBlocker::HostAlive {
            node: node.id,
            region: record.voter_region.clone(),
        });
    }
    let leads = |node: &&NodeRecord| Some(node.id) == leader;
    if let Some(leader) = nodes.values().find(|node| leads(node) && lives(node)) {
        let region = leader.region.clone();
        return Some(FailoverBlocker::Led { leader: leader.id, region });
    }
    let mut skipped = nodes.values().filter(|node| absent.contains(&node.id));
    if let Some(node) = skipped.find(lives) {
        return Some(FailoverBlocker::SkippedAlive { node: node.id });
    }
    let is_silent = |node: &&NodeRecord| {
        let is_asked = node.region != record.voter_region && !absent.contains(&node.id);
        is_asked && node.is_there() && !lives(node)
    };
    let silent: Vec<NodeId> = nodes.values().filter(is_silent).map(|node| node.id).collect();
    (!silent.is_empty()).then_some(FailoverBlocker::Silent { nodes: silent })
}

#[cfg(test)]
mod tests {
    use concordat_proto::{
        id::GroupId,
        org::{NodeState, RegionState},
    };

    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    /// Nodes 1 and 2 host the group, 3 and 4 are where it is to go, 5 is elsewhere.
    fn nodes() -> BTreeMap<NodeId, NodeRecord> {
        let of = |(id, name): (u64, &str)| NodeRecord {
            id: NodeId(id),
            region: region(name),
            peer_address: String::new(),
            api_url: String::new(),
            state: NodeState::Member,
            replaced_by: None,
        };
        let all = [(1, "east"), (2, "east"), (3, "west"), (4, "west"), (5, "north")];
        all.map(of).into_iter().map(|node| (node.id, node)).collect()
    }

    fn judged(to: &str, absent: &[u64], leader: Option<u64>, live: &[u64]) -> Option<String> {
        let record = RegionRecord {
            region: region("home"),
            group: GroupId(1),
            founder: NodeId(1),
            state: RegionState::Open,
            voter_region: region("east"),
        };
        let absent: Vec<NodeId> = absent.iter().copied().map(NodeId).collect();
        let is_heard = |node: NodeId| live.contains(&node.0);
        let leader = leader.map(NodeId);
        blocker(&nodes(), &record, (&region(to), &absent), leader, is_heard)
            .map(|blocker| blocker.to_string())
    }

    #[test]
    fn each_obstacle_has_its_text() {
        let of = |id| NodeId(id).to_string();
        assert_eq!(
            judged("east", &[], Some(1), &[1, 2, 3, 4, 5]).unwrap(),
            "the group of region home is already hosted in region east"
        );
        assert_eq!(
            judged("west", &[], None, &[2, 3, 4, 5]).unwrap(),
            format!("node {} of region east is alive: stop it, or relocate the group", of(2))
        );
        assert_eq!(
            judged("west", &[], Some(5), &[3, 4, 5]).unwrap(),
            format!("node {} of region north leads the group: relocate the group instead", of(5))
        );
        assert_eq!(
            judged("west", &[5], None, &[3, 4, 5]).unwrap(),
            format!("node {} is alive, so its log cannot be skipped", of(5))
        );
        assert_eq!(
            judged("west", &[], None, &[3]).unwrap(),
            format!(
                "these nodes do not answer, and may have what no other has: {}, {}",
                of(4),
                of(5)
            )
        );
    }

    #[test]
    fn a_lost_region_can_be_failed_over_when_all_others_answer_or_are_skipped() {
        assert_eq!(judged("west", &[], None, &[3, 4, 5]), None);
        assert_eq!(judged("west", &[5], None, &[3, 4]), None);
        assert_eq!(judged("west", &[], Some(1), &[3, 4, 5]), None, "a leader of old");
    }
}

//! Whether a node that asks to join is registered: what is looked at before its registration is proposed,
//! so that one that asks again and again does not fill the log.
//!
//! A forecast by one node. What the log itself refuses is in `cluster.rs` and `naming.rs`.

use concordat_proto::{id::NodeId, org::NodeRecord, refusal::Refusal};

use super::{cluster::is_ended_by, naming::refuse_unnamed};
use crate::{machine::system_view::SystemView, planted};

/// Why a node is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// It could not read what is proposed.
    #[error(
        "the cluster is at feature level {level}, and this node's build knows {known}: upgrade it"
    )]
    TooOld {
        /// The cluster's level.
        level: u32,
        /// The node's.
        known: u32,
    },
    /// Another node that lives has its address.
    #[error("node {holder} is alive and has this address")]
    AddressInUse {
        /// That one.
        holder: NodeId,
    },
    /// At this feature level its registration would end another node.
    #[error(
        "node {other} is registered at {address} and would be ended by this registration; if it is lost, \
         remove it first (concordat node remove {other})"
    )]
    WouldEnd {
        /// That one.
        other: NodeId,
        /// The address of both.
        address: String,
    },
    /// The log would refuse it, or has.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Whether a node's build is too old for the cluster. A member has said what it knows before the level
/// rose.
///
/// # Errors
/// That it is.
pub fn require_level(is_member: bool, known: u32, level: u32) -> Result<(), NotAdmitted> {
    let is_known = planted::on_level_check(is_member || known >= level);
    if is_known { Ok(()) } else { Err(NotAdmitted::TooOld { level, known }) }
}

/// Whether a registration would change nothing.
#[must_use]
pub fn is_as_registered(known: &NodeRecord, record: &NodeRecord) -> bool {
    NodeRecord { replaced_by: None, state: known.state, ..record.clone() } == *known
}

/// Whether a node's registration may be proposed.
///
/// # Errors
/// Why not.
pub fn require_admissible(
    system: &SystemView,
    record: &NodeRecord,
    is_member: bool,
    is_heard: impl Fn(NodeId) -> bool,
) -> Result<(), NotAdmitted> {
    if let Some(holder) = holder_of_address(system, record, is_heard).filter(|_| !is_member) {
        return Err(NotAdmitted::AddressInUse { holder });
    }
    if let Some(other) = ended_by(system, record) {
        let address = record.peer_address.clone();
        return Err(NotAdmitted::WouldEnd { other, address });
    }
    if system.regions.contains_key(&record.region) {
        return Ok(());
    }
    let refusal = refuse_unnamed(system.feature_level(), &system.names, &record.region);
    refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
}

/// The node that a registration would end, in a cluster of a feature level where it does.
#[must_use]
pub fn ended_by(system: &SystemView, record: &NodeRecord) -> Option<NodeId> {
    let level = system.cluster.as_ref()?.feature_level;
    let ended = system.nodes.values().find(|node| is_ended_by(level, record, node));
    planted::on_ended_by(ended.map(|node| node.id))
}

/// A live node that has the address of another one that wants to join: most likely one of the two was
/// given the other's settings. Neither is harmed, but the other nodes would find only one of them.
fn holder_of_address(
    system: &SystemView,
    record: &NodeRecord,
    is_heard: impl Fn(NodeId) -> bool,
) -> Option<NodeId> {
    let same = system.nodes.values().find(|node| {
        node.id != record.id
            && node.is_there()
            && node.region == record.region
            && node.peer_address == record.peer_address
    });
    same.map(|node| node.id).filter(|id| is_heard(*id))
}

#[cfg(test)]
mod tests {
    use concordat_proto::{
        id::{ClusterId, GroupId},
        org::{
            ClusterRecord, NodeState, PartitionPolicyRecord, RegionRecord, RegionState,
            SurvivalGoal,
        },
        region::Region,
    };

    use super::*;
    use crate::machine::ADDRESS_IS_NO_NAME;

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    fn node(id: u64, name: &str, address: &str) -> NodeRecord {
        NodeRecord {
            id: NodeId(id),
            region: region(name),
            peer_address: address.to_owned(),
            api_url: String::new(),
            state: NodeState::Member,
            replaced_by: None,
        }
    }

    /// Region `east` with node 1 at `a`; region `west` is named and empty.
    fn system(feature_level: u32) -> SystemView {
        let east = RegionRecord {
            region: region("east"),
            group: GroupId(1),
            founder: NodeId(1),
            state: RegionState::Open,
            voter_region: region("east"),
        };
        SystemView {
            cluster: Some(ClusterRecord {
                id: ClusterId::from_bytes([1; 16]),
                feature_level,
                survival_goal: SurvivalGoal::Node,
                partition_policy: PartitionPolicyRecord::default(),
            }),
            regions: [(region("east"), east)].into(),
            nodes: [(NodeId(1), node(1, "east", "a"))].into(),
            names: [region("east"), region("west")].into(),
            ..SystemView::default()
        }
    }

    fn judged(level: u32, record: &NodeRecord, is_member: bool, live: bool) -> Option<String> {
        let admitted = require_admissible(&system(level), record, is_member, |_| live);
        admitted.err().map(|error| error.to_string())
    }

    #[test]
    fn each_reason_has_its_text() {
        let newest = concordat_proto::version::FEATURE_LEVEL;
        let one = NodeId(1);
        let moved = node(2, "east", "a");
        assert_eq!(
            judged(newest, &moved, false, true).unwrap(),
            format!("node {one} is alive and has this address")
        );
        let before = ADDRESS_IS_NO_NAME - 1;
        assert_eq!(
            judged(before, &moved, true, false).unwrap(),
            format!(
                "node {one} is registered at a and would be ended by this registration; if it is \
                 lost, remove it first (concordat node remove {one})"
            )
        );
        let stranger = node(2, "north", "b");
        let refusal = refuse_unnamed(newest, &system(newest).names, &stranger.region);
        assert_eq!(judged(newest, &stranger, false, false), refusal.map(|it| it.to_string()));
        let old = require_level(false, 1, 2).unwrap_err().to_string();
        let expected =
            "the cluster is at feature level 2, and this node's build knows 1: upgrade it";
        assert_eq!(old, expected);
    }

    #[test]
    fn a_node_with_an_address_of_its_own_in_a_named_region_is_admitted() {
        let newest = concordat_proto::version::FEATURE_LEVEL;
        for record in [node(2, "east", "b"), node(2, "west", "a"), node(2, "west", "b")] {
            assert_eq!(judged(newest, &record, false, true), None, "{record:?}");
        }
        assert_eq!(judged(newest, &node(2, "east", "a"), false, false), None, "node 1 is silent");
        assert_eq!(judged(newest, &node(2, "east", "a"), true, true), None, "a member moves");
        assert!(require_level(true, 1, 2).is_ok() && require_level(false, 2, 2).is_ok());
    }

    #[test]
    fn a_repeat_changes_nothing_whatever_the_state() {
        let known = NodeRecord { state: NodeState::Draining, ..node(1, "east", "a") };
        assert!(is_as_registered(&known, &node(1, "east", "a")));
        assert!(!is_as_registered(&known, &node(1, "east", "b")));
        let replaced = NodeRecord { replaced_by: Some(NodeId(2)), ..known };
        assert!(!is_as_registered(&replaced, &node(1, "east", "a")));
    }
}

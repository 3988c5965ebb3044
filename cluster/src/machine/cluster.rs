//! The rules of the cluster's beginning and of joining it: its nodes, its regions and their groups.
//!
//! A node never changes its region, and one that was removed never comes back. A group has one founder
//! for ever: a second node that believed itself the founder would begin the group a second time. No
//! group ever takes another one's number.
//!
//! # Why nobody is replaced by an address
//! A node is its data directory; an address is where it was last found. Two nodes may exchange their
//! addresses, one that is down may come back elsewhere while another listens where it was, and a copied
//! setting may name a third one's. In none of these cases has anybody lost anything, and nothing that a
//! registration says, nor any silence, tells them from a disk that was wiped: so an address never ends
//! a node. A wiped disk is a new node beside the old one, whose end only an operator can know of
//! (`SetNodeState`). Two records may name one address: whoever connects checks who answers.
//!
//! Before [`ADDRESS_IS_NO_NAME`] a registration did end every other node of the region with that
//! address. That stays as it was for clusters of an earlier feature level: replicas of both builds must
//! come to the same state. Nodes of this build propose no such registration there (`raft/service.rs`).

use concordat_proto::{
    id::GroupId,
    limits,
    org::{ApiKey, ClusterRecord, NodeRecord, NodeState, RegionRecord, RegionState},
    refusal::{FullOf, Refusal},
    region::Region,
    reply::Reply,
};

use super::{
    naming, query,
    turn::{Halt, Ruling, Turn},
};
use crate::{
    planted::{self, Bug},
    store::keys,
};

/// The feature level from which on an address says nothing of who a node is.
pub const ADDRESS_IS_NO_NAME: u32 = 2;

/// Begins the cluster, once, with the names of the regions that nodes may join in.
pub(super) fn form(
    turn: &mut Turn<'_>,
    cluster: &ClusterRecord,
    operator_key: &ApiKey,
    regions: &[Region],
) -> Ruling {
    if query::cluster(turn.view())?.is_some() {
        return Err(Refusal::AlreadyFormed.into());
    }
    turn.put(keys::cluster(), cluster);
    turn.put(keys::operator_key(&operator_key.hash), operator_key);
    naming::record(turn, regions);
    Ok(Reply::Done)
}

/// Registers a node or its new addresses, and makes its region and that region's group when it is the
/// first there.
pub(super) fn register_node(turn: &mut Turn<'_>, node: &NodeRecord) -> Ruling {
    let Some(cluster) = query::cluster(turn.view())? else {
        return Err(Refusal::AlreadyFormed.into());
    };
    let nodes = query::nodes(turn.view())?;
    let present = nodes.get(&node.id);
    if present.is_some_and(|present| !present.is_there()) {
        return Err(Refusal::NodeGone.into());
    }
    if present.is_some_and(|present| present.region != node.region) {
        return Err(Refusal::NodeRefused.into());
    }
    let in_service = |other: &&NodeRecord| other.is_there() && other.id != node.id;
    let (replaced, others): (Vec<&NodeRecord>, Vec<&NodeRecord>) = nodes
        .values()
        .filter(in_service)
        .partition(|other| is_ended_by(cluster.feature_level, node, other));
    if others.len() >= limits::NODES_MAX {
        return Err(Refusal::ClusterFull { what: FullOf::Nodes }.into());
    }
    let group = find_or_make_region(turn, node, present.is_some())?;
    for old in replaced {
        let replaced = NodeRecord { replaced_by: Some(node.id), ..old.clone() };
        turn.put(keys::node(old.id), &replaced);
    }
    let state = present.map_or(NodeState::Member, |present| present.state);
    turn.put(keys::node(node.id), &NodeRecord { replaced_by: None, state, ..node.clone() });
    Ok(Reply::NodeRegistered { group })
}

/// Whether a node's registration ends another one: where an address is still taken for a name.
#[must_use]
pub fn is_ended_by(feature_level: u32, node: &NodeRecord, other: &NodeRecord) -> bool {
    (feature_level < ADDRESS_IS_NO_NAME || planted::is(Bug::AddressIsIdentity))
        && other.id != node.id
        && other.is_there()
        && other.region == node.region
        && other.peer_address == node.peer_address
}

/// The group of a node's region. A region that was removed begins anew, with another group, once it is
/// named again.
fn find_or_make_region(
    turn: &mut Turn<'_>,
    node: &NodeRecord,
    is_known: bool,
) -> Result<GroupId, Halt> {
    let regions = query::regions(turn.view())?;
    let there = || regions.iter().filter(|record| record.state != RegionState::Removed);
    if let Some(present) = there().find(|record| record.region == node.region) {
        if present.state == RegionState::Leaving && !is_known {
            return Err(Refusal::RegionLeaving.into());
        }
        return Ok(present.group);
    }
    naming::require_named(turn, &node.region)?;
    if there().count() >= limits::REGIONS_MAX {
        return Err(Refusal::ClusterFull { what: FullOf::Regions }.into());
    }
    let group = next_group(&regions)?;
    let region = node.region.clone();
    let (seat, state) = (region.clone(), RegionState::Open);
    let record = RegionRecord { region, group, founder: node.id, state, seat };
    turn.put(keys::region(&node.region), &record);
    naming::note_made(turn, &node.region)?;
    Ok(group)
}

/// A group's number that no group ever had; refused where there is none left.
pub(super) fn next_group(regions: &[RegionRecord]) -> Result<GroupId, Halt> {
    let newest = regions.iter().map(|record| record.group).max().unwrap_or(GroupId::SYSTEM);
    if newest >= GroupId::LAST {
        return Err(Refusal::ClusterFull { what: FullOf::Regions }.into());
    }
    Ok(GroupId(newest.0 + 1))
}

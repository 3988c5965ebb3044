//! The rules of the cluster's creation and of joining it: its nodes, its regions and their groups.
//!
//! A node never changes its region, and a removed node never comes back. A group has one founder
//! for ever: a second node that believed itself the founder would create the group a second time.
//! No group ever gets another one's number.
//!
//! # Why an address replaces no node
//! A node is its data directory; an address is where it was last found. Two nodes may exchange
//! their addresses, a node that is down may return elsewhere while another listens at its old
//! address, and a copied setting may name a third node's. In none of these cases has any node lost
//! data, and neither a registration nor silence distinguishes them from a wiped disk: so an address
//! never ends a node. A wiped disk is a new node beside the old one, which only an operator can
//! remove (`SetNodeState`). Two records may have one address: a node that connects checks the
//! identity of its peer.
//!
//! Before [`ADDRESS_IS_NO_NAME`] a registration did end every other node of the region with that
//! address. That is unchanged for clusters of an earlier feature level: replicas of both builds
//! must reach the same state. Nodes of this build propose no such registration there
//! (`raft/service.rs`).

use concordat_proto::{
    id::GroupId,
    limits,
    org::{ApiKey, ClusterRecord, NodeRecord, NodeState, RegionRecord, RegionState},
    refusal::{FullOf, Refusal},
    region::Region,
    reply::Reply,
};

use super::naming;
use crate::{
    machine::{
        entry::txn::{ApplyError, ApplyResult, ApplyTxn},
        query,
    },
    planted,
    store::keys,
};

/// The feature level from which on an address is no identity.
pub const ADDRESS_IS_NO_NAME: u32 = 2;

/// Begins the cluster, once, with the names of the regions that nodes may join in.
pub(in crate::machine) fn form(
    txn: &mut ApplyTxn<'_>,
    cluster: &ClusterRecord,
    operator_key: &ApiKey,
    regions: &[Region],
) -> ApplyResult {
    if query::cluster(txn.view())?.is_some() {
        return Err(Refusal::AlreadyFormed.into());
    }
    txn.put(keys::cluster(), cluster);
    txn.put(keys::operator_key(&operator_key.hash), operator_key);
    naming::record(txn, regions);
    Ok(Reply::Done)
}

/// Registers a node or its new addresses, and makes its region and that region's group when it is the
/// first there.
pub(in crate::machine) fn register_node(txn: &mut ApplyTxn<'_>, node: &NodeRecord) -> ApplyResult {
    let Some(cluster) = query::cluster(txn.view())? else {
        return Err(Refusal::AlreadyFormed.into());
    };
    let nodes = query::nodes(txn.view())?;
    let present = nodes.get(&node.id);
    if present.is_some_and(|present| !present.is_there()) {
        return Err(Refusal::NodeRemoved.into());
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
    let group = find_or_make_region(txn, node, present.is_some())?;
    for old in replaced {
        let replaced = NodeRecord { replaced_by: Some(node.id), ..old.clone() };
        txn.put(keys::node(old.id), &replaced);
    }
    let state = present.map_or(NodeState::Member, |present| present.state);
    txn.put(keys::node(node.id), &NodeRecord { replaced_by: None, state, ..node.clone() });
    Ok(Reply::NodeRegistered { group })
}

/// Whether a node's registration ends another node: only at levels at which an address is an
/// identity.
#[must_use]
pub fn is_ended_by(feature_level: u32, node: &NodeRecord, other: &NodeRecord) -> bool {
    planted::on_address_names(feature_level < ADDRESS_IS_NO_NAME)
        && other.id != node.id
        && other.is_there()
        && other.region == node.region
        && other.peer_address == node.peer_address
}

/// The group of a node's region. A region that was removed begins anew, with another group, once it is
/// named again.
fn find_or_make_region(
    txn: &mut ApplyTxn<'_>,
    node: &NodeRecord,
    is_known: bool,
) -> Result<GroupId, ApplyError> {
    let regions = query::regions(txn.view())?;
    let there = || regions.iter().filter(|record| record.state != RegionState::Removed);
    if let Some(present) = there().find(|record| record.region == node.region) {
        if present.state == RegionState::Leaving && !is_known {
            return Err(Refusal::RegionLeaving.into());
        }
        return Ok(present.group);
    }
    naming::require_named(txn, &node.region)?;
    if there().count() >= limits::REGIONS_MAX {
        return Err(Refusal::ClusterFull { what: FullOf::Regions }.into());
    }
    let group = next_group(&regions)?;
    let region = node.region.clone();
    let (voter_region, state) = (region.clone(), RegionState::Open);
    let record = RegionRecord { region, group, founder: node.id, state, voter_region };
    txn.put(keys::region(&node.region), &record);
    naming::note_made(txn, &node.region)?;
    Ok(group)
}

/// A group's number that no group ever had; refused where there is none left.
pub(in crate::machine) fn next_group(regions: &[RegionRecord]) -> Result<GroupId, ApplyError> {
    let newest = regions.iter().map(|record| record.group).max().unwrap_or(GroupId::SYSTEM);
    if newest >= GroupId::LAST {
        return Err(Refusal::ClusterFull { what: FullOf::Regions }.into());
    }
    Ok(GroupId(newest.0 + 1))
}

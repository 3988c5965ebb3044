//! The rules of the cluster's own records: its beginning, its nodes, its regions and their groups.
//!
//! A node never changes its region, and one that was replaced never comes back. A region's founder
//! never changes: a second node that believed itself the founder would begin the group a second
//! time.

use concordat_proto::{
    id::GroupId,
    limits,
    org::{ApiKey, ClusterRecord, NodeRecord, RegionRecord},
    refusal::{FullOf, Refusal},
    reply::Reply,
};

use super::{
    query,
    turn::{Halt, Ruling, Turn},
};
use crate::store::keys;

/// Begins the cluster, once.
pub(super) fn form(turn: &mut Turn<'_>, cluster: &ClusterRecord, operator_key: &ApiKey) -> Ruling {
    if query::cluster(turn.view())?.is_some() {
        return Err(Refusal::AlreadyFormed.into());
    }
    turn.put(keys::cluster(), cluster);
    turn.put(keys::operator_key(&operator_key.hash), operator_key);
    Ok(Reply::Done)
}

/// Registers a node or its new addresses, marks those whose peer address it has taken over, and
/// makes its region and that region's group when it is the first there.
pub(super) fn register_node(turn: &mut Turn<'_>, node: &NodeRecord) -> Ruling {
    if query::cluster(turn.view())?.is_none() {
        return Err(Refusal::AlreadyFormed.into());
    }
    let nodes = query::nodes(turn.view())?;
    if let Some(present) = nodes.get(&node.id)
        && (present.region != node.region || present.replaced_by.is_some())
    {
        return Err(Refusal::NodeRefused.into());
    }
    let in_service = |other: &&NodeRecord| other.replaced_by.is_none() && other.id != node.id;
    let (replaced, others): (Vec<&NodeRecord>, Vec<&NodeRecord>) = nodes
        .values()
        .filter(in_service)
        .partition(|other| other.region == node.region && other.peer_address == node.peer_address);
    if others.len() >= limits::NODES_MAX {
        return Err(Refusal::ClusterFull { what: FullOf::Nodes }.into());
    }
    let group = find_or_make_region(turn, node)?;
    for old in replaced {
        let replaced = NodeRecord { replaced_by: Some(node.id), ..old.clone() };
        turn.put(keys::node(old.id), &replaced);
    }
    turn.put(keys::node(node.id), &NodeRecord { replaced_by: None, ..node.clone() });
    Ok(Reply::NodeRegistered { group })
}

fn find_or_make_region(turn: &mut Turn<'_>, node: &NodeRecord) -> Result<GroupId, Halt> {
    let regions = query::regions(turn.view())?;
    if let Some(present) = regions.iter().find(|record| record.region == node.region) {
        return Ok(present.group);
    }
    if regions.len() >= limits::REGIONS_MAX {
        return Err(Refusal::ClusterFull { what: FullOf::Regions }.into());
    }
    let newest = regions.iter().map(|record| record.group.0).max().unwrap_or(GroupId::SYSTEM.0);
    let group = GroupId(newest.saturating_add(1));
    let record = RegionRecord { region: node.region.clone(), group, founder: node.id };
    turn.put(keys::region(&node.region), &record);
    Ok(group)
}

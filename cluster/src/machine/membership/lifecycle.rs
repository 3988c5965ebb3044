//! The life cycle of nodes and regions: draining, leaving, removal, recreating a region's group;
//! and the survival goal.
//!
//! # The life of a node
//! member ⇄ draining ⇄ leaving → removed. Removed is final. A region keeps at least one member for
//! as long as it hosts a group, so that a node can vote in it.
//!
//! # The life of a region
//! open ⇄ leaving → removed, with all its nodes; a later region of the same name is another one.
//! While it is leaving no organization can be created there. The proposer of the removal must
//! ensure that no organization has its home there, after it has seen the region leaving:
//! organizations are in other groups, which these rules never read.
//!
//! # Recreating a region's group
//! A founder that died before it created its region's group leaves a region without one. Why it
//! takes an operator: only the founder's disk shows whether it had created the group, and had
//! answered a write a moment before it would have replicated it. It is safe not because the founder
//! had not begun, but because nothing of its group can count any more: the founder has been removed
//! (the operator confirms that it will not run again, which every peer enforces), and the new group
//! has a new number, so that no entry of the old group can be taken for one of the new. Claimed
//! organizations are created in the new group, from their claims. The proposer must ensure that no
//! other node has anything of the old group.

use concordat_proto::{
    failover::ClosedGroup,
    id::NodeId,
    org::{ClusterRecord, NodeRecord, NodeState, RegionRecord, RegionState, SurvivalGoal},
    refusal::Refusal,
    region::Region,
    reply::Reply,
};

use super::{cluster::next_group, naming};
use crate::{
    machine::{
        entry::txn::{ApplyError, ApplyResult, ApplyTxn},
        query,
    },
    store::{StoreError, keys},
};

/// Regions that `survival_goal = "region"` takes: with two, each would hold half of the voters.
pub(crate) const SURVIVAL_REGIONS_MIN: usize = 3;

/// A node's next state.
pub(in crate::machine) fn set_node_state(
    txn: &mut ApplyTxn<'_>,
    id: NodeId,
    state: NodeState,
) -> ApplyResult {
    let nodes = query::nodes(txn.view())?;
    let Some(node) = nodes.get(&id) else { return Err(Refusal::NodeNotFound.into()) };
    if node.state == state && node.replaced_by.is_none() {
        return Ok(Reply::Done);
    }
    if !node.is_there() {
        return Err(Refusal::NodeRemoved.into());
    }
    if state == NodeState::Removed && node.state != NodeState::Leaving {
        return Err(Refusal::NodeNotLeaving.into());
    }
    let can_vote_for_it =
        |other: &NodeRecord| other.id != id && other.region == node.region && other.may_vote();
    let is_last = state != NodeState::Member && !nodes.values().any(can_vote_for_it);
    if is_last && hosts_group(txn, |_| true, &node.region)? {
        return Err(Refusal::LastVoterOfRegion.into());
    }
    txn.put(keys::node(id), &NodeRecord { state, ..node.clone() });
    Ok(Reply::Done)
}

/// A region's next state.
pub(in crate::machine) fn set_region_state(
    txn: &mut ApplyTxn<'_>,
    region: &Region,
    state: RegionState,
) -> ApplyResult {
    let record = match present_region(txn, region) {
        Ok(record) => record,
        // A name without a region.
        Err(_) if state != RegionState::Open && naming::take_back(txn, region)? => {
            return Ok(Reply::Done);
        }
        Err(error) => return Err(error),
    };
    if record.state == state {
        return Ok(Reply::Done);
    }
    match state {
        RegionState::Open => {}
        RegionState::Leaving => {
            if hosts_group(txn, |of| of != region, region)? {
                return Err(Refusal::HostsOtherGroup.into());
            }
            require_regions_without(txn, region)?;
        }
        RegionState::Removed => {
            if record.state != RegionState::Leaving {
                return Err(Refusal::RegionNotLeaving.into());
            }
            remove_nodes(txn, region)?;
            naming::forget(txn, region);
        }
    }
    txn.put(keys::region(region), &RegionRecord { state, ..record });
    Ok(Reply::Done)
}

/// Whether a region hosts the group of one of these regions.
fn hosts_group(
    txn: &ApplyTxn<'_>,
    of: impl Fn(&Region) -> bool,
    voter_region: &Region,
) -> Result<bool, StoreError> {
    let regions = query::regions(txn.view())?;
    let is_hosted = |record: &&RegionRecord| {
        record.state != RegionState::Removed
            && record.voter_region == *voter_region
            && of(&record.region)
    };
    Ok(regions.iter().find(is_hosted).is_some())
}

/// A region that was not removed.
pub(in crate::machine) fn present_region(
    txn: &ApplyTxn<'_>,
    region: &Region,
) -> Result<RegionRecord, ApplyError> {
    let record = query::region(txn.view(), region)?;
    let record = record.filter(|record| record.state != RegionState::Removed);
    record.ok_or_else(|| Refusal::RegionNotFound.into())
}

/// Enough regions must stay: one, or as many as `survival_goal` needs.
fn require_regions_without(txn: &ApplyTxn<'_>, region: &Region) -> Result<(), ApplyError> {
    let regions = query::regions(txn.view())?;
    let stays = |other: &&RegionRecord| other.region != *region && other.state == RegionState::Open;
    let staying = regions.iter().filter(stays).count();
    let survival_goal = query::cluster(txn.view())?.map(|cluster| cluster.survival_goal);
    if staying == 0 {
        return Err(Refusal::LastRegion.into());
    }
    if survival_goal == Some(SurvivalGoal::Region) && staying < SURVIVAL_REGIONS_MIN {
        return Err(Refusal::TooFewRegions.into());
    }
    Ok(())
}

fn remove_nodes(txn: &mut ApplyTxn<'_>, region: &Region) -> Result<(), ApplyError> {
    for node in query::nodes(txn.view())?.into_values() {
        if node.region == *region && node.is_there() {
            let removed = NodeRecord { state: NodeState::Removed, ..node };
            txn.put(keys::node(removed.id), &removed);
        }
    }
    Ok(())
}

/// Another group and founder for a region whose founder has been removed.
pub(in crate::machine) fn refound_region(
    txn: &mut ApplyTxn<'_>,
    region: &Region,
    founder: NodeId,
) -> ApplyResult {
    let record = present_region(txn, region)?;
    if record.founder == founder {
        return Ok(Reply::Done);
    }
    // The state that the successor is made from would be lost.
    let closed = query::closed_groups(txn.view())?;
    let is_successor = |of: &ClosedGroup| of.succession.is_some_and(|it| it.group == record.group);
    if closed.iter().any(|of| of.group == record.group || is_successor(of)) {
        return Err(Refusal::FailingOver.into());
    }
    let nodes = query::nodes(txn.view())?;
    if nodes.get(&record.founder).is_some_and(NodeRecord::is_there) {
        return Err(Refusal::FounderIsMember.into());
    }
    if !nodes.get(&founder).is_some_and(|node| node.region == *region && node.may_vote()) {
        return Err(Refusal::NotOfRegion.into());
    }
    let group = next_group(&query::regions(txn.view())?)?;
    let voter_region = region.clone();
    txn.put(keys::region(region), &RegionRecord { group, founder, voter_region, ..record });
    Ok(Reply::Done)
}

/// Sets the survival goal.
pub(in crate::machine) fn set_survival_goal(
    txn: &mut ApplyTxn<'_>,
    survival_goal: SurvivalGoal,
) -> ApplyResult {
    let Some(cluster) = query::cluster(txn.view())? else {
        return Err(Refusal::RegionNotFound.into());
    };
    let nodes = query::nodes(txn.view())?;
    let regions = query::regions(txn.view())?;
    let can_vote = |record: &&RegionRecord| {
        record.state == RegionState::Open
            && nodes.values().any(|node| node.region == record.region && node.may_vote())
    };
    let voting = regions.iter().filter(can_vote).count();
    if survival_goal == SurvivalGoal::Region && voting < SURVIVAL_REGIONS_MIN {
        return Err(Refusal::TooFewRegions.into());
    }
    txn.put(keys::cluster(), &ClusterRecord { survival_goal, ..cluster });
    Ok(Reply::Done)
}

//! The rules of the lives of nodes and regions: draining, leaving, removal; the founding of a region
//! anew; what home groups must outlive.
//!
//! # The life of a node
//! member ⇄ draining ⇄ leaving → removed. Removed is for good. A region keeps one member at least
//! for as long as a group has its seat there, so that somebody can vote in it.
//!
//! # The life of a region
//! open ⇄ leaving → removed, with all its nodes; a later region of the same name is another one.
//! While it is leaving no organisation can begin there. That none is at home there is for whoever
//! proposes the removal to see to, after it has seen the region leaving: organisations live in other
//! groups, which these rules never look at.
//!
//! # Founding anew
//! A founder that died before it founded its region's group leaves a region without one. Why it
//! takes an operator: whether the founder had begun, and had answered a write in the moment before
//! it would have told others, stands on its disk alone. What makes it safe is not that it had not
//! begun, but that nothing of it can count any more: the founder has been removed (the operator's
//! word that it will not run again, which every peer enforces), and the new group has a number of its
//! own, so that no entry of a group that was begun after all can be taken for one of the new.
//! Claimed organisations begin in the new group, by their claims. That no other node has anything of
//! the old group is for whoever proposes it to see to.

use concordat_proto::{
    failover::ClosedGroup,
    id::NodeId,
    org::{ClusterRecord, NodeRecord, NodeState, RegionRecord, RegionState, Survive},
    refusal::Refusal,
    region::Region,
    reply::Reply,
};

use super::{
    cluster::next_group,
    naming, query,
    turn::{Halt, Ruling, Turn},
};
use crate::store::{StoreError, keys};

/// Regions that `survive = "region"` takes: with two, each would hold half of the voters.
pub(crate) const SURVIVE_REGION_REGIONS_MIN: usize = 3;

/// A node's next state.
pub(super) fn set_node_state(turn: &mut Turn<'_>, id: NodeId, state: NodeState) -> Ruling {
    let nodes = query::nodes(turn.view())?;
    let Some(node) = nodes.get(&id) else { return Err(Refusal::NodeNotFound.into()) };
    if node.state == state && node.replaced_by.is_none() {
        return Ok(Reply::Done);
    }
    if !node.is_there() {
        return Err(Refusal::NodeGone.into());
    }
    if state == NodeState::Removed && node.state != NodeState::Leaving {
        return Err(Refusal::NodeNotLeaving.into());
    }
    let can_vote_for_it =
        |other: &NodeRecord| other.id != id && other.region == node.region && other.may_vote();
    let is_last = state != NodeState::Member && !nodes.values().any(can_vote_for_it);
    if is_last && is_seat(turn, |_| true, &node.region)? {
        return Err(Refusal::LastVoterOfRegion.into());
    }
    turn.put(keys::node(id), &NodeRecord { state, ..node.clone() });
    Ok(Reply::Done)
}

/// A region's next state.
pub(super) fn set_region_state(turn: &mut Turn<'_>, region: &Region, state: RegionState) -> Ruling {
    let record = match standing(turn, region) {
        Ok(record) => record,
        // A name without a region.
        Err(_) if state != RegionState::Open && naming::take_back(turn, region)? => {
            return Ok(Reply::Done);
        }
        Err(halt) => return Err(halt),
    };
    if record.state == state {
        return Ok(Reply::Done);
    }
    match state {
        RegionState::Open => {}
        RegionState::Leaving => {
            if is_seat(turn, |of| of != region, region)? {
                return Err(Refusal::SeatOfOthers.into());
            }
            require_regions_without(turn, region)?;
        }
        RegionState::Removed => {
            if record.state != RegionState::Leaving {
                return Err(Refusal::RegionNotLeaving.into());
            }
            remove_nodes(turn, region)?;
            naming::forget(turn, region);
        }
    }
    turn.put(keys::region(region), &RegionRecord { state, ..record });
    Ok(Reply::Done)
}

/// Whether the group of one of these regions stands in a region.
fn is_seat(
    turn: &Turn<'_>,
    of: impl Fn(&Region) -> bool,
    seat: &Region,
) -> Result<bool, StoreError> {
    let regions = query::regions(turn.view())?;
    let stands = |record: &&RegionRecord| {
        record.state != RegionState::Removed && record.seat == *seat && of(&record.region)
    };
    Ok(regions.iter().find(stands).is_some())
}

/// A region that was not removed.
pub(super) fn standing(turn: &Turn<'_>, region: &Region) -> Result<RegionRecord, Halt> {
    let record = query::region(turn.view(), region)?;
    let record = record.filter(|record| record.state != RegionState::Removed);
    record.ok_or_else(|| Refusal::RegionNotFound.into())
}

/// Enough regions must stay: one, or as many as `survive` needs.
fn require_regions_without(turn: &Turn<'_>, region: &Region) -> Result<(), Halt> {
    let regions = query::regions(turn.view())?;
    let stays = |other: &&RegionRecord| other.region != *region && other.state == RegionState::Open;
    let staying = regions.iter().filter(stays).count();
    let survive = query::cluster(turn.view())?.map(|cluster| cluster.survive);
    if staying == 0 {
        return Err(Refusal::LastRegion.into());
    }
    if survive == Some(Survive::Region) && staying < SURVIVE_REGION_REGIONS_MIN {
        return Err(Refusal::TooFewRegions.into());
    }
    Ok(())
}

fn remove_nodes(turn: &mut Turn<'_>, region: &Region) -> Result<(), Halt> {
    for node in query::nodes(turn.view())?.into_values() {
        if node.region == *region && node.is_there() {
            let removed = NodeRecord { state: NodeState::Removed, ..node };
            turn.put(keys::node(removed.id), &removed);
        }
    }
    Ok(())
}

/// Another group and founder for a region whose founder has been removed.
pub(super) fn refound_region(turn: &mut Turn<'_>, region: &Region, founder: NodeId) -> Ruling {
    let record = standing(turn, region)?;
    if record.founder == founder {
        return Ok(Reply::Done);
    }
    // What it was to be made from would be lost.
    let closed = query::closed_groups(turn.view())?;
    let is_successor = |of: &ClosedGroup| of.succession.is_some_and(|it| it.group == record.group);
    if closed.iter().any(|of| of.group == record.group || is_successor(of)) {
        return Err(Refusal::FailingOver.into());
    }
    let nodes = query::nodes(turn.view())?;
    if nodes.get(&record.founder).is_some_and(NodeRecord::is_there) {
        return Err(Refusal::FounderStands.into());
    }
    if !nodes.get(&founder).is_some_and(|node| node.region == *region && node.may_vote()) {
        return Err(Refusal::NotOfRegion.into());
    }
    let group = next_group(&query::regions(turn.view())?)?;
    let seat = region.clone();
    turn.put(keys::region(region), &RegionRecord { group, founder, seat, ..record });
    Ok(Reply::Done)
}

/// What home groups must outlive from now on.
pub(super) fn set_survive(turn: &mut Turn<'_>, survive: Survive) -> Ruling {
    let Some(cluster) = query::cluster(turn.view())? else {
        return Err(Refusal::RegionNotFound.into());
    };
    let nodes = query::nodes(turn.view())?;
    let regions = query::regions(turn.view())?;
    let can_vote = |record: &&RegionRecord| {
        record.state == RegionState::Open
            && nodes.values().any(|node| node.region == record.region && node.may_vote())
    };
    let voting = regions.iter().filter(can_vote).count();
    if survive == Survive::Region && voting < SURVIVE_REGION_REGIONS_MIN {
        return Err(Refusal::TooFewRegions.into());
    }
    turn.put(keys::cluster(), &ClusterRecord { survive, ..cluster });
    Ok(Reply::Done)
}

//! The rules of a failover: a region's group is closed because its voters are lost, and another group
//! takes its place; and of a group's seat, the region where its voters stand.
//!
//! # The life of a failover
//! 1. `CloseGroup` in the system group. From here on no replica that has applied it proposes to the
//!    group, or answers from it unmarked, ever again.
//! 2. `FoundSuccessor` in the system group, when every survivor has said what it has and no lease of
//!    the closed group can be held any more. It names the survivor whose replica lives on, and gives
//!    the region a group with a number of its own.
//! 3. The named survivor makes the new group's first state from its replica (`succession.rs`) and
//!    founds the group as its only voter. The closed group's other members are learners there, get
//!    that state as a snapshot, and placement makes voters of some.
//!
//! Nothing of this can be undone: a closed group stays closed for good. That the lost region does
//! not go on is for whoever proposes the first step to see to; these rules see only the state of the
//! system group, and hold what must be true there. A group is closed on the operator's word, or
//! because its leaders fence themselves: then the setting that they go by must still be the present
//! one, else they may have noted a later one that no survivor knows of.

use std::collections::BTreeSet;

use concordat_proto::{
    command::Command,
    failover::{ClosedGroup, FailoverBasis, Succession},
    id::{GroupId, NodeId},
    log::{LogId, LogIndex},
    org::{ClusterRecord, Isolation, NodeRecord, RegionRecord, RegionState, WhenIsolated},
    refusal::Refusal,
    region::Region,
    reply::Reply,
};

use super::{
    cluster::next_group,
    life::standing,
    query,
    succession::{self, Began},
    turn::{Halt, Ruling, Turn},
};
use crate::store::{StoreError, keys};

/// Why a write is not put on record as lost, without a trace: its organization is not here, or the
/// state that this group began with shows that the write was carried over. Whatever was carried out
/// here under its id has been answered before this is asked.
pub(super) fn refuse_loss(
    turn: &Turn<'_>,
    command: &Command,
) -> Result<Option<Refusal>, StoreError> {
    let Command::NoteLost { closed, .. } = command else { return Ok(None) };
    if turn.group == GroupId::SYSTEM {
        return Ok(None);
    }
    if turn.home.is_none() {
        return Ok(Some(Refusal::OrgNotFound));
    }
    let began = succession::began(turn.view(), turn.group, *closed, turn.write_id)?;
    Ok((began == Began::With).then_some(Refusal::StaleFailover))
}

/// What leaders do from now on that are cut off with their region.
pub(super) fn set_isolation(turn: &mut Turn<'_>, when: WhenIsolated) -> Ruling {
    let Some(cluster) = query::cluster(turn.view())? else {
        return Err(Refusal::RegionNotFound.into());
    };
    if cluster.isolation.when != when {
        let generation = cluster.isolation.generation.saturating_add(1);
        let isolation = Isolation { when, generation };
        turn.put(keys::cluster(), &ClusterRecord { isolation, ..cluster });
    }
    Ok(Reply::Done)
}

/// The same, as a home group's own log has it. An older generation changes nothing.
pub(super) fn note_isolation(turn: &mut Turn<'_>, isolation: Isolation) -> Ruling {
    let present = query::isolation(turn.view(), turn.group)?;
    if isolation.generation > present.generation {
        turn.put(keys::isolation(turn.group), &isolation);
    }
    Ok(Reply::Done)
}

/// Another region for a group's voters.
pub(super) fn set_seat(turn: &mut Turn<'_>, region: &Region, seat: &Region) -> Ruling {
    let record = standing(turn, region)?;
    if query::closed_group(turn.view(), record.group)?.is_some() {
        return Err(Refusal::FailingOver.into());
    }
    if record.seat != *seat {
        require_seat(turn, seat)?;
        let record = RegionRecord { seat: seat.clone(), ..record };
        turn.put(keys::region(region), &record);
    }
    Ok(Reply::Done)
}

/// A region that stays, with somebody who can vote.
fn require_seat(turn: &Turn<'_>, seat: &Region) -> Result<(), Halt> {
    if standing(turn, seat)?.state != RegionState::Open {
        return Err(Refusal::RegionLeaving.into());
    }
    let nodes = query::nodes(turn.view())?;
    let may_vote = |node: &NodeRecord| node.region == *seat && node.may_vote();
    if nodes.values().any(may_vote) { Ok(()) } else { Err(Refusal::NotOfRegion.into()) }
}

/// Closes the group of a region. A repeat, before there is a successor, may name further nodes that
/// need not be asked.
pub(super) fn close_group(
    turn: &mut Turn<'_>,
    region: &Region,
    to: &Region,
    basis: FailoverBasis,
    absent: &[NodeId],
) -> Ruling {
    let record = standing(turn, region)?;
    let closed = query::closed_group(turn.view(), record.group)?;
    let named: BTreeSet<NodeId> =
        closed.iter().flat_map(|closed| &closed.absent).chain(absent).copied().collect();
    let absent = named.into_iter().collect();
    let closed = match closed {
        Some(closed) if closed.to == *to => ClosedGroup { absent, ..closed },
        Some(_) => return Err(Refusal::FailingOver.into()),
        None => {
            if record.seat == *to {
                return Err(Refusal::SeatedThere.into());
            }
            require_seat(turn, to)?;
            require_basis(turn, basis)?;
            ClosedGroup {
                group: record.group,
                region: record.region,
                lost: record.seat,
                to: to.clone(),
                basis,
                absent,
                succession: None,
            }
        }
    };
    turn.put(keys::closed_group(closed.group), &closed);
    Ok(Reply::Done)
}

fn require_basis(turn: &Turn<'_>, basis: FailoverBasis) -> Result<(), Halt> {
    let FailoverBasis::Isolation { generation } = basis else { return Ok(()) };
    let holds = Isolation { when: WhenIsolated::Fence, generation };
    let present = query::cluster(turn.view())?.map(|cluster| cluster.isolation);
    if present == Some(holds) { Ok(()) } else { Err(Refusal::NotFenced.into()) }
}

/// Gives a closed group its successor. Another one takes that one's place only when its founder was
/// removed: that nobody has anything of the first is for whoever proposes it to see to.
pub(super) fn found_successor(
    turn: &mut Turn<'_>,
    closed: GroupId,
    founder: NodeId,
    last: LogId,
    certain: LogIndex,
) -> Ruling {
    let Some(closed) = query::closed_group(turn.view(), closed)? else {
        return Err(Refusal::StaleFailover.into());
    };
    let nodes = query::nodes(turn.view())?;
    let is_there = |id: NodeId| nodes.get(&id).is_some_and(NodeRecord::is_there);
    if let Some(present) = &closed.succession {
        if (present.founder, present.last) == (founder, last) {
            return Ok(Reply::Done);
        }
        if is_there(present.founder) {
            return Err(Refusal::StaleFailover.into());
        }
    }
    if !is_there(founder) {
        return Err(Refusal::NodeNotFound.into());
    }
    let record = standing(turn, &closed.region)?;
    let expected = closed.succession.map_or(closed.group, |present| present.group);
    if record.group != expected {
        return Err(Refusal::StaleFailover.into());
    }
    let group = next_group(&query::regions(turn.view())?)?;
    let seat = closed.to.clone();
    let region = record.region.clone();
    turn.put(keys::region(&region), &RegionRecord { group, founder, seat, ..record });
    let succession = Some(Succession { group, founder, last, certain });
    turn.put(keys::closed_group(closed.group), &ClosedGroup { succession, ..closed });
    Ok(Reply::Done)
}

//! The rules of a failover: a region's group is closed because its voters are lost, and another
//! group replaces it. Also the rules of a group's voter region, the region that hosts its voters.
//!
//! # The life of a failover
//! 1. `CloseGroup` in the system group. From here on no replica that has applied it proposes to the
//!    group, or answers fresh reads from it, ever again.
//! 2. `FoundSuccessor` in the system group, when every survivor has reported its log and no lease
//!    of the closed group can be held any more. It names the survivor whose replica is kept, and
//!    gives the region a group with a new number.
//! 3. The named survivor makes the new group's first state from its replica (`succession.rs`) and
//!    creates the group as its only voter. The closed group's other members are learners there and
//!    get that state as a snapshot; placement makes some of them voters.
//!
//! None of this can be undone: a closed group stays closed for good. The proposer of the first step
//! must ensure that the lost region has stopped; these rules see only the state of the system
//! group. A group is closed on the operator's confirmation, or because its leaders fence
//! themselves. In the second case the policy that they follow must still be the present one:
//! otherwise they may have noted a later one that no survivor knows.

#[cfg(test)]
mod failover_test;
pub mod lost;
pub mod succession;
#[cfg(test)]
mod succession_test;

use std::collections::BTreeSet;

use concordat_proto::{
    command::Command,
    failover::{ClosedGroup, FailoverBasis, Succession},
    id::{GroupId, NodeId},
    log::{LogId, LogIndex},
    org::{
        ClusterRecord, NodeRecord, PartitionPolicy, PartitionPolicyRecord, RegionRecord,
        RegionState,
    },
    refusal::Refusal,
    region::Region,
    reply::Reply,
};

use self::succession::Began;
use super::{
    entry::txn::{ApplyError, ApplyResult, ApplyTxn},
    membership::{cluster::next_group, lifecycle::present_region},
    query,
};
use crate::{
    planted,
    store::{StoreError, keys},
};

/// Why a write is not put on record as lost, without a trace: its organization is not here, or the
/// state that this group began with shows that the write was carried over. Whatever was carried out
/// here under its id has been answered before this is asked.
pub(super) fn refuse_loss(
    txn: &ApplyTxn<'_>,
    command: &Command,
) -> Result<Option<Refusal>, StoreError> {
    let Command::NoteLost { closed, .. } = command else { return Ok(None) };
    if txn.group == GroupId::SYSTEM {
        return Ok(None);
    }
    if txn.home.is_none() {
        return Ok(Some(Refusal::OrgNotFound));
    }
    let began = succession::began(txn.view(), txn.group, *closed, txn.write_id)?;
    let is_proved = planted::on_loss_proved(began != Began::With);
    Ok((!is_proved).then_some(Refusal::StaleFailover))
}

/// Sets the partition policy.
pub(super) fn set_partition_policy(txn: &mut ApplyTxn<'_>, when: PartitionPolicy) -> ApplyResult {
    let Some(cluster) = query::cluster(txn.view())? else {
        return Err(Refusal::RegionNotFound.into());
    };
    if cluster.partition_policy.when != when {
        let generation = cluster.partition_policy.generation.saturating_add(1);
        let partition_policy = PartitionPolicyRecord { when, generation };
        txn.put(keys::cluster(), &ClusterRecord { partition_policy, ..cluster });
    }
    Ok(Reply::Done)
}

/// The same, as a home group's own log has it. An older generation changes nothing.
pub(super) fn note_partition_policy(
    txn: &mut ApplyTxn<'_>,
    partition_policy: PartitionPolicyRecord,
) -> ApplyResult {
    let present = query::partition_policy(txn.view(), txn.group)?;
    if partition_policy.generation > present.generation {
        txn.put(keys::partition_policy(txn.group), &partition_policy);
    }
    Ok(Reply::Done)
}

/// Another region for a group's voters.
pub(super) fn set_voter_region(
    txn: &mut ApplyTxn<'_>,
    region: &Region,
    voter_region: &Region,
) -> ApplyResult {
    let record = present_region(txn, region)?;
    if query::closed_group(txn.view(), record.group)?.is_some() {
        return Err(Refusal::FailingOver.into());
    }
    if record.voter_region != *voter_region {
        require_voter_region(txn, voter_region)?;
        let record = RegionRecord { voter_region: voter_region.clone(), ..record };
        txn.put(keys::region(region), &record);
    }
    Ok(Reply::Done)
}

/// Requires a region that is not being removed and has a node that can vote.
fn require_voter_region(txn: &ApplyTxn<'_>, voter_region: &Region) -> Result<(), ApplyError> {
    if present_region(txn, voter_region)?.state != RegionState::Open {
        return Err(Refusal::RegionLeaving.into());
    }
    let nodes = query::nodes(txn.view())?;
    let may_vote = |node: &NodeRecord| node.region == *voter_region && node.may_vote();
    if nodes.values().any(may_vote) { Ok(()) } else { Err(Refusal::NotOfRegion.into()) }
}

/// Closes the group of a region. A repeat, before there is a successor, may name further nodes that
/// need not be asked.
pub(super) fn close_group(
    txn: &mut ApplyTxn<'_>,
    region: &Region,
    to: &Region,
    basis: FailoverBasis,
    absent: &[NodeId],
) -> ApplyResult {
    let record = present_region(txn, region)?;
    let closed = query::closed_group(txn.view(), record.group)?;
    let named: BTreeSet<NodeId> =
        closed.iter().flat_map(|closed| &closed.absent).chain(absent).copied().collect();
    let absent = named.into_iter().collect();
    let closed = match closed {
        Some(closed) if closed.to == *to => ClosedGroup { absent, ..closed },
        Some(_) => return Err(Refusal::FailingOver.into()),
        None => {
            if record.voter_region == *to {
                return Err(Refusal::AlreadyHosted.into());
            }
            require_voter_region(txn, to)?;
            require_basis(txn, basis)?;
            ClosedGroup {
                group: record.group,
                region: record.region,
                lost: record.voter_region,
                to: to.clone(),
                basis,
                absent,
                succession: None,
            }
        }
    };
    txn.put(keys::closed_group(closed.group), &closed);
    Ok(Reply::Done)
}

fn require_basis(txn: &ApplyTxn<'_>, basis: FailoverBasis) -> Result<(), ApplyError> {
    let FailoverBasis::SelfFencing { generation } = basis else { return Ok(()) };
    let holds = PartitionPolicyRecord { when: PartitionPolicy::Fence, generation };
    let present = query::cluster(txn.view())?.map(|cluster| cluster.partition_policy);
    if present == Some(holds) { Ok(()) } else { Err(Refusal::NotFenced.into()) }
}

/// Gives a closed group its successor. A second successor replaces the first one only when the
/// first one's founder was removed; the proposer must ensure that no node has anything of the
/// first.
pub(super) fn found_successor(
    txn: &mut ApplyTxn<'_>,
    closed: GroupId,
    founder: NodeId,
    last: LogId,
    safe_index: LogIndex,
) -> ApplyResult {
    let Some(closed) = query::closed_group(txn.view(), closed)? else {
        return Err(Refusal::StaleFailover.into());
    };
    let nodes = query::nodes(txn.view())?;
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
    let record = present_region(txn, &closed.region)?;
    let expected = closed.succession.map_or(closed.group, |present| present.group);
    if record.group != expected {
        return Err(Refusal::StaleFailover.into());
    }
    let group = next_group(&query::regions(txn.view())?)?;
    let voter_region = closed.to.clone();
    let region = record.region.clone();
    txn.put(keys::region(&region), &RegionRecord { group, founder, voter_region, ..record });
    let succession = Some(Succession { group, founder, last, safe_index });
    txn.put(keys::closed_group(closed.group), &ClosedGroup { succession, ..closed });
    Ok(Reply::Done)
}

//! The receipt of an earlier write, after waiting for the remaining regions.
//!
//! The write is found by its id in the state of the groups that may have it. One that has not
//! arrived here yet is waited for like one that has not arrived elsewhere.

use std::{sync::Arc, time::Duration};

use concordat_cluster::{
    machine::{locate::Located, query},
    raft::{Freshness, LeftBehind, Progress},
    store::StoreError,
};
use concordat_proto::{
    consistency::{Position, RequiredConsistency},
    failover::DivergedWrite,
    id::{GroupId, WriteId},
    record::WriteRecord,
    refusal::Refusal,
    reply::{Applied, Reply},
};
use tokio::time::Instant;

use crate::{
    api::{
        operation::ReceiptQuery,
        outcome::{Answer, Outcome, Unavailable, Value, What},
    },
    auth::Principal,
    node::Node,
    request::{
        freshness, key, locate, receipt,
        receipt::scope,
        timing::Timing,
        unavailable::{broken, unavailable},
    },
};

/// The answer about a write that no state knows: it is lost only where that is proved.
async fn left_behind(
    node: &Node,
    principal: &Principal,
    write_id: WriteId,
    timing: Timing,
) -> Outcome {
    let (found, required) =
        (node.groups.left_behind(write_id).await, RequiredConsistency::AllRegions);
    match found {
        LeftBehind::Lost { group, write } if is_theirs(principal, &write) => {
            let regions = node.groups.member_regions(node.groups.successor(group));
            let receipt = match is_on_record(node, principal, group, &write).await {
                Ok(true) => receipt::lost(write_id, regions, timing.accepted),
                Ok(false) => receipt::unknown(required, write_id, regions, timing.accepted),
                Err(error) => return broken("locating an organization", &error).outcome,
            };
            Outcome::Found(Value::Receipt(receipt, None))
        }
        LeftBehind::Unproved { group, write } if is_theirs(principal, &write) => {
            let regions = node.groups.member_regions(node.groups.successor(group));
            let receipt = receipt::unknown(required, write_id, regions, timing.accepted);
            Outcome::Found(Value::Receipt(receipt, None))
        }
        LeftBehind::Lost { .. } | LeftBehind::Unproved { .. } | LeftBehind::Nothing => {
            Outcome::NotFound(What::Write)
        }
        LeftBehind::Busy => Outcome::Unavailable(Unavailable::Overloaded),
    }
}

/// Records that a write is lost, in the group that its owner's requests read: once it is called
/// lost, it is called so for as long as any write is remembered. For operators there is a separate
/// record, since they do not see organizations' writes.
async fn is_on_record(
    node: &Node,
    principal: &Principal,
    closed: GroupId,
    write: &DivergedWrite,
) -> Result<bool, StoreError> {
    let deadline = Instant::now() + RECORD_LIMIT;
    let Some(org) = write.org else { return Ok(false) };
    let Some(at) = locate::wait_until_writable(node, org, 0, deadline).await? else {
        return Ok(false);
    };
    let operators = match principal {
        Principal::Operator { .. } => Some(GroupId::SYSTEM),
        Principal::Org(_) => None,
    };
    for group in std::iter::once(at.group).chain(operators) {
        if !node.groups.note_lost(group, closed, write, deadline).await {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_theirs(principal: &Principal, write: &DivergedWrite) -> bool {
    match principal {
        Principal::Org(org) => write.org == Some(org.id()),
        Principal::Operator { .. } => true,
    }
}

/// Between looks for a write that has not been applied here: it may come otherwise, by a snapshot or with an
/// organization that moves.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// To get on record that a write is lost. Until it is, nothing is known of the write.
const RECORD_LIMIT: Duration = Duration::from_secs(3);

struct Found {
    /// The group in which it is waited for: there its entry of this index shows it.
    group: GroupId,
    /// The position at which it took effect.
    position: Position,
    applied: Applied,
}

/// Answers with a write's receipt as of now, or as of when the wait ends.
pub(crate) async fn answer(
    node: &Arc<Node>,
    principal: &Principal,
    query: ReceiptQuery,
    timing: Timing,
) -> Answer {
    let ReceiptQuery { write_id, wait, .. } = query;
    let deadline = timing.accepted + wait.unwrap_or_default();
    let org = match principal {
        Principal::Org(org) => Some(org.id()),
        Principal::Operator { .. } => None,
    };
    let _place = match wait.map(|_| node.places.wait(org)) {
        Some(None) => return unavailable(Unavailable::TooManyWaits),
        Some(place @ Some(_)) => place,
        None => None,
    };
    let mut expected = node.groups.expect(write_id);
    let found = loop {
        let is_over = Instant::now() >= deadline;
        match look(node, principal, write_id) {
            Ok((Some(found), _)) => break found,
            Ok((None, fresh)) if is_over => {
                let answer = left_behind(node, principal, write_id, timing).await;
                return after_wait(node, principal, write_id, freshness::mark(answer, fresh));
            }
            Err(answer) if is_over || !is_moving(&answer) => return answer,
            Ok((None, _)) | Err(_) => {}
        }
        expected.arrived(deadline.min(Instant::now() + LOOK_EVERY)).await;
    };
    let answer = progress(node, found, query, timing, deadline).await;
    after_wait(node, principal, write_id, answer)
}

/// The organization is on its way: it may arrive here in time.
const fn is_moving(answer: &Answer) -> bool {
    matches!(answer.outcome, Outcome::Unavailable(Unavailable::Moving))
}

/// The answer, unless the caller's key was revoked meanwhile. The key that a write has replaced opens the
/// receipt of that write.
fn after_wait(node: &Node, principal: &Principal, write_id: WriteId, answer: Answer) -> Answer {
    match principal {
        Principal::Org(org) => key::after_wait(node, org, Some(write_id), answer),
        Principal::Operator { .. } => answer,
    }
}

/// The receipt of a write that this node knows.
async fn progress(
    node: &Node,
    found: Found,
    query: ReceiptQuery,
    timing: Timing,
    deadline: Instant,
) -> Answer {
    let ReceiptQuery { wait, required, .. } = query;
    let (group, index) = (found.group, found.applied.index);
    if found.applied.outcome == Err(Refusal::Lost) {
        node.groups.until_known(group, index, node.groups.stale_readers(group, index)).await;
        let receipt =
            receipt::lost(query.write_id, node.groups.member_regions(group), timing.accepted);
        let fresh = freshness::of(&node.groups, &[group]);
        return freshness::mark(Outcome::Found(Value::Receipt(receipt, None)), fresh);
    }
    let (scope, stale_readers) = (scope(node, required), node.groups.stale_readers(group, index));
    let progress = match wait {
        None => node.groups.progress(group, index, &scope, stale_readers),
        Some(_) => node.groups.wait_again(group, index, &scope, stale_readers, deadline).await,
    };
    let fresh = freshness::of(&node.groups, &[group]);
    freshness::mark(outcome(found, required, progress, timing), fresh)
}

/// Looks the write up in the groups that may have it, with the freshness of the result; an organization's
/// together with its key.
fn look(
    node: &Node,
    principal: &Principal,
    write_id: WriteId,
) -> Result<(Option<Found>, Freshness), Answer> {
    match principal {
        Principal::Org(org) => {
            key::read(node, org, Some(write_id), |at| of_org(node, at, write_id))
        }
        Principal::Operator { .. } => {
            let fresh = freshness::of(&node.groups, &operators_groups(node));
            let fresh = freshness::staler(node.groups.list_freshness(), fresh);
            let found = of_operator(node, write_id);
            found.map(|found| (found, fresh)).map_err(|error| broken("looking for a write", &error))
        }
    }
}

/// The organization's own write, wherever it landed first.
fn of_org(node: &Node, at: &Located, write_id: WriteId) -> Result<Option<Found>, StoreError> {
    let record = query::remembered(node.state(), at.group, Some(&at.home), write_id)?;
    let Some(record) = record.filter(|record| record.org == Some(at.home.org.id)) else {
        return Ok(None);
    };
    let index = record.applied.index;
    let here = Position { epoch: at.home.org.epoch, group: at.group, index, term: None };
    let position = record.applied.position.unwrap_or(here);
    Ok(Some(Found { group: at.group, position, applied: record.applied }))
}

/// An operator's writes are in the system group, those about an organization in its home group; its
/// creation is found in its first home group once it was created there. Organizations' own writes
/// are visible to them only.
fn operators_groups(node: &Node) -> Vec<GroupId> {
    node.home_groups().into_iter().chain([GroupId::SYSTEM]).collect()
}

fn of_operator(node: &Node, write_id: WriteId) -> Result<Option<Found>, StoreError> {
    for group in operators_groups(node) {
        let Some(record) = query::write(node.state(), group, write_id)? else { continue };
        let WriteRecord { org: owner, applied, .. } = record;
        let epoch = match &applied.outcome {
            // The claim alone is not the requested creation: the home group's entry follows it.
            Ok(Reply::Org(_)) if group == GroupId::SYSTEM => continue,
            Ok(Reply::Org(org)) => org.epoch,
            Ok(_) | Err(_) if owner.is_none() => 0,
            // The operator's record of an organization's lost write.
            Err(Refusal::Lost) if group == GroupId::SYSTEM => 0,
            Ok(_) | Err(_) => continue,
        };
        let here = Position { epoch, group, index: applied.index, term: None };
        let position = applied.position.unwrap_or(here);
        return Ok(Some(Found { group, position, applied }));
    }
    Ok(None)
}

fn outcome(
    found: Found,
    required: RequiredConsistency,
    mut progress: Progress,
    timing: Timing,
) -> Outcome {
    // The time at which a region applied it was not observed from the write's beginning.
    for region in &mut progress.regions {
        region.at = None;
    }
    let Found { position, applied, .. } = found;
    let receipt = receipt::decided(required, &applied, position, progress, timing.accepted);
    Outcome::Found(Value::Receipt(receipt, applied.outcome.err()))
}

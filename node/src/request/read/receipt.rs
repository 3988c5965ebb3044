//! What has become of a write, after waiting for the rest of its way.
//!
//! Found by its name in the state of the groups that may hold it. One that has not arrived here
//! yet is waited for like one that has not arrived elsewhere.

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
    request::{freshness, locate, receipt, receipt::scope, timing::Timing, unavailable::broken},
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

/// Puts on record that a write is lost, where its owner is answered from: what is said of it once is
/// said for as long as any write is remembered. What operators were told has a place of its own, since
/// they do not see what organizations write.
async fn is_on_record(
    node: &Node,
    principal: &Principal,
    closed: GroupId,
    write: &DivergedWrite,
) -> Result<bool, StoreError> {
    let deadline = Instant::now() + RECORD_LIMIT;
    let Some(org) = write.org else { return Ok(false) };
    let Some(at) = locate::settled(node, org, 0, deadline).await? else { return Ok(false) };
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

/// To get on record that a write is lost. Until it is, nothing is known of the write.
const RECORD_LIMIT: Duration = Duration::from_secs(3);

struct Found {
    /// The group in which it is waited for: there its entry of this index shows it.
    group: GroupId,
    /// Where it took effect.
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
    let ReceiptQuery { write_id, wait, required } = query;
    let deadline = timing.accepted + wait.unwrap_or_default();
    let found = loop {
        let seen = locate::seen(node);
        match look(node, principal, write_id) {
            Ok((Some(found), _)) => break found,
            Ok((None, fresh)) if Instant::now() >= deadline => {
                let answer = left_behind(node, principal, write_id, timing).await;
                return freshness::mark(answer, fresh);
            }
            Ok((None, _)) => {}
            Err(error) => return broken("looking for a write", &error),
        }
        locate::advance(node, &seen, deadline).await;
    };
    let (group, index) = (found.group, found.applied.index);
    if found.applied.outcome == Err(Refusal::Lost) {
        node.groups.until_known(group, index, node.groups.danger(group, index)).await;
        let receipt = receipt::lost(write_id, node.groups.member_regions(group), timing.accepted);
        let fresh = freshness::of(&node.groups, &[group]);
        return freshness::mark(Outcome::Found(Value::Receipt(receipt, None)), fresh);
    }
    let (scope, danger) = (scope(node, required), node.groups.danger(group, index));
    let progress = match wait {
        None => node.groups.progress(group, index, &scope, danger),
        Some(_) => node.groups.wait_again(group, index, &scope, danger, deadline).await,
    };
    let fresh = freshness::of(&node.groups, &[group]);
    freshness::mark(outcome(found, required, progress, timing), fresh)
}

/// Looks for the write where it may be, and says how fresh that is.
fn look(
    node: &Node,
    principal: &Principal,
    write_id: WriteId,
) -> Result<(Option<Found>, Freshness), StoreError> {
    match principal {
        Principal::Org(org) => {
            let nothing = || (None, freshness::of_absence(node));
            let Some(at) = locate::now(node, org.id())? else { return Ok(nothing()) };
            let read = locate::reading(node, at, |at| of_org(node, at, write_id))?;
            let Some((found, fresh)) = read else { return Ok(nothing()) };
            Ok((found?, fresh))
        }
        Principal::Operator { .. } => {
            let fresh = freshness::of(&node.groups, &operators_groups(node));
            let fresh = freshness::staler(node.groups.list_freshness(), fresh);
            Ok((of_operator(node, write_id)?, fresh))
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

/// An operator's words stand in the system group, those on an organization in its home group; its
/// making is found in its first home group once it is begun. What organizations write is theirs.
fn operators_groups(node: &Node) -> Vec<GroupId> {
    node.home_groups().into_iter().chain([GroupId::SYSTEM]).collect()
}

fn of_operator(node: &Node, write_id: WriteId) -> Result<Option<Found>, StoreError> {
    for group in operators_groups(node) {
        let Some(record) = query::write(node.state(), group, write_id)? else { continue };
        let WriteRecord { org: owner, applied, .. } = record;
        let epoch = match &applied.outcome {
            // A claim alone is not what was asked for: the beginning follows it.
            Ok(Reply::Org(_)) if group == GroupId::SYSTEM => continue,
            Ok(Reply::Org(org)) => org.epoch,
            Ok(_) | Err(_) if owner.is_none() => 0,
            // What operators were told of an organization's write.
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
    // When a region applied it was not watched from the write's own beginning.
    for region in &mut progress.regions {
        region.at = None;
    }
    let Found { position, applied, .. } = found;
    let receipt = receipt::decided(required, &applied, position, progress, timing.accepted);
    Outcome::Found(Value::Receipt(receipt, applied.outcome.err()))
}

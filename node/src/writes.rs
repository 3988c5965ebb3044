//! `GET /v1/writes/{id}`: what has become of a write, after waiting for the rest of its way.
//!
//! Found by its name in the state of the groups that may hold it. One that has not arrived here
//! yet is waited for like one that has not arrived elsewhere.

use std::{sync::Arc, time::Duration};

use concordat_cluster::{
    machine::query,
    raft::{Progress, Scope},
    store::StoreError,
};
use concordat_proto::{
    consistency::{Position, Receipt, RequiredConsistency},
    id::{GroupId, WriteId},
    record::WriteRecord,
    refusal::Refusal,
    reply::{Applied, Reply},
};
use futures::future::select_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    auth::Principal,
    dialect::{Answer, slashid::render},
    freshness,
    node::Node,
    receipt, refuse,
    serve::Timing,
};

/// Between two looks, however fast a group advances.
const LOOK_EVERY: Duration = Duration::from_millis(5);

struct Found {
    position: Position,
    applied: Applied,
}

/// Answers with a write's receipt as of now, or as of when the wait ends.
pub(crate) async fn answer(
    node: &Arc<Node>,
    principal: &Principal,
    write_id: WriteId,
    wait: Option<Duration>,
    timing: Timing,
) -> Answer {
    let deadline = timing.accepted + wait.unwrap_or_default();
    let groups = groups(node, principal);
    let found = loop {
        let seen: Vec<_> = groups.iter().map(|g| (*g, node.groups.applied(*g))).collect();
        let fresh = freshness::of(&node.groups, &groups);
        match find(node, principal, &groups, write_id) {
            Ok(Some(found)) => break found,
            Ok(None) if Instant::now() >= deadline => {
                return freshness::mark(render::not_found("write"), fresh);
            }
            Ok(None) => {}
            Err(error) => return refuse::broken("looking for a write", &error),
        }
        let next = seen.into_iter().map(|(group, seen)| {
            let next = concordat_proto::log::LogIndex(seen.0 + 1);
            Box::pin(node.groups.wait_visible(group, next, deadline))
        });
        tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await;
        select_all(next).await;
    };
    let progress = match wait {
        None => standing(node, &found),
        Some(_) => {
            let (group, index) = (found.position.group, found.position.index);
            let danger = node.groups.danger(group, index);
            node.groups.wait(group, index, &Scope::All, danger, deadline).await
        }
    };
    let fresh = freshness::of(&node.groups, &groups);
    freshness::mark(render_found(found, progress, timing), fresh)
}

/// The groups whose state may hold a write of this principal. An operator's is found in the
/// organisation's home group once it is begun, until then in the system group.
fn groups(node: &Node, principal: &Principal) -> Vec<GroupId> {
    match principal {
        Principal::Org(org) => vec![org.group],
        Principal::Operator { .. } => {
            node.home_groups().into_iter().chain([GroupId::SYSTEM]).collect()
        }
    }
}

fn find(
    node: &Node,
    principal: &Principal,
    groups: &[GroupId],
    write_id: WriteId,
) -> Result<Option<Found>, StoreError> {
    for group in groups {
        let Some(record) = query::write(node.state(), *group, write_id)? else { continue };
        if let Some(epoch) = epoch(principal, *group, &record) {
            let position = Position { epoch, group: *group, index: record.applied.index };
            return Ok(Some(Found { position, applied: record.applied }));
        }
    }
    Ok(None)
}

/// The epoch of the position to be told, if the write is the principal's at all.
fn epoch(principal: &Principal, group: GroupId, record: &WriteRecord) -> Option<u32> {
    match principal {
        Principal::Org(org) => (record.org == Some(org.org.id)).then_some(org.org.epoch),
        Principal::Operator { .. } => match &record.applied.outcome {
            Ok(Reply::Org(org)) if group != GroupId::SYSTEM => Some(org.epoch),
            // A claim alone is not what was asked for: the beginning follows it.
            Ok(Reply::Org(_)) => None,
            Err(_) if group == GroupId::SYSTEM => Some(0),
            Ok(_) | Err(_) => None,
        },
    }
}

fn standing(node: &Node, found: &Found) -> Progress {
    let (group, index) = (found.position.group, found.position.index);
    node.groups.progress(group, index, &Scope::All, node.groups.danger(group, index))
}

fn render_found(found: Found, mut progress: Progress, timing: Timing) -> Answer {
    // When a region applied it was not watched from the write's own beginning.
    for region in &mut progress.regions {
        region.at = None;
    }
    let (required, write_id) = (RequiredConsistency::AllRegions, found.applied.write_id);
    let receipt = receipt::committed(required, write_id, found.position, progress, timing.accepted);
    match &found.applied.outcome {
        Ok(_) => render::receipt(&receipt),
        Err(refusal) => refused(&receipt, refusal),
    }
}

/// The receipt of a write that was refused says so: it is committed that nothing was done.
fn refused(receipt: &Receipt, refusal: &Refusal) -> Answer {
    let (mut answer, as_answered) =
        (render::receipt(receipt), render::refused(refusal, Some(receipt)));
    let body = answer.body.as_deref().unwrap_or_default();
    if let Ok(mut body) = serde_json::from_slice::<Value>(body) {
        body["result"]["refused"] =
            json!({ "httpcode": as_answered.status, "message": refusal.to_string() });
        answer.body = Some(body.to_string().into_bytes());
    }
    answer
}

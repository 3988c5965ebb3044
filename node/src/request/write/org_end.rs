//! The end of an organization, by one of its own keys or by an operator.
//!
//! # The life of an end
//! 1. `EndOrg` in the organization's group: a write of it like any other, across its moves and failovers. It is
//!    what the answer is about.
//! 2. The end of its claim in the system group, by the node that leads the organization's group ([`settle`]).
//!    Only the enterprise domain waits for it.
//!
//! The second step never comes before all regions have applied the first: until then a failover may void that,
//! and an organization that lives on would have lost its domain.

use std::sync::Arc;

use std::time::Duration;

use concordat_cluster::{
    consistency::Scope,
    machine::{locate::Located, org_end},
    raft::Proposed,
    store::StoreError,
};
use concordat_proto::{
    command::Command,
    id::{GroupId, KeyId, OrgId},
    movement::Ended,
    version,
};
use futures::future::join_all;
use tokio::time::Instant;

use super::{
    audit::Action,
    commit::{Home, WriteRequest, finish, of_cluster, repeated},
    org_write::{self, Draft},
};
use crate::{
    api::outcome::{Answer, Outcome, Unavailable},
    auth::OrgPrincipal,
    node::Node,
    request::{
        freshness, locate,
        org_view::absent,
        unavailable::{broken, unavailable},
    },
};

/// How long a step is tried at a time.
const STEP_TIME_MAX: Duration = Duration::from_secs(5);
/// Ends looked at, and at most settled, at a time.
const PAGE: usize = 64;

/// Ends the organization of a key, with a line in the audit trail.
pub(super) async fn by_own_key(
    node: &Node,
    org: Arc<OrgPrincipal>,
    request: WriteRequest,
) -> Answer {
    let action = Action::of_end(&org);
    audited(node, action, Box::pin(ended_by_own_key(node, org, request))).await
}

/// Ends an organization for an operator, with a line in the audit trail.
pub(super) async fn by_operator(
    node: &Node,
    key: KeyId,
    org: OrgId,
    request: WriteRequest,
) -> Answer {
    let action = Action::of_end_by_operator(org, key);
    audited(node, action, Box::pin(ended_by_operator(node, org, request))).await
}

async fn audited(node: &Node, action: Action, end: impl Future<Output = Answer>) -> Answer {
    if let Some(answer) = too_early(node) {
        return answer;
    }
    let audited = match action.audited() {
        Ok(audited) => audited,
        Err(answer) => return answer,
    };
    let answer = end.await;
    audited.end(&answer.outcome);
    answer
}

async fn ended_by_own_key(node: &Node, org: Arc<OrgPrincipal>, request: WriteRequest) -> Answer {
    // All that a key may write after the end is the end once more.
    if org.replaced_by.is_some() && request.terms.idempotency_key.is_none() {
        return freshness::mark(Outcome::Unauthenticated, freshness::of_all(node));
    }
    org_write::answer(node, Draft::End { org }, request).await
}

async fn ended_by_operator(node: &Node, org: OrgId, request: WriteRequest) -> Answer {
    let at = match locate::now(node, org) {
        Ok(Some(at)) => at,
        Ok(None) => return absent(node),
        Err(error) => return broken("locating an organization", &error),
    };
    if !at.home.is_ended() {
        return org_write::answer(node, Draft::EndByOperator { org }, request).await;
    }
    match repeated(node, at.group, Some(&at.home), &request) {
        Ok(Some(first)) => {
            let home = Home { group: at.group, epoch: at.home.org.epoch };
            finish(node, home, first, &request).await
        }
        Ok(None) => absent(node),
        Err(answer) => answer,
    }
}

fn too_early(node: &Node) -> Option<Answer> {
    let is_known = node.groups.feature_level() >= version::LEVEL_OF_REGISTRATIONS;
    (!is_known).then(|| unavailable(Unavailable::FeatureLevel))
}

/// Ends the claims of the organizations that have ended in a group that this node leads; how many it looked at.
/// Harmless at any time and on any node.
///
/// # Errors
/// When the store is broken.
pub(crate) async fn settle(node: &Node, group: GroupId) -> Result<usize, StoreError> {
    let (mut looked, mut after) = (0, None);
    loop {
        let page = org_end::unsettled(node.state(), group, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(looked) };
        after = Some(*last);
        looked += page.len();
        join_all(page.iter().map(|org| settle_one(node, group, *org))).await;
        tokio::task::yield_now().await;
    }
}

async fn settle_one(node: &Node, group: GroupId, org: OrgId) -> bool {
    let Ok(Some(at)) = locate::now(node, org) else { return false };
    at.group == group
        && is_known_everywhere(node, &at)
        && proposed(node, GroupId::SYSTEM, Command::EndClaim(org)).await
        && proposed(node, group, Command::SettleEnd(org)).await
}

/// Whether an organization has ended, and all regions have applied that, so that no failover voids it.
pub(super) fn is_known_everywhere(node: &Node, at: &Located) -> bool {
    let Some(Ended { index, .. }) = at.home.ended.filter(|_| at.is_settled()) else { return false };
    let stale_readers = node.groups.stale_readers(at.group, index);
    node.groups.progress(at.group, index, &Scope::All, stale_readers).reached
}

/// Proposes a step of the cluster itself; whether it was committed in time.
pub(super) async fn proposed(node: &Node, group: GroupId, command: Command) -> bool {
    let until = Instant::now() + STEP_TIME_MAX;
    let proposed = node.groups.propose(group, of_cluster(node, group, command), until).await;
    matches!(proposed, Proposed::Committed { .. })
}

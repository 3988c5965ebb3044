//! The end of an organization, by one of its own keys or by an operator.
//!
//! # The life of an end
//! 1. `EndOrg` in the organization's group: a write of it like any other, across its moves and failovers. It is
//!    what the answer is about.
//! 2. The end of its claim in the system group, proposed by a task that outlives the request; and by
//!    [`resume`] when its node died in between. Nothing but the enterprise domain waits for it.

use std::{sync::Arc, time::Duration};

use concordat_cluster::{
    machine::{query, registered},
    raft::Proposed,
    store::StoreError,
};
use concordat_proto::{
    command::{Command, Proposal},
    consistency::Outcome as Decided,
    id::{GroupId, OrgId},
    limits, version,
};
use tokio::time::{Instant, sleep};

use super::{
    commit::{Home, WriteRequest, finish, repeated},
    org_write::{self, Draft},
};
use crate::{
    api::outcome::{Answer, Outcome, Unavailable},
    auth::OrgPrincipal,
    entropy,
    node::Node,
    request::{
        freshness, locate,
        org_view::absent,
        unavailable::{broken, unavailable},
    },
};

/// How long the end of a claim is retried by the node that has ended its organization.
const CLAIM_TIME_MAX: Duration = Duration::from_secs(60);
/// The interval between two proposals of the same.
const PROPOSE_EVERY: Duration = Duration::from_millis(500);
/// Claims and domains read at a time.
const PAGE: usize = 256;

/// Ends the organization of a key.
pub(super) async fn by_own_key(
    node: &Arc<Node>,
    org: Box<OrgPrincipal>,
    request: WriteRequest,
) -> Answer {
    if let Some(answer) = too_early(node) {
        return answer;
    }
    // All that a key may write after the end is the end once more.
    if org.replaced_by.is_some() && request.terms.idempotency_key.is_none() {
        return freshness::mark(Outcome::Unauthenticated, freshness::of_all(node));
    }
    let id = org.id();
    let answer = org_write::answer(node, Draft::End { org }, request).await;
    follow_up(node, id, &answer);
    answer
}

/// Ends an organization for an operator.
pub(super) async fn by_operator(node: &Arc<Node>, org: OrgId, request: WriteRequest) -> Answer {
    if let Some(answer) = too_early(node) {
        return answer;
    }
    let at = match locate::now(node, org) {
        Ok(Some(at)) => at,
        Ok(None) => return absent(node),
        Err(error) => return broken("locating an organization", &error),
    };
    if at.home.is_ended() {
        return match repeated(node, at.group, Some(&at.home), &request) {
            Ok(Some(first)) => {
                let home = Home { group: at.group, epoch: at.home.org.epoch };
                finish(node, home, first, &request).await
            }
            Ok(None) => absent(node),
            Err(answer) => answer,
        };
    }
    let answer = org_write::answer(node, Draft::EndByOperator { org }, request).await;
    follow_up(node, org, &answer);
    answer
}

fn too_early(node: &Node) -> Option<Answer> {
    let is_known = node.groups.feature_level() >= version::LEVEL_OF_REGISTRATIONS;
    (!is_known).then(|| unavailable(Unavailable::FeatureLevel))
}

/// Ends the claim, where the organization has ended for good.
fn follow_up(node: &Arc<Node>, org: OrgId, answer: &Answer) {
    let decided = if let Outcome::Written { receipt, .. }
    | Outcome::Pending { receipt, refusal: None } = &answer.outcome
    {
        Some(receipt.outcome)
    } else {
        None
    };
    if decided == Some(Decided::Committed) {
        node.detached.spawn(end_claim(Arc::clone(node), org));
    }
}

/// Proposes the end of a claim until it is decided, or for a while.
async fn end_claim(node: Arc<Node>, org: OrgId) -> bool {
    let until = Instant::now() + CLAIM_TIME_MAX;
    let (clock, entropy) = (&*node.environment.clock, &*node.environment.entropy);
    let now = node.now();
    let proposal = Proposal {
        write_id: entropy::write_id(clock, entropy),
        stamped: now,
        not_after: now,
        origin: node.groups.node(),
        idempotency: None,
        // That the organization has ended is reason enough.
        authorized_by: None,
        policies: None,
        command: Command::EndClaim(org),
    };
    while Instant::now() < until {
        let not_after = node.groups.log_now(GroupId::SYSTEM).after(limits::NOT_AFTER);
        let proposal = Proposal { not_after, ..proposal.clone() };
        let proposed = node.groups.propose(GroupId::SYSTEM, proposal, until).await;
        if matches!(proposed, Proposed::Committed { .. }) {
            return true;
        }
        sleep(PROPOSE_EVERY).await;
    }
    false
}

/// Ends the claims, and frees the domains, of organizations that have ended: where the node died that ended
/// them. Harmless at any time and on any node, for what has ended stays so.
///
/// # Errors
/// When the store is broken.
pub(crate) async fn resume(node: &Arc<Node>) -> Result<usize, StoreError> {
    let mut finished = 0;
    let mut after = None;
    loop {
        let claims = query::claims(node.state(), after, PAGE)?;
        let Some(last) = claims.last() else { break };
        after = Some(last.org.id);
        for claim in claims.iter().filter(|claim| !claim.is_ended()) {
            finished += end_if_ended(node, claim.org.id).await?;
        }
        tokio::task::yield_now().await;
    }
    let mut after: Option<String> = None;
    loop {
        let domains = registered::domains(node.state(), after.as_deref(), PAGE)?;
        let Some((last, _)) = domains.last() else { return Ok(finished) };
        after = Some(last.clone());
        for (_, org) in &domains {
            finished += end_if_ended(node, *org).await?;
        }
        tokio::task::yield_now().await;
    }
}

async fn end_if_ended(node: &Arc<Node>, org: OrgId) -> Result<usize, StoreError> {
    let has_ended = locate::now(node, org)?.is_some_and(|at| at.home.is_ended());
    Ok(usize::from(has_ended && end_claim(Arc::clone(node), org).await))
}

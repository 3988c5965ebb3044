//! Reads: from local state, without a request to another region, marked with their freshness.
//!
//! The order makes a fresh answer correct: the request is complete, then its position is reached,
//! then freshness is evaluated, then the state is read, then the policies are looked at again.

mod client_secret;
mod cluster;
mod credentials;
mod entries;
mod guarded;
mod keys;
mod members;
mod orgs;
mod policies;
mod position;
mod receipt;
mod resources;

use std::sync::Arc;

use concordat_proto::api::demo::DemoTarget;

use super::{key, policies::denied_since, timing::Timing};
use crate::{
    api::{
        operation::{DemoAction, OperatorRead},
        outcome::{Answer, Outcome, What},
        request::Terms,
    },
    auth::{Allowed, Authorized, Decision, OrgPrincipal, Principal},
    node::Node,
};

/// Answers a read, or executes a command of the demo.
pub(crate) async fn answer(
    node: &Arc<Node>,
    authorized: Authorized,
    terms: Terms,
    timing: Timing,
) -> Answer {
    let (allowed, decision) = authorized.into_inner();
    let answer = carried_out(node, allowed, &decision, terms, timing).await;
    denied_since(node, &decision).unwrap_or(answer)
}

async fn carried_out(
    node: &Arc<Node>,
    allowed: Allowed,
    decision: &Decision,
    terms: Terms,
    timing: Timing,
) -> Answer {
    if let Some(position) = terms.at_least
        && let Err(answer) =
            position::at_least(node, asking(&allowed).map(OrgPrincipal::id), position, timing).await
    {
        return match asking(&allowed) {
            Some(org) => key::after_wait(node, org, org.replaced_by, answer),
            None => answer,
        };
    }
    match allowed {
        Allowed::CredentialRead(org, read) => credentials::answer(node, &org, read, &terms),
        Allowed::Receipt(principal, query) => {
            receipt::answer(node, &principal, query, timing).await
        }
        Allowed::OperatorRead(read) => of_operator(node, read, decision).await,
        Allowed::Demo(action) => demo(node, &action),
        // The table of operations sends writes elsewhere.
        Allowed::CredentialWrite(..)
        | Allowed::DomainClaim(..)
        | Allowed::KeyWrite(..)
        | Allowed::OwnOrgWrite(..)
        | Allowed::OrgWrite(..)
        | Allowed::ClusterWrite(..) => Outcome::Forbidden(Vec::new()).into(),
    }
}

/// The organization whose key was presented.
fn asking(allowed: &Allowed) -> Option<&OrgPrincipal> {
    if let Allowed::CredentialRead(org, _) | Allowed::Receipt(Principal::Org(org), _) = allowed {
        return Some(org);
    }
    None
}

async fn of_operator(node: &Arc<Node>, read: OperatorRead, decision: &Decision) -> Answer {
    match read {
        OperatorRead::Orgs(page) => orgs::list(node, page).await,
        OperatorRead::Org(org) => orgs::show(node, org),
        OperatorRead::Cluster => cluster::status(node).await,
        OperatorRead::Digest => cluster::digest(node).await,
        OperatorRead::Nodes => members::nodes(node),
        OperatorRead::Regions => members::regions(node),
        OperatorRead::Divergence(region) => members::divergence(node, &region).await,
        OperatorRead::Policies => policies::cluster_wide(node),
        OperatorRead::PolicyTest(trial) => {
            policies::test(node, *trial, &decision.question.circumstances).await
        }
    }
}

fn demo(node: &Node, action: &DemoAction) -> Answer {
    // Its routes exist in the demo only.
    let Some(cuts) = &node.cuts else { return Outcome::Forbidden(Vec::new()).into() };
    let (is_known, target) = match action {
        DemoAction::Cut(target) => (cuts.cut(target), target),
        DemoAction::Heal(target) => (cuts.heal(target), target),
    };
    let outcome = match (is_known, target) {
        (true, _) => Outcome::DONE,
        (false, DemoTarget::Region(_)) => Outcome::NotFound(What::Region),
        (false, DemoTarget::Node(_)) => Outcome::NotFound(What::Node),
    };
    outcome.into()
}

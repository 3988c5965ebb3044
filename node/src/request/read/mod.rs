//! Reads: from local state, across no region, marked with how fresh they are.
//!
//! The order is what makes an unmarked answer true: the request is whole, then the position it asks
//! for is reached, then freshness is judged, then the state is read.

mod client_secret;
mod cluster;
mod credentials;
mod members;
mod orgs;
mod position;
mod receipt;

use std::sync::Arc;

use concordat_proto::id::OrgId;

use super::timing::Timing;
use crate::{
    api::{
        draft::DemoTarget,
        operation::{DemoAction, OperatorRead},
        outcome::{Answer, Outcome, What},
        request::Terms,
    },
    auth::{Allowed, Authorized, Principal},
    node::Node,
};

/// Answers a read, or does what the demo is asked to.
pub(crate) async fn answer(
    node: &Arc<Node>,
    authorized: Authorized,
    terms: Terms,
    timing: Timing,
) -> Answer {
    let allowed = authorized.into_inner();
    if let Some(position) = terms.at_least
        && let Err(answer) = position::at_least(node, asking(&allowed), position, timing).await
    {
        return answer;
    }
    match allowed {
        Allowed::CredentialRead(org, read) => credentials::answer(node, &org, read, &terms),
        Allowed::Receipt(principal, query) => {
            receipt::answer(node, &principal, query, timing).await
        }
        Allowed::OperatorRead(read) => of_operator(node, read).await,
        Allowed::Demo(action) => demo(node, &action),
        // The table of operations sends writes elsewhere.
        Allowed::CredentialWrite(..) | Allowed::OrgWrite(..) | Allowed::ClusterWrite(..) => {
            Outcome::Forbidden.into()
        }
    }
}

/// The organization whose key was presented.
fn asking(allowed: &Allowed) -> Option<OrgId> {
    match allowed {
        Allowed::CredentialRead(org, _) | Allowed::Receipt(Principal::Org(org), _) => {
            Some(org.id())
        }
        _ => None,
    }
}

async fn of_operator(node: &Arc<Node>, read: OperatorRead) -> Answer {
    match read {
        OperatorRead::Orgs(page) => orgs::list(node, page).await,
        OperatorRead::Org(org) => orgs::show(node, org),
        OperatorRead::Cluster => cluster::status(node).await,
        OperatorRead::Digest => cluster::digest(node).await,
        OperatorRead::Nodes => members::nodes(node),
        OperatorRead::Regions => members::regions(node),
        OperatorRead::Divergence(region) => members::divergence(node, &region).await,
    }
}

fn demo(node: &Node, action: &DemoAction) -> Answer {
    // Its routes exist in the demo only.
    let Some(cuts) = &node.cuts else { return Outcome::Forbidden.into() };
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

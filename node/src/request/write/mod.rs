//! Writes: encrypt secrets, propose at the leader, wait for the required consistency, answer.
//!
//! [`commit`] has the steps of every write. The other files have the specifics of a kind of write,
//! and none of them knows another.

mod audit;
mod cluster;
pub(crate) mod commit;
mod entry;
mod key;
pub(crate) mod org_create;
pub(crate) mod org_end;
mod org_move;
mod org_write;
mod seal_command;
pub(crate) mod suborganization;

use std::sync::Arc;

use concordat_proto::{
    api::organization::OrganizationPatch, command::RequestDigest, id::OrgId, org::OrgSettings,
};

use self::{commit::WriteRequest, org_write::Draft};
use super::{
    locate,
    org_view::absent,
    timing::Timing,
    unavailable::{broken, unavailable},
};
use crate::{
    api::{
        draft::{OwnOrgWrite, ResourceDraft},
        operation::{ClusterWrite, CredentialWrite, OrgWrite},
        outcome::{Answer, Malformed, Outcome, Unavailable},
        request::Terms,
    },
    auth::{Allowed, Authorized},
    entropy,
    node::Node,
    policy::check::{Place, check},
};

/// Executes a write within the caller's time.
pub(crate) async fn answer(
    node: &Arc<Node>,
    authorized: Authorized,
    terms: Terms,
    digest: RequestDigest,
    timing: Timing,
) -> Answer {
    if node.groups.waits_are_full() {
        return unavailable(Unavailable::TooManyWrites);
    }
    if !node.keyring_check.has_passed() {
        return unavailable(Unavailable::KeyringUnchecked);
    }
    let write_id = entropy::write_id(&*node.environment.clock, &*node.environment.entropy);
    let (allowed, decision) = authorized.into_inner();
    if let Err(answer) = checked(node, &allowed).await {
        return answer;
    }
    let request = WriteRequest { write_id, terms, digest, timing, decision };
    match allowed {
        Allowed::CredentialWrite(org, write) => {
            let Some(_place) = node.writes.enter(org.id()) else {
                return unavailable(Unavailable::TooManyWrites);
            };
            entry::answer(node, org, write, request).await
        }
        Allowed::KeyWrite(org, draft) => {
            let Some(_place) = node.writes.enter(org.id()) else {
                return unavailable(Unavailable::TooManyWrites);
            };
            key::answer(node, org, draft, request).await
        }
        Allowed::OwnOrgWrite(org, write) => {
            let Some(_place) = node.writes.enter(org.id()) else {
                return unavailable(Unavailable::TooManyWrites);
            };
            match write {
                OwnOrgWrite::CreateSuborganization(draft) => {
                    suborganization::create(node, org, draft, request).await
                }
                OwnOrgWrite::End => org_end::by_own_key(node, org, request).await,
            }
        }
        Allowed::DomainClaim(org, domain) => {
            entry::claim_own_domain(node, &org, domain, &request).await
        }
        Allowed::OrgWrite(key, OrgWrite::Create(draft)) => {
            org_create::create(node, key, draft, &request).await
        }
        Allowed::OrgWrite(_, OrgWrite::Move(org, draft)) => {
            org_move::change(node, org, draft, &request).await
        }
        Allowed::OrgWrite(key, OrgWrite::End(org)) => {
            org_end::by_operator(node, key, org, request).await
        }
        Allowed::OrgWrite(_, OrgWrite::Patch(org, OrganizationPatch::StaleSecrets(policy))) => {
            settings_of(node, org, OrgSettings { stale_secrets: policy }, request).await
        }
        Allowed::OrgWrite(
            key,
            OrgWrite::Patch(org, OrganizationPatch::EnterpriseDomain(domain)),
        ) => entry::claim_domain(node, org, Some(key), domain, &request).await,
        Allowed::ClusterWrite(key, write) => cluster::change(node, key, write, &request).await,
        // The table of operations sends reads elsewhere.
        Allowed::CredentialRead(..)
        | Allowed::Receipt(..)
        | Allowed::OperatorRead(_)
        | Allowed::Demo(_) => Outcome::Forbidden(Vec::new()).into(),
    }
}

/// Checks a set of policies that is to be put in force. The greatest one takes a part of a second: not on the
/// threads of requests.
async fn checked(node: &Node, allowed: &Allowed) -> Result<(), Answer> {
    let (text, place) = match allowed {
        Allowed::ClusterWrite(_, ClusterWrite::Policies(text)) => (text.clone(), Place::Cluster),
        Allowed::CredentialWrite(
            _,
            CredentialWrite::Resource(ResourceDraft::PutPolicies(text)),
        ) => (text.clone(), Place::Organization),
        Allowed::ClusterWrite(..)
        | Allowed::CredentialWrite(..)
        | Allowed::KeyWrite(..)
        | Allowed::OwnOrgWrite(..)
        | Allowed::CredentialRead(..)
        | Allowed::DomainClaim(..)
        | Allowed::Receipt(..)
        | Allowed::OperatorRead(_)
        | Allowed::OrgWrite(..)
        | Allowed::Demo(_) => return Ok(()),
    };
    let checked = node.aside(move || check(&text, place)).await;
    let problems = match checked {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(problems)) => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        // The parser has panicked.
        Err(_) => "they cannot be checked".to_owned(),
    };
    Err(Outcome::Malformed(Malformed::Syntax(format!("policies: {problems}"))).into())
}

async fn settings_of(
    node: &Node,
    org: OrgId,
    settings: OrgSettings,
    request: WriteRequest,
) -> Answer {
    match locate::living(node, org) {
        Ok(Some(_)) => org_write::answer(node, Draft::Settings { org, settings }, request).await,
        Ok(None) => absent(node),
        Err(error) => broken("locating an organization", &error),
    }
}

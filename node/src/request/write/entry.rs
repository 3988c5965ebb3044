//! Writes of an organization's credentials: what the terms of further dialects require before and show
//! after a write, and the claim of an enterprise domain.
//!
//! What is shown after a write is read from this node's state once it has applied the write. A later
//! write may have changed the credential again: the answer then shows that, beside the stamp of its own
//! write. A write that was committed is answered as that, even where nothing can be shown of it.

use std::sync::Arc;

use concordat_cluster::machine::registered;
use concordat_proto::{
    command::Command,
    consistency::Receipt,
    id::{GroupId, KeyId, OrgId, WriteId},
    oidc::Provider,
    registration::RegistrationStamp,
    resource::SamlSettings,
    version,
};
use tokio::time::Instant;

use super::{
    commit::{Home, WriteRequest, finish, proposal, propose},
    org_write::{self, Draft},
};
use crate::{
    api::{
        draft::ResourceDraft,
        operation::{CredentialWrite, EntryNeeds},
        outcome::{Answer, EntryWritten, OrgFacts, Outcome, Unavailable, What, Written},
    },
    auth::OrgPrincipal,
    node::Node,
    request::{
        entry_view, freshness,
        locate::{self, Waited},
        org_view::absent,
        unavailable::{broken, unavailable},
    },
};

/// Carries a write of credentials out.
pub(super) async fn answer(
    node: &Node,
    org: Arc<OrgPrincipal>,
    write: CredentialWrite,
    request: WriteRequest,
) -> Answer {
    let needs = match &write {
        CredentialWrite::EntryChange(_, _, needs) => *needs,
        CredentialWrite::Create(_)
        | CredentialWrite::Patch(..)
        | CredentialWrite::Delete(_)
        | CredentialWrite::EntryCreate(..)
        | CredentialWrite::EntryDelete(_)
        | CredentialWrite::Resource(_)
        | CredentialWrite::Bind(..) => EntryNeeds::default(),
    };
    if let Some(missing) = missing_level(node, &write) {
        return missing;
    }
    if needs.domain
        && let Some(missing) = missing_domain(node, &org)
    {
        return missing;
    }
    let shown = Shown::of(&write).map(|shown| (org.clone(), shown));
    let new_saml = new_saml(&write);
    let deadline = request.timing.deadline;
    let mut answer = org_write::answer(node, Draft::Own { org, write }, request).await;
    if let (Some((org, shown)), Outcome::Written { value, receipt, .. }) =
        (shown, &mut answer.outcome)
        && let Written::Registered(version, stamp) = *value
        && is_applied_here(node, org.id(), receipt, deadline).await
        && let Ok(written) = after(node, &org, shown, version, stamp)
    {
        *value = Written::Entry(Box::new(written));
    }
    if let (Some(saml), Outcome::Written { value, .. }) = (new_saml, &mut answer.outcome)
        && let Written::Resource(name, version) = value
    {
        *value = Written::NewSaml(name.clone(), *version, Box::new(saml));
    }
    answer
}

/// The settings that the answer to the creation of a SAML credential shows. A repeat of that request
/// brings the same ones.
fn new_saml(write: &CredentialWrite) -> Option<SamlSettings> {
    if let CredentialWrite::Resource(ResourceDraft::CreateSaml(saml)) = write {
        return Some(saml.clone());
    }
    None
}

/// Waits until this node has applied a write: its region may have reached the required consistency
/// without it.
async fn is_applied_here(node: &Node, org: OrgId, receipt: &Receipt, deadline: Instant) -> bool {
    let Some(position) = receipt.position else { return false };
    let waited = locate::at_least(node, Some(org), position, deadline).await;
    matches!(waited, Ok(Waited::Reached))
}

/// What the answer to a write shows beside its stamp.
#[derive(Clone, Copy)]
enum Shown {
    /// Nothing of the credential.
    Facts,
    /// The credential.
    Entry(EntryNeeds),
}

impl Shown {
    fn of(write: &CredentialWrite) -> Option<Self> {
        match write {
            CredentialWrite::EntryChange(_, _, needs) => Some(Self::Entry(*needs)),
            CredentialWrite::EntryCreate(..) => Some(Self::Entry(EntryNeeds::default())),
            CredentialWrite::EntryDelete(_) => Some(Self::Facts),
            CredentialWrite::Create(_)
            | CredentialWrite::Patch(..)
            | CredentialWrite::Delete(_)
            | CredentialWrite::Resource(_)
            | CredentialWrite::Bind(..) => None,
        }
    }
}

/// Why a write cannot be proposed yet: some member may not know its command.
fn missing_level(node: &Node, write: &CredentialWrite) -> Option<Answer> {
    let is_of_level_three = match write {
        CredentialWrite::EntryCreate(..)
        | CredentialWrite::EntryChange(..)
        | CredentialWrite::EntryDelete(_)
        | CredentialWrite::Resource(_)
        | CredentialWrite::Bind(..) => true,
        CredentialWrite::Create(draft) => draft.provider == Provider::Oidc,
        CredentialWrite::Patch(_, draft) => {
            let of_options = draft.options.as_ref().map(|options| options.provider);
            draft.provider == Some(Provider::Oidc) || of_options == Some(Provider::Oidc)
        }
        CredentialWrite::Delete(_) => false,
    };
    let is_missing =
        is_of_level_three && node.groups.feature_level() < version::LEVEL_OF_REGISTRATIONS;
    is_missing.then(|| unavailable(Unavailable::FeatureLevel))
}

fn missing_domain(node: &Node, org: &OrgPrincipal) -> Option<Answer> {
    let fresh = freshness::for_not_found(node);
    match registered::domain_of(node.state(), org.id()) {
        Ok(Some(_)) => None,
        Ok(None) => Some(freshness::mark(Outcome::NotFound(What::EnterpriseDomain), fresh)),
        Err(error) => Some(broken("reading a domain", &error)),
    }
}

/// What is shown of a write that this node has applied; the credential is absent where a later write
/// has deleted it.
fn after(
    node: &Node,
    org: &OrgPrincipal,
    shown: Shown,
    version: WriteId,
    stamp: RegistrationStamp,
) -> Result<EntryWritten, Answer> {
    let at = locate::now(node, org.id());
    let at = at.map_err(|error| broken("locating an organization", &error))?;
    let at = at.unwrap_or_else(|| org.at.clone());
    let facts = entry_view::facts(node, &at);
    let facts = facts.map_err(|error| broken("reading an organization", &error))?;
    let entry = registered::by_number(node.state(), at.group, org.id(), stamp.number);
    let entry = entry.map_err(|error| broken("reading a credential", &error))?;
    let now = match (shown, entry) {
        (Shown::Entry(needs), Some(entry)) => Some(entry_view::of(node, &at, entry, needs)?),
        (Shown::Facts, _) | (Shown::Entry(_), None) => None,
    };
    Ok(EntryWritten { version, stamp, org: facts, now })
}

/// Claims an enterprise domain for the caller's organization.
pub(super) async fn claim_own_domain(
    node: &Node,
    org: &OrgPrincipal,
    domain: String,
    request: &WriteRequest,
) -> Answer {
    let claimed = Some(domain.clone());
    let mut answer = claim_domain(node, org.id(), None, domain, request).await;
    if let Outcome::Written { value, .. } = &mut answer.outcome
        && let Ok(facts) = entry_view::facts(node, &org.at)
    {
        *value = Written::Domain(Box::new(OrgFacts { domain: claimed, ..facts }));
    }
    answer
}

/// Claims an enterprise domain, in the system group. `operator` is the key of an operator: that group
/// has these keys only, so the rights of an organization's own key were checked here alone.
pub(super) async fn claim_domain(
    node: &Node,
    org: OrgId,
    operator: Option<KeyId>,
    domain: String,
    request: &WriteRequest,
) -> Answer {
    let command = Command::ClaimDomain { org, domain };
    if node.groups.feature_level() < command.feature_level() {
        return unavailable(Unavailable::FeatureLevel);
    }
    // It has no claim, by which the system group would know that it is there.
    if org.is_of_suborganization() {
        match locate::living(node, org) {
            Ok(Some(_)) => {}
            Ok(None) => return absent(node),
            Err(error) => return broken("locating an organization", &error),
        }
    }
    let proposal = proposal(node, request, operator, command);
    match propose(node, GroupId::SYSTEM, proposal, request).await {
        Ok(committed) => finish(node, Home::SYSTEM, committed, request).await,
        Err(not_committed) => not_committed.answer(node, GroupId::SYSTEM, request).await,
    }
}

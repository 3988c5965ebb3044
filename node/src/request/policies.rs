//! Which policies are in force for a request, by this node's state; what the request is about, as policies see
//! it; and the second decision on a write whose policies have changed before it was carried out.
//!
//! Reads the state, decides nothing: decisions are `auth`'s.

use std::{net::IpAddr, sync::Arc};

use concordat_cluster::{
    machine::{locate::Located, policy, resource},
    store::StoreError,
};
use concordat_proto::{
    id::{GroupId, OrgId, WriteId},
    policy::{DecidedFor, OwnPolicies, PolicyStamp},
    refusal::Refusal,
    registration::CredentialTarget,
    reply::Applied,
    resource::{ResourceBody, ResourceKind, ResourceName},
    version,
};
use tokio::time::Instant;

use super::{freshness, locate, unavailable::broken};
use crate::{
    api::{
        draft::ResourceDraft,
        operation::{Action, CredentialRead, CredentialWrite, Operation, OperatorRead, OrgWrite},
        outcome::{Answer, Outcome},
        request::Terms,
    },
    auth::{self, Basis, Decision, InForce, Named, OrgPrincipal, Principal},
    node::Node,
    policy::{
        cache::{Revisions, Texts},
        question::{Circumstances, Question, Target},
    },
};

/// The policies that are in force for an operation of a caller.
///
/// # Errors
/// When the state cannot be read.
pub(crate) fn in_force<'a>(
    node: &'a Node,
    principal: &Principal,
    operation: Operation,
) -> Result<InForce<'a>, StoreError> {
    let state = node.state();
    let (to_cluster, to_own) = auth::subject_to(principal, operation);
    let home = match principal {
        Principal::Org(org) if to_own => Some(org),
        Principal::Org(_) | Principal::Operator { .. } => None,
    };
    // The stamp names the newest revision also where it is not asked.
    let applied = node.groups.applied(GroupId::SYSTEM);
    let read = || policy::revision(state, GroupId::SYSTEM);
    let cluster = node.policies.revision(applied, read)?;
    let version = match home {
        Some(org) if locate::is_as_read(node, org) => org.own_policies,
        Some(org) => policy::own_version(state, org.at.group, org.id())?,
        None => None,
    };
    let organization = match (home, version) {
        (None, _) => OwnPolicies::Unasked,
        (Some(_), None) => OwnPolicies::Empty,
        (Some(_), Some(version)) => OwnPolicies::Of(version),
    };
    let stamp = PolicyStamp { cluster, organization };
    let cluster = if to_cluster { cluster } else { 0 };
    if cluster == 0 && version.is_none() {
        return Ok(InForce::default_alone(stamp));
    }
    let revisions = Revisions { cluster, organization: version };
    let compiled =
        node.policies.compiled(revisions, || texts(node, revisions, home.map(|org| &org.at)))?;
    Ok(InForce::of(stamp, &node.policies, revisions, compiled))
}

/// The texts of the sets that are in force now. A set that was replaced meanwhile is compiled under the
/// revision before: the next request sees the new one.
fn texts(node: &Node, revisions: Revisions, home: Option<&Located>) -> Result<Texts, StoreError> {
    let cluster = match revisions.cluster {
        0 => None,
        _ => policy::set(node.state())?,
    };
    let organization = match home {
        Some(at) => own_set(node, at)?.map(|(_, text)| text),
        None => None,
    };
    Ok(Texts { cluster: cluster.map(|set| set.text).unwrap_or_default(), organization })
}

/// An organization's own set: its version, and its text.
///
/// # Errors
/// When the store is broken.
pub(crate) fn own_set(node: &Node, at: &Located) -> Result<Option<(WriteId, String)>, StoreError> {
    let (kind, name) = (ResourceKind::Policies, ResourceName::policies());
    let found = resource::get(node.state(), at.group, at.home.org.id, kind, &name)?;
    Ok(found.and_then(|found| match found.body {
        ResourceBody::Policies(text) => Some((found.version, text)),
        ResourceBody::Saml(_)
        | ResourceBody::External(_)
        | ResourceBody::Attribute(_)
        | ResourceBody::Suborganization(_) => None,
    }))
}

/// The question whether a request may be carried out.
pub(crate) fn question(
    node: &Node,
    principal: &Principal,
    operation: Operation,
    target: Target,
    (terms, source): (&Terms, IpAddr),
) -> Question {
    let circumstances = Circumstances {
        region: node.groups.region().clone(),
        required: terms.required,
        source,
        time: node.now(),
    };
    Question { asker: auth::asker(principal), operation, target, circumstances }
}

/// What a request is about that could not be read.
pub(crate) fn target_of_unread(principal: &Principal) -> Target {
    match principal {
        Principal::Org(org) => Target::Organization(org.id()),
        Principal::Operator { .. } => Target::Cluster,
    }
}

/// What an action is about. A credential that a dialect names in its own way is looked up, so that policies
/// see it alike in every dialect; where there is none the action is about its organization. The default set
/// treats all credentials alike: under that alone nothing is looked up.
///
/// # Errors
/// When the state cannot be read.
pub(crate) fn subject(
    node: &Node,
    principal: &Principal,
    action: &Action,
    is_default: bool,
) -> Result<(Target, Option<Named>), StoreError> {
    let Principal::Org(org) = principal else { return Ok((target_of_operator(action), None)) };
    let Some(target) = named(action).cloned() else {
        return Ok((target_of_org(org.id(), action), None));
    };
    if is_default {
        return Ok((Target::Organization(org.id()), Some(Named { target, found: None })));
    }
    let found = policy::decided_for_now(node.state(), org.at.group, org.id(), &target)?;
    Ok((target_of(org.id(), &found), Some(Named { target, found: Some(found) })))
}

/// The credential that an action names by its number or by a binding.
const fn named(action: &Action) -> Option<&CredentialTarget> {
    if let Action::CredentialRead(CredentialRead::Entry(query)) = action {
        return query.target.existing();
    }
    if let Action::CredentialWrite(
        CredentialWrite::EntryChange(target, ..) | CredentialWrite::EntryDelete(target),
    ) = action
    {
        return target.existing();
    }
    None
}

fn target_of(org: OrgId, found: &DecidedFor) -> Target {
    match found {
        DecidedFor::NoCredential => Target::Organization(org),
        DecidedFor::Credential(client_id) => {
            Target::Credential { org, kind: "oidc", name: client_id.as_str().to_owned() }
        }
    }
}

/// What an action of an organization is about, but for credentials that it names in another way ([`named`]).
fn target_of_org(id: OrgId, action: &Action) -> Target {
    let credential = |kind, name: &str| Target::Credential { org: id, kind, name: name.to_owned() };
    let named = |kind, name: &ResourceName| match kind {
        ResourceKind::Saml => credential("saml", name.as_str()),
        ResourceKind::External => credential("external", name.as_str()),
        ResourceKind::Attribute | ResourceKind::Policies | ResourceKind::Suborganization => {
            Target::Organization(id)
        }
    };
    match action {
        Action::CredentialRead(
            CredentialRead::Get(client_id) | CredentialRead::Secret(client_id),
        )
        | Action::CredentialWrite(
            CredentialWrite::Patch(client_id, _)
            | CredentialWrite::Delete(client_id)
            | CredentialWrite::Bind(_, client_id),
        ) => credential("oidc", client_id.as_str()),
        Action::CredentialRead(CredentialRead::Resource(kind, name)) => named(*kind, name),
        Action::CredentialWrite(CredentialWrite::Resource(draft)) => match draft {
            ResourceDraft::PatchSaml(name, _) => named(ResourceKind::Saml, name),
            ResourceDraft::PatchExternal(name, _) => named(ResourceKind::External, name),
            ResourceDraft::Delete(kind, name) => named(*kind, name),
            ResourceDraft::CreateSaml(_)
            | ResourceDraft::CreateExternal(_)
            | ResourceDraft::PutAttribute(..)
            | ResourceDraft::PutPolicies(_)
            | ResourceDraft::DeleteAll(_) => Target::Organization(id),
        },
        Action::CredentialRead(
            CredentialRead::List { .. }
            | CredentialRead::Organization
            | CredentialRead::Entry(_)
            | CredentialRead::Entries(_)
            | CredentialRead::Binding(_)
            | CredentialRead::Resources(..)
            | CredentialRead::Keys(_)
            | CredentialRead::Policies,
        )
        | Action::CredentialWrite(
            CredentialWrite::Create(_)
            | CredentialWrite::EntryCreate(..)
            | CredentialWrite::EntryChange(..)
            | CredentialWrite::EntryDelete(_),
        )
        | Action::KeyWrite(_)
        | Action::OwnOrgWrite(_)
        | Action::Receipt(_)
        | Action::DomainClaim(_)
        | Action::OperatorRead(_)
        | Action::OrgWrite(_)
        | Action::ClusterWrite(_)
        | Action::Demo(_) => Target::Organization(id),
    }
}

fn target_of_operator(action: &Action) -> Target {
    let org: Option<OrgId> = match action {
        Action::OperatorRead(OperatorRead::Org(org))
        | Action::OrgWrite(OrgWrite::Move(org, _) | OrgWrite::Patch(org, _) | OrgWrite::End(org)) => {
            Some(*org)
        }
        Action::OperatorRead(_)
        | Action::OrgWrite(OrgWrite::Create(_))
        | Action::CredentialRead(_)
        | Action::CredentialWrite(_)
        | Action::KeyWrite(_)
        | Action::OwnOrgWrite(_)
        | Action::Receipt(_)
        | Action::DomainClaim(_)
        | Action::ClusterWrite(_)
        | Action::Demo(_) => None,
    };
    org.map_or(Target::Cluster, Target::Organization)
}

/// What a write was authorized on, where every member of the cluster knows stamps.
pub(crate) fn basis<'a>(node: &Node, decision: &'a Decision) -> Option<&'a Basis> {
    (node.groups.feature_level() >= version::LEVEL_OF_POLICIES).then_some(&decision.basis)
}

/// Decides again on a write that was refused because its policies have changed, or because it names another
/// credential than was asked about, once this node sees that. The new basis; none where it is not here by the
/// deadline.
///
/// # Errors
/// The answer, when the policies of now deny it.
pub(crate) async fn decide_again(
    node: &Node,
    decision: &Decision,
    refused: &Basis,
    deadline: Instant,
) -> Result<Option<Basis>, Answer> {
    let not_read = |error| broken("reading policies", &error);
    loop {
        let seen = locate::applied_indexes(node);
        if let Some(decided) = decide_if_changed(node, decision, refused).map_err(not_read)? {
            return decided.map(Some);
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        locate::wait_for_progress(node, &seen, deadline).await;
    }
}

/// The denial of a read whose policies have changed since it began, if those of now deny it. Called once the read
/// has its answer, so that a fresh answer misses no set that it must know: the decision at its beginning may be
/// old, since a read may wait for its body, for a position or for other regions.
pub(crate) fn denied_since(node: &Node, decision: &Decision) -> Option<Answer> {
    match decide_if_changed(node, decision, &decision.basis) {
        Ok(decided) => decided?.err(),
        Err(error) => Some(broken("reading policies", &error)),
    }
}

/// What the policies of now say of a request that was allowed on an earlier basis, and the basis of now; none
/// while it is still that.
fn decide_if_changed(
    node: &Node,
    decision: &Decision,
    known: &Basis,
) -> Result<Option<Result<Basis, Answer>>, StoreError> {
    if basis_now(node, decision)?.1 == *known {
        return Ok(None);
    }
    // Before the sets are read again, as always.
    let fresh = freshness::of_all(node);
    let (policies, basis) = basis_now(node, decision)?;
    let mut question = decision.question.clone();
    question.circumstances.time = node.now();
    if let (Principal::Org(org), Some(found)) = (decision.principal(), &basis.decided_for) {
        question.target = target_of(org.id(), found);
    }
    Ok(Some(match policies.decide(&question) {
        Ok(_) => Ok(basis),
        Err(denied) => Err(freshness::mark(Outcome::Forbidden(denied.notices), fresh)),
    }))
}

/// The policies in force now, and the basis of a decision by them.
fn basis_now<'a>(node: &'a Node, decision: &Decision) -> Result<(InForce<'a>, Basis), StoreError> {
    let principal = located_now(node, decision.principal())?;
    let policies = in_force(node, &principal, decision.question.operation)?;
    let decided_for = match (&principal, &decision.named) {
        (Principal::Org(org), Some(target)) if !policies.is_default() => {
            Some(policy::decided_for_now(node.state(), org.at.group, org.id(), target)?)
        }
        (Principal::Org(_) | Principal::Operator { .. }, _) => None,
    };
    let basis = Basis { stamp: policies.stamp(), decided_for };
    Ok((policies, basis))
}

/// The principal with its organization where it is now.
fn located_now(node: &Node, principal: &Principal) -> Result<Principal, StoreError> {
    let Principal::Org(org) = principal else { return Ok(principal.clone()) };
    if locate::is_as_read(node, org) {
        return Ok(principal.clone());
    }
    let at = locate::now(node, org.id())?.unwrap_or_else(|| org.at.clone());
    Ok(Principal::Org(Arc::new(OrgPrincipal { at, seen: None, ..OrgPrincipal::clone(org) })))
}

/// Whether a write was refused because its policies have changed.
pub(crate) fn is_stale(applied: &Applied) -> bool {
    applied.outcome == Err(Refusal::PolicyChanged)
}

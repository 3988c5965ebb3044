//! Decisions: whether a caller may do what it asks for. Pure; only this file makes an [`Authorized`], so that
//! forgetting the decision does not compile.
//!
//! While only the default set of policies is in force, the rights of the caller decide, and the decision is
//! known before the request's body is read. Otherwise the policies decide once the request is known in full,
//! and the rights are a part of what they read. A test of `policy` proves that both are the same on the
//! default set.

use std::sync::Arc;

use concordat_proto::{
    id::KeyId,
    org::Rights,
    policy::{DecidedFor, PolicyStamp},
    registration::CredentialTarget,
};

use super::principal::{OrgPrincipal, Principal};
use crate::{
    api::{
        draft::{KeyDraft, OwnOrgWrite},
        operation::{
            Action, Caller, ClusterWrite, CredentialRead, CredentialWrite, DemoAction, Operation,
            OperatorRead, OrgWrite, ReceiptQuery,
        },
    },
    policy::{
        cache::{PolicyCache, Revisions},
        compiled::Compiled,
        question::{Asker, Question},
    },
};

/// Why an operation is not for a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotAllowed {
    /// It may not do this.
    Forbidden(Forbidden),
    /// Another key has taken its key's place: for this operation it is an unknown one.
    Replaced,
}

/// A valid key that may not do this, and what policies say about it to the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Forbidden {
    /// The notices of the policies that forbid it.
    pub(crate) notices: Vec<String>,
}

/// The sets of policies that are in force for a caller and an operation.
#[derive(Debug, Clone)]
pub(crate) struct InForce<'a> {
    stamp: PolicyStamp,
    sets: Option<(&'a PolicyCache, Revisions, Arc<Compiled>)>,
}

impl<'a> InForce<'a> {
    /// The default set alone.
    pub(crate) const fn default_alone(stamp: PolicyStamp) -> Self {
        Self { stamp, sets: None }
    }

    /// These sets beside the default one.
    pub(crate) fn of(
        stamp: PolicyStamp,
        cache: &'a PolicyCache,
        revisions: Revisions,
        compiled: Arc<Compiled>,
    ) -> Self {
        let sets = (!compiled.is_default()).then_some((cache, revisions, compiled));
        Self { stamp, sets }
    }

    /// Whether only the default set is in force.
    pub(crate) const fn is_default(&self) -> bool {
        self.sets.is_none()
    }

    /// Which sets these are.
    pub(crate) const fn stamp(&self) -> PolicyStamp {
        self.stamp
    }

    /// The decision on a question.
    ///
    /// # Errors
    /// When it is denied.
    pub(crate) fn decide(&self, question: &Question) -> Result<Vec<String>, Forbidden> {
        let Some((cache, revisions, compiled)) = &self.sets else {
            let is_allowed = may(question.asker, question.operation);
            return if is_allowed { Ok(Vec::new()) } else { Err(Forbidden::default()) };
        };
        let verdict = cache.verdict(*revisions, compiled, question);
        for error in &verdict.errors {
            tracing::warn!(%error, operation = question.operation.spec().name, "a policy cannot be evaluated");
        }
        let notices = verdict.notices();
        if verdict.is_allowed { Ok(notices) } else { Err(Forbidden { notices }) }
    }
}

/// Which sets a caller's operation is subject to, beside the default one. The operations by which a set is
/// repaired are not subject to it: operators always set the cluster-wide set, and no organization's own set
/// keeps its keys from changing it.
pub(crate) fn subject_to(principal: &Principal, operation: Operation) -> (bool, bool) {
    match principal {
        Principal::Operator { .. } => {
            let repairs = matches!(
                operation,
                Operation::PoliciesGet | Operation::PoliciesPut | Operation::PoliciesTest
            );
            (!repairs, false)
        }
        Principal::Org(_) => {
            let repairs =
                matches!(operation, Operation::OrgPoliciesGet | Operation::OrgPoliciesPut);
            (true, !repairs)
        }
    }
}

/// The caller as policies see it.
pub(crate) fn asker(principal: &Principal) -> Asker {
    match principal {
        Principal::Operator { key } => Asker::Operator(*key),
        Principal::Org(org) if org.is_operators => Asker::Operator(org.key),
        Principal::Org(org) => Asker::Key { key: org.key, org: org.id(), rights: org.rights.0 },
    }
}

/// Whether the rights of a caller let it run an operation. An organization's key that may make a write may
/// also read its receipt, and every key may be replaced by its holder.
fn may(asker: Asker, operation: Operation) -> bool {
    match (operation.spec().caller, asker) {
        (Caller::Operator | Caller::Either, Asker::Operator(_)) => true,
        (Caller::Organization(_), Asker::Operator(_)) | (Caller::Operator, Asker::Key { .. }) => {
            false
        }
        (Caller::Organization(needed), Asker::Key { rights, .. }) => Rights(rights).contain(needed),
        (Caller::Either, Asker::Key { rights, .. }) => Rights(rights) != Rights::NONE,
    }
}

/// Whether a principal may run an operation, as far as this is known before the operation is. A replaced key,
/// and the one that has ended its organization, may ask for the receipt of that write, and repeat it; which write
/// that is is checked where it is known.
///
/// # Errors
/// When the rights decide, and do not suffice; and for a replaced key.
pub(crate) fn authorize(
    principal: Principal,
    operation: Operation,
    policies: InForce<'_>,
) -> Result<Permit<'_>, NotAllowed> {
    let is_replaced = matches!(&principal, Principal::Org(org) if org.replaced_by.is_some());
    let is_of_its_end =
        matches!(operation, Operation::ReceiptGet | Operation::KeyRotate | Operation::OwnOrgDelete);
    if is_replaced && !is_of_its_end {
        return Err(NotAllowed::Replaced);
    }
    if policies.is_default() && !may(asker(&principal), operation) {
        return Err(NotAllowed::Forbidden(Forbidden::default()));
    }
    Ok(Permit { principal, operation, policies })
}

/// The leave to carry one operation out, before it is known in full.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    principal: Principal,
    operation: Operation,
    policies: InForce<'a>,
}

/// A credential that an action names by its number or by a binding.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The name.
    pub(crate) target: CredentialTarget,
    /// Which one that is, where policies are asked about it.
    pub(crate) found: Option<DecidedFor>,
}

/// What a decision was made on. It is made again where this has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basis {
    /// The sets of policies.
    pub(crate) stamp: PolicyStamp,
    /// The credential that they were asked about, where the action names it by its number or a binding; none
    /// where only the default set is in force, which treats all alike.
    pub(crate) decided_for: Option<DecidedFor>,
}

/// A decision that allowed something: what was asked, and on what basis.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    /// The question. A request whose basis has changed meanwhile is asked about again.
    pub(crate) question: Question,
    /// The basis.
    pub(crate) basis: Basis,
    /// The credential that the action names by its number or by a binding.
    pub(crate) named: Option<CredentialTarget>,
    /// What the determining policies say to the caller.
    pub(crate) notices: Vec<String>,
    principal: Principal,
}

impl Decision {
    /// Who asked.
    pub(crate) const fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl Permit<'_> {
    /// Who asks.
    pub(crate) const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// For which operation.
    pub(crate) const fn operation(&self) -> Operation {
        self.operation
    }

    /// The sets of policies that decide.
    pub(crate) const fn policies(&self) -> &InForce<'_> {
        &self.policies
    }

    /// For the action that the request turned out to be, which is what the question is about.
    ///
    /// # Errors
    /// When policies deny it; and when it is another operation's, which only a fault of a dialect can bring
    /// about.
    pub(crate) fn grant(
        self,
        action: Action,
        question: Question,
        named: Option<Named>,
    ) -> Result<Authorized, Forbidden> {
        let is_its = action.operation() == self.operation && question.operation == self.operation;
        if !is_its || question.asker != asker(&self.principal) {
            return Err(Forbidden::default());
        }
        let notices = self.policies.decide(&question)?;
        let stamp = self.policies.stamp();
        let (named, decided_for) = named.map_or((None, None), |it| (Some(it.target), it.found));
        let basis = Basis { stamp, decided_for };
        let principal = self.principal.clone();
        let decision = Decision { question, basis, named, notices, principal };
        let allowed = match (self.principal, action) {
            (Principal::Org(org), Action::CredentialRead(read)) => {
                Allowed::CredentialRead(org, read)
            }
            (Principal::Org(org), Action::CredentialWrite(write)) => {
                Allowed::CredentialWrite(org, write)
            }
            (Principal::Org(org), Action::DomainClaim(domain)) => Allowed::DomainClaim(org, domain),
            (Principal::Org(org), Action::KeyWrite(draft)) => Allowed::KeyWrite(org, draft),
            (Principal::Org(org), Action::OwnOrgWrite(write)) => Allowed::OwnOrgWrite(org, write),
            (principal, Action::Receipt(query)) => Allowed::Receipt(principal, query),
            (Principal::Operator { .. }, Action::OperatorRead(read)) => Allowed::OperatorRead(read),
            (Principal::Operator { key }, Action::OrgWrite(write)) => Allowed::OrgWrite(key, write),
            (Principal::Operator { key }, Action::ClusterWrite(write)) => {
                Allowed::ClusterWrite(key, write)
            }
            (Principal::Operator { .. }, Action::Demo(action)) => Allowed::Demo(action),
            (
                Principal::Operator { .. },
                Action::CredentialRead(_)
                | Action::CredentialWrite(_)
                | Action::DomainClaim(_)
                | Action::KeyWrite(_)
                | Action::OwnOrgWrite(_),
            )
            | (
                Principal::Org(_),
                Action::OperatorRead(_)
                | Action::OrgWrite(_)
                | Action::ClusterWrite(_)
                | Action::Demo(_),
            ) => return Err(Forbidden::default()),
        };
        Ok(Authorized(allowed, decision))
    }
}

/// An action that its principal may carry out.
#[derive(Debug)]
pub(crate) struct Authorized(Allowed, Decision);

impl Authorized {
    /// What the policies that allowed it say to the caller.
    pub(crate) fn notices(&self) -> &[String] {
        &self.1.notices
    }

    /// The action with its caller, and the decision that allowed it.
    pub(crate) fn into_inner(self) -> (Allowed, Decision) {
        (self.0, self.1)
    }
}

/// An action, and the data of its principal that the use case needs.
#[derive(Debug)]
pub(crate) enum Allowed {
    /// An organization reads.
    CredentialRead(Arc<OrgPrincipal>, CredentialRead),
    /// An organization writes.
    CredentialWrite(Arc<OrgPrincipal>, CredentialWrite),
    /// An organization claims an enterprise domain.
    DomainClaim(Arc<OrgPrincipal>, String),
    /// An organization changes its keys.
    KeyWrite(Arc<OrgPrincipal>, KeyDraft),
    /// An organization ends itself, or makes a suborganization.
    OwnOrgWrite(Arc<OrgPrincipal>, OwnOrgWrite),
    /// Either asks about a write.
    Receipt(Principal, ReceiptQuery),
    /// An operator reads.
    OperatorRead(OperatorRead),
    /// An operator changes organizations, by this key.
    OrgWrite(KeyId, OrgWrite),
    /// An operator changes the cluster, by this key.
    ClusterWrite(KeyId, ClusterWrite),
    /// An operator changes the demo's network.
    Demo(DemoAction),
}

#[cfg(test)]
#[path = "authorize_test.rs"]
mod tests;

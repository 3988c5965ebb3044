//! Decisions: whether a caller may do what it asks for. Pure; only this file makes an [`Authorized`], so that
//! forgetting the decision does not compile.
//!
//! While only the default set of policies is in force, the rights of the caller decide, and the decision is
//! known before the request's body is read. Otherwise the policies decide once the request is known in full,
//! and the rights are a part of what they read. A test of `policy` proves that both are the same on the
//! default set.

use std::sync::Arc;

use concordat_proto::{id::KeyId, org::Rights, policy::PolicyStamp};

use super::authenticate::{OrgPrincipal, Principal};
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

/// A decision that allowed something: what was asked, and under which sets.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    /// The question. A write whose policies have changed meanwhile is asked about again.
    pub(crate) question: Question,
    /// The sets.
    pub(crate) stamp: PolicyStamp,
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
    pub(crate) fn grant(self, action: Action, question: Question) -> Result<Authorized, Forbidden> {
        let is_its = action.operation() == self.operation && question.operation == self.operation;
        if !is_its || question.asker != asker(&self.principal) {
            return Err(Forbidden::default());
        }
        let notices = self.policies.decide(&question)?;
        let stamp = self.policies.stamp();
        let decision = Decision { question, stamp, notices, principal: self.principal.clone() };
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
    CredentialRead(Box<OrgPrincipal>, CredentialRead),
    /// An organization writes.
    CredentialWrite(Box<OrgPrincipal>, CredentialWrite),
    /// An organization claims an enterprise domain.
    DomainClaim(Box<OrgPrincipal>, String),
    /// An organization changes its keys.
    KeyWrite(Box<OrgPrincipal>, KeyDraft),
    /// An organization ends itself, or makes a suborganization.
    OwnOrgWrite(Box<OrgPrincipal>, OwnOrgWrite),
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
mod tests {
    use concordat_cluster::machine::locate::Located;
    use concordat_proto::{
        consistency::RequiredConsistency,
        id::{GroupId, OrgId, WriteId},
        movement::HomeRecord,
        org::{ApiKey, Org, WrappedKey},
        policy::OwnPolicies,
        region::Region,
        secret::Sealed,
        time::LogTime,
    };

    use super::*;
    use crate::{
        api::operation::{Page, TABLE},
        policy::{
            cache::Texts,
            question::{Circumstances, Target},
        },
    };

    fn org(rights: Rights) -> Principal {
        let key = KeyId::from_bytes([1; 16]);
        let org = Org {
            id: OrgId::from_bytes([2; 16]),
            org_name: "an organization".into(),
            tenant_name: "a tenant".into(),
            home_region: Region::new("us").unwrap(),
            epoch: 1,
            data_key: WrappedKey { keyring_key: 1, bytes: Vec::new() },
            first_key: ApiKey { id: key, hash: [0; 32], rights },
            first_key_sealed: Sealed { sealed_by: WriteId::from_bytes([3; 16]), bytes: Vec::new() },
        };
        let home = HomeRecord::begun(org);
        let at = Located { group: GroupId(1), home, is_closed: false };
        let (hash, replaced_by, is_operators) = ([0; 32], None, false);
        let org = OrgPrincipal { at, key, hash, rights, replaced_by, is_operators };
        Principal::Org(Box::new(org))
    }

    fn operator() -> Principal {
        Principal::Operator { key: KeyId::from_bytes([1; 16]) }
    }

    fn allowed(principal: &Principal) -> Vec<Operation> {
        let all = TABLE.iter().map(|row| row.operation);
        all.filter(|o| authorize(principal.clone(), *o, policies()).is_ok()).collect()
    }

    const STAMP: PolicyStamp = PolicyStamp { cluster: 0, organization: OwnPolicies::Empty };

    fn policies() -> InForce<'static> {
        InForce::default_alone(STAMP)
    }

    fn question(principal: &Principal, operation: Operation) -> Question {
        let target = match principal {
            Principal::Org(org) => Target::Organization(org.id()),
            Principal::Operator { .. } => Target::Cluster,
        };
        let circumstances = Circumstances {
            region: Region::new("us").unwrap(),
            required: RequiredConsistency::default(),
            source: std::net::Ipv4Addr::LOCALHOST.into(),
            time: LogTime(5),
        };
        Question { asker: asker(principal), operation, target, circumstances }
    }

    #[test]
    fn rights_open_what_they_say_and_no_more() {
        let reads = [
            Operation::OidcList,
            Operation::OidcGet,
            Operation::OwnOrgGet,
            Operation::SuborgList,
            Operation::KeyRotate,
            Operation::SamlList,
            Operation::SamlGet,
            Operation::ExternalList,
            Operation::AttributeList,
            Operation::AttributeGet,
            Operation::EntryList,
            Operation::EntryGet,
            Operation::BindingGet,
            Operation::ReceiptGet,
        ];
        assert_eq!(allowed(&org(Rights::READ)), reads);
        let writes = [
            Operation::OidcCreate,
            Operation::OidcPatch,
            Operation::OidcDelete,
            Operation::KeyRotate,
            Operation::SamlCreate,
            Operation::SamlPatch,
            Operation::SamlDelete,
            Operation::ExternalCreate,
            Operation::ExternalPatch,
            Operation::ExternalDelete,
            Operation::AttributePut,
            Operation::AttributeDelete,
            Operation::EntryCreate,
            Operation::EntryChange,
            Operation::EntryDelete,
            Operation::BindingSet,
            Operation::ReceiptGet,
        ];
        assert_eq!(allowed(&org(Rights::WRITE)), writes);
        assert_eq!(
            allowed(&org(Rights::SECRETS_READ)),
            [
                Operation::SecretGet,
                Operation::KeyRotate,
                Operation::ExternalGet,
                Operation::ReceiptGet
            ]
        );
        let administrates = [
            Operation::OwnOrgDelete,
            Operation::SuborgCreate,
            Operation::KeyList,
            Operation::KeyIssue,
            Operation::KeyRotate,
            Operation::KeyRevoke,
            Operation::DomainClaim,
            Operation::ReceiptGet,
            Operation::OrgPoliciesGet,
            Operation::OrgPoliciesPut,
        ];
        assert_eq!(allowed(&org(Rights::ADMIN)), administrates);
        assert_eq!(allowed(&org(Rights::ALL)).len(), 39, "never what operators do");
        assert_eq!(allowed(&org(Rights::NONE)), [Operation::KeyRotate]);
    }

    #[test]
    fn operators_never_touch_credentials() {
        let credentials = [
            Operation::OidcList,
            Operation::OidcCreate,
            Operation::OidcGet,
            Operation::OidcPatch,
            Operation::OidcDelete,
            Operation::SecretGet,
            Operation::OwnOrgGet,
            Operation::OwnOrgDelete,
            Operation::SuborgList,
            Operation::SuborgCreate,
            Operation::KeyList,
            Operation::KeyIssue,
            Operation::KeyRotate,
            Operation::KeyRevoke,
            Operation::SamlList,
            Operation::SamlCreate,
            Operation::SamlGet,
            Operation::SamlPatch,
            Operation::SamlDelete,
            Operation::ExternalList,
            Operation::ExternalCreate,
            Operation::ExternalGet,
            Operation::ExternalPatch,
            Operation::ExternalDelete,
            Operation::AttributeList,
            Operation::AttributeGet,
            Operation::AttributePut,
            Operation::AttributeDelete,
            Operation::EntryList,
            Operation::EntryGet,
            Operation::EntryCreate,
            Operation::EntryChange,
            Operation::EntryDelete,
            Operation::BindingGet,
            Operation::BindingSet,
            Operation::DomainClaim,
            Operation::OrgPoliciesGet,
            Operation::OrgPoliciesPut,
        ];
        let all = TABLE.iter().map(|row| row.operation);
        let expected: Vec<_> = all.filter(|it| !credentials.contains(it)).collect();
        assert_eq!(allowed(&operator()), expected);
    }

    #[test]
    fn a_replaced_key_asks_for_its_end_only() {
        let Principal::Org(mut replaced) = org(Rights::ALL) else { unreachable!("it is one") };
        replaced.replaced_by = Some(WriteId::from_bytes([4; 16]));
        let replaced = Principal::Org(replaced);
        let of_its_end = [Operation::OwnOrgDelete, Operation::KeyRotate, Operation::ReceiptGet];
        assert_eq!(allowed(&replaced), of_its_end);
        let refused = authorize(replaced, Operation::OidcList, policies()).map(drop);
        assert_eq!(refused, Err(NotAllowed::Replaced));
    }

    #[test]
    fn a_permit_is_for_its_own_operation() {
        let cluster = Action::OperatorRead(OperatorRead::Cluster);
        let permit = || authorize(operator(), Operation::ClusterGet, policies()).unwrap();
        let asked = |operation| question(&operator(), operation);
        assert!(permit().grant(cluster.clone(), asked(Operation::ClusterGet)).is_ok());
        assert!(permit().grant(cluster, asked(Operation::NodeList)).is_err());
        let other = Action::OperatorRead(OperatorRead::Orgs(Page::default()));
        assert!(permit().grant(other, asked(Operation::ClusterGet)).is_err());
    }

    #[test]
    fn a_question_is_its_callers_own() {
        let read = Action::CredentialRead(CredentialRead::Organization);
        let permit =
            authorize(org(Rights::READ), Operation::OwnOrgGet, policies()).expect("it may");
        let foreign = question(&org(Rights::ALL), Operation::OwnOrgGet);
        assert!(permit.grant(read, foreign).is_err());
    }

    fn in_force<'a>(cache: &'a PolicyCache, cluster: &str, own: &str) -> InForce<'a> {
        let revisions = Revisions { cluster: 1, organization: None };
        let texts = Texts { cluster: cluster.to_owned(), organization: Some(own.to_owned()) };
        let compiled = cache.compiled(revisions, || Ok::<_, ()>(texts)).unwrap();
        InForce::of(STAMP, cache, revisions, compiled)
    }

    #[test]
    fn nothing_is_evaluated_while_only_the_default_set_is_in_force() {
        let cache = PolicyCache::default();
        for policies in [policies(), in_force(&cache, "", " // nothing\n")] {
            assert!(policies.is_default());
            let allowed = policies.decide(&question(&org(Rights::READ), Operation::OidcList));
            assert_eq!(allowed, Ok(Vec::new()));
            let denied = policies.decide(&question(&org(Rights::READ), Operation::SecretGet));
            assert_eq!(denied, Err(Forbidden::default()));
        }
        assert_eq!(cache.evaluations(), 0);
    }

    #[test]
    fn a_question_is_evaluated_once_where_the_sets_read_no_more() {
        let cache = PolicyCache::default();
        let steady =
            in_force(&cache, "forbid (principal, action in Action::\"write\", resource);", "");
        let asked = question(&org(Rights::ALL), Operation::OidcList);
        for _ in 0..3 {
            assert!(steady.decide(&asked).is_ok());
            assert!(steady.decide(&question(&org(Rights::ALL), Operation::OidcCreate)).is_err());
        }
        assert_eq!(cache.evaluations(), 2);
        let begun = tokio::time::Instant::now();
        for _ in 0..10_000 {
            assert!(steady.decide(&asked).is_ok());
        }
        println!("a remembered decision takes {:?}", begun.elapsed() / 10_000);
        let cache = PolicyCache::default();
        let text = "forbid (principal, action, resource) when { context.time < datetime(\"1969-01-01\") };";
        let timed = in_force(&cache, text, "");
        for _ in 0..3 {
            assert!(timed.decide(&asked).is_ok());
        }
        assert_eq!(cache.evaluations(), 3, "the time is another each time");
    }

    #[test]
    fn what_cannot_be_parsed_denies_everything_but_its_repair() {
        let cache = PolicyCache::default();
        let broken = in_force(&cache, "permit (", "");
        assert!(broken.decide(&question(&org(Rights::ALL), Operation::OidcList)).is_err());
        for operation in [Operation::PoliciesGet, Operation::PoliciesPut, Operation::PoliciesTest] {
            assert_eq!(subject_to(&operator(), operation), (false, false));
        }
        for operation in [Operation::OrgPoliciesGet, Operation::OrgPoliciesPut] {
            assert_eq!(subject_to(&org(Rights::ALL), operation), (true, false));
        }
        assert_eq!(subject_to(&operator(), Operation::ReceiptGet), (true, false));
        assert_eq!(subject_to(&org(Rights::ALL), Operation::ReceiptGet), (true, true));
    }
}

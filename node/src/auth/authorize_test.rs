//! What rights and policies allow, for every operation.

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
    Principal::Org(Arc::new(OrgPrincipal {
        at,
        key,
        hash: [0; 32],
        rights,
        replaced_by: None,
        is_operators: false,
        over_from: None,
        own_policies: None,
        seen: None,
    }))
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
        [Operation::SecretGet, Operation::KeyRotate, Operation::ExternalGet, Operation::ReceiptGet]
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
    Arc::make_mut(&mut replaced).replaced_by = Some(WriteId::from_bytes([4; 16]));
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
    assert!(permit().grant(cluster.clone(), asked(Operation::ClusterGet), None).is_ok());
    assert!(permit().grant(cluster, asked(Operation::NodeList), None).is_err());
    let other = Action::OperatorRead(OperatorRead::Orgs(Page::default()));
    assert!(permit().grant(other, asked(Operation::ClusterGet), None).is_err());
}

#[test]
fn a_question_is_its_callers_own() {
    let read = Action::CredentialRead(CredentialRead::Organization);
    let permit = authorize(org(Rights::READ), Operation::OwnOrgGet, policies()).expect("it may");
    let foreign = question(&org(Rights::ALL), Operation::OwnOrgGet);
    assert!(permit.grant(read, foreign, None).is_err());
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
    let steady = in_force(&cache, "forbid (principal, action in Action::\"write\", resource);", "");
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
    let text =
        "forbid (principal, action, resource) when { context.time < datetime(\"1969-01-01\") };";
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

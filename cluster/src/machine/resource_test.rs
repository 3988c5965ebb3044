//! Tests of the rules of resources beside credentials.

use std::collections::BTreeMap;

use concordat_proto::{
    command::Command,
    resource::{ExternalCredential, ExternalProvider, ExternalType, SamlSettings},
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    machine::{
        registered,
        testkit::{BEGIN, HOME, Replica, org, org_id, proposal, sealed, write_id},
    },
    store::Store,
};

fn replica() -> Replica {
    let replica = Replica::new(HOME);
    replica.done(200, Command::NoteFeatureLevel(3));
    replica.done(201, Command::CreateOrg(org(0)));
    replica
}

fn command(change: ResourceChange, precondition: Option<Precondition>) -> Command {
    Command::ChangeResource { org: org_id(0), change: Box::new(change), precondition }
}

fn name(text: &str) -> ResourceName {
    ResourceName::new(text).expect("a name")
}

fn saml() -> SamlSettings {
    SamlSettings {
        idp_metadata_url: "https://idp.example/metadata".into(),
        label: Some("first".into()),
        email_claims: vec!["email".into()],
        enable_in_authz_server: None,
    }
}

fn external() -> ExternalCredential {
    ExternalCredential {
        provider: ExternalProvider::Generic,
        credential_type: ExternalType::ApiKey,
        label: None,
        json_blob: sealed(1),
    }
}

fn attribute(value: &str) -> ResourceBody {
    ResourceBody::Attribute(value.into())
}

fn found(replica: &Replica, kind: ResourceKind, text: &str) -> Option<Resource> {
    get(&*replica.store, HOME, org_id(0), kind, &name(text)).expect("the store reads")
}

fn delete(kind: ResourceKind, text: &str, is_absent_ok: bool) -> Command {
    command(ResourceChange::Delete { kind, name: name(text), is_absent_ok }, None)
}

#[test]
fn a_patch_sets_what_it_names_and_leaves_the_rest() {
    let replica = replica();
    let create = ResourceChange::Create(name("a"), ResourceBody::Saml(saml()));
    let made = replica.done(1, command(create.clone(), None));
    assert_eq!(made, Reply::Resource { name: name("a"), version: write_id(1) });
    let kind = ResourceKind::Saml;
    let again = replica.refused(2, command(create, None));
    assert_eq!(again, Refusal::ResourceExists { kind });
    let patch = |patch| ResourceChange::Patch(name("a"), ResourcePatch::Saml(patch));
    let set = SamlPatch { enable_in_authz_server: Some(true), ..SamlPatch::default() };
    let later = proposal(3, BEGIN + 5, command(patch(set.clone()), None));
    let changed = replica.one(&later).outcome.expect("a yes");
    assert_eq!(changed, Reply::Resource { name: name("a"), version: write_id(3) });
    let after = found(&replica, kind, "a").expect("it is there");
    let expected = SamlSettings { enable_in_authz_server: Some(true), ..saml() };
    assert_eq!(after.body, ResourceBody::Saml(expected));
    assert_eq!((after.version, after.changed_at > after.created_at), (write_id(3), true));
    // What changes nothing keeps the version.
    let kept = replica.done(4, command(patch(set), None));
    assert_eq!(kept, Reply::Resource { name: name("a"), version: write_id(3) });
    let stale = Some(Precondition::AnyOf(vec![write_id(1)]));
    let refused = replica.refused(5, command(patch(SamlPatch::default()), stale));
    assert_eq!(refused, Refusal::VersionMismatch);
}

#[test]
fn the_secret_of_an_external_credential_is_kept_by_a_patch_without_one() {
    let replica = replica();
    let create = ResourceChange::Create(name("x"), ResourceBody::External(external()));
    replica.done(1, command(create, None));
    let kind = ResourceKind::External;
    let patch =
        |patch| command(ResourceChange::Patch(name("x"), ResourcePatch::External(patch)), None);
    replica.done(2, patch(ExternalPatch { label: Some("named".into()), json_blob: None }));
    let labeled = ExternalCredential { label: Some("named".into()), ..external() };
    let body = |replica: &Replica| found(replica, kind, "x").expect("it is there").body;
    assert_eq!(body(&replica), ResourceBody::External(labeled.clone()));
    replica.done(3, patch(ExternalPatch { label: None, json_blob: Some(sealed(9)) }));
    let renewed = ExternalCredential { json_blob: sealed(9), ..labeled };
    assert_eq!(body(&replica), ResourceBody::External(renewed));
}

#[test]
fn a_deletion_of_what_is_absent_succeeds_only_where_it_may() {
    let replica = replica();
    let kind = ResourceKind::External;
    assert_eq!(replica.refused(1, delete(kind, "x", false)), Refusal::ResourceNotFound { kind });
    assert_eq!(replica.done(2, delete(kind, "x", true)), Reply::Done);
    // Names are those of a kind.
    replica.done(3, command(ResourceChange::Put(name("x"), attribute("1")), None));
    let refused = replica.refused(4, delete(ResourceKind::Saml, "x", false));
    assert_eq!(refused, Refusal::ResourceNotFound { kind: ResourceKind::Saml });
    replica.done(5, delete(ResourceKind::Attribute, "x", false));
    assert_eq!(found(&replica, ResourceKind::Attribute, "x"), None);
}

#[test]
fn an_organization_has_a_bounded_number_of_a_kind() {
    let replica = replica();
    let key = keys::resource_count(HOME, org_id(0), ResourceKind::Attribute);
    let put = |text: &str| command(ResourceChange::Put(name(text), attribute("1")), None);
    replica.done(1, put("a"));
    let changes = vec![(key, Some(concordat_proto::wire::Wire::encode(&limits::RESOURCES_MAX)))];
    let batch = crate::store::WriteBatch { changes, ..crate::store::WriteBatch::default() };
    replica.store.write(batch).expect("the store writes");
    let kind = ResourceKind::Attribute;
    assert_eq!(replica.refused(2, put("b")), Refusal::ResourcesFull { kind });
    // What is there may still be replaced.
    replica.done(3, put("a"));
    replica.done(4, delete(kind, "a", false));
    replica.done(5, put("b"));
}

#[test]
fn a_put_may_ask_that_there_is_none_or_a_version() {
    let replica = replica();
    let put = |value: &str, precondition| {
        command(ResourceChange::Put(name("a"), attribute(value)), precondition)
    };
    let any_of = |versions: &[u8]| {
        Some(Precondition::AnyOf(versions.iter().map(|number| write_id(*number)).collect()))
    };
    for (number, precondition) in [(1, any_of(&[9])), (2, Some(Precondition::Exists))] {
        assert_eq!(replica.refused(number, put("1", precondition)), Refusal::VersionMismatch);
    }
    replica.done(3, put("1", any_of(&[])));
    assert_eq!(replica.refused(4, put("2", any_of(&[]))), Refusal::VersionMismatch);
    replica.done(5, put("2", any_of(&[3])));
    assert_eq!(replica.refused(6, put("3", any_of(&[3]))), Refusal::VersionMismatch);
    replica.done(7, put("3", Some(Precondition::Exists)));
}

fn any_change() -> impl Strategy<Value = ResourceChange> {
    let text = || select(vec!["a", "b", "c"]);
    let kinds = || select(&ResourceKind::ALL[..]);
    let body = || {
        prop_oneof![
            Just(ResourceBody::Saml(saml())),
            (1_u8..4).prop_map(|n| {
                ResourceBody::External(ExternalCredential { json_blob: sealed(n), ..external() })
            }),
            (0_u8..4).prop_map(|n| ResourceBody::Attribute(n.to_string())),
        ]
    };
    prop_oneof![
        (text(), body()).prop_map(|(text, body)| ResourceChange::Create(name(text), body)),
        (text(), body()).prop_map(|(text, body)| ResourceChange::Put(name(text), body)),
        (kinds(), text(), any::<bool>()).prop_map(|(kind, text, is_absent_ok)| {
            ResourceChange::Delete { kind, name: name(text), is_absent_ok }
        }),
        kinds().prop_map(ResourceChange::DeleteAll),
    ]
}

proptest! {
    /// Against a map, with the counts and the lists of every kind.
    #[test]
    fn resources_are_a_map_by_kind_and_name(changes in vec(any_change(), 1..40)) {
        let replica = replica();
        let mut model: BTreeMap<(ResourceKind, ResourceName), ResourceBody> = BTreeMap::new();
        for (number, change) in (1_u8..).zip(changes) {
            let outcome = replica.one(&proposal(number, BEGIN, command(change.clone(), None))).outcome;
            match change {
                ResourceChange::Create(name, body) => {
                    let kind = body.kind();
                    let is_new = !model.contains_key(&(kind, name.clone()));
                    prop_assert_eq!(outcome.is_ok(), is_new);
                    model.entry((kind, name)).or_insert(body);
                }
                ResourceChange::Put(name, body) => {
                    prop_assert!(outcome.is_ok());
                    model.insert((body.kind(), name), body);
                }
                ResourceChange::Delete { kind, name, is_absent_ok } => {
                    let was_there = model.remove(&(kind, name)).is_some();
                    prop_assert_eq!(outcome.is_ok(), was_there || is_absent_ok);
                }
                ResourceChange::DeleteAll(kind) => {
                    prop_assert!(outcome.is_ok());
                    model.retain(|(of, _), _| *of != kind);
                }
                ResourceChange::Patch(..) => unreachable!("not drawn"),
            }
            for kind in ResourceKind::ALL {
                let part = list(&*replica.store, HOME, org_id(0), kind, Wanted::FIRST);
                let Part { items, total_count: total, .. } = part.expect("it reads");
                let stored: Vec<_> = items.into_iter().map(|it| (it.name, it.body)).collect();
                let expected: Vec<_> = model
                    .iter()
                    .filter(|((of, _), _)| *of == kind)
                    .map(|((_, name), body)| (name.clone(), body.clone()))
                    .collect();
                prop_assert_eq!(&stored, &expected);
                let key = keys::resource_count(HOME, org_id(0), kind);
                let count: Option<u64> = query::load(&*replica.store, &key).expect("it reads");
                prop_assert_eq!(count.unwrap_or_default(), total as u64);
                prop_assert_eq!(total, expected.len());
            }
        }
    }
}

#[test]
fn writes_of_resources_count_in_the_sequence() {
    let replica = replica();
    let sequence = |replica: &Replica| {
        registered::profile(&*replica.store, HOME, org_id(0)).expect("it reads").sequence
    };
    replica.done(1, command(ResourceChange::Put(name("a"), attribute("1")), None));
    assert_eq!(sequence(&replica), 1);
    replica.done(2, command(ResourceChange::Put(name("a"), attribute("1")), None));
    assert_eq!(sequence(&replica), 1, "nothing changed");
    replica.done(3, delete(ResourceKind::Attribute, "a", false));
    assert_eq!(sequence(&replica), 2);
}

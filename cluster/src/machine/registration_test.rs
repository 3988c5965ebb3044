//! Tests of the rules of registrations.

use concordat_proto::{
    command::{Command, Precondition},
    id::{ClientId, GroupId, WriteId},
    oidc::{ClaimMapping, OidcPatch, Provider, ProviderOptions},
    refusal::Refusal,
    registration::{
        Binding, CredentialChange, CredentialState, CredentialTarget, GenericChange, Number, Owner,
        Provisioning, Registration, RegistrationStamp,
    },
    reply::Reply,
    secret::Sealed,
};

use super::super::{
    query,
    registered::{self, Entry},
    testkit::{HOME, Replica, client, credential, org, org_id, sealed, write_id},
};

const NEW: CredentialTarget = CredentialTarget::New(Owner::System);

fn binding() -> Binding {
    Binding::new("a-dialect").expect("a binding")
}

fn bound() -> CredentialTarget {
    CredentialTarget::Bound(binding())
}

/// A home group at feature level 3 with organization 0 in it.
fn replica() -> Replica {
    let replica = Replica::new(HOME);
    replica.done(200, Command::NoteFeatureLevel(3));
    replica.done(201, Command::CreateOrg(org(0)));
    replica
}

fn change(target: CredentialTarget, change: CredentialChange) -> Command {
    let change = Box::new(change);
    Command::ChangeCredential { org: org_id(0), target, change, precondition: None }
}

fn remove(target: CredentialTarget) -> Command {
    Command::RemoveCredential { org: org_id(0), target, precondition: None }
}

fn with_secret(client_id: ClientId, secret: Sealed) -> CredentialChange {
    CredentialChange {
        client_id: Some(client_id),
        client_secret: Some(secret),
        issuer: Some("https://idp.example".into()),
        ..CredentialChange::default()
    }
}

fn stamp(reply: Reply) -> RegistrationStamp {
    let Reply::Registered { stamp, .. } = reply else { panic!("{reply:?}") };
    stamp
}

fn entry(replica: &Replica, number: Number) -> Entry {
    let found = registered::by_number(&*replica.store, HOME, org_id(0), number);
    found.expect("the store reads").expect("it is there")
}

fn profile_sequence(replica: &Replica) -> u64 {
    registered::profile(&*replica.store, HOME, org_id(0)).expect("the store reads").sequence
}

#[test]
fn a_credential_keeps_its_number_and_its_secret_through_a_rename() {
    let replica = replica();
    let made = stamp(replica.done(1, change(NEW, with_secret(client(1), sealed(1)))));
    let renamed = CredentialChange { client_id: Some(client(2)), ..CredentialChange::default() };
    let target = CredentialTarget::Number(made.number);
    let after = stamp(replica.done(2, change(target.clone(), renamed)));
    assert_eq!((after.number, after.created_at), (made.number, made.created_at));
    assert_eq!((made.sequence, after.sequence), (1, 2));
    let found = entry(&replica, made.number);
    assert_eq!(found.credential.client_id, client(2));
    assert_eq!(found.credential.client_secret, sealed(1));
    assert_eq!(found.registration.secret_sealed_for, Some(client(1)));
    assert_eq!(found.registration.id, write_id(1));
    assert_eq!(found.registration.owner, Owner::System);
    // The old name is free at once, and a new secret is sealed for the new one.
    let again = stamp(replica.done(3, change(NEW, with_secret(client(1), sealed(3)))));
    assert_ne!(again.number, made.number);
    replica.done(4, change(target.clone(), with_secret(client(2), sealed(4))));
    assert_eq!(entry(&replica, made.number).registration.secret_sealed_for, None);
    let taken = CredentialChange { client_id: Some(client(1)), ..CredentialChange::default() };
    assert_eq!(replica.refused(5, change(target, taken)), Refusal::CredentialExists);
}

#[test]
fn renamed_back_a_secret_needs_no_other_name() {
    let replica = replica();
    let made = stamp(replica.done(1, change(NEW, with_secret(client(1), sealed(1)))));
    let target = CredentialTarget::Number(made.number);
    for (write, name) in [(2, 2), (3, 3), (4, 1)] {
        let client_id = Some(client(name));
        let renamed = CredentialChange { client_id, ..CredentialChange::default() };
        replica.done(write, change(target.clone(), renamed));
        let sealed_for = entry(&replica, made.number).registration.secret_sealed_for;
        assert_eq!(sealed_for, (name != 1).then(|| client(1)), "after write {write}");
    }
}

#[test]
fn a_native_change_keeps_what_its_api_does_not_know() {
    let replica = replica();
    let provisioning = Provisioning { is_auto_update: true, ..Provisioning::default() };
    let given = CredentialChange {
        provisioning: Some(provisioning),
        state: Some(CredentialState::Inactive),
        ..with_secret(client(1), sealed(1))
    };
    let made = stamp(replica.done(1, change(NEW, given)));
    let renamed = CredentialChange { client_id: Some(client(2)), ..CredentialChange::default() };
    let target = CredentialTarget::Number(made.number);
    replica.done(2, change(target, renamed));
    let patch = |patch| Command::PatchOidc {
        org: org_id(0),
        client_id: client(2),
        patch,
        precondition: None,
    };
    replica.done(3, patch(OidcPatch { label: Some("native".into()), ..OidcPatch::default() }));
    let found = entry(&replica, made.number);
    assert_eq!(found.registration.provisioning, provisioning);
    assert_eq!(found.registration.state, CredentialState::Inactive);
    assert_eq!(found.registration.secret_sealed_for, Some(client(1)));
    assert_eq!((found.registration.sequence, profile_sequence(&replica)), (3, 3));
    // A native secret is sealed for the name in the path.
    let secret = OidcPatch { client_secret: Some(sealed(4)), ..OidcPatch::default() };
    replica.done(4, patch(secret));
    assert_eq!(entry(&replica, made.number).registration.secret_sealed_for, None);
}

#[test]
fn nothing_changed_is_refused_or_writes_nothing() {
    let replica = replica();
    let made = stamp(replica.done(1, change(NEW, with_secret(client(1), sealed(1)))));
    let target = CredentialTarget::Number(made.number);
    let same = CredentialChange {
        client_id: Some(client(1)),
        issuer: Some("https://idp.example".into()),
        ..CredentialChange::default()
    };
    assert_eq!(stamp(replica.done(2, change(target.clone(), same.clone()))), made);
    assert_eq!(profile_sequence(&replica), 1);
    let refusing = CredentialChange { refuse_unchanged: true, ..same };
    assert_eq!(replica.refused(3, change(target.clone(), refusing.clone())), Refusal::Unchanged);
    // The same secret again is a change: it was sealed anew.
    let secret = CredentialChange { client_secret: Some(sealed(1)), ..refusing };
    assert_eq!(stamp(replica.done(4, change(target, secret))).sequence, 2);
}

#[test]
fn a_binding_is_made_by_the_first_write_and_ends_with_its_credential() {
    let replica = replica();
    assert_eq!(replica.refused(1, remove(bound())), Refusal::CredentialNotFound);
    let made = stamp(replica.done(2, change(bound(), with_secret(client(1), sealed(2)))));
    let again = stamp(replica.done(3, change(bound(), with_secret(client(1), sealed(3)))));
    assert_eq!(made.number, again.number);
    replica.done(4, remove(bound()));
    let anew = stamp(replica.done(5, change(bound(), with_secret(client(1), sealed(5)))));
    assert_ne!(made.number, anew.number, "a number is never given again");
    // The native end of the credential unbinds it, too.
    let (org, client_id) = (org_id(0), client(1));
    replica.done(6, Command::DeleteOidc { org, client_id, precondition: None });
    let bound = registered::bound(&*replica.store, HOME, org_id(0), &binding()).unwrap();
    assert_eq!(bound, None);
}

#[test]
fn any_credential_can_be_bound_and_keeps_its_provider() {
    let replica = replica();
    let google = credential(1, Provider::Google, 1);
    replica.done(1, Command::CreateOidc { org: org_id(0), credential: google });
    let bind = |number| Command::BindCredential {
        org: org_id(0),
        binding: binding(),
        client_id: client(number),
    };
    assert_eq!(replica.refused(2, bind(2)), Refusal::CredentialNotFound);
    let first = stamp(replica.done(3, bind(1)));
    let actual = Provider::Google;
    let other = with_secret(client(1), sealed(4));
    assert_eq!(replica.refused(4, change(bound(), other)), Refusal::IssuerFixed { actual });
    let same = CredentialChange {
        issuer: Some("https://accounts.google.com".into()),
        scopes: Some(vec!["calendar".into()]),
        ..with_secret(client(2), sealed(5))
    };
    assert_eq!(stamp(replica.done(5, change(bound(), same))).number, first.number);
    let found = entry(&replica, first.number).credential;
    assert_eq!(found.provider, Provider::Google);
    assert_eq!(found.options.scopes, ["openid", "email", "profile", "calendar"]);
    let discovery_url = Some(Some("https://idp.example".into()));
    let generic = GenericChange { discovery_url, ..GenericChange::default() };
    let foreign = CredentialChange { generic, ..CredentialChange::default() };
    assert_eq!(replica.refused(6, change(bound(), foreign)), Refusal::GenericOnly { actual });
    let by_oidc = CredentialChange { oidc_only: true, ..CredentialChange::default() };
    assert_eq!(replica.refused(7, change(bound(), by_oidc)), Refusal::CredentialNotFound);
}

#[test]
fn what_is_only_of_generic_providers_is_set_there() {
    let replica = replica();
    let generic = GenericChange {
        use_pkce: Some(true),
        username_mapping: Some(ClaimMapping::Email),
        token_endpoint: Some(Some("https://idp.example/token".into())),
        ..GenericChange::default()
    };
    let given = CredentialChange { generic, ..with_secret(client(1), sealed(1)) };
    let made = stamp(replica.done(1, change(NEW, given)));
    let target = CredentialTarget::Number(made.number);
    let removes = GenericChange { token_endpoint: Some(None), ..GenericChange::default() };
    let given = CredentialChange { generic: removes, ..CredentialChange::default() };
    replica.done(2, change(target, given));
    let found = entry(&replica, made.number).credential;
    let ProviderOptions::Oidc(generic) = found.options.specific else { panic!("{found:?}") };
    assert!(generic.use_pkce && generic.token_endpoint.is_none());
    assert_eq!(generic.username_mapping, ClaimMapping::Email);
    assert_eq!(generic.issuer, "https://idp.example");
}

#[test]
fn a_credential_from_before_is_found_by_its_number_and_keeps_it() {
    let replica = Replica::new(HOME);
    replica.done(200, Command::CreateOrg(org(0)));
    let create =
        Command::CreateOidc { org: org_id(0), credential: credential(1, Provider::Github, 1) };
    replica.done(1, create);
    let none = registered::stored(&*replica.store, HOME, org_id(0), &client(1)).unwrap();
    assert_eq!(none, None, "an earlier build writes none");
    let number = Registration::of_earlier(write_id(1)).number;
    assert_eq!(entry(&replica, number).credential.client_id, client(1));
    replica.done(2, Command::NoteFeatureLevel(3));
    let patch = OidcPatch { label: Some("later".into()), ..OidcPatch::default() };
    let (org, client_id) = (org_id(0), client(1));
    replica.done(3, Command::PatchOidc { org, client_id, patch, precondition: None });
    let found = entry(&replica, number);
    assert_eq!(found.credential.label.as_deref(), Some("later"));
    assert_eq!(found.registration.id, write_id(1));
    assert_eq!(found.registration.sequence, 1);
}

#[test]
fn what_is_not_there_is_not_found() {
    let replica = replica();
    let nothing = CredentialChange::default;
    let absent = || CredentialTarget::Number(Number(7));
    assert_eq!(replica.refused(1, change(absent(), nothing())), Refusal::CredentialNotFound);
    assert_eq!(replica.refused(2, remove(absent())), Refusal::CredentialNotFound);
    let nameless = CredentialChange { client_id: None, ..with_secret(client(1), sealed(1)) };
    assert_eq!(replica.refused(3, change(bound(), nameless)), Refusal::Incomplete);
    let elsewhere = Command::RemoveCredential { org: org_id(5), target: NEW, precondition: None };
    assert_eq!(replica.refused(4, elsewhere), Refusal::OrgNotFound);
}

#[test]
fn a_condition_holds_for_the_version_that_it_names() {
    let replica = replica();
    let made = stamp(replica.done(1, change(NEW, with_secret(client(1), sealed(1)))));
    let target = CredentialTarget::Number(made.number);
    let only = |versions: Vec<WriteId>, label: &str| Command::ChangeCredential {
        org: org_id(0),
        target: target.clone(),
        change: Box::new(CredentialChange {
            label: Some(Some(label.into())),
            ..CredentialChange::default()
        }),
        precondition: Some(Precondition::AnyOf(versions)),
    };
    assert_eq!(replica.refused(2, only(vec![write_id(9)], "no")), Refusal::VersionMismatch);
    replica.done(3, only(vec![write_id(1)], "yes"));
    assert_eq!(replica.refused(4, only(vec![write_id(1)], "late")), Refusal::VersionMismatch);
    let found = query::oidc(&*replica.store, HOME, org_id(0), &client(1)).unwrap().unwrap();
    assert_eq!((found.version, found.label.as_deref()), (write_id(3), Some("yes")));
}

#[test]
fn a_domain_belongs_to_one_organization() {
    let replica = Replica::formed();
    for number in 0..2 {
        replica.done(210 + number, Command::ClaimOrg(org(number)));
    }
    let claim = |number: u8, domain: &str| Command::ClaimDomain {
        org: org_id(number),
        domain: domain.into(),
    };
    replica.done(1, claim(0, "acme.example"));
    replica.done(2, claim(0, "acme.example"));
    assert_eq!(replica.refused(3, claim(1, "acme.example")), Refusal::DomainTaken);
    assert_eq!(replica.refused(4, claim(7, "other.example")), Refusal::OrgNotFound);
    replica.done(5, claim(0, "acme.test"));
    replica.done(6, claim(1, "acme.example"));
    let of = |number| registered::domain_of(&*replica.store, org_id(number)).unwrap();
    assert_eq!(of(0).as_deref(), Some("acme.test"));
    assert_eq!(of(1).as_deref(), Some("acme.example"));
    assert_eq!(replica.group, GroupId::SYSTEM);
}

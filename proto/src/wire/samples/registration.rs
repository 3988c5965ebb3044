//! Fixed and arbitrary values of registrations and of the changes that dialects make, as in
//! `samples/mod.rs`: samples may be added; one that has been released is never changed.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{Samples, applied_with, client_id, org, proposal, sealed, write_id};
use crate::{
    base::{
        id::{ClientId, OrgId},
        time::LogTime,
    },
    command::{Command, Precondition, Proposal},
    records::{
        movement::MovedRecord,
        oidc::{ClaimMapping, GenericOptions, Provider},
        registration::{
            AutoLinking, Binding, CredentialChange, CredentialState, CredentialTarget,
            GenericChange, Number, OrgProfile, Owner, Provisioning, Registration, Styling,
        },
    },
    refusal::Refusal,
    reply::{Applied, Reply},
};

const CREATED: LogTime = LogTime(1_764_000_000_123);
const CHANGED: LogTime = LogTime(1_764_000_300_123);

pub(in crate::wire) fn generic() -> GenericOptions {
    GenericOptions {
        issuer: "https://idp.example".to_owned(),
        use_pkce: true,
        is_id_token_mapping: true,
        display_name_mapping: ClaimMapping::PreferredUsername,
        username_mapping: ClaimMapping::Email,
        discovery_url: Some("https://idp.example/.well-known/openid-configuration".to_owned()),
        authorization_endpoint: Some("https://idp.example/authorize".to_owned()),
        token_endpoint: Some("https://idp.example/token".to_owned()),
        userinfo_endpoint: None,
    }
}

fn provisioning() -> Provisioning {
    Provisioning {
        is_linking_allowed: true,
        is_creation_allowed: true,
        is_auto_creation: true,
        is_auto_update: true,
        auto_linking: AutoLinking::Email,
    }
}

fn registration() -> Registration {
    Registration {
        id: write_id(0x21),
        number: Number(1 << 40 | 70_000),
        created_at: CREATED,
        changed_at: CHANGED,
        sequence: 300,
        owner: Owner::System,
        state: CredentialState::Inactive,
        secret_sealed_for: Some(client_id("before")),
        key_sealed_for: Some(client_id("long before")),
        provisioning: provisioning(),
        styling: Styling::Google,
        auto_register: true,
    }
}

pub(in crate::wire) fn registrations() -> Samples<Registration> {
    vec![("changed", registration()), ("earlier", Registration::of_earlier(write_id(0x02)))]
}

fn binding(name: &str) -> Binding {
    Binding::new(name).expect("a binding")
}

fn profile() -> OrgProfile {
    let number = Number(1 << 40 | 5);
    let bindings = vec![(binding("first"), Number(7))];
    OrgProfile { number, sequence: 300, bindings, parent: None }
}

pub(in crate::wire) fn profiles() -> Samples<OrgProfile> {
    let parent = Some(org().id);
    vec![
        ("bound", profile()),
        ("earlier", OrgProfile::of_earlier(org().id)),
        ("suborganization", OrgProfile { parent, ..profile() }),
    ]
}

pub(in crate::wire) fn moved_records() -> Samples<MovedRecord> {
    let (client_id, registration) = (client_id("moved"), registration());
    vec![
        ("registration", MovedRecord::Registration { client_id, registration }),
        ("profile", MovedRecord::Profile(profile())),
    ]
}

/// Every member set.
fn change() -> CredentialChange {
    let generic = generic();
    CredentialChange {
        client_id: Some(client_id("new")),
        client_secret: Some(sealed(0x51)),
        label: Some(Some("A name".to_owned())),
        scopes: Some(vec!["openid".to_owned()]),
        issuer: Some(generic.issuer),
        generic: GenericChange {
            use_pkce: Some(true),
            is_id_token_mapping: Some(true),
            display_name_mapping: Some(ClaimMapping::PreferredUsername),
            username_mapping: Some(ClaimMapping::Email),
            discovery_url: Some(generic.discovery_url),
            authorization_endpoint: Some(generic.authorization_endpoint),
            token_endpoint: Some(generic.token_endpoint),
            userinfo_endpoint: Some(None),
        },
        state: Some(CredentialState::Inactive),
        provisioning: Some(provisioning()),
        styling: Some(Styling::Google),
        auto_register: Some(true),
        oidc_only: true,
        refuse_unchanged: true,
    }
}

pub(in crate::wire) fn proposals() -> Samples<Proposal> {
    let org = org().id;
    let changes = |target, change: CredentialChange, precondition| {
        proposal(Command::ChangeCredential { org, target, change: Box::new(change), precondition })
    };
    let removes =
        |target, precondition| proposal(Command::RemoveCredential { org, target, precondition });
    let none = CredentialChange::default;
    let number = || CredentialTarget::Number(Number(300));
    vec![
        ("make_credential", changes(CredentialTarget::New(Owner::System), change(), None)),
        ("change_nothing", changes(number(), none(), Some(Precondition::Exists))),
        ("change_bound", changes(CredentialTarget::Bound(binding("second")), change(), None)),
        ("remove_credential", removes(number(), Some(Precondition::AnyOf(vec![write_id(3)])))),
        ("remove_bound", removes(CredentialTarget::Bound(binding("first")), None)),
        (
            "bind_credential",
            proposal(Command::BindCredential {
                org,
                binding: binding("first"),
                client_id: client_id("bound"),
            }),
        ),
        ("claim_domain", proposal(Command::ClaimDomain { org, domain: "acme.example".to_owned() })),
    ]
}

pub(in crate::wire) fn applied() -> Samples<Applied> {
    let actual = Provider::Google;
    let registered = Reply::Registered { version: write_id(2), stamp: registration().stamp() };
    vec![
        ("registered", applied_with(Ok(registered))),
        ("unchanged", applied_with(Err(Refusal::Unchanged))),
        ("issuer_fixed", applied_with(Err(Refusal::IssuerFixed { actual }))),
        ("generic_only", applied_with(Err(Refusal::GenericOnly { actual }))),
        ("domain_taken", applied_with(Err(Refusal::DomainTaken))),
        ("bindings_full", applied_with(Err(Refusal::BindingsFull))),
        ("incomplete", applied_with(Err(Refusal::Incomplete))),
    ]
}

fn url() -> impl Strategy<Value = Option<String>> {
    option::of("https://[a-z.]{1,40}")
}

pub(in crate::wire) fn any_generic() -> impl Strategy<Value = GenericOptions> {
    let mapping = || select(&ClaimMapping::ALL[..]);
    let flags = (any::<bool>(), any::<bool>(), mapping(), mapping());
    ("(https://[a-z.]{1,40})?", flags, url(), url(), url(), url()).prop_map(
        |(issuer, flags, discovery, authorization, token, userinfo)| GenericOptions {
            issuer,
            use_pkce: flags.0,
            is_id_token_mapping: flags.1,
            display_name_mapping: flags.2,
            username_mapping: flags.3,
            discovery_url: discovery,
            authorization_endpoint: authorization,
            token_endpoint: token,
            userinfo_endpoint: userinfo,
        },
    )
}

fn any_client_id() -> impl Strategy<Value = ClientId> {
    "[a-z]{1,40}".prop_map(|text| ClientId::new(text).expect("a client id"))
}

fn any_number() -> impl Strategy<Value = Number> {
    (0_u64..1 << 53).prop_map(Number)
}

fn any_target() -> impl Strategy<Value = CredentialTarget> {
    prop_oneof![
        select(vec![Owner::Organization, Owner::System]).prop_map(CredentialTarget::New),
        any_number().prop_map(CredentialTarget::Number),
        select(vec![binding("first"), binding("second")]).prop_map(CredentialTarget::Bound),
    ]
}

fn any_change() -> impl Strategy<Value = CredentialChange> {
    let text = || option::of("[a-z ]{1,30}");
    let of_generic = option::of(any_generic());
    let flags = (option::of(any::<bool>()), any::<bool>(), any::<bool>());
    let scopes = option::of(vec("[a-z:]{1,20}", 0..5));
    (option::of(any_client_id()), option::of(text()), scopes, of_generic, flags).prop_map(
        |(client_id, label, scopes, generic, (auto_register, refuse_unchanged, is_inactive))| {
            let generic_change = generic.clone().map(|given| GenericChange {
                use_pkce: Some(given.use_pkce),
                is_id_token_mapping: None,
                display_name_mapping: Some(given.display_name_mapping),
                username_mapping: Some(given.username_mapping),
                discovery_url: Some(given.discovery_url),
                authorization_endpoint: None,
                token_endpoint: Some(given.token_endpoint),
                userinfo_endpoint: Some(given.userinfo_endpoint),
            });
            CredentialChange {
                client_id,
                client_secret: is_inactive.then(|| sealed(9)),
                label,
                scopes,
                issuer: generic.map(|given| given.issuer),
                generic: generic_change.unwrap_or_default(),
                state: is_inactive.then_some(CredentialState::Inactive),
                provisioning: refuse_unchanged.then(provisioning),
                styling: is_inactive.then_some(Styling::Google),
                auto_register,
                oidc_only: refuse_unchanged,
                refuse_unchanged,
            }
        },
    )
}

pub(in crate::wire) fn any_command(
    org: impl Strategy<Value = OrgId> + Clone,
    precondition: impl Strategy<Value = Option<Precondition>> + Clone,
) -> impl Strategy<Value = Command> {
    let bind = (org.clone(), select(vec![binding("first"), binding("second")]), any_client_id());
    prop_oneof![
        (org.clone(), any_target(), any_change(), precondition.clone()).prop_map(
            |(org, target, change, precondition)| {
                let change = Box::new(change);
                Command::ChangeCredential { org, target, change, precondition }
            }
        ),
        (org.clone(), any_target(), precondition).prop_map(|(org, target, precondition)| {
            Command::RemoveCredential { org, target, precondition }
        }),
        bind.prop_map(|(org, binding, client_id)| {
            Command::BindCredential { org, binding, client_id }
        }),
        (org, "[a-z]{1,9}\\.[a-z]{2,9}")
            .prop_map(|(org, domain)| Command::ClaimDomain { org, domain }),
    ]
}

//! Fixed and arbitrary values of resources beside credentials, as in `samples/mod.rs`: samples may be
//! added; one that has been released is never changed.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{Samples, applied_with, org, organization, proposal, sealed, write_id};
use crate::{
    base::{id::OrgId, time::LogTime},
    command::{Command, Precondition, Proposal},
    records::{
        movement::MovedRecord,
        resource::{
            ExternalCredential, ExternalPatch, ExternalProvider, ExternalType, Resource,
            ResourceBody, ResourceChange, ResourceKind, ResourceName, ResourcePatch, SamlPatch,
            SamlSettings,
        },
    },
    refusal::Refusal,
    reply::{Applied, Reply},
};

fn name() -> ResourceName {
    ResourceName::of_write(write_id(0x31))
}

fn saml() -> SamlSettings {
    SamlSettings {
        idp_metadata_url: "https://idp.example/metadata".to_owned(),
        label: Some("Müller / prod".to_owned()),
        email_claims: vec!["email".to_owned(), "mail".to_owned()],
        enable_in_authz_server: Some(true),
    }
}

fn external() -> ExternalCredential {
    ExternalCredential {
        provider: ExternalProvider::Shopify,
        credential_type: ExternalType::AccessToken,
        label: None,
        json_blob: sealed(0x61),
    }
}

fn resource(name: ResourceName, body: ResourceBody) -> Resource {
    Resource {
        name,
        version: write_id(0x32),
        created_at: LogTime(1_764_000_000_123),
        changed_at: LogTime(1_764_000_300_123),
        body,
    }
}

fn attribute() -> (ResourceName, ResourceBody) {
    let name = ResourceName::new("crm id").expect("a name");
    (name, ResourceBody::Attribute(r#"{"tier":3}"#.to_owned()))
}

pub(in crate::wire) fn resources() -> Samples<Resource> {
    let (attribute_name, value) = attribute();
    vec![
        ("saml", resource(name(), ResourceBody::Saml(saml()))),
        ("external", resource(name(), ResourceBody::External(external()))),
        ("attribute", resource(attribute_name, value)),
        ("suborganization", resource(name(), organization::suborganization())),
    ]
}

pub(in crate::wire) fn moved_records() -> Samples<MovedRecord> {
    let (_, saml) = resources().remove(0);
    vec![("resource", MovedRecord::Resource(Box::new(saml)))]
}

pub(in crate::wire) fn proposals() -> Samples<Proposal> {
    let changes = |change, precondition| {
        let (org, change) = (org().id, Box::new(change));
        proposal(Command::ChangeResource { org, change, precondition })
    };
    let (attribute_name, value) = attribute();
    let saml_patch = SamlPatch {
        idp_metadata_url: Some("https://idp.example/new".to_owned()),
        label: Some(String::new()),
        email_claims: Some(Vec::new()),
        enable_in_authz_server: Some(false),
    };
    let external_patch =
        ExternalPatch { label: Some("new".to_owned()), json_blob: Some(sealed(2)) };
    let deletes = |kind, is_absent_ok| ResourceChange::Delete { kind, name: name(), is_absent_ok };
    let any_of = Some(Precondition::AnyOf(vec![write_id(3)]));
    vec![
        ("create_saml", changes(ResourceChange::Create(name(), ResourceBody::Saml(saml())), None)),
        (
            "create_external",
            changes(ResourceChange::Create(name(), ResourceBody::External(external())), None),
        ),
        ("put_attribute", changes(ResourceChange::Put(attribute_name, value), any_of)),
        (
            "patch_saml",
            changes(
                ResourceChange::Patch(name(), ResourcePatch::Saml(saml_patch)),
                Some(Precondition::Exists),
            ),
        ),
        (
            "patch_external",
            changes(ResourceChange::Patch(name(), ResourcePatch::External(external_patch)), None),
        ),
        ("delete_saml", changes(deletes(ResourceKind::Saml, false), None)),
        ("delete_external", changes(deletes(ResourceKind::External, true), None)),
        ("delete_suborganization", changes(deletes(ResourceKind::Suborganization, true), None)),
        ("delete_all", changes(ResourceChange::DeleteAll(ResourceKind::Attribute), None)),
    ]
}

pub(in crate::wire) fn applied() -> Samples<Applied> {
    let kind = ResourceKind::External;
    let made = Reply::Resource { name: name(), version: write_id(2) };
    vec![
        ("resource", applied_with(Ok(made))),
        ("resource_not_found", applied_with(Err(Refusal::ResourceNotFound { kind }))),
        ("resource_exists", applied_with(Err(Refusal::ResourceExists { kind }))),
        ("resources_full", applied_with(Err(Refusal::ResourcesFull { kind }))),
    ]
}

fn any_name() -> impl Strategy<Value = ResourceName> {
    "[a-z0-9 -]{1,70}".prop_map(|text| ResourceName::new(text).expect("a name"))
}

fn any_label() -> impl Strategy<Value = Option<String>> {
    option::of("[a-z ]{0,30}")
}

fn any_body() -> impl Strategy<Value = ResourceBody> {
    let saml =
        ("https://[a-z.]{1,40}", any_label(), vec("[a-z]{1,9}", 0..4), any::<Option<bool>>())
            .prop_map(|(idp_metadata_url, label, email_claims, enable_in_authz_server)| {
                ResourceBody::Saml(SamlSettings {
                    idp_metadata_url,
                    label,
                    email_claims,
                    enable_in_authz_server,
                })
            });
    let (provider, of_type) = (select(&ExternalProvider::ALL[..]), select(&ExternalType::ALL[..]));
    let external =
        (provider, of_type, any_label()).prop_map(|(provider, credential_type, label)| {
            let json_blob = sealed(7);
            ResourceBody::External(ExternalCredential {
                provider,
                credential_type,
                label,
                json_blob,
            })
        });
    let attribute = "[0-9]{1,9}".prop_map(ResourceBody::Attribute);
    prop_oneof![saml, external, attribute, organization::any_body()]
}

fn any_patch() -> impl Strategy<Value = ResourcePatch> {
    let saml = (any_label(), option::of(vec("[a-z]{1,9}", 0..4)), any::<Option<bool>>()).prop_map(
        |(label, email_claims, enable_in_authz_server)| {
            ResourcePatch::Saml(SamlPatch {
                idp_metadata_url: None,
                label,
                email_claims,
                enable_in_authz_server,
            })
        },
    );
    let external = (any_label(), any::<bool>()).prop_map(|(label, has_blob)| {
        ResourcePatch::External(ExternalPatch { label, json_blob: has_blob.then(|| sealed(8)) })
    });
    prop_oneof![saml, external]
}

pub(in crate::wire) fn any_resource() -> impl Strategy<Value = Resource> {
    (any_name(), any_body()).prop_map(|(name, body)| resource(name, body))
}

pub(in crate::wire) fn any_command(
    org: impl Strategy<Value = OrgId>,
    precondition: impl Strategy<Value = Option<Precondition>>,
) -> impl Strategy<Value = Command> {
    let kind = || select(&ResourceKind::ALL[..]);
    let change = prop_oneof![
        (any_name(), any_body()).prop_map(|(name, body)| ResourceChange::Create(name, body)),
        (any_name(), any_body()).prop_map(|(name, body)| ResourceChange::Put(name, body)),
        (any_name(), any_patch()).prop_map(|(name, patch)| ResourceChange::Patch(name, patch)),
        (kind(), any_name(), any::<bool>()).prop_map(|(kind, name, is_absent_ok)| {
            ResourceChange::Delete { kind, name, is_absent_ok }
        }),
        kind().prop_map(ResourceChange::DeleteAll),
    ];
    (org, change, precondition).prop_map(|(org, change, precondition)| Command::ChangeResource {
        org,
        change: Box::new(change),
        precondition,
    })
}

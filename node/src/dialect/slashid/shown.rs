//! The JSON of credentials and of resources beside them: without secrets, except for a caller that asks for one (contract 4).

use concordat_proto::{
    api::{
        credential::{self as document, OptionsByProvider, PrivateKey},
        envelope::Pagination,
        organization::Organization,
        policy::Policies,
    },
    duration::format_go_duration,
    id::{ClientId, OrgId},
    oidc::{ClaimMapping, GenericOptions, OidcCredential, OidcOptions, ProviderOptions},
    resource::{Resource, ResourceBody, ResourceKind},
    secret::Secret,
    time::LogTime,
};
use serde_json::value::RawValue;

use super::{attribute, external, key, saml, suborganization};
use crate::{
    api::{
        operation::Operation,
        outcome::{ResourceView, Value, Written},
    },
    clock::Stamp,
    dialect::common::{envelope::raw, organization, render},
};

/// What a read found, with its page; `None` for what no route of this dialect returns.
pub(super) fn found(value: &Value) -> Option<(Box<RawValue>, Option<Pagination>)> {
    match value {
        Value::Credential(found) => Some((credential(found), None)),
        Value::Credentials(list) => {
            let pagination = render::pagination(list);
            Some((credentials(&list.items), Some(pagination)))
        }
        Value::ClientSecret { client_id, secret, expires_at } => {
            Some((client_secret(client_id, secret, *expires_at), None))
        }
        // As its own keys see it (contract 7).
        Value::Organization(view) => {
            let shown = organization::plain(&view.org);
            Some((raw(&Organization { parent_id: view.parent, ..shown }), None))
        }
        Value::Resource(view) => Some((resource(view), None)),
        Value::Resources(org, kind, list) => {
            let pagination = render::pagination(list);
            Some((resources(*org, *kind, &list.items), Some(pagination)))
        }
        Value::Keys(caller, list) => {
            let pagination = render::pagination(list);
            let keys: Vec<_> = list.items.iter().map(|item| key::object(*caller, item)).collect();
            Some((raw(&keys), Some(pagination)))
        }
        Value::Policies(view) => Some((raw(&view.shown), None)),
        Value::Organizations(_)
        | Value::Receipt(..)
        | Value::Document(_)
        | Value::Entry(_)
        | Value::Entries(..)
        | Value::Binding(..)
        | Value::Done => None,
    }
}

/// What a write made, where the API shows it.
pub(super) fn written(value: &Written, operation: Option<Operation>) -> Option<Box<RawValue>> {
    match (value, operation) {
        (Written::NewSaml(name, _, settings), _) => Some(raw(&saml::object(name, settings))),
        (Written::NewOrganization(new), _) => suborganization::new(new).map(|new| raw(&new)),
        (Written::Key(new, Some(text)), _) => Some(raw(&key::new(&new.key, text))),
        // The list of ids that the contract's POST answers with.
        (Written::Resource(name, _), Some(Operation::ExternalCreate)) => Some(raw(&[name])),
        (
            Written::Done
            | Written::Version(_)
            | Written::Organization(_)
            | Written::Registered(..)
            | Written::Entry(_)
            | Written::Domain(_)
            | Written::Key(_, None)
            | Written::Resource(..),
            _,
        ) => None,
    }
}

fn resource(view: &ResourceView) -> Box<RawValue> {
    let ResourceView { org, resource, secret } = view;
    match &resource.body {
        ResourceBody::Saml(settings) => raw(&saml::object(&resource.name, settings)),
        ResourceBody::External(settings) => {
            raw(&external::object(*org, &resource.name, settings, secret.as_ref()))
        }
        ResourceBody::Attribute(value) => raw(&attribute::object(&resource.name, Some(value))),
        // It is listed only.
        ResourceBody::Suborganization(kept) => raw(&suborganization::object(resource, kept)),
        // It has a route of its own.
        ResourceBody::Policies(text) => {
            raw(&Policies { policies: text.clone(), ..Policies::default() })
        }
    }
}

/// The items of a list: of one kind, without secrets, attributes without their values.
fn resources(org: OrgId, kind: ResourceKind, items: &[Resource]) -> Box<RawValue> {
    match kind {
        ResourceKind::Saml => raw(&shown(items, |item| {
            let ResourceBody::Saml(settings) = &item.body else { return None };
            Some(saml::object(&item.name, settings))
        })),
        ResourceKind::External => raw(&shown(items, |item| {
            let ResourceBody::External(settings) = &item.body else { return None };
            Some(external::object(org, &item.name, settings, None))
        })),
        ResourceKind::Policies => raw(&Vec::<Policies>::new()),
        ResourceKind::Attribute => {
            raw(&shown(items, |item| Some(attribute::object(&item.name, None))))
        }
        ResourceKind::Suborganization => raw(&shown(items, |item| {
            let ResourceBody::Suborganization(kept) = &item.body else { return None };
            Some(suborganization::object(item, kept))
        })),
    }
}

fn shown<T>(items: &[Resource], object: impl Fn(&Resource) -> Option<T>) -> Vec<T> {
    items.iter().filter_map(object).collect()
}

/// A credential's object, as it stands in lists and alone.
fn credential(credential: &OidcCredential) -> Box<RawValue> {
    raw(&object(credential))
}

/// A list of them.
fn credentials(credentials: &[OidcCredential]) -> Box<RawValue> {
    raw(&credentials.iter().map(object).collect::<Vec<_>>())
}

fn object(credential: &OidcCredential) -> document::OidcCredential {
    let provider = credential.options.provider.into();
    document::OidcCredential {
        client_id: credential.client_id.clone(),
        provider: credential.provider.into(),
        label: credential.label.clone(),
        external_cred_id: credential.external_cred_id.clone(),
        enable_in_authz_server: credential.enable_in_authz_server,
        options: OptionsByProvider::from([(provider, options(&credential.options))]),
    }
}

fn options(options: &OidcOptions) -> document::ProviderOptions {
    let authorize_scopes = options.scopes.clone();
    let scopes_only = document::ProviderOptions { authorize_scopes, ..Default::default() };
    match &options.specific {
        ProviderOptions::ScopesOnly => scopes_only,
        ProviderOptions::Azuread { tenant } => {
            document::ProviderOptions { tenant: Some(tenant.clone()), ..scopes_only }
        }
        ProviderOptions::Okta { organization_url } => {
            let organization_url = Some(organization_url.clone());
            document::ProviderOptions { organization_url, ..scopes_only }
        }
        ProviderOptions::Apple(apple) => {
            let lifetime = i64::try_from(apple.secret_lifetime.as_nanos()).unwrap_or(i64::MAX);
            document::ProviderOptions {
                private_key: Some(PrivateKey::Redacted),
                team_id: Some(apple.team_id.clone()),
                key_id: Some(apple.key_id.clone()),
                secret_lifetime: Some(format_go_duration(lifetime)),
                ..scopes_only
            }
        }
        ProviderOptions::Oidc(generic) => {
            document::ProviderOptions { generic: Some(shown_generic(generic)), ..scopes_only }
        }
    }
}

fn shown_generic(generic: &GenericOptions) -> document::GenericOptions {
    let mapping =
        |mapping: ClaimMapping| (mapping != ClaimMapping::Unspecified).then(|| mapping.into());
    document::GenericOptions {
        issuer: generic.issuer.clone(),
        use_pkce: generic.use_pkce,
        is_id_token_mapping: generic.is_id_token_mapping,
        display_name_mapping: mapping(generic.display_name_mapping),
        username_mapping: mapping(generic.username_mapping),
        discovery_url: generic.discovery_url.clone(),
        authorization_endpoint: generic.authorization_endpoint.clone(),
        token_endpoint: generic.token_endpoint.clone(),
        userinfo_endpoint: generic.userinfo_endpoint.clone(),
    }
}

/// A client secret in plaintext, for a caller that may read it.
fn client_secret(
    client_id: &ClientId,
    secret: &Secret,
    expires_at: Option<LogTime>,
) -> Box<RawValue> {
    raw(&document::ClientSecret {
        client_id: client_id.clone(),
        client_secret: secret.clone(),
        expires_at: expires_at.map(|time| Stamp(time).to_string()),
    })
}

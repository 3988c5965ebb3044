//! The operations of the native API: the route of each, the parsing of its action, and its description.
//!
//! The order is the contract's: path and query, then the body.

use concordat_proto::{
    api::{
        credential::{ClientSecret, CredentialCreate, CredentialPatch, OidcCredential},
        organization::{
            ApiKey, ApiKeyCreate, NewApiKey, NewSuborganization, Organization, Suborganization,
            SuborganizationCreate,
        },
        policy::{Policies, PoliciesSet},
        resource::{
            Attribute, AttributeSet, ExternalCreate, ExternalCredential, ExternalPatch, SamlCreate,
            SamlCredential, SamlPatch,
        },
    },
    id::{ClientId, KeyId},
    oidc::Provider,
    resource::{ResourceKind, ResourceName},
};
use http::Method;

use super::{
    attribute, external, key, oidc,
    path::{client_id, name},
    saml, suborganization,
};
use crate::{
    api::{
        draft::{OwnOrgWrite, ResourceDraft},
        operation::{Action, CredentialRead, CredentialWrite, Operation},
        outcome::Malformed,
        request::Input,
    },
    dialect::{
        common::{
            body,
            described::{CURSOR, LIMIT, OFFSET},
            malformed, policies,
            query::Query,
        },
        describe::{Description, Parameter, describe, of},
        traits::Route,
    },
};

const OWN: &str = "/organizations";
const SUBORGS: &str = "/organizations/suborganizations";
const LIST: &str = "/organizations/sso/oidc/provider-credentials";
const ONE: &str = "/organizations/sso/oidc/provider-credentials/{oauth_client_id}";
const SECRET: &str = "/organizations/sso/oidc/provider-credentials/{oauth_client_id}/client-secret";
const SAML_LIST: &str = "/organizations/sso/saml/provider-credentials";
const SAML: &str = "/organizations/sso/saml/provider-credentials/{id}";
const EXTERNAL_LIST: &str = "/organizations/config/external-credentials";
const EXTERNAL: &str = "/organizations/config/external-credentials/{cred_id}";
const ATTRIBUTES: &str = "/organizations/attributes";
const POLICIES: &str = "/organizations/policies";
const ATTRIBUTE: &str = "/organizations/attributes/{name}";
const KEYS: &str = "/organizations/api-keys";
const KEY: &str = "/organizations/api-keys/{key_id}";

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    Route { method: Method::GET, path: LIST, operation: Operation::OidcList, parse: list },
    Route { method: Method::POST, path: LIST, operation: Operation::OidcCreate, parse: create },
    Route { method: Method::GET, path: ONE, operation: Operation::OidcGet, parse: get },
    Route { method: Method::PATCH, path: ONE, operation: Operation::OidcPatch, parse: patch },
    Route { method: Method::DELETE, path: ONE, operation: Operation::OidcDelete, parse: delete },
    Route { method: Method::GET, path: SECRET, operation: Operation::SecretGet, parse: secret },
    Route { method: Method::GET, path: OWN, operation: Operation::OwnOrgGet, parse: own },
    route(Method::DELETE, OWN, Operation::OwnOrgDelete, |_| {
        Ok(Action::OwnOrgWrite(OwnOrgWrite::End))
    }),
    route(Method::GET, SUBORGS, Operation::SuborgList, |input| {
        listed(input, ResourceKind::Suborganization)
    }),
    route(Method::POST, SUBORGS, Operation::SuborgCreate, suborganization::create),
    route(Method::GET, SAML_LIST, Operation::SamlList, |input| listed(input, ResourceKind::Saml)),
    route(Method::POST, SAML_LIST, Operation::SamlCreate, saml::create),
    route(Method::GET, SAML, Operation::SamlGet, |input| read(input, ResourceKind::Saml)),
    route(Method::PATCH, SAML, Operation::SamlPatch, saml::patch),
    route(Method::DELETE, SAML, Operation::SamlDelete, |input| ended(input, ResourceKind::Saml)),
    route(Method::GET, EXTERNAL_LIST, Operation::ExternalList, |input| {
        listed(input, ResourceKind::External)
    }),
    route(Method::POST, EXTERNAL_LIST, Operation::ExternalCreate, external::create),
    route(Method::DELETE, EXTERNAL_LIST, Operation::ExternalDelete, external::delete),
    route(Method::GET, EXTERNAL, Operation::ExternalGet, |input| {
        read(input, ResourceKind::External)
    }),
    route(Method::PATCH, EXTERNAL, Operation::ExternalPatch, external::patch),
    route(Method::GET, ATTRIBUTES, Operation::AttributeList, |input| {
        listed(input, ResourceKind::Attribute)
    }),
    route(Method::GET, ATTRIBUTE, Operation::AttributeGet, |input| {
        read(input, ResourceKind::Attribute)
    }),
    route(Method::PUT, ATTRIBUTE, Operation::AttributePut, attribute::put),
    route(Method::DELETE, ATTRIBUTE, Operation::AttributeDelete, |input| {
        ended(input, ResourceKind::Attribute)
    }),
    route(Method::GET, KEYS, Operation::KeyList, key::list),
    route(Method::POST, KEYS, Operation::KeyIssue, key::issue),
    route(Method::PUT, KEYS, Operation::KeyRotate, key::rotate),
    route(Method::DELETE, KEY, Operation::KeyRevoke, key::revoke),
    route(Method::GET, POLICIES, Operation::OrgPoliciesGet, |_| {
        Ok(Action::CredentialRead(CredentialRead::Policies))
    }),
    route(Method::PUT, POLICIES, Operation::OrgPoliciesPut, |input| {
        let draft = ResourceDraft::PutPolicies(policies::text(input)?);
        Ok(Action::CredentialWrite(CredentialWrite::Resource(draft)))
    }),
];

const fn route(
    method: Method,
    path: &'static str,
    operation: Operation,
    parse: fn(&Input<'_>) -> Result<Action, Malformed>,
) -> Route {
    Route { method, path, operation, parse }
}

fn listed(input: &Input<'_>, kind: ResourceKind) -> Result<Action, Malformed> {
    let page = Query::new(input.query).page_after()?;
    Ok(Action::CredentialRead(CredentialRead::Resources(kind, page)))
}

fn read(input: &Input<'_>, kind: ResourceKind) -> Result<Action, Malformed> {
    Ok(Action::CredentialRead(CredentialRead::Resource(kind, name(input)?)))
}

fn ended(input: &Input<'_>, kind: ResourceKind) -> Result<Action, Malformed> {
    Ok(Action::CredentialWrite(CredentialWrite::Resource(ResourceDraft::Delete(
        kind,
        name(input)?,
    ))))
}

fn list(input: &Input<'_>) -> Result<Action, Malformed> {
    let query = Query::new(input.query);
    let (provider, page) = (provider(&query)?, query.page_after()?);
    Ok(Action::CredentialRead(CredentialRead::List { provider, page }))
}

fn create(input: &Input<'_>) -> Result<Action, Malformed> {
    let draft = oidc::parse_create(body::object(input)?)?;
    Ok(Action::CredentialWrite(CredentialWrite::Create(Box::new(draft))))
}

fn get(input: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialRead(CredentialRead::Get(client_id(input)?)))
}

fn patch(input: &Input<'_>) -> Result<Action, Malformed> {
    let client_id = client_id(input)?;
    let draft = oidc::parse_patch(&client_id, body::object(input)?)?;
    Ok(Action::CredentialWrite(CredentialWrite::Patch(client_id, Box::new(draft))))
}

fn delete(input: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialWrite(CredentialWrite::Delete(client_id(input)?)))
}

fn secret(input: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialRead(CredentialRead::Secret(client_id(input)?)))
}

fn own(_: &Input<'_>) -> Result<Action, Malformed> {
    Ok(Action::CredentialRead(CredentialRead::Organization))
}

fn provider(query: &Query<'_>) -> Result<Option<Provider>, Malformed> {
    let Some(text) = query.single("oauth_provider")? else { return Ok(None) };
    let expected =
        || malformed(format!("oauth_provider must be one of {}", oidc::provider_names()));
    text.parse().map(Some).map_err(|_| expected())
}

const OF_PROVIDER: Parameter = Parameter {
    name: "oauth_provider",
    about: "Only credentials of this provider.",
    schema: of::<Provider>(),
};

const CREDENTIAL_ID: Parameter = Parameter {
    name: "credentialId",
    about: "The credential to delete, which is required; empty to delete all.",
    schema: of::<String>(),
};
const DELETE_ALL: Parameter = Parameter {
    name: "deleteAll",
    about: "Delete all, where credentialId is empty.",
    schema: of::<bool>(),
};

/// The descriptions.
pub(super) const OPERATIONS: &[Description] = &[
    describe(Operation::OidcList, "List credentials")
        .query(&[OF_PROVIDER, LIMIT, OFFSET, CURSOR])
        .result::<Vec<OidcCredential>>(),
    describe(Operation::OidcCreate, "Create a credential")
        .takes::<CredentialCreate>()
        .no_result()
        .answers(&[201])
        .versioned(),
    describe(Operation::OidcGet, "Read a credential")
        .of::<ClientId>()
        .result::<OidcCredential>()
        .versioned(),
    describe(Operation::OidcPatch, "Change a credential")
        .of::<ClientId>()
        .takes::<CredentialPatch>()
        .no_result()
        .versioned(),
    describe(Operation::OidcDelete, "Delete a credential").of::<ClientId>().no_result(),
    describe(Operation::SecretGet, "Read a client secret")
        .of::<ClientId>()
        .result::<ClientSecret>(),
    describe(Operation::OwnOrgDelete, "Delete the organization").answers(&[204]),
    describe(Operation::SuborgList, "List suborganizations")
        .query(&[LIMIT, OFFSET, CURSOR])
        .result::<Vec<Suborganization>>(),
    describe(Operation::SuborgCreate, "Create a suborganization")
        .takes::<SuborganizationCreate>()
        .result::<NewSuborganization>(),
    describe(Operation::SamlList, "List SAML credentials")
        .query(&[LIMIT, OFFSET, CURSOR])
        .result::<Vec<SamlCredential>>(),
    describe(Operation::SamlCreate, "Create a SAML credential")
        .takes::<SamlCreate>()
        .result::<SamlCredential>()
        .answers(&[201])
        .versioned(),
    describe(Operation::SamlGet, "Read a SAML credential")
        .of::<ResourceName>()
        .result::<SamlCredential>()
        .versioned(),
    describe(Operation::SamlPatch, "Change a SAML credential")
        .of::<ResourceName>()
        .takes::<SamlPatch>()
        .answers(&[204])
        .versioned(),
    describe(Operation::SamlDelete, "Delete a SAML credential")
        .of::<ResourceName>()
        .answers(&[204]),
    describe(Operation::ExternalList, "List external credentials")
        .query(&[LIMIT, OFFSET, CURSOR])
        .result::<Vec<ExternalCredential>>(),
    describe(Operation::ExternalCreate, "Create an external credential")
        .takes::<ExternalCreate>()
        .result::<[ResourceName; 1]>()
        .answers(&[201])
        .versioned(),
    describe(Operation::ExternalGet, "Read an external credential with its secret")
        .of::<ResourceName>()
        .result::<ExternalCredential>()
        .versioned(),
    describe(Operation::ExternalPatch, "Change an external credential")
        .of::<ResourceName>()
        .takes::<ExternalPatch>()
        .answers(&[204])
        .versioned(),
    describe(Operation::ExternalDelete, "Delete an external credential, or all")
        .query(&[CREDENTIAL_ID, DELETE_ALL])
        .answers(&[204]),
    describe(Operation::AttributeList, "List the names of attributes")
        .query(&[LIMIT, OFFSET, CURSOR])
        .result::<Vec<Attribute>>(),
    describe(Operation::AttributeGet, "Read an attribute")
        .of::<ResourceName>()
        .result::<Attribute>()
        .versioned(),
    describe(Operation::AttributePut, "Set an attribute")
        .of::<ResourceName>()
        .takes::<AttributeSet>()
        .no_result()
        .versioned(),
    describe(Operation::AttributeDelete, "Delete an attribute")
        .of::<ResourceName>()
        .answers(&[204]),
    describe(Operation::KeyList, "List the organization's keys")
        .query(&[LIMIT, OFFSET])
        .result::<Vec<ApiKey>>(),
    describe(Operation::KeyIssue, "Make a key")
        .takes::<ApiKeyCreate>()
        .result::<NewApiKey>()
        .answers(&[201]),
    describe(Operation::KeyRotate, "Replace the caller's key").result::<NewApiKey>(),
    describe(Operation::KeyRevoke, "Revoke a key").of::<KeyId>().answers(&[204]),
    describe(Operation::OrgPoliciesGet, "Read the organization's own policies")
        .result::<Policies>()
        .versioned(),
    describe(Operation::OrgPoliciesPut, "Replace the organization's own policies")
        .takes::<PoliciesSet>()
        .no_result()
        .versioned(),
    describe(Operation::OwnOrgGet, "Read the key's own organization").result::<Organization>(),
];

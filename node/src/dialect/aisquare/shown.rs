//! The configuration, the claimed domain and the errors as this dialect shows them: errors in the form
//! of Django's REST framework. Of a client secret nothing is shown but a mask with its end.

use std::collections::BTreeMap;

use concordat_proto::{
    oidc::{GenericOptions, ProviderOptions},
    refusal::Refusal,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::body::{CLIENT_ID, DISCOVERY_URL, DOMAIN, MASK};
use crate::{
    api::{
        operation::Operation,
        outcome::{EntryView, Malformed, OrgFacts, Outcome, Value, What, Written},
    },
    clock::Stamp,
    dialect::common::foreign::{self, Bodies, Failure, Shown},
};

/// Its bodies.
pub(super) struct Enterprise;

/// For what is wrong with no single member.
const NO_FIELD: &str = "non_field_errors";

/// The configuration, with a mask in the place of its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AisquareConfiguration")]
pub(super) struct Document<'a> {
    id: u64,
    enterprise_domain: u64,
    client_id: &'a str,
    client_secret_masked: String,
    discovery_url: Option<&'a str>,
    authorization_endpoint: Option<&'a str>,
    token_endpoint: Option<&'a str>,
    userinfo_endpoint: Option<&'a str>,
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    #[schemars(extend("format" = "date-time"))]
    updated_at: String,
}

/// The domain of an enterprise.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AisquareDomain")]
pub(super) struct Claimed<'a> {
    id: u64,
    domain: &'a str,
}

/// Why a request failed.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "AisquareError")]
pub(super) enum Failed<'a> {
    /// One reason.
    Detail {
        /// For people.
        detail: &'a str,
    },
    /// What is wrong with members of the body, by their names.
    Fields(BTreeMap<&'a str, [String; 1]>),
}

impl Bodies for Enterprise {
    fn found(&self, value: &Value) -> Option<Shown> {
        match value {
            Value::Entry(view) => Some(shown(view)),
            Value::Credential(_)
            | Value::Credentials(_)
            | Value::ClientSecret { .. }
            | Value::Organization(_)
            | Value::Organizations(_)
            | Value::Receipt(..)
            | Value::Document(_)
            | Value::Entries(..)
            | Value::Binding(..)
            | Value::Resource(_)
            | Value::Resources(..)
            | Value::Keys(..)
            | Value::Policies(_)
            | Value::Done => None,
        }
    }

    fn written(&self, _: Option<Operation>, value: &Written) -> Option<Shown> {
        match value {
            Written::Entry(written) => written.now.as_ref().map(shown),
            Written::Domain(org) => Some(claimed(org)),
            Written::Done
            | Written::Resource(..)
            | Written::NewSaml(..)
            | Written::Key(..)
            | Written::Version(_)
            | Written::Organization(_)
            | Written::NewOrganization(..)
            | Written::Registered(..) => None,
        }
    }

    fn failure(&self, _: Option<Operation>, failure: &Failure<'_>) -> Shown {
        if let Some(fields) = fields(failure.outcome) {
            return Shown::json(400, &Failed::Fields(fields));
        }
        Shown::json(failure.status, &Failed::Detail { detail: detail(failure) })
    }
}

fn shown(view: &EntryView) -> Shown {
    let (credential, registration) = (&view.entry.credential, &view.entry.registration);
    let none = GenericOptions::default();
    let generic = match &credential.options.specific {
        ProviderOptions::Oidc(generic) => generic,
        ProviderOptions::ScopesOnly
        | ProviderOptions::Azuread { .. }
        | ProviderOptions::Okta { .. }
        | ProviderOptions::Apple(_) => &none,
    };
    let tail = view.secret_tail.as_ref().map_or("", |tail| tail.expose());
    let document = Document {
        id: registration.number.0,
        enterprise_domain: view.org.number.0,
        client_id: credential.client_id.as_str(),
        client_secret_masked: format!("{MASK}{tail}"),
        discovery_url: generic.discovery_url.as_deref(),
        authorization_endpoint: generic.authorization_endpoint.as_deref(),
        token_endpoint: generic.token_endpoint.as_deref(),
        userinfo_endpoint: generic.userinfo_endpoint.as_deref(),
        created_at: Stamp(registration.created_at).to_string(),
        updated_at: Stamp(registration.changed_at).to_string(),
    };
    Shown::json(200, &document)
}

fn claimed(org: &OrgFacts) -> Shown {
    let domain = org.domain.as_deref().unwrap_or_default();
    Shown::json(201, &Claimed { id: org.number.0, domain })
}

/// What is wrong with each member of the body.
fn fields(outcome: Option<&Outcome>) -> Option<BTreeMap<&str, [String; 1]>> {
    if let Some(Malformed::Fields(wrong)) = foreign::malformed(outcome) {
        let wrong = wrong.iter().map(|(name, why)| (*name, [(*why).to_owned()]));
        return Some(wrong.collect());
    }
    let refusal = foreign::refusal(outcome)?;
    let taken = "Another credential of this organization has this client id.";
    let (name, why) = if *refusal == Refusal::CredentialExists {
        (CLIENT_ID, taken.to_owned())
    } else if *refusal == Refusal::DomainTaken {
        (DOMAIN, "This domain belongs to another organization.".to_owned())
    } else if matches!(refusal, Refusal::IssuerFixed { .. }) {
        (DISCOVERY_URL, refusal.to_string())
    } else if matches!(refusal, Refusal::GenericOnly { .. }) {
        (NO_FIELD, refusal.to_string())
    } else {
        return None;
    };
    Some(BTreeMap::from([(name, [why])]))
}

fn detail<'a>(failure: &'a Failure<'_>) -> &'a str {
    if foreign::refusal(failure.outcome) == Some(&Refusal::CredentialNotFound) {
        return CONFIGURATION_MISSING;
    }
    if foreign::refusal(failure.outcome) == Some(&Refusal::KeyRevoked) {
        return KEY_INVALID;
    }
    match failure.outcome {
        None if failure.status == 404 => "Not found.",
        Some(Outcome::NotFound(What::EnterpriseDomain)) => "Enterprise domain not found",
        Some(Outcome::NotFound(What::Credential)) => CONFIGURATION_MISSING,
        Some(Outcome::KeyMissing) => "Authentication credentials were not provided.",
        Some(Outcome::Unauthenticated) => KEY_INVALID,
        Some(Outcome::Forbidden(_)) => "The API key does not have the right to do this.",
        _ => &failure.message,
    }
}

const KEY_INVALID: &str = "Invalid API key.";
const CONFIGURATION_MISSING: &str = "OIDC configuration not found";

//! The configuration and the errors as this dialect shows them. No client secret is among it.

use std::collections::BTreeMap;

use concordat_proto::refusal::Refusal;
use schemars::JsonSchema;
use serde::Serialize;

use super::body::{CLIENT_ID, ISSUER_URL};
use crate::{
    api::{
        operation::Operation,
        outcome::{EntryView, Malformed, Outcome, Value, What, Written},
    },
    clock::Stamp,
    dialect::common::foreign::{self, Bodies, Failure, Shown},
};

/// Its bodies.
pub(super) struct Configuration;

/// The configuration, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JitsudoConfiguration")]
pub(super) struct Document<'a> {
    /// Its id; it stays through every change.
    #[schemars(extend("format" = "uuid"))]
    id: String,
    /// The provider's issuer.
    issuer_url: String,
    /// The OAuth client id.
    client_id: &'a str,
    /// The scopes to request.
    scopes: &'a [String],
    /// When it was made.
    #[schemars(extend("format" = "date-time"))]
    created_at: String,
    /// When it was last changed.
    #[schemars(extend("format" = "date-time"))]
    updated_at: String,
}

/// Why a request failed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JitsudoError")]
pub(super) struct ErrorDocument<'a> {
    /// The reason, for programs.
    code: &'static str,
    /// The reason, for people.
    message: String,
    /// What is wrong with members of the body, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<&'a str, String>,
    /// What the policies that forbid it say to the caller.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notices: &'a [String],
}

impl Bodies for Configuration {
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

    fn written(&self, operation: Option<Operation>, value: &Written) -> Option<Shown> {
        if operation == Some(Operation::EntryDelete) {
            return Some(Shown { status: 204, body: None });
        }
        match value {
            Written::Entry(written) => written.now.as_ref().map(shown),
            Written::Done
            | Written::Resource(..)
            | Written::NewSaml(..)
            | Written::Key(..)
            | Written::Version(_)
            | Written::Organization(_)
            | Written::NewOrganization(..)
            | Written::Registered(..)
            | Written::Domain(_) => None,
        }
    }

    fn failure(&self, _: Option<Operation>, failure: &Failure<'_>) -> Shown {
        let (status, details) = described(failure);
        let message = message(failure, &details);
        let notices = match failure.outcome {
            Some(Outcome::Forbidden(notices)) => &notices[..],
            _ => &[],
        };
        Shown::json(
            status,
            &ErrorDocument { code: code(status, failure.outcome), message, details, notices },
        )
    }
}

fn shown(view: &EntryView) -> Shown {
    let (credential, registration) = (&view.entry.credential, &view.entry.registration);
    let document = Document {
        id: registration.id.to_string(),
        issuer_url: credential.issuer(),
        client_id: credential.client_id.as_str(),
        scopes: &credential.options.scopes,
        created_at: Stamp(registration.created_at).to_string(),
        updated_at: Stamp(registration.changed_at).to_string(),
    };
    Shown::json(200, &document)
}

/// The status, and what is wrong with each member of the body.
fn described<'a>(failure: &Failure<'a>) -> (u16, BTreeMap<&'a str, String>) {
    if let Some(Malformed::Fields(wrong)) = foreign::malformed(failure.outcome) {
        let wrong = wrong.iter().map(|(name, why)| (*name, (*why).to_owned()));
        return (failure.status, wrong.collect());
    }
    match foreign::refusal(failure.outcome) {
        Some(Refusal::CredentialExists) => {
            let why = "another credential of this tenant has it".to_owned();
            (400, BTreeMap::from([(CLIENT_ID, why)]))
        }
        Some(refusal @ (Refusal::IssuerFixed { .. } | Refusal::GenericOnly { .. })) => {
            (400, BTreeMap::from([(ISSUER_URL, refusal.to_string())]))
        }
        _ => (failure.status, BTreeMap::new()),
    }
}

fn message(failure: &Failure<'_>, details: &BTreeMap<&str, String>) -> String {
    let is_missing = matches!(failure.outcome, Some(Outcome::NotFound(What::Credential)))
        || foreign::refusal(failure.outcome) == Some(&Refusal::CredentialNotFound);
    if is_missing {
        return "this tenant has no OIDC configuration".to_owned();
    }
    match failure.outcome {
        Some(Outcome::Malformed(Malformed::OrganizationMissing)) => {
            "X-Tenant-ID is required, once: the tenant's UUID".to_owned()
        }
        Some(Outcome::OtherOrganization) => {
            "the credential and X-Tenant-ID belong to different tenants".to_owned()
        }
        _ if details.is_empty() => failure.message.clone(),
        _ => {
            let names: Vec<&str> = details.keys().copied().collect();
            format!("the configuration is invalid: {}", names.join(", "))
        }
    }
}

fn code(status: u16, outcome: Option<&Outcome>) -> &'static str {
    match status {
        400 => "invalid_input",
        401 => "unauthenticated",
        403 if matches!(outcome, Some(Outcome::OtherOrganization)) => "tenant_mismatch",
        403 => "forbidden",
        404 => "not_found",
        405 => "method_not_allowed",
        408 => "timeout",
        409 => "conflict",
        410 => "position_lost",
        412 => "precondition_failed",
        413 => "too_large",
        414 => "uri_too_long",
        415 => "unsupported_media_type",
        422 => "idempotency_key_reused",
        429 => "too_many_requests",
        431 => "headers_too_large",
        501 => "not_implemented",
        503 => "unavailable",
        _ => "internal",
    }
}

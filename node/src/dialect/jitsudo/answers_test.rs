//! What is stored and what has failed, as the JSON that is answered.

use concordat_proto::{
    oidc::{GenericOptions, Provider},
    refusal::Refusal,
};
use serde_json::{Value as Json, json};

use super::Jitsudo;
use crate::{
    api::{
        operation::Operation,
        outcome::{Malformed, Outcome, What},
    },
    dialect::{
        NATIVE,
        answered::{self, Read},
        traits::Dialect,
    },
};

const DIALECT: Jitsudo = Jitsudo { names: NATIVE };

fn render(operation: Operation, outcome: Outcome) -> Read {
    answered::read(DIALECT.render(Some(operation), outcome.into()))
}

fn failed(outcome: &Outcome) -> Read {
    let answer = render(Operation::EntryChange, outcome.clone());
    answered::assert_head(&answer, outcome);
    answer
}

fn error(code: &str, message: &str) -> Json {
    json!({"code": code, "message": message})
}

#[test]
fn a_configuration_is_shown_without_its_secret() {
    let issuer = "https://idp.example".to_owned();
    let view = || {
        let options = GenericOptions { issuer: issuer.clone(), ..GenericOptions::default() };
        answered::stored(options, "tail")
    };
    let id = view().entry.registration.id.to_string();
    let shown = json!({"id": id, "issuer_url": "https://idp.example", "client_id": "client",
        "scopes": ["openid", "email"], "created_at": "2020-09-13T12:26:40Z",
        "updated_at": "2020-09-13T12:26:40.12Z"});
    let etag = format!("\"{}\"", answered::version());
    for (operation, outcome) in [
        (Operation::EntryGet, answered::found(view())),
        (Operation::EntryChange, answered::written(Some(view()))),
    ] {
        let answer = render(operation, outcome);
        assert_eq!((answer.status, &answer.body), (200, &shown));
        assert_eq!(answer.headers["etag"], etag.as_str());
        let is_write = operation.is_write();
        assert_eq!(answer.headers.contains_key("concordat-consistency"), is_write);
    }
    // It is gone again.
    let answer = render(Operation::EntryChange, answered::written(None));
    assert_eq!((answer.status, answer.body), (200, Json::Null));
    let answer = render(Operation::EntryDelete, answered::written(None));
    assert_eq!((answer.status, answer.body), (204, Json::Null));
    assert!(answer.headers.contains_key("concordat-consistency"));
    let answer = render(Operation::EntryGet, Outcome::NotModified(answered::version()));
    assert_eq!((answer.status, answer.body), (304, Json::Null));
}

#[test]
fn callers_are_refused_by_published_codes() {
    let missing = "this tenant has no OIDC configuration";
    let mismatch = "the credential and X-Tenant-ID belong to different tenants";
    let tenant = "X-Tenant-ID is required, once: the tenant's UUID";
    for (outcome, status, code, message) in [
        (Outcome::KeyMissing, 401, "unauthenticated", "unauthorized"),
        (Outcome::Unauthenticated, 401, "unauthenticated", "unauthorized"),
        (Outcome::refused(Refusal::KeyRevoked), 401, "unauthenticated", "unauthorized"),
        (Outcome::Malformed(Malformed::OrganizationMissing), 400, "invalid_input", tenant),
        (Outcome::OtherOrganization, 403, "tenant_mismatch", mismatch),
        (Outcome::NotFound(What::Credential), 404, "not_found", missing),
        (Outcome::refused(Refusal::CredentialNotFound), 404, "not_found", missing),
    ] {
        let answer = failed(&outcome);
        assert_eq!((answer.status, answer.body), (status, error(code, message)), "{outcome:?}");
    }
    let denied = failed(&Outcome::Forbidden(Vec::new()));
    assert_eq!((denied.status, &denied.body["code"]), (403, &json!("forbidden")));
    assert_eq!(denied.body.get("notices"), None);
    let denied = failed(&Outcome::Forbidden(vec!["frozen".to_owned()]));
    assert_eq!((denied.status, &denied.body["notices"]), (403, &json!(["frozen"])));
}

#[test]
fn members_that_are_wrong_are_named() {
    let actual = Provider::Okta;
    let fixed = Refusal::IssuerFixed { actual };
    let generic = Refusal::GenericOnly { actual };
    let fields = Malformed::Fields(vec![("client_id", "is required"), ("scopes", "are too many")]);
    let taken = "another credential of this tenant has it";
    let (fixed_text, generic_text) = (fixed.to_string(), generic.to_string());
    for (outcome, details) in [
        (Outcome::refused(Refusal::CredentialExists), json!({"client_id": taken})),
        (Outcome::refused(fixed), json!({"issuer_url": fixed_text})),
        (Outcome::refused(generic), json!({"issuer_url": generic_text})),
        (Outcome::Malformed(fields), json!({"client_id": "is required", "scopes": "are too many"})),
    ] {
        let answer = failed(&outcome);
        let names: Vec<&String> = details.as_object().expect("an object").keys().collect();
        let names = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let mut expected =
            error("invalid_input", &format!("the configuration is invalid: {names}"));
        expected["details"] = details;
        assert_eq!((answer.status, answer.body), (400, expected), "{outcome:?}");
    }
}

#[test]
fn every_other_failure_has_a_code_and_a_message() {
    for (outcome, status, text) in answered::failures() {
        let code = match status {
            400 => "invalid_input",
            404 => "not_found",
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
            other => panic!("{other} has no code"),
        };
        let answer = failed(&outcome);
        let message = answer.body["message"].as_str().expect("a message").to_owned();
        assert_eq!((answer.status, answer.body), (status, error(code, &message)), "{outcome:?}");
        assert!(!message.is_empty() && message.starts_with(text), "{message}");
    }
}

#[test]
fn a_path_and_a_method_that_are_unknown_have_its_form() {
    let answer = answered::read(DIALECT.method_not_allowed(&["GET", "PUT"]));
    let expected = error("method_not_allowed", "method not allowed");
    assert_eq!((answer.status, answer.body), (405, expected));
    assert_eq!(answer.headers["allow"], "GET, PUT");
    for own in ["/v1/oidc-config", "/v1/oidc-config/", "/v1/oidc-config/a/b"] {
        let answer = answered::read(DIALECT.unknown_path(own).expect("its own"));
        assert_eq!((answer.status, answer.body), (404, error("not_found", "no such path")));
    }
    for other in ["/v1", "/v1/", "/v1/oidc", "/v1/oidc-configs", "/v1/organizations", "/", ""] {
        assert!(DIALECT.unknown_path(other).is_none(), "{other}");
    }
}

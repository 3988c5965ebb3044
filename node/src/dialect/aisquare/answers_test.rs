//! What is stored and what has failed, as the JSON that is answered.

use concordat_proto::{
    oidc::{GenericOptions, Provider},
    refusal::Refusal,
};
use serde_json::{Value as Json, json};

use super::Aisquare;
use crate::{
    api::{
        operation::Operation,
        outcome::{Malformed, Outcome, What, Written},
    },
    dialect::{
        NATIVE,
        answered::{self, Read},
        traits::Dialect,
    },
};

const DIALECT: Aisquare = Aisquare { names: NATIVE };

fn render(operation: Operation, outcome: Outcome) -> Read {
    answered::read(DIALECT.render(Some(operation), outcome.into()))
}

fn failed(outcome: &Outcome) -> Read {
    let answer = render(Operation::EntryChange, outcome.clone());
    answered::assert_head(&answer, outcome);
    answer
}

#[test]
fn a_configuration_is_shown_with_a_mask() {
    let url = |place: &str| Some(format!("https://idp.example/{place}"));
    let full = || GenericOptions {
        discovery_url: url("discovery"),
        authorization_endpoint: url("authorize"),
        token_endpoint: url("token"),
        userinfo_endpoint: url("userinfo"),
        ..GenericOptions::default()
    };
    let shown = json!({"id": 7, "enterprise_domain": 42, "client_id": "client",
        "client_secret_masked": "********tail", "discovery_url": url("discovery"),
        "authorization_endpoint": url("authorize"), "token_endpoint": url("token"),
        "userinfo_endpoint": url("userinfo"), "created_at": "2020-09-13T12:26:40Z",
        "updated_at": "2020-09-13T12:26:40.12Z"});
    let view = || answered::stored(full(), "tail");
    for (operation, outcome) in [
        (Operation::EntryGet, answered::found(view())),
        (Operation::EntryChange, answered::written(Some(view()))),
    ] {
        let answer = render(operation, outcome);
        assert_eq!((answer.status, &answer.body), (200, &shown));
        assert!(answer.headers.contains_key("etag"));
        let is_write = operation.is_write();
        assert_eq!(answer.headers.contains_key("concordat-consistency"), is_write);
    }
    let least = answered::stored(GenericOptions::default(), "");
    let answer = render(Operation::EntryGet, answered::found(least));
    assert_eq!(answer.body["client_secret_masked"], "********");
    for name in ["discovery_url", "authorization_endpoint", "token_endpoint", "userinfo_endpoint"] {
        assert_eq!(answer.body[name], Json::Null, "{name} is there, and empty");
    }
    let answer = render(Operation::EntryGet, Outcome::NotModified(answered::version()));
    assert_eq!((answer.status, answer.body), (304, Json::Null));
}

#[test]
fn a_claimed_domain_is_shown_as_made() {
    let claimed = Written::Domain(Box::new(answered::facts()));
    let answer = render(Operation::DomainClaim, answered::done(claimed));
    let expected = json!({"id": 42, "domain": "acme.example"});
    assert_eq!((answer.status, answer.body), (201, expected));
    assert!(answer.headers.contains_key("concordat-consistency"));
}

#[test]
fn callers_are_refused_with_a_detail() {
    for (outcome, status, detail) in [
        (Outcome::KeyMissing, 401, "Authentication credentials were not provided."),
        (Outcome::Unauthenticated, 401, "Invalid API key."),
        (Outcome::refused(Refusal::KeyRevoked), 401, "Invalid API key."),
        (Outcome::Forbidden(Vec::new()), 403, "The API key does not have the right to do this."),
        (Outcome::NotFound(What::EnterpriseDomain), 404, "Enterprise domain not found"),
        (Outcome::NotFound(What::Credential), 404, "OIDC configuration not found"),
        (Outcome::refused(Refusal::CredentialNotFound), 404, "OIDC configuration not found"),
    ] {
        let answer = failed(&outcome);
        let expected = json!({"detail": detail});
        assert_eq!((answer.status, answer.body), (status, expected), "{outcome:?}");
    }
    // No header names another organization.
    assert_eq!(failed(&Outcome::OtherOrganization).status, 403);
}

#[test]
fn members_that_are_wrong_have_texts_by_name() {
    let actual = Provider::Okta;
    let (fixed, generic) = (Refusal::IssuerFixed { actual }, Refusal::GenericOnly { actual });
    let (fixed_text, generic_text) = (fixed.to_string(), generic.to_string());
    let fields = Malformed::Fields(vec![
        ("client_id", "This field is required."),
        ("client_secret", "This field may not be blank."),
    ]);
    let taken = "Another credential of this organization has this client id.";
    let of_another = "This domain belongs to another organization.";
    for (outcome, expected) in [
        (Outcome::refused(Refusal::CredentialExists), json!({"client_id": [taken]})),
        (Outcome::refused(Refusal::DomainTaken), json!({"domain": [of_another]})),
        (Outcome::refused(fixed), json!({"discovery_url": [fixed_text]})),
        (Outcome::refused(generic), json!({"non_field_errors": [generic_text]})),
        (
            Outcome::Malformed(fields),
            json!({"client_id": ["This field is required."],
                   "client_secret": ["This field may not be blank."]}),
        ),
    ] {
        let answer = failed(&outcome);
        assert_eq!((answer.status, answer.body), (400, expected), "{outcome:?}");
    }
}

#[test]
fn every_other_failure_has_a_detail_alone() {
    for (outcome, status, text) in answered::failures() {
        let answer = failed(&outcome);
        let detail = answer.body["detail"].as_str().expect("a detail").to_owned();
        assert_eq!((answer.status, answer.body), (status, json!({"detail": detail})));
        assert!(!detail.is_empty() && detail.starts_with(text), "{detail}");
    }
}

#[test]
fn a_path_and_a_method_that_are_unknown_have_its_form() {
    let answer = answered::read(DIALECT.method_not_allowed(&["GET", "POST"]));
    assert_eq!((answer.status, answer.body), (405, json!({"detail": "method not allowed"})));
    assert_eq!(answer.headers["allow"], "GET, POST");
    for own in ["/api/v1/enterprises", "/api/v1/enterprises/", "/api/v1/enterprises/oidc/x"] {
        let answer = answered::read(DIALECT.unknown_path(own).expect("its own"));
        assert_eq!((answer.status, answer.body), (404, json!({"detail": "Not found."})));
    }
    for other in ["/api/v1", "/api/v1/", "/api/v1/enterprise", "/api/v1/enterprises2", "/", ""] {
        assert!(DIALECT.unknown_path(other).is_none(), "{other}");
    }
}

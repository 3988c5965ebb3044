//! Requests and their parsed form. An input is the operation and the target, then headers, an empty
//! line and the body; `write` and `read` are abbreviations of the headers that all requests share.

use concordat_proto::api::{
    cluster::ClusterPatch,
    demo::DemoTarget,
    node::NodePatch,
    organization::{OrganizationCreate, OrganizationMove, OrganizationPatch},
    region::{Failover, RegionAdd, RegionPatch},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, prelude::*, sample::select};
use serde::de::DeserializeOwned;

use super::{
    REGISTRY, script,
    traits::{Dialect, Route},
};
use crate::api::{
    operation::{Action, Operation, TABLE},
    outcome::{Malformed, Outcome},
    request::Input,
};

fn routes() -> impl Iterator<Item = (&'static dyn Dialect, &'static Route)> {
    let of =
        |dialect: &'static dyn Dialect| dialect.routes().iter().map(move |route| (dialect, route));
    REGISTRY.into_iter().flat_map(of)
}

fn route_of(name: &str) -> (&'static dyn Dialect, &'static Route) {
    let its = |(_, route): &(&'static dyn Dialect, &'static Route)| {
        format!("{:?}", route.operation) == name
    };
    routes().find(its).expect("an operation")
}

fn answer(input: &str) -> String {
    let (head, body) = input.split_once("\n\n").unwrap_or((input, ""));
    let mut lines = head.lines();
    let (name, target) = {
        let line = lines.next().expect("an operation");
        line.split_once(' ').unwrap_or((line, ""))
    };
    let (path_parameter, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header");
        let name: HeaderName = name.parse().expect("a header's name");
        headers.append(name, HeaderValue::from_str(value.trim()).expect("a header's value"));
    }
    let first = REGISTRY[0];
    match name {
        "write" => show(first, first.terms(Operation::OidcPatch, &headers)),
        "read" => show(first, first.terms(Operation::OidcGet, &headers)),
        name => {
            let (dialect, route) = route_of(name);
            let headers = &headers;
            let input = Input { path_parameter, query, headers, body: body.as_bytes() };
            show(dialect, (route.parse)(&input))
        }
    }
}

fn show<T: std::fmt::Debug>(dialect: &dyn Dialect, understood: Result<T, Malformed>) -> String {
    match understood {
        Ok(value) => format!("{value:#?}"),
        Err(malformed) => {
            let message = malformed.to_string();
            let response = dialect.render(None, Outcome::Malformed(malformed).into());
            format!("{} {message}", response.status().as_u16())
        }
    }
}

#[test]
fn requests_are_understood_as_written() {
    script::run("request_", answer);
}

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../proto/src/api/samples/", $name, ".json"))
    };
}

fn parsed(operation: &str, path_parameter: &str, body: &str) -> Result<Action, Malformed> {
    let (headers, body) = (&json_headers(), body.as_bytes());
    (route_of(operation).1.parse)(&Input { path_parameter, query: "", headers, body })
}

/// The parser reads what the SDK writes: the whole value of the shared type.
fn reads<T: DeserializeOwned + std::fmt::Debug>(operation: &str, path: &str, samples: &str) {
    for line in samples.lines() {
        let written: T = serde_json::from_str(line).expect("the shared type");
        let understood = parsed(operation, path, line).expect(line);
        let (understood, written) = (format!("{understood:?}"), format!("{written:?}"));
        assert!(understood.contains(&written), "{understood} has no {written}");
    }
    knows_each_member(operation, path, samples);
}

/// A member of another type is refused by its name: the parser knows each member that the shared type has.
fn knows_each_member(operation: &str, path: &str, samples: &str) {
    for line in samples.lines() {
        let whole: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).expect("an object");
        for member in whole.keys() {
            let mut body = whole.clone();
            body.insert(member.clone(), serde_json::Value::from(1.5));
            let body = serde_json::Value::from(body).to_string();
            let refused = parsed(operation, path, &body).expect_err(&body).to_string();
            assert!(refused.starts_with(&format!("{member} must be ")), "{body}: {refused}");
        }
    }
}

#[test]
fn parsers_read_the_bodies_of_the_shared_types() {
    let (node, org) = ("00000000000000aa", "af5fbd30-7ce7-4548-8b30-4cd59cb2aba1");
    reads::<ClusterPatch>("ClusterPatch", "", sample!("cluster_patch"));
    reads::<NodePatch>("NodePatch", node, sample!("node_patch"));
    reads::<RegionAdd>("RegionAdd", "", sample!("region_add"));
    reads::<RegionPatch>("RegionPatch", "us-iowa", sample!("region_patch"));
    reads::<Failover>("RegionFailover", "asia-japan", sample!("failover"));
    reads::<OrganizationCreate>("OrgCreate", "", sample!("organization_create"));
    reads::<OrganizationPatch>("OrgPatch", org, sample!("organization_patch"));
    reads::<OrganizationMove>("OrgMove", org, sample!("organization_move"));
    reads::<DemoTarget>("DemoCut", "", sample!("demo_target"));
    reads::<DemoTarget>("DemoHeal", "", sample!("demo_target"));
    // Drafts of credentials are no documents: they hold normalized values.
    knows_each_member("OidcCreate", "", sample!("credential_create"));
    knows_each_member("OidcPatch", "my-app", sample!("credential_patch"));
}

fn json_headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)])
}

/// JSON that looks like a body, with wrong types here and there.
fn likely_body() -> impl Strategy<Value = String> {
    let member = select(vec![
        "client_id",
        "client_secret",
        "provider",
        "label",
        "external_cred",
        "external_cred_id",
        "options",
        "apple",
        "google",
        "authorize_scopes",
        "private_key",
        "team_id",
        "key_id",
        "secret_lifetime",
        "tenant",
        "organization_url",
        "org_name",
        "home_region",
        "id",
        "region",
        "node",
        "enable_in_slashid_oidc_authz_server",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<f64>().prop_map(|n| serde_json::Value::from(n).to_string()),
        select(vec!["google", "apple", "okta", "azuread", "24h", "[redacted]", "ABCDE12345", "us"])
            .prop_map(|text| format!("{text:?}")),
        "\\PC{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec((member.clone(), inner), 0..8).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| format!("{name:?}:{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

fn check_no_panic(path_parameter: &str, query: &str, headers: &HeaderMap, body: &[u8]) {
    for (_, route) in routes() {
        drop((route.parse)(&Input { path_parameter, query, headers, body }));
    }
}

proptest! {
    #[test]
    fn arbitrary_requests_never_panic(
        path in "[%a-f0-9/ ]{0,20}|\\PC{0,20}",
        query in "([a-z_]{0,6}=[%a-f0-9+&]{0,6}&?){0,4}|\\PC{0,40}",
        body in vec(any::<u8>(), 0..100),
    ) {
        check_no_panic(&path, &query, &json_headers(), &body);
    }

    #[test]
    fn likely_bodies_never_panic(body in likely_body()) {
        check_no_panic("a", "limit=1&offset=2&wait=3", &json_headers(), body.as_bytes());
    }

    #[test]
    fn arbitrary_headers_never_panic(
        name in select(vec![
            "slashid-required-consistency", "slashid-required-consistency-timeout",
            "idempotency-key", "concordat-idempotency-lifetime", "if-match", "if-none-match",
            "concordat-at-least", "concordat-read-mode", "content-type",
        ]),
        values in vec(vec(any::<u8>(), 0..20), 1..3),
    ) {
        let mut headers = HeaderMap::new();
        for value in values {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(name, value);
            }
        }
        for (row, dialect) in TABLE.iter().flat_map(|row| REGISTRY.map(|it| (row, it))) {
            drop(dialect.terms(row.operation, &headers));
        }
        check_no_panic("a", "", &headers, b"{}");
    }

    #[test]
    fn no_secret_is_ever_repeated(
        secret in "S[A-Za-z0-9]{11,40}",
        place in 0..4_usize,
        provider in select(vec!["google", "apple", "okta", "azuread", "nobody"]),
        broken in select(vec!["", ",", "}", "\"", "{\"client_secret\":1"]),
    ) {
        let text = format!("\"{secret}\"");
        let wrong = [text.clone(), format!("[{text}]"), format!("{{{text}:{text}}}")];
        let secret_member = wrong.get(place).unwrap_or(&text);
        let body = format!(
            "{{\"client_id\":\"c\",\"client_secret\":{secret_member},\"provider\":\"{provider}\",\
             \"options\":{{\"{provider}\":{{\"private_key\":{text},\"team_id\":\"ABCDE12345\",\
             \"key_id\":\"ABCDE12345\"}}}}}}{broken}"
        );
        for operation in ["OidcCreate", "OidcPatch"] {
            let headers = &json_headers();
            let body = body.as_bytes();
            let input = Input { path_parameter: "c", query: "", headers, body };
            let shown = format!("{:?}", (route_of(operation).1.parse)(&input));
            prop_assert!(!shown.contains(&secret), "{shown}");
        }
    }
}

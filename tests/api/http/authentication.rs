//! Contract 1.2 and 1.3: authentication, and that a caller without a key learns nothing.

use concordat_tests::http::{Request, Response};
use serde_json::json;

use crate::world::{Caller, OIDC, assert_failure, assert_success, caller, demo, draft, one};

/// Every route of an organization, with a body that would do.
fn requests(caller: &Caller) -> Vec<Request> {
    let write = "0193a1b2-0000-7000-8000-000000000001";
    vec![
        caller.request("GET", OIDC),
        caller.post(&draft("new")),
        caller.request("GET", &one("kept")),
        caller.patch("kept", &json!({"label": "changed"})),
        caller.delete("kept"),
        caller.request("GET", "/organizations"),
        caller.request("GET", &format!("/v1/writes/{write}")),
    ]
}

#[tokio::test]
async fn a_missing_or_empty_organization_is_400() {
    let caller = caller("no organization").await;
    caller.create(&draft("kept")).await;
    // The receipt is also an operator's to read: without an organization the key must be one's.
    for request in &requests(&caller)[..6] {
        let without = request.clone().without("SlashID-OrgID");
        caller.refuses(&without, 400, "SlashID-OrgID").await;
        caller.refuses(&request.clone().with("SlashID-OrgID", ""), 400, "SlashID-OrgID").await;
        let both = without.clone().without("SlashID-API-Key");
        caller.refuses(&both, 400, "SlashID-OrgID").await;
        // Two organizations are none.
        let twice = request.clone().header("SlashID-OrgID", &demo().await.org.id);
        caller.refuses(&twice, 400, "SlashID-OrgID").await;
    }
}

/// The parts that must be equal between answers to unauthenticated callers: all but the date and
/// the freshness.
fn comparable(response: &Response) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| name != "date" && name != "concordat-read");
    (response.status, headers, response.body.clone())
}

#[tokio::test]
async fn every_stranger_gets_the_same_401() {
    let caller = caller("strangers").await;
    let other = crate::world::caller("another organization").await;
    caller.create(&draft("kept")).await;
    let key = caller.org.api_key.clone();
    let last = key.chars().next_back().expect("a key");
    let nearly = format!("{}{}", &key[..key.len() - 1], if last == 'A' { 'B' } else { 'A' });
    let unknown_org = "0193a1b2-0000-7000-8000-000000000002";
    let strangers: Vec<(&str, String, Option<String>)> = vec![
        ("no key", caller.org.id.clone(), None),
        ("an empty key", caller.org.id.clone(), Some(String::new())),
        ("another organization's key", caller.org.id.clone(), Some(other.org.api_key.clone())),
        ("a wrong key", caller.org.id.clone(), Some(nearly)),
        ("no key by form", caller.org.id.clone(), Some("x".repeat(3000))),
        ("the key, cut", caller.org.id.clone(), Some(key[..20].to_owned())),
        ("an operator's key", caller.org.id.clone(), Some(demo().await.operator_key.clone())),
        ("an unknown organization", unknown_org.to_owned(), Some(key.clone())),
        ("no organization by form", "what'); --".to_owned(), Some(key.clone())),
        ("an organization in capitals", caller.org.id.to_uppercase().replace('-', ""), Some(key)),
    ];
    let mut expected = None;
    for request in requests(&caller) {
        for (who, org, key) in &strangers {
            let request = request.clone().with("SlashID-OrgID", org).without("SlashID-API-Key");
            let request = match key {
                Some(key) => request.header("SlashID-API-Key", key),
                None => request,
            };
            let answer = caller.refuses(&request, 401, "unauthorized").await;
            let expected = expected.get_or_insert_with(|| comparable(&answer));
            assert_eq!(*expected, comparable(&answer), "{who}");
        }
    }
}

#[tokio::test]
async fn two_different_keys_are_none_and_a_key_may_be_said_twice() {
    let caller = caller("two keys").await;
    let request = caller.request("GET", OIDC);
    let answer = caller.send(&request.clone().header("SlashID-API-Key", "another")).await;
    assert_failure(&answer, 401);
    let same = request.header("SlashID-API-Key", &caller.org.api_key);
    assert_success(&caller.send(&same).await, 200);
}

#[tokio::test]
async fn operators_and_organizations_do_not_mix() {
    let caller = caller("no operator").await;
    for (method, target) in [
        ("GET", "/v1/organizations"),
        ("POST", "/v1/organizations"),
        ("GET", "/v1/cluster"),
        ("GET", "/v1/cluster/digest"),
        ("POST", "/v1/demo/cut"),
        ("POST", "/v1/demo/heal"),
    ] {
        let by_org = caller.request(method, target).json(&json!({"region": "us-iowa"}));
        assert_failure(&caller.send(&by_org).await, 401);
        let by_nobody = Request::new(method, target).json(&json!({"org_name": "x"}));
        assert_failure(&caller.send(&by_nobody).await, 401);
    }
}

/// Contract 7: a key shows the organization that it belongs to, and no other one.
#[tokio::test]
async fn a_key_reads_its_own_organization() {
    let caller = caller("its own organization").await;
    let answer = caller.send(&caller.request("GET", "/organizations")).await;
    let shown = assert_success(&answer, 200)["result"].clone();
    assert_eq!(shown["id"], json!(caller.org.id));
    assert_eq!(shown["org_name"], json!("its own organization"));
    assert_eq!(
        crate::world::members(&shown),
        ["home_region", "id", "org_name", "tenant_name"].into_iter().collect()
    );
    assert!(answer.header("concordat-read").is_some(), "{answer:?}");
}

#[tokio::test]
async fn checks_come_in_their_order() {
    let caller = caller("order").await;
    let wrong_all = Request::new("PATCH", &one("%zz"))
        .header("SlashID-OrgID", &caller.org.id)
        .header("SlashID-Required-Consistency", "everywhere")
        .header("Content-Type", "text/plain")
        .body("{");
    // Authentication before headers, headers before the path, the path before the body, the body
    // before existence.
    assert_failure(&caller.send(&wrong_all).await, 401);
    let known = wrong_all.header("SlashID-API-Key", &caller.org.api_key);
    let told = assert_failure(&caller.send(&known).await, 400);
    assert!(told.contains("SlashID-Required-Consistency"), "{told}");
    let asked = known.without("SlashID-Required-Consistency");
    let told = assert_failure(&caller.send(&asked).await, 400);
    assert!(told.contains("path"), "{told}");
    let typed = caller.request("PATCH", &one("unknown")).header("Content-Type", "text/plain");
    assert_failure(&caller.send(&typed.body("{")).await, 415);
    let found = caller.request("PATCH", &one("unknown")).json_text("{");
    assert_failure(&caller.send(&found).await, 400);
    assert_failure(&caller.send(&caller.patch("unknown", &json!({}))).await, 404);
}

/// Under the nil UUID the store keeps what belongs to no organization, and a text that is no id was
/// looked for under it: any text let the maker of that organization in.
#[tokio::test]
async fn no_organization_has_an_id_that_means_nobody() {
    let demo = demo().await;
    let nil = "00000000-0000-0000-0000-000000000000";
    for id in [nil, &nil.replace('0', "f")] {
        let body = json!({"org_name": "Nobody", "id": id});
        let request = demo.by_operator("POST", "/v1/organizations").json(&body);
        let told = assert_failure(&request.send(&demo.urls()[0]).await, 400);
        assert!(told.contains("id must be a UUID"), "{told}");
        let request = demo.by_operator("GET", &format!("/v1/organizations/{id}"));
        assert_failure(&request.send(&demo.urls()[0]).await, 400);
    }
    let operators = format!("operator {}", "a".repeat(64));
    let caller = caller("reserved names").await;
    let request = caller.post(&draft("new")).header("Idempotency-Key", &operators);
    let told = assert_failure(&caller.send(&request).await, 400);
    assert!(told.contains("Idempotency-Key"), "{told}");
}

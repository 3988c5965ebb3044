//! Contract 3: the content of every answer to a write, and `GET /v1/writes/{id}`.

use std::collections::BTreeSet;

use concordat_tests::{demo::REGIONS, http::Response, wait};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{
    assert_failure, assert_marked, assert_success, assert_written, caller, demo, draft, members,
};

/// The exact shape of a receipt.
fn assert_receipt(receipt: &Value) {
    let all = ["required", "achieved", "outcome", "write_id", "position", "elapsed_ms", "regions"];
    assert_eq!(members(receipt), all.into(), "{receipt}");
    assert!(receipt["achieved"].is_boolean(), "{receipt}");
    assert!(["local_region", "all_regions"].map(Value::from).contains(&receipt["required"]));
    let outcomes = ["committed", "refused", "unknown"];
    assert!(outcomes.map(Value::from).contains(&receipt["outcome"]), "{receipt}");
    let id: Uuid = receipt["write_id"].as_str().expect("an id").parse().expect("a UUID");
    assert_eq!(id.get_version_num(), 7, "{receipt}");
    assert!(!receipt["position"].as_str().expect("a position").is_empty());
    assert!(receipt["elapsed_ms"].as_f64().is_some_and(|elapsed| elapsed >= 0.0), "{receipt}");
    let regions = receipt["regions"].as_array().expect("regions");
    let named: Vec<&str> =
        regions.iter().map(|it| it["region"].as_str().expect("a name")).collect();
    let mut expected = REGIONS;
    expected.sort_unstable();
    assert_eq!(named, expected, "every region once, in order of name");
    for region in regions {
        let names = members(region);
        let least: BTreeSet<&str> = ["region", "state"].into();
        let most: BTreeSet<&str> = ["region", "state", "applied_ms"].into();
        match region["state"].as_str() {
            Some("applied") => assert!(names == least || names == most, "{receipt}"),
            Some("pending") => assert_eq!(names, least, "{receipt}"),
            _ => panic!("{receipt}"),
        }
        if names.contains("applied_ms") {
            assert!(region["applied_ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{receipt}");
        }
    }
}

fn state(receipt: &Value, region: &str) -> String {
    let regions = receipt["regions"].as_array().expect("regions");
    let found = regions.iter().find(|it| it["region"] == region).expect("the region");
    found["state"].as_str().expect("a state").to_owned()
}

/// The receipt of a write that was answered, checked against the headers.
fn receipt(answer: &Response) -> Value {
    let receipt = answer.json()["meta"]["consistency"].take();
    assert_receipt(&receipt);
    assert_eq!(answer.header("concordat-write-id"), receipt["write_id"].as_str(), "{answer:?}");
    assert_eq!(answer.header("concordat-position"), receipt["position"].as_str(), "{answer:?}");
    receipt
}

#[tokio::test]
async fn every_write_has_its_receipt() {
    let caller = caller("receipts").await;
    let (mut ids, mut positions) = (BTreeSet::new(), BTreeSet::new());
    for level in ["local_region", "all_regions"] {
        for (request, status) in [
            (caller.post(&draft("a")), 201),
            (caller.patch("a", &json!({"label": "x"})), 200),
            (caller.post(&draft("a")), 409),
            (caller.patch("b", &json!({"label": "x"})), 404),
            (caller.patch("a", &json!({"label": "y"})).header("If-Match", "\"x\""), 412),
            (caller.delete("a"), 200),
            (caller.delete("a"), 404),
        ] {
            let request = request.header("SlashID-Required-Consistency", level);
            let answer = caller.send(&request).await;
            assert_eq!(answer.status, status, "{answer:?}");
            let receipt = receipt(&answer);
            assert_eq!(receipt["required"], level);
            assert_eq!(receipt["outcome"], if status < 300 { "committed" } else { "refused" });
            assert!(ids.insert(receipt["write_id"].to_string()), "{receipt}");
            assert!(positions.insert(receipt["position"].to_string()), "{receipt}");
            // A refusal has reached the required consistency like a success.
            assert_eq!(receipt["achieved"], true, "{receipt}");
            let all = if level == "all_regions" { &REGIONS[..] } else { &REGIONS[..1] };
            assert!(all.iter().all(|region| state(&receipt, region) == "applied"), "{receipt}");
        }
    }
}

#[tokio::test]
async fn the_receipt_of_a_refusal_says_refused_wherever_it_is_asked_for() {
    let caller = caller("refusals").await;
    caller.create(&draft("a")).await;
    for (request, status) in [
        (caller.post(&draft("a")), 409),
        (caller.patch("none", &json!({"label": "x"})), 404),
        (caller.delete("a").header("If-Match", "\"x\""), 412),
    ] {
        let request = request.header("SlashID-Required-Consistency", "all_regions");
        let answer = caller.send(&request).await;
        let message = assert_failure(&answer, status);
        let id = receipt(&answer)["write_id"].as_str().expect("an id").to_owned();
        for url in &caller.urls {
            let asked = caller.request("GET", &format!("/v1/writes/{id}?wait=10")).send(url).await;
            let mut now = assert_success(&asked, 200)["result"].take();
            let refused = now.as_object_mut().expect("an object").remove("refused");
            assert_receipt(&now);
            assert_eq!((&now["outcome"], &now["achieved"]), (&json!("refused"), &json!(true)));
            assert!(REGIONS.iter().all(|region| state(&now, region) == "applied"), "{now}");
            assert_eq!(refused, Some(json!({"httpcode": status, "message": message})), "{now}");
        }
    }
}

#[tokio::test]
async fn what_never_reached_a_log_has_none() {
    let caller = caller("no receipts").await;
    for request in [
        caller.post(&json!({})),
        caller.post(&draft("a")).header("SlashID-Required-Consistency", "x"),
        caller.post(&draft("a")).without("SlashID-API-Key"),
        caller.request("POST", crate::world::OIDC).body("{}"),
    ] {
        let answer = caller.send(&request).await;
        assert!(answer.status >= 400);
        for name in ["concordat-write-id", "concordat-position", "etag"] {
            assert_eq!(answer.header(name), None, "{answer:?}");
        }
        assert_eq!(answer.json()["meta"], json!({}), "{answer:?}");
    }
}

#[tokio::test]
async fn a_receipt_can_be_asked_for_later_everywhere() {
    let caller = caller("later").await;
    caller.create(&draft("a")).await;
    let written = caller.send(&caller.patch("a", &json!({"label": "x"}))).await;
    let told = receipt(&written);
    let id = told["write_id"].as_str().expect("an id");
    for url in &caller.urls {
        let asked = caller.request("GET", &format!("/v1/writes/{id}?wait=10")).send(url).await;
        let body = assert_success(&asked, 200);
        assert_eq!(members(&body["meta"]), BTreeSet::new());
        let now = &body["result"];
        assert_receipt(now);
        assert_eq!((&now["write_id"], &now["position"]), (&told["write_id"], &told["position"]));
        assert_eq!((&now["outcome"], &now["achieved"]), (&json!("committed"), &json!(true)));
        assert!(REGIONS.iter().all(|region| state(now, region) == "applied"), "{now}");
        assert_marked(&asked);
        let at_once = caller.request("GET", &format!("/v1/writes/{id}")).send(url).await;
        assert_receipt(&assert_success(&at_once, 200)["result"]);
    }
}

#[tokio::test]
async fn a_receipt_is_its_organizations_alone() {
    let caller = caller("mine").await;
    let other = crate::world::caller("theirs").await;
    let created = caller.create(&draft("a")).await;
    let id = created.header("concordat-write-id").expect("an id");
    let foreign = other.send(&other.request("GET", &format!("/v1/writes/{id}"))).await;
    let never = Uuid::now_v7().to_string();
    let unknown = other.send(&other.request("GET", &format!("/v1/writes/{never}"))).await;
    assert_failure(&foreign, 404);
    assert_eq!(foreign.body, unknown.body, "it must not tell that there is such a write");
    assert_failure(&caller.send(&caller.request("GET", &format!("/v1/writes/{never}"))).await, 404);
    let demo = demo().await;
    // Nor does an operator see what belongs to organizations.
    let deleted = caller.send(&caller.delete("a")).await;
    for id in [id, deleted.header("concordat-write-id").expect("an id")] {
        let asked = demo.by_operator("GET", &format!("/v1/writes/{id}"));
        assert_failure(&asked.send(demo.url(0, 0)).await, 404);
    }
    let nobody = caller.request("GET", &format!("/v1/writes/{id}")).without("SlashID-API-Key");
    assert_failure(&caller.send(&nobody).await, 401);
}

#[tokio::test]
async fn an_operator_follows_the_making_of_an_organization() {
    let demo = demo().await;
    let request = demo.by_operator("POST", "/v1/organizations");
    let made = request.json(&json!({"org_name": "followed"})).send(demo.url(2, 0)).await;
    let told = receipt(&made);
    assert_success(&made, 201);
    let id = told["write_id"].as_str().expect("an id");
    wait::eventually("the receipt is complete", async || {
        let asked = demo.by_operator("GET", &format!("/v1/writes/{id}?wait=5"));
        let now = assert_success(&asked.send(demo.url(1, 0)).await, 200)["result"].take();
        assert_receipt(&now);
        if now["achieved"] == true { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}

/// The command line suggests "concordat write wait ID --operator" after any 408 of an operator's
/// write.
#[tokio::test]
async fn an_operator_follows_every_word() {
    let (demo, caller) = (demo().await, caller("spoken of").await);
    let org = format!("/v1/organizations/{}", caller.org.id);
    let nodes = demo.by_operator("GET", "/v1/cluster/nodes").send(demo.url(0, 0)).await;
    let node = assert_success(&nodes, 200)["result"][0]["node_id"].take();
    let node = format!("/v1/cluster/nodes/{}", node.as_str().expect("an id"));
    for (method, target, body) in [
        ("PATCH", &*node, json!({"state": "member"})),
        ("PATCH", "/v1/cluster", json!({"survival_goal": "node"})),
        ("PATCH", &*org, json!({"stale_secrets": "serve"})),
        ("POST", &*format!("{org}/move"), json!({"home_region": REGIONS[1]})),
    ] {
        let said = demo.by_operator(method, target).json(&body).send(demo.url(0, 0)).await;
        assert!((200..300).contains(&said.status), "{target}: {said:?}");
        let told = receipt(&said);
        let id = told["write_id"].as_str().expect("an id");
        for region in 0..3 {
            let asked = demo.by_operator("GET", &format!("/v1/writes/{id}?wait=10"));
            let now = assert_success(&asked.send(demo.url(region, 0)).await, 200)["result"].take();
            assert_receipt(&now);
            assert_eq!((&now["achieved"], &now["write_id"]), (&json!(true), &told["write_id"]));
        }
        // It does not belong to the organization.
        let asked = caller.send(&caller.request("GET", &format!("/v1/writes/{id}"))).await;
        assert_failure(&asked, 404);
    }
}

#[tokio::test]
async fn a_receipt_says_whether_what_is_asked_for_is_achieved() {
    let caller = caller("how far").await;
    let created = caller.create(&draft("a")).await;
    let id = created.header("concordat-write-id").expect("an id");
    for (query, required) in [
        ("", "all_regions"),
        ("&required=all_regions", "all_regions"),
        ("&required=local_region", "local_region"),
    ] {
        let request = caller.request("GET", &format!("/v1/writes/{id}?wait=10{query}"));
        let now = assert_success(&caller.send(&request).await, 200)["result"].take();
        assert_receipt(&now);
        assert_eq!((&now["required"], &now["achieved"]), (&json!(required), &json!(true)));
    }
    let request = caller.request("GET", &format!("/v1/writes/{id}?required=everywhere"));
    caller.refuses(&request, 400, "required").await;
}

#[tokio::test]
async fn wrong_questions_about_writes() {
    let caller = caller("wrong questions").await;
    let created = caller.create(&draft("a")).await;
    let id = created.header("concordat-write-id").expect("an id");
    for wait in ["", "0", "121", "-1", "1.5", "x"] {
        let request = caller.request("GET", &format!("/v1/writes/{id}?wait={wait}"));
        caller.refuses(&request, 400, "wait").await;
    }
    for wrong in ["what", &id.replace('-', ""), "%zz"] {
        caller
            .refuses(&caller.request("GET", &format!("/v1/writes/{wrong}")), 400, "write id")
            .await;
    }
    assert_written(&caller.send(&caller.delete("a")).await, 200);
    let request = caller.request("GET", &format!("/v1/writes/{id}"));
    assert_success(&caller.send(&request).await, 200);
}

//! Contract 3: `Idempotency-Key`. A repeat gets the first request's result, at whatever node; the
//! same key with another request is 422.

use concordat_tests::{
    demo::REGIONS,
    http::{Request, Response},
    wait,
};
use serde_json::{Value, json};

use crate::world::{
    assert_failure, assert_marked, assert_success, assert_written, caller, demo, draft,
};

fn keyed(request: &Request, key: &str) -> Request {
    request.clone().header("Idempotency-Key", key)
}

fn write_id(answer: &Response) -> String {
    answer.header("concordat-write-id").unwrap_or_else(|| panic!("no id: {answer:?}")).to_owned()
}

/// The parts that a repeat must repeat: all but the receipt's times and regions.
fn comparable(answer: &Response) -> (u16, Option<String>, String, Value) {
    let mut body = answer.json();
    let receipt = body["meta"]["consistency"].take();
    let position = receipt["position"].as_str().unwrap_or_default().to_owned();
    (answer.status, answer.header("etag").map(str::to_owned), write_id(answer) + &position, body)
}

#[tokio::test]
async fn a_repeat_is_answered_from_the_first_in_every_region() {
    let caller = caller("repeats").await;
    let create = keyed(&caller.post(&draft("a")), "create a");
    let created = caller.send(&create).await;
    assert_written(&created, 201);
    let patch = keyed(&caller.patch("a", &json!({"label": "one"})), "patch a");
    let patched = caller.send(&patch).await;
    assert_written(&patched, 200);
    // Something else in between must not be undone by the repeat.
    let between = caller.send(&caller.patch("a", &json!({"label": "two"}))).await;
    assert_written(&between, 200);
    for url in &caller.urls {
        for (request, first) in [(&create, &created), (&patch, &patched)] {
            let again = request.clone().header("SlashID-Required-Consistency", "all_regions");
            let again = again.send(url).await;
            assert_eq!(comparable(&again), comparable(first));
            // The repeat waits for its own consistency.
            assert_eq!(again.json()["meta"]["consistency"]["required"], "all_regions");
        }
    }
    assert_eq!(caller.shown("a").await["label"], "two");
    let delete = keyed(&caller.delete("a"), "delete a");
    let deleted = caller.send(&delete).await;
    assert_written(&deleted, 200);
    caller.create(&draft("a")).await;
    assert_eq!(comparable(&caller.send(&delete).await), comparable(&deleted));
    assert_success(&caller.get("a").await, 200);
}

#[tokio::test]
async fn refusals_decided_in_the_log_are_repeated() {
    let caller = caller("repeated refusals").await;
    let patch = keyed(&caller.patch("later", &json!({"label": "x"})), "too early");
    let early = caller.send(&patch).await;
    assert_failure(&early, 404);
    caller.create(&draft("later")).await;
    let again = caller.refuses(&patch, 404, "").await;
    assert_eq!(comparable(&again), comparable(&early));
    let create = keyed(&caller.post(&draft("later")), "too late");
    let late = caller.refuses(&create, 409, "").await;
    assert_written(&caller.send(&caller.delete("later")).await, 200);
    assert_eq!(comparable(&caller.refuses(&create, 409, "").await), comparable(&late));
}

#[tokio::test]
async fn what_never_reached_the_log_is_not_remembered() {
    let caller = caller("not remembered").await;
    caller.create(&draft("a")).await;
    let bad = keyed(&caller.patch("a", &json!({"label": 1})), "key");
    caller.refuses(&bad, 400, "label").await;
    let unauthorized = bad.without("SlashID-API-Key");
    caller.refuses(&unauthorized, 401, "").await;
    let good = keyed(&caller.patch("a", &json!({"label": "x"})), "key");
    assert_written(&caller.send(&good).await, 200);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_422() {
    let caller = caller("reused").await;
    let version = caller.create(&draft("a")).await.header("etag").expect("a version").to_owned();
    caller.create(&draft("b")).await;
    let first = keyed(&caller.patch("a", &json!({"label": "x"})), "key");
    assert_written(&caller.send(&first).await, 200);
    for other in [
        caller.patch("a", &json!({"label": "y"})),
        caller.patch("b", &json!({"label": "x"})),
        caller.delete("a"),
        caller.post(&draft("c")),
        caller.patch("a", &json!({"label": "x"})).header("If-Match", &version),
    ] {
        caller.refuses(&keyed(&other, "key"), 422, "Idempotency-Key").await;
    }
    // Another organization's key is its own.
    let other = crate::world::caller("same key").await;
    other.create(&draft("a")).await;
    let theirs = keyed(&other.patch("a", &json!({"label": "theirs"})), "key");
    assert_written(&other.send(&theirs).await, 200);
    assert_eq!(other.shown("a").await["label"], "theirs");
}

/// Operators' writes are writes like any other. An obstacle to a second one is no obstacle to a
/// repeat.
#[tokio::test]
async fn operators_words_are_done_once_under_a_key() {
    let (demo, caller) = (demo().await, caller("operated").await);
    let org = format!("/v1/organizations/{}", caller.org.id);
    let shown = async || {
        let asked = demo.by_operator("GET", &org).send(demo.url(0, 0)).await;
        assert_success(&asked, 200)["result"].take()
    };
    let set = |value: &str, key| {
        keyed(&demo.by_operator("PATCH", &org).json(&json!({"stale_secrets": value})), key)
    };
    let first = set("refuse", "set").send(demo.url(0, 0)).await;
    let id = assert_written(&first, 200)["write_id"].take();
    assert_written(&set("serve", "other").send(demo.url(0, 0)).await, 200);
    for region in 0..3 {
        let again = set("refuse", "set").send(demo.url(region, 0)).await;
        assert_eq!(assert_written(&again, 200)["write_id"], id);
        assert_failure(&set("serve", "set").send(demo.url(region, 0)).await, 422);
    }
    assert_eq!(shown().await["stale_secrets"], "serve", "a repeat has done it again");
    // The organization's own keys are others.
    caller.create(&draft("a")).await;
    assert_written(
        &caller.send(&keyed(&caller.patch("a", &json!({"label": "x"})), "set")).await,
        200,
    );

    let change = |body: Value, key| {
        keyed(&demo.by_operator("POST", &format!("{org}/move")).json(&body), key)
    };
    let to = change(json!({"home_region": REGIONS[1]}), "there");
    let id = assert_written(&to.send(demo.url(0, 0)).await, 202)["write_id"].take();
    wait::eventually("it has moved", async || {
        let shown = shown().await;
        let there = shown["home_region"] == REGIONS[1] && shown.get("moving_to").is_none();
        if there { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    let back = change(json!({"home_region": REGIONS[0]}), "back");
    assert_written(&back.send(demo.url(0, 0)).await, 202);
    wait::eventually("it has moved back", async || {
        let shown = shown().await;
        let there = shown["home_region"] == REGIONS[0] && shown.get("moving_to").is_none();
        if there { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    // A repeat of the first is answered, and moves nothing.
    let again = to.send(demo.url(2, 0)).await;
    assert_eq!(assert_written(&again, 202)["write_id"], id);
    assert_eq!(shown().await["home_region"], REGIONS[0]);
    assert_failure(&change(json!({"cancel": true}), "there").send(demo.url(2, 0)).await, 422);

    let leave = |region: &str, key| {
        keyed(&demo.by_operator("DELETE", &format!("/v1/cluster/regions/{region}")), key)
    };
    let refused = leave(REGIONS[0], "leave").send(demo.url(0, 0)).await;
    assert_failure(&refused, 409);
    assert_marked(&refused);
}

#[tokio::test]
async fn wrong_keys_and_lifetimes_are_400() {
    let caller = caller("wrong keys").await;
    caller.create(&draft("a")).await;
    let patch = caller.patch("a", &json!({"label": "x"}));
    for wrong in ["", "tab\there", "ü", &"k".repeat(256)] {
        caller.refuses(&keyed(&patch, wrong), 400, "Idempotency-Key").await;
    }
    let two = keyed(&keyed(&patch, "one"), "two");
    caller.refuses(&two, 400, "Idempotency-Key").await;
    for wrong in ["", "59", "86401", "-60", "60.5", "1h", "x"] {
        let request = keyed(&patch, "key").header("Concordat-Idempotency-Lifetime", wrong);
        caller.refuses(&request, 400, "Concordat-Idempotency-Lifetime").await;
    }
    for (place, right) in ["60", "86400"].into_iter().enumerate() {
        let request = keyed(&patch, &"k".repeat(254 + place));
        let request = request.header("Concordat-Idempotency-Lifetime", right);
        assert_written(&caller.send(&request).await, 200);
    }
}

#[tokio::test]
async fn repeats_at_the_same_moment_happen_once() {
    let caller = caller("at once").await;
    let create = keyed(&caller.post(&draft("a")), "once");
    let create = create.header("SlashID-Required-Consistency", "all_regions");
    let [zero, one, two] = [0, 1, 2].map(|at| create.send(&caller.urls[at]));
    let (zero, one, two) = tokio::join!(zero, one, two);
    for answer in [&zero, &one, &two] {
        assert_written(answer, 201);
        assert_eq!(write_id(answer), write_id(&zero));
    }
}

#[tokio::test]
async fn a_repeated_creation_of_an_organization_shows_the_same_key() {
    let demo = demo().await;
    let request = demo.by_operator("POST", "/v1/organizations");
    let request = keyed(&request.json(&json!({"org_name": "once"})), "one organization");
    let first = request.send(demo.url(0, 0)).await;
    let again = request.send(demo.url(1, 0)).await;
    assert_eq!(assert_success(&first, 201)["result"], assert_success(&again, 201)["result"]);
    assert_eq!(write_id(&first), write_id(&again));
}

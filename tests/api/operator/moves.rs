//! Moving an organization's home by the operator's endpoint: the refusals, the effect on an
//! organization's user (nothing but a slow write), and that every name from before stays valid.

use concordat_proto::{consistency::Position, limits};
use concordat_tests::{
    demo::{Demo, DemoOptions, Org},
    http::{Request, Response},
    wait::eventually,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{
    Caller, assert_failure, assert_marked, assert_success, assert_written, caller, caller_at, demo,
    draft, one,
};

const SUBORGANIZATIONS: &str = "/organizations/suborganizations";

async fn asked(org: &str, body: &Value) -> Response {
    let demo = demo().await;
    let target = format!("/v1/organizations/{org}/move");
    demo.by_operator("POST", &target).json(body).send(demo.url(2, 0)).await
}

async fn shown(org: &str, region: usize) -> Value {
    let demo = demo().await;
    let target = format!("/v1/organizations/{org}");
    let answer = demo.by_operator("GET", &target).send(demo.url(region, 0)).await;
    assert_success(&answer, 200)["result"].take()
}

/// Moves, and waits until every region has it so.
async fn moved(caller: &Caller, to: &str) {
    let answer = asked(&caller.org.id, &json!({"home_region": to})).await;
    let receipt = assert_written(&answer, 202);
    assert_eq!(receipt["outcome"], "committed", "{answer:?}");
    eventually("it is at home there", async || {
        for region in 0..3 {
            let shown = shown(&caller.org.id, region).await;
            if shown["home_region"] != to || shown.get("moving_to").is_some() {
                return Err(shown.to_string());
            }
        }
        Ok(())
    })
    .await;
}

fn header(answer: &Response, name: &str) -> String {
    answer.header(name).unwrap_or_else(|| panic!("no {name}: {answer:?}")).to_owned()
}

#[tokio::test]
async fn names_and_promises_survive_a_move_there_and_back() {
    let caller = caller("moving").await;
    caller.create(&draft("a")).await;
    let patch = caller.patch("a", &json!({"label": "first"})).header("Idempotency-Key", "once");
    let first = caller.send(&patch).await;
    let refused = caller.patch("none", &json!({"label": "x"})).header("Idempotency-Key", "never");
    assert_failure(&caller.send(&refused).await, 404);
    let (position, write_id) =
        (header(&first, "concordat-position"), header(&first, "concordat-write-id"));
    for home in ["asia-japan", "us-iowa"] {
        let before = caller.everything().await;
        moved(&caller, home).await;
        assert_eq!(caller.everything().await, before, "an ETag or a credential has changed");
        for url in &caller.urls {
            let again = patch.send(url).await;
            assert_written(&again, 200);
            assert_eq!(header(&again, "concordat-position"), position);
            assert_eq!(header(&again, "concordat-write-id"), write_id);
            assert_failure(&refused.send(url).await, 404);
            let read = caller.request("GET", &one("a")).header("Concordat-At-Least", &position);
            assert_success(&read.send(url).await, 200);
            let told = caller.request("GET", &format!("/v1/writes/{write_id}?wait=10"));
            let told = assert_success(&told.send(url).await, 200)["result"].take();
            assert_eq!((&told["position"], &told["achieved"]), (&json!(position), &json!(true)));
        }
        let etag = caller.everything().await[0].1.clone();
        let next = caller.patch("a", &json!({"label": home})).header("If-Match", &etag);
        let written =
            caller.send(&next.header("SlashID-Required-Consistency", "all_regions")).await;
        assert_eq!(assert_written(&written, 200)["achieved"], true);
        let placed = |text: &str| text.parse::<Position>().expect("a position");
        let later = placed(&header(&written, "concordat-position"));
        assert!(later > placed(&position), "it was ordered before");
        for region in 0..3 {
            let read = caller.get_at(region, "a").await;
            assert!(!assert_marked(&read) || read.json()["result"]["label"] == home, "{read:?}");
        }
    }
}

/// A suborganization of the caller's organization, and a caller with its key.
async fn part_of(caller: &Caller) -> Caller {
    let body = json!({"sub_org_name": "a part", "admins": []});
    let made = caller.send(&caller.request("POST", SUBORGANIZATIONS).json(&body)).await;
    let made = assert_success(&made, 200)["result"].take();
    let text = |member: &str| made[member].as_str().expect("a text").to_owned();
    Caller { org: Org { id: text("id"), api_key: text("api_key") }, ..caller.clone() }
}

async fn set_domain(org: &str, domain: &str) -> Response {
    let demo = demo().await;
    let target = format!("/v1/organizations/{org}");
    let request = demo.by_operator("PATCH", &target).json(&json!({"enterprise_domain": domain}));
    request.send(demo.url(0, 0)).await
}

#[tokio::test]
async fn suborganizations_follow_their_parent_and_end_wherever_they_are() {
    let (parent, other) = (caller("a parent").await, caller("another one").await);
    let (part, second) = (part_of(&parent).await, part_of(&parent).await);
    part.create(&draft("a")).await;
    assert_success(&set_domain(&part.org.id, "part.example").await, 200);
    moved(&parent, "asia-japan").await;
    // One that ends at once may still be in the old home, where its parent is no more.
    let end = |caller: &Caller| {
        let end = caller.request("DELETE", "/organizations");
        end.header("SlashID-Required-Consistency", "all_regions")
    };
    assert_eq!(second.send(&end(&second)).await.status, 204);
    eventually("it is where its parent is", async || {
        let shown = shown(&part.org.id, 0).await;
        let is_there = shown["home_region"] == "asia-japan" && shown.get("moving_to").is_none();
        if is_there { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    assert_eq!(part.shown("a").await["client_id"], "a");
    eventually("the one that has ended is not listed", async || {
        let listed = parent.send(&parent.request("GET", SUBORGANIZATIONS)).await;
        let listed = assert_success(&listed, 200);
        if listed["meta"]["pagination"]["total_count"] == 1 {
            Ok(())
        } else {
            Err(listed.to_string())
        }
    })
    .await;
    assert_failure(&parent.send(&end(&parent)).await, 409);
    assert_eq!(part.send(&end(&part)).await.status, 204);
    assert_eq!(parent.send(&end(&parent)).await.status, 204);
    eventually("its domain is free", async || {
        let answer = set_domain(&other.org.id, "part.example").await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_write_during_a_move_is_slow_and_not_refused() {
    let caller = caller("writing on").await;
    caller.create(&draft("a")).await;
    let begun = asked(&caller.org.id, &json!({"home_region": "europe-belgium"})).await;
    assert_written(&begun, 202);
    for (number, url) in caller.urls.iter().enumerate() {
        let read = caller.get_at(number, "a").await;
        assert_success(&read, 200);
        let written = caller.patch("a", &json!({"label": number.to_string()})).send(url).await;
        assert_written(&written, 200);
    }
    assert_eq!(caller.shown("a").await["label"], "2");
    assert_eq!(shown(&caller.org.id, 0).await["home_region"], "europe-belgium");
}

#[tokio::test]
async fn what_cannot_be_moved_is_refused() {
    let caller = caller("refused moves").await;
    let org = caller.org.id.as_str();
    let wrong = [
        (json!({}), 400),
        (json!({"cancel": false}), 400),
        (json!({"cancel": 1}), 400),
        (json!({"home_region": "Atlantis"}), 400),
        (json!({"home_region": "atlantis"}), 400),
        (json!({"home_region": "us-iowa", "cancel": true}), 400),
        (json!({"cancel": true}), 409),
    ];
    for (body, status) in wrong {
        assert_failure(&asked(org, &body).await, status);
    }
    let there = asked(org, &json!({"home_region": "us-iowa"})).await;
    assert_eq!(assert_success(&there, 200)["result"]["home_region"], "us-iowa");
    assert_failure(&asked("what", &json!({"home_region": "us-iowa"})).await, 400);
    let nobody = "af5fbd30-7ce7-4548-8b30-4cd59cb2aba1";
    assert_failure(&asked(nobody, &json!({"home_region": "us-iowa"})).await, 404);
    // No organization moves itself.
    let own = caller.request("POST", &format!("/v1/organizations/{org}/move"));
    assert_failure(&caller.send(&own.json(&json!({"home_region": "asia-japan"}))).await, 401);
    assert_eq!(shown(org, 1).await["home_region"], "us-iowa");
}

/// A request for a move that may wait for a second.
fn in_haste(demo: &Demo, org: &str) -> Request {
    let target = format!("/v1/organizations/{org}/move");
    let request = demo.by_operator("POST", &target).json(&json!({"home_region": "asia-japan"}));
    request.header("SlashID-Required-Consistency-Timeout", "1")
}

#[tokio::test]
async fn a_move_whose_turn_does_not_come_in_time_changes_nothing_and_is_asked_for_again() {
    // A demo of its own: while organizations arrive, no node can answer freshly that something does
    // not exist.
    let demo = Demo::start(DemoOptions::default()).await;
    let mut callers = Vec::new();
    for number in 0..2 * limits::MOVES_MAX + 4 {
        let caller = caller_at(&demo, &format!("queued {number}")).await;
        caller.create(&draft("a")).await;
        callers.push(caller);
    }
    let mut asking = JoinSet::new();
    for (number, caller) in callers.iter().enumerate() {
        let (request, url) = (in_haste(&demo, &caller.org.id), demo.url(1, 0).to_owned());
        asking.spawn(async move { (number, request.send(&url).await) });
    }
    let mut waiting = Vec::new();
    while let Some(asked) = asking.join_next().await {
        let (number, answer) = asked.expect("an answer");
        assert!(matches!(answer.status, 202 | 408 | 503), "{answer:?}");
        if answer.status == 503 {
            let told = assert_failure(&answer, 503);
            assert!(told.contains("are ahead in the queue; nothing was stored"), "{told}");
            assert_eq!(header(&answer, "retry-after"), "1");
            waiting.push(number);
        }
    }
    assert!(!waiting.is_empty(), "more are on their way at once than may be");
    for number in waiting {
        let caller = &callers[number];
        let target = format!("/v1/organizations/{}", caller.org.id);
        let shown = demo.by_operator("GET", &target).send(demo.url(0, 0)).await;
        let shown = assert_success(&shown, 200)["result"].take();
        assert_eq!(shown["home_region"], "us-iowa");
        assert!(shown.get("moving_to").is_none(), "{shown}");
        let written = caller.send(&caller.patch("a", &json!({"label": "x"}))).await;
        assert_written(&written, 200);
    }
    for caller in &callers {
        eventually("it has moved", async || {
            let answer = in_haste(&demo, &caller.org.id).send(demo.url(1, 0)).await;
            let is_there = answer.status == 200 && answer.json()["result"].is_object();
            if is_there { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
    }
}

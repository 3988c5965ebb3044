//! With a region cut off: which nodes answer, when, and what is true afterwards.

use std::{collections::BTreeMap, time::Duration};

use concordat_tests::{
    demo::{Demo, DemoOptions, REGIONS},
    http::Response,
    wait,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::world::{
    Caller, assert_failure, assert_marked, assert_success, assert_written, caller_at, draft,
};

const TIMEOUT: Duration = Duration::from_secs(2);
/// From here on a 408 is too late, on a machine that is not late itself.
const LATENESS_MAX: Duration = Duration::from_millis(250);

const HOME: usize = 0;
const NEAR: usize = 1;
const CUT: usize = 2;

fn states(receipt: &Value) -> BTreeMap<&str, &str> {
    let regions = receipt["regions"].as_array().expect("regions").iter();
    regions
        .map(|it| (it["region"].as_str().expect("a name"), it["state"].as_str().expect("a state")))
        .collect()
}

/// A write of everywhere that cannot arrive everywhere: 408 in time, with exactly the right regions.
async fn times_out(caller: &Caller, label: &str) -> Value {
    let request = caller
        .patch("a", &json!({"label": label}))
        .header("SlashID-Required-Consistency", "all_regions")
        .header("SlashID-Required-Consistency-Timeout", &TIMEOUT.as_secs().to_string());
    let begun = Instant::now();
    // Delays of a busy machine are not held against the server.
    let due = begun + TIMEOUT;
    let own = async {
        tokio::time::sleep_until(due).await;
        due.elapsed()
    };
    let sent = async {
        let answer = request.send(&caller.urls[HOME]).await;
        (answer, begun.elapsed())
    };
    let ((answer, took), own) = tokio::join!(sent, own);
    let most = TIMEOUT + LATENESS_MAX + 4 * own;
    let receipt = answer.json()["meta"]["consistency"].take();
    let lateness = took.saturating_sub(TIMEOUT);
    println!("408 after {took:?}, {lateness:?} late; {receipt}");
    assert_failure(&answer, 408);
    assert!(took >= TIMEOUT, "{:?} too early", TIMEOUT - took);
    assert!(took < most, "{lateness:?} late, own timer {own:?}");
    assert_eq!(
        (&receipt["required"], &receipt["achieved"]),
        (&json!("all_regions"), &json!(false))
    );
    assert_eq!(receipt["outcome"], "committed");
    let expected =
        [(REGIONS[HOME], "applied"), (REGIONS[NEAR], "applied"), (REGIONS[CUT], "pending")];
    assert_eq!(states(&receipt), expected.into());
    let elapsed = receipt["elapsed_ms"].as_f64().expect("a number");
    assert!((2000.0..most.as_secs_f64() * 1000.0).contains(&elapsed), "{receipt}");
    assert_eq!(answer.header("concordat-write-id"), receipt["write_id"].as_str());
    receipt
}

async fn label_at(caller: &Caller, region: usize) -> Value {
    let answer = caller.get_at(region, "a").await;
    assert_marked(&answer);
    assert_success(&answer, 200)["result"]["label"].take()
}

/// A no that cannot arrive everywhere waits like a yes, and is no plain no: with its region it may be
/// lost, and the write carried out after all.
async fn a_refusal_times_out(caller: &Caller) {
    let request = caller
        .post(&draft("a"))
        .header("SlashID-Required-Consistency", "all_regions")
        .header("SlashID-Required-Consistency-Timeout", &TIMEOUT.as_secs().to_string());
    let begun = Instant::now();
    let answer = request.send(&caller.urls[HOME]).await;
    assert_failure(&answer, 408);
    assert!(begun.elapsed() >= TIMEOUT, "too early");
    let receipt = answer.json()["meta"]["consistency"].take();
    assert_eq!((&receipt["outcome"], &receipt["achieved"]), (&json!("refused"), &json!(false)));
    assert_eq!(receipt["refused"]["httpcode"], 409, "{receipt}");
    assert_eq!(states(&receipt)[REGIONS[HOME]], "applied", "{receipt}");
    assert_eq!(states(&receipt)[REGIONS[CUT]], "pending", "{receipt}");
    // At home it is committed, and has reached the required consistency.
    let local = caller.send(&caller.post(&draft("a"))).await;
    assert_failure(&local, 409);
    assert_eq!(local.json()["meta"]["consistency"]["achieved"], true, "{local:?}");
}

/// A write through the region that is cut off from the organization's home: nothing is claimed.
async fn from_the_cut_region(caller: &Caller) -> Response {
    let request = caller
        .patch("a", &json!({"label": "from the island"}))
        .header("SlashID-Required-Consistency-Timeout", "1");
    let answer = request.send(&caller.urls[CUT]).await;
    println!("through the region that is cut off: {}", answer.status);
    match answer.status {
        503 => {
            assert_failure(&answer, 503);
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        _ => {
            assert_failure(&answer, 408);
            let receipt = answer.json()["meta"]["consistency"].take();
            assert_eq!(receipt["outcome"], "unknown", "{answer:?}");
            assert!(states(&receipt).values().all(|state| *state == "pending"), "{receipt}");
        }
    }
    answer
}

/// Contract 3: with `Concordat-Read-Mode: current` every read is unmarked or a 503, errors included.
async fn proved_or_not_at_all(demo: &Demo, caller: &Caller, write_id: &str) {
    let org = format!("/v1/organizations/{}", caller.org.id);
    let orgs = |target: &str| caller.request("GET", target);
    let operators = |target: &str| demo.by_operator("GET", target);
    for read in [
        orgs("/organizations/sso/oidc/provider-credentials"),
        orgs("/organizations/sso/oidc/provider-credentials/a"),
        orgs("/organizations/sso/oidc/provider-credentials/none"),
        orgs(&format!("/v1/writes/{write_id}")),
        orgs("/organizations/sso/oidc/provider-credentials")
            .without("SlashID-API-Key")
            .header("SlashID-API-Key", "ck_of_nobody"),
        operators("/v1/organizations"),
        operators(&org),
        operators("/v1/cluster"),
        operators("/v1/cluster/nodes"),
        operators("/v1/cluster/regions"),
    ] {
        let answer = read.send(&caller.urls[CUT]).await;
        assert_marked(&answer);
        let mark = answer.header("concordat-read").expect("a mark");
        assert!(mark.starts_with("stale"), "{read:?} on an island: {mark}");
        let proved = read.header("Concordat-Read-Mode", "current");
        let answer = proved.send(&caller.urls[CUT]).await;
        assert_failure(&answer, 503);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
}

async fn arrives(caller: &Caller, write_id: &str) {
    wait::eventually("the write is applied in every region", async || {
        let request = caller.request("GET", &format!("/v1/writes/{write_id}?wait=10"));
        let receipt = assert_success(&request.send(&caller.urls[HOME]).await, 200)["result"].take();
        assert_eq!(receipt["outcome"], "committed");
        let all = states(&receipt).values().all(|state| *state == "applied");
        assert_eq!(receipt["achieved"], all, "{receipt}");
        if all { Ok(()) } else { Err(receipt.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_region_is_cut_off_and_comes_back() {
    let options =
        DemoOptions { rtt_ms: "80,140,100", nodes_per_region: 3, ..DemoOptions::default() };
    let demo = Demo::start(options).await;
    let caller = caller_at(&demo, "cut").await;
    let everywhere = caller.post(&draft("a")).header("SlashID-Required-Consistency", "all_regions");
    assert_written(&caller.send(&everywhere).await, 201);

    demo.cut_region(REGIONS[CUT]).await;
    let local = caller.send(&caller.patch("a", &json!({"label": "at home"}))).await;
    assert_eq!(assert_written(&local, 200)["achieved"], true);
    let receipt = times_out(&caller, "everywhere").await;
    let write_id = receipt["write_id"].as_str().expect("an id");
    a_refusal_times_out(&caller).await;
    // Nothing was rolled back where it did arrive, nothing arrived where it did not.
    assert_eq!(label_at(&caller, HOME).await, "everywhere");
    assert_eq!(label_at(&caller, NEAR).await, "everywhere");
    assert_eq!(label_at(&caller, CUT).await, Value::Null, "reads go on, of what there is");
    let asked = caller.request("GET", &format!("/v1/writes/{write_id}?wait=1"));
    let now = assert_success(&asked.send(&caller.urls[HOME]).await, 200)["result"].take();
    assert_eq!((&now["achieved"], states(&now)[REGIONS[CUT]]), (&json!(false), "pending"));
    let unaware = asked.send(&caller.urls[CUT]).await;
    assert_failure(&unaware, 404);
    proved_or_not_at_all(&demo, &caller, write_id).await;
    let other = caller.patch("a", &json!({"label": "at home again"}));
    assert_written(&caller.send(&other).await, 200);
    let from_island = from_the_cut_region(&caller).await;

    demo.heal_region(REGIONS[CUT]).await;
    arrives(&caller, write_id).await;
    // A write that was certainly not done is missing; an unknown one may exist.
    let mut may_be = vec![json!("at home again")];
    if from_island.status == 408 {
        may_be.push(json!("from the island"));
    }
    let last = caller.patch("a", &json!({"client_secret": "new"}));
    let last = caller.send(&last.header("SlashID-Required-Consistency", "all_regions")).await;
    assert_written(&last, 200);
    let label = label_at(&caller, CUT).await;
    assert!(may_be.contains(&label), "{label}");
    for region in [HOME, NEAR] {
        assert_eq!(label_at(&caller, region).await, label);
    }
    let through_it =
        caller.patch("a", &json!({"label": "through it"})).send(&caller.urls[CUT]).await;
    assert_written(&through_it, 200);
    assert_eq!(label_at(&caller, CUT).await, "through it");
}

//! Design 4: waits are bounded, per organization first. A client with too many pending writes gets
//! an error, and no other organization notices.

use std::time::Duration;

use concordat_proto::limits;
use concordat_tests::demo::{Demo, DemoOptions, REGIONS};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{assert_failure, assert_success, assert_written, caller_at, draft};

const OVER: usize = 100;
const CUT: usize = 2;

/// More than one organization may have in progress, none of which can reach every region in time.
#[tokio::test]
async fn an_organization_that_writes_to_a_dead_region_takes_no_other_ones_places() {
    let demo = Demo::start(DemoOptions::default()).await;
    let (greedy, modest) = (caller_at(&demo, "greedy").await, caller_at(&demo, "modest").await);
    for caller in [&greedy, &modest] {
        assert_written(&caller.send(&caller.post(&draft("a"))).await, 201);
    }
    demo.cut_region(REGIONS[CUT]).await;
    let everywhere = greedy
        .patch("a", &json!({"label": "everywhere"}))
        .header("SlashID-Required-Consistency", "all_regions")
        .header("SlashID-Required-Consistency-Timeout", "30");
    let asked = limits::ORG_WRITES_MAX + OVER;
    let mut under_way = JoinSet::new();
    for _ in 0..asked {
        let (everywhere, url) = (everywhere.clone(), greedy.urls[0].clone());
        under_way.spawn(async move { everywhere.send(&url).await });
    }
    // Those that are turned away are answered at once, the others when their time is up.
    for _ in 0..OVER {
        let answer = tokio::time::timeout(Duration::from_secs(50), under_way.join_next());
        let answer = answer.await.expect("somebody is turned away").expect("one of them");
        let answer = answer.expect("an answer");
        assert_failure(&answer, 429);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    let other = modest.send(&modest.patch("a", &json!({"label": "local"}))).await;
    assert_eq!(assert_written(&other, 200)["achieved"], true);
    assert_success(&greedy.get_at(0, "a").await, 200);
    // None of those that are left was forgotten, and each has its own place again.
    while let Some(answer) = under_way.join_next().await {
        assert_failure(&answer.expect("an answer"), 408);
    }
    demo.heal_region(REGIONS[CUT]).await;
    assert_eq!(assert_written(&greedy.send(&everywhere).await, 200)["achieved"], true);
}

/// More of one key's requests wait than an organization has places for, each for a write that never was. None of
/// those that are turned away waits, and no other caller notices.
#[tokio::test]
async fn an_organization_that_waits_takes_no_other_ones_places() {
    let demo = Demo::start(DemoOptions::default()).await;
    let (greedy, modest) = (caller_at(&demo, "greedy").await, caller_at(&demo, "modest").await);
    for caller in [&greedy, &modest] {
        assert_written(&caller.send(&caller.post(&draft("a"))).await, 201);
    }
    let asked = limits::ORG_WAITS_MAX + OVER;
    let mut under_way = JoinSet::new();
    for _ in 0..asked {
        let target = format!("/v1/writes/{}?wait=20", Uuid::now_v7());
        let (request, url) = (greedy.request("GET", &target), greedy.urls[0].clone());
        under_way.spawn(async move { request.send(&url).await });
    }
    for _ in 0..OVER {
        let answer = tokio::time::timeout(Duration::from_secs(15), under_way.join_next());
        let answer = answer.await.expect("somebody is turned away").expect("one of them");
        let answer = answer.expect("an answer");
        assert_failure(&answer, 429);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    let id = assert_written(&modest.send(&modest.patch("a", &json!({"label": "b"}))).await, 200);
    let id = id["write_id"].as_str().expect("an id").to_owned();
    let target = format!("/v1/writes/{id}?wait=5");
    let seen = modest.request("GET", &target).send(&modest.urls[0]).await;
    assert_success(&seen, 200);
    // The others' time is up.
    while let Some(answer) = under_way.join_next().await {
        assert_failure(&answer.expect("an answer"), 404);
    }
    let again = greedy.request("GET", &target).send(&greedy.urls[0]).await;
    assert_failure(&again, 404);
}

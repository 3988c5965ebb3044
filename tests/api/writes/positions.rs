//! Contract 3: reads that wait for a position, and reads that must be current.

use std::time::Duration;

use concordat_proto::{consistency::Position, log::LogIndex};
use serde_json::json;
use tokio::time::Instant;

use crate::world::{
    OIDC, assert_failure, assert_marked, assert_success, assert_written, caller, draft, one,
};

#[tokio::test]
async fn a_read_waits_for_its_position() {
    let caller = caller("positions").await;
    caller.create(&draft("a")).await;
    for round in 0..10 {
        let label = format!("round {round}");
        let written = caller.send(&caller.patch("a", &json!({"label": label}))).await;
        assert_written(&written, 200);
        let position = written.header("concordat-position").expect("a position");
        for region in [2, 1] {
            let read = caller.request("GET", &one("a")).header("Concordat-At-Least", position);
            let read = read.send(&caller.urls[region]).await;
            assert_eq!(assert_success(&read, 200)["result"]["label"], *label);
            assert_marked(&read);
        }
    }
}

#[tokio::test]
async fn a_position_that_does_not_come_is_408() {
    let caller = caller("never").await;
    let created = caller.create(&draft("a")).await;
    let position = created.header("concordat-position").expect("a position");
    let position: Position = position.parse().expect("ours");
    let future = Position { index: LogIndex(position.index.0 + 1_000_000), ..position }.to_string();
    for target in [one("a"), OIDC.to_owned()] {
        let read = caller.request("GET", &target).header("Concordat-At-Least", &future);
        let read = read.header("SlashID-Required-Consistency-Timeout", "1");
        let begun = Instant::now();
        let answer = read.send(&caller.urls[1]).await;
        assert!(begun.elapsed() >= Duration::from_secs(1), "after {:?}", begun.elapsed());
        assert_failure(&answer, 408);
        assert_marked(&answer);
    }
}

#[tokio::test]
async fn a_wrong_position_is_400() {
    let caller = caller("wrong positions").await;
    caller.create(&draft("a")).await;
    for wrong in ["", "what", "AAAA", "1", "x y"] {
        let read = caller.request("GET", &one("a")).header("Concordat-At-Least", wrong);
        caller.refuses(&read, 400, "Concordat-At-Least").await;
    }
    for wrong in ["0", "121", "x", ""] {
        let created = caller.get("a").await;
        assert_success(&created, 200);
        let written = caller.send(&caller.patch("a", &json!({}))).await;
        let position = written.header("concordat-position").expect("a position");
        let read = caller.request("GET", &one("a")).header("Concordat-At-Least", position);
        let read = read.header("SlashID-Required-Consistency-Timeout", wrong);
        caller.refuses(&read, 400, "Timeout").await;
    }
}

#[tokio::test]
async fn a_read_that_must_be_current_is_unmarked_or_503() {
    let caller = caller("current").await;
    caller.create(&draft("a")).await;
    for region in 0..3 {
        for target in [one("a"), OIDC.to_owned()] {
            let read = caller.request("GET", &target).header("Concordat-Read-Mode", "current");
            let answer = read.send(&caller.urls[region]).await;
            if answer.status == 503 {
                assert_failure(&answer, 503);
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            } else {
                assert!(matches!(answer.status, 200 | 404), "{answer:?}");
                assert!(assert_marked(&answer), "{answer:?}");
            }
        }
    }
    for wrong in ["", "Current", "stale"] {
        let read = caller.request("GET", &one("a")).header("Concordat-Read-Mode", wrong);
        caller.refuses(&read, 400, "Concordat-Read-Mode").await;
    }
}

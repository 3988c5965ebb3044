//! All three nodes of a far region are killed: the home region continues to write; the answer to a
//! write for all regions names the missing one, and its receipt completes when the region is back.

use std::time::Duration;

use concordat_tests::wait::within;
use serde_json::Value;
use tokio::time::Instant;

use crate::fleet::{self, FAR, Fleet, HOME, LIMIT, NODES, Seen};

const FAR_REGION: &str = "asia-japan";
const ALL: [(&str, &str); 2] = [
    ("slashid-required-consistency", "all_regions"),
    ("slashid-required-consistency-timeout", "1"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_region_is_pending_and_nothing_else_waits_for_it() {
    let _turn = fleet::turn().await;
    let mut fleet = Fleet::start(None).await;
    let body = r#"{"client_id":"a","client_secret":"a secret","provider":"google"}"#;
    let create = fleet.on_credential("POST", "", &[ALL[0]], Some(body));
    let made = fleet.ask(0, &create).await.expect("an answer");
    assert_eq!(made.status, 201, "{made:?}");
    for node in FAR {
        fleet.cluster.kill(node).await;
    }
    for number in 1..=20 {
        // Through home nodes and through the other region that is up.
        let node = if number % 4 == 0 { 3 } else { number % HOME.end };
        let body = format!(r#"{{"label":"{number}"}}"#);
        let seen = fleet.ask(node, &fleet.on_credential("PATCH", "a", &[], Some(&body))).await;
        let seen = seen.expect("an answer");
        assert_eq!(seen.status, 200, "local_region with a region down: {seen:?}");
    }
    let write_id = pending_write(&fleet).await;
    for node in FAR {
        fleet.cluster.restart(node).await;
    }
    let seen = within("the receipt completes", LIMIT, async || {
        let seen = fleet.receipt(0, &write_id, "5").await?;
        let pending = regions(&seen).iter().any(|region| region["state"] != "applied");
        if pending { Err(format!("{seen:?}")) } else { Ok(seen) }
    })
    .await;
    assert_eq!(regions(&seen).len(), 3, "{seen:?}");
    fleet.reads(&[("a".to_owned(), 21)], &FAR.collect::<Vec<_>>(), true).await;
    let all: Vec<usize> = (0..NODES).collect();
    fleet.cluster.ready().await;
    fleet.reads(&[("a".to_owned(), 21)], &all, true).await;
    fleet.agree().await;
}

/// An `all_regions` write that cannot arrive: its answer, in time and true. Returns its name.
async fn pending_write(fleet: &Fleet) -> String {
    let asked = Instant::now();
    let bytes = fleet.on_credential("PATCH", "a", &ALL, Some(r#"{"label":"21"}"#));
    let seen = fleet.ask(1, &bytes).await.expect("an answer");
    let took = asked.elapsed();
    assert_eq!(seen.status, 408, "{seen:?}");
    assert!(took >= Duration::from_secs(1), "408 after {took:?}, before its time");
    println!("region_down: 408 after {took:?}");
    let receipt = &seen.body["meta"]["consistency"];
    assert_eq!((&receipt["outcome"], &receipt["achieved"]), (&"committed".into(), &false.into()));
    for region in regions(&seen) {
        let state = if region["region"] == FAR_REGION { "pending" } else { "applied" };
        assert_eq!(region["state"], state, "{receipt}");
    }
    assert_eq!(regions(&seen).len(), 3, "{receipt}");
    receipt["write_id"].as_str().expect("a write id").to_owned()
}

/// The regions of a receipt, wherever the answer has it.
fn regions(seen: &Seen) -> Vec<Value> {
    let of_write = &seen.body["meta"]["consistency"]["regions"];
    let of_receipt = &seen.body["result"]["regions"];
    let found = of_receipt.as_array().or_else(|| of_write.as_array());
    found.cloned().unwrap_or_default()
}

//! The home region is killed for good and failed over, and a third region is cut off right after
//! the successor was named. `all_regions` means the same as before: every region that counted in
//! the closed group, until an operator removes one.

use concordat_tests::{
    connection::request, links::Way, process_cluster::ClusterOptions, wait::within,
};
use serde_json::Value;
use tokio::time::Duration;

use crate::{
    fleet::{self, FAR, Fleet, HOME, LIMIT, Seen},
    membership::concordat,
};

const LOST: &str = "us-iowa";
const TO: &str = "europe-belgium";
const THIRD: &str = "asia-japan";
const VOTER_REGION: std::ops::Range<usize> = 3..6;
const CREDENTIAL: &str = "own";
/// The delay of a frame to the third region: its nodes get nothing of the successor before the cut.
const DELAY: Duration = Duration::from_millis(150);

/// Sets the label through a node of the successor's voter region, for all regions.
async fn write(fleet: &Fleet, label: u64) -> Result<Seen, String> {
    let body = format!(r#"{{"label":"{label}"}}"#);
    let headers = [
        ("slashid-required-consistency", "all_regions"),
        ("slashid-required-consistency-timeout", "2"),
    ];
    fleet.ask(4, &fleet.on_credential("PATCH", CREDENTIAL, &headers, Some(&body))).await
}

/// The regions of a receipt, in their order, and whether each has the write.
fn named(seen: &Seen) -> Vec<(String, bool)> {
    let lines = seen.body["meta"]["consistency"]["regions"].as_array();
    let text = |line: &Value| line["region"].as_str().unwrap_or_default().to_owned();
    lines.into_iter().flatten().map(|line| (text(line), line["state"] == "applied")).collect()
}

fn lines(regions: &[(&str, bool)]) -> Vec<(String, bool)> {
    regions.iter().map(|(region, applied)| ((*region).to_owned(), *applied)).collect()
}

/// Waits until a write is answered with this status and receipt; none may leave a region out.
async fn answered(fleet: &Fleet, label: u64, status: u16, expected: &[(&str, bool)]) {
    within("a write is answered as expected", LIMIT, async || {
        let seen = write(fleet, label).await?;
        let found = named(&seen);
        assert!([408, 503].contains(&seen.status) || seen.status == status, "{seen:?}");
        if seen.status == status && found == lines(expected) {
            return Ok(());
        }
        Err(format!("{seen:?}"))
    })
    .await;
}

/// Has the lost nodes removed. None of them can take the vote of another, so that a removal ends only
/// once all have been asked for.
async fn remove(fleet: &Fleet, lost: &[String]) {
    let key = fleet.cluster.operator_key();
    let headers = [("slashid-api-key", key), ("slashid-required-consistency-timeout", "1")];
    within("the lost nodes are removed", LIMIT, async || {
        let mut left = Vec::new();
        for id in lost {
            let bytes = request("DELETE", &format!("/v1/cluster/nodes/{id}"), &headers, None);
            let seen = fleet.ask(4, &bytes).await?;
            if !(200..300).contains(&seen.status) {
                left.push(format!("{seen:?}"));
            }
        }
        if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_cut_off_right_after_a_failover_is_pending() {
    let _turn = fleet::turn().await;
    let mut fleet =
        Fleet::start_with(ClusterOptions { has_links: true, ..ClusterOptions::default() }).await;
    let all = [("slashid-required-consistency", "all_regions")];
    let body = r#"{"client_id":"own","client_secret":"a secret","provider":"google"}"#;
    let made = fleet.ask(0, &fleet.on_credential("POST", "", &all, Some(body))).await;
    assert_eq!(made.expect("an answer").status, 201);
    let mut lost = Vec::new();
    for node in HOME {
        lost.push(fleet.node_id(node).await.expect("its id"));
    }
    for node in HOME {
        fleet.cluster.kill(node).await;
    }
    let [voter_region, far] = [VOTER_REGION, FAR].map(Vec::from_iter);
    fleet.cluster.links().set(&voter_region, &far, Way::slow(DELAY));
    within("the region is failed over", LIMIT, async || {
        let failover = ["region", "failover", LOST, "--to", TO, "--confirm-fenced"];
        let output = concordat(&fleet, &[3], &failover).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(told) }
    })
    .await;
    fleet.cluster.links().set(&voter_region, &far, Way::CUT);
    fleet.cluster.links().set(&far, &voter_region, Way::CUT);

    let alone = [(THIRD, false), (TO, true), (LOST, false)];
    for label in 1..=5 {
        answered(&fleet, label, 408, &alone).await;
    }
    fleet.cluster.links().heal();
    answered(&fleet, 6, 408, &[(THIRD, true), (TO, true), (LOST, false)]).await;
    remove(&fleet, &lost).await;
    answered(&fleet, 7, 200, &[(THIRD, true), (TO, true)]).await;
    let others: Vec<usize> = VOTER_REGION.chain(FAR).collect();
    fleet.reads(&[(CREDENTIAL.to_owned(), 7)], &others, true).await;
}

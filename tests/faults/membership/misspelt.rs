//! A node whose settings misspell its region, on real processes: it created that region, and every
//! write to `all_regions` waited for it from then on.

use concordat_tests::{connection::request, demo::REGIONS, recorded::applied, wait::within};
use serde_json::{Value, json};

use crate::{
    fleet::{self, Fleet, LIMIT, NODES},
    membership::{concordat, done},
};

const MISSPELT: &str = "asia-jpan";

/// A new credential reaches exactly these regions within its timeout.
async fn reaches(fleet: &Fleet, via: usize, name: &str, to: &[&str]) {
    let more = [
        ("slashid-required-consistency", "all_regions"),
        ("slashid-required-consistency-timeout", "8"),
    ];
    let body = json!({"client_id": name, "client_secret": "a secret", "provider": "google"});
    let bytes = fleet.on_credential("POST", "", &more, Some(&body.to_string()));
    let made = fleet.ask(via, &bytes).await.expect("an answer");
    assert_eq!(made.status, 201, "{made:?}");
    let mut to = to.to_vec();
    to.sort_unstable();
    assert_eq!(applied(&made.body["meta"]["consistency"]), to, "{:?}", made.body);
}

/// The regions by name and state, as an operator is shown them.
async fn regions(fleet: &Fleet, via: usize) -> Vec<(String, String)> {
    let asked = concordat(fleet, &[via], &["region", "list", "-o", "json"]).await;
    let listed: Value = serde_json::from_slice(&asked.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = listed.as_array().expect("a list").iter();
    listed.map(|region| (text(&region["region"]), text(&region["state"]))).collect()
}

fn open(names: &[&str]) -> Vec<(String, String)> {
    let mut names: Vec<&str> = names.to_vec();
    names.sort_unstable();
    names.into_iter().map(|name| (name.to_owned(), "open".to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_misspelt_region_is_refused_until_the_region_is_added() {
    let _turn = fleet::turn().await;
    let mut fleet = Fleet::start(None).await;
    let node = fleet.cluster.add(MISSPELT).await;
    let advice = format!("concordat region add {MISSPELT}");
    within("it says why it is refused", LIMIT, async || {
        let log = fleet.cluster.log(node);
        let names = "asia-japan, europe-belgium, us-iowa";
        let told =
            |line: &str| line.contains("WARN") && line.contains(&advice) && line.contains(names);
        if log.lines().any(told) { Ok(()) } else { Err(log) }
    })
    .await;
    for via in 0..NODES {
        reaches(&fleet, via, &format!("without-{via}"), &REGIONS).await;
    }
    assert_eq!(regions(&fleet, 4).await, open(&REGIONS));
    let answer = fleet.ask(node, &request("GET", "/readyz", &[], None)).await.expect("it answers");
    assert_eq!(answer.status, 503, "{answer:?}");
    let told = fleet.cluster.log(node).lines().filter(|line| line.contains(&advice)).count();
    assert!(told < 20, "it says so {told} times");

    // A name without nodes counts for nothing, and is taken back.
    for _ in 0..2 {
        done(&fleet, &[7], &["region", "add", "nowhere"]).await;
    }
    assert!(regions(&fleet, 7).await.contains(&("nowhere".to_owned(), "empty".to_owned())));
    reaches(&fleet, 7, "nowhere", &REGIONS).await;
    let told = done(&fleet, &[7], &["region", "remove", "nowhere"]).await;
    assert!(told.contains("removed"), "{told}");
    assert_eq!(regions(&fleet, 7).await, open(&REGIONS));

    done(&fleet, &[2], &["region", "add", MISSPELT]).await;
    fleet.cluster.ready().await;
    let four: Vec<&str> = REGIONS.into_iter().chain([MISSPELT]).collect();
    within("it is a region like the others", LIMIT, async || {
        let listed = regions(&fleet, 2).await;
        if listed == open(&four) { Ok(()) } else { Err(format!("{listed:?}")) }
    })
    .await;
    reaches(&fleet, 5, "with", &four).await;
}

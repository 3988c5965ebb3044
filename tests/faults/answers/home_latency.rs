//! The latency of a write that is sent far from its organization's home: one way there, and then
//! straight from every region back to the origin. Not two round trips one after the other.
//!
//! Judged by the fastest of many writes: a busy machine makes no write faster than its path, and
//! the fastest of a protocol with two round trips in a row is never below both. The median is
//! judged where no machine is busy: `tests/sim/seed/latency.rs`.

use std::time::Duration;

use concordat_tests::{
    connection::{Connection, request},
    demo::{Demo, DemoOptions, REGIONS},
    workload::CREDENTIALS,
};
use serde_json::json;
use tokio::time::Instant;

use crate::fleet;

/// Between the home and the region that is asked.
const ROUND_TRIP: Duration = Duration::from_millis(140);
const WRITES: usize = 30;

/// The fastest of many writes; the middle one is printed.
async fn fastest(demo: &Demo, required: &str) -> Duration {
    let mut connection = Connection::open(demo.url(2, 1)).await.expect("it listens");
    let headers = [
        ("slashid-orgid", demo.org.id.as_str()),
        ("slashid-api-key", demo.org.api_key.as_str()),
        ("slashid-required-consistency", required),
    ];
    let mut times = Vec::new();
    for number in 0..=WRITES {
        let body = json!({"label": format!("{required} {number}")}).to_string();
        let target = format!("{CREDENTIALS}/far");
        let bytes = request("PATCH", &target, &headers, Some(&body));
        let asked = Instant::now();
        let answer = connection.exchange(&bytes).await.expect("an answer");
        let took = asked.elapsed();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(answer.body));
        // The first one may have to open connections.
        if number > 0 {
            times.push(took);
        }
    }
    times.sort();
    println!(
        "home_latency: {required} from {}: p50 {:?}, {:?} to {:?}",
        REGIONS[2],
        times[WRITES / 2],
        times[0],
        times[WRITES - 1]
    );
    times[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_from_far_away_costs_less_than_two_round_trips() {
    let _turn = fleet::turn().await;
    let options =
        DemoOptions { rtt_ms: "80,140,100", nodes_per_region: 3, ..DemoOptions::default() };
    let demo = Demo::start(options).await;
    let body = json!({"client_id": "far", "client_secret": "a secret", "provider": "google"});
    let headers = [
        ("slashid-orgid", demo.org.id.as_str()),
        ("slashid-api-key", demo.org.api_key.as_str()),
        ("slashid-required-consistency", "all_regions"),
    ];
    let bytes = request("POST", CREDENTIALS, &headers, Some(&body.to_string()));
    let mut connection = Connection::open(demo.url(0, 0)).await.expect("it listens");
    assert_eq!(connection.exchange(&bytes).await.expect("an answer").status, 201);
    for required in ["local_region", "all_regions"] {
        let fastest = fastest(&demo, required).await;
        assert!(fastest >= ROUND_TRIP, "{required}: {fastest:?} is less than the way");
        assert!(fastest < 2 * ROUND_TRIP, "{required}: {fastest:?} is two ways in a row");
    }
}

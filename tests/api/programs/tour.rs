//! `concordatd demo` with its tour, for people and for programs.

use std::time::Duration;

use concordat_tests::{process, wait::LIMIT};
use serde_json::Value;

const ARGUMENTS: [&str; 8] = [
    "demo",
    "--exit-after-tour",
    "--listen",
    "127.0.0.1:0",
    "--nodes-per-region",
    "1",
    "--rtt-ms",
    "8,14,10",
];

async fn tour(more: &[&str]) -> String {
    let limit: Duration = LIMIT * 3;
    let ended = process::run("concordatd", &[&ARGUMENTS, more].concat(), &[], limit).await;
    let reason = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{}: {reason}", ended.status);
    String::from_utf8(ended.stdout).expect("text")
}

#[tokio::test]
async fn the_tour_for_people_shows_a_write_that_did_not_arrive() {
    let said = tour(&[]).await;
    for needed in
        ["us-iowa", "europe-belgium", "asia-japan", "curl", "local_region", "all_regions", "408"]
    {
        assert!(said.contains(needed), "{needed:?} is not in:\n{said}");
    }
    assert_eq!(said.matches("a block is").count(), 1, "one scale for all answers:\n{said}");
}

#[tokio::test]
async fn the_tour_for_programs_is_an_object_a_line() {
    let said = tour(&["--output", "json"]).await;
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(lines[0]["event"], "ready");
    assert!(lines.len() >= 4, "three writes of the tour: {said}");
    assert!(lines.iter().all(|line| line["event"].is_string()), "{said}");
    assert!(said.contains("408"), "{said}");
}

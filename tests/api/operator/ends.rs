//! The ends of organizations while a region is away: what follows an end waits until no failover can void it.

use std::time::Duration;

use concordat_tests::{
    demo::{Demo, DemoOptions, Org},
    http::Response,
    wait::eventually,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::world::{assert_failure, assert_success, caller_at};

const AWAY: &str = "asia-japan";
/// Several times as long as leaders take to look for ends.
const SOON: Duration = Duration::from_secs(7);

async fn set_domain(demo: &Demo, org: &Org, domain: &str) -> Response {
    let target = format!("/v1/organizations/{}", org.id);
    let request = demo.by_operator("PATCH", &target).json(&json!({"enterprise_domain": domain}));
    request.send(demo.url(0, 0)).await
}

#[tokio::test]
async fn a_domain_is_free_once_all_regions_know_that_its_organization_has_ended() {
    let demo = Demo::start(DemoOptions::default()).await;
    let (ends, other) = (caller_at(&demo, "ends").await, caller_at(&demo, "other").await);
    assert_success(&set_domain(&demo, &ends.org, "taken.example").await, 200);
    demo.cut_region(AWAY).await;
    let ended = ends.send(&ends.request("DELETE", "/organizations")).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    let until = Instant::now() + SOON;
    while Instant::now() < until {
        let refused = set_domain(&demo, &other.org, "taken.example").await;
        assert!(assert_failure(&refused, 409).contains("another organization"), "{refused:?}");
        sleep(Duration::from_millis(200)).await;
    }
    demo.heal_region(AWAY).await;
    eventually("its domain is free", async || {
        let answer = set_domain(&demo, &other.org, "taken.example").await;
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

/// It has no claim, so the system group cannot refuse it.
#[tokio::test]
async fn no_domain_is_for_a_suborganization_that_does_not_exist() {
    let demo = crate::world::demo().await;
    let org = Org { id: "01a225b0-e640-84b3-9b1a-d6dd95753f7c".to_owned(), api_key: String::new() };
    let refused = set_domain(demo, &org, "absent.example").await;
    assert!(assert_failure(&refused, 404).contains("no such organization"), "{refused:?}");
}

//! `client-secret`: who may read it, its value, and where no stale one is returned.

use concordat_tests::{
    demo::{Demo, DemoOptions, REGIONS},
    wait,
};
use serde_json::{Value, json};

use crate::world::{
    Caller, SECRET, assert_failure, assert_marked, assert_success, assert_written, caller,
    caller_at, draft, one,
};

const HOME: usize = 0;
const CUT: usize = 2;

fn secret_of(client_id: &str) -> String {
    format!("{}/client-secret", one(client_id))
}

#[tokio::test]
async fn a_client_secret_is_what_was_written_last() {
    let caller = caller("secrets").await;
    caller.create(&draft("a")).await;
    // Not by way of what sees to it that no other answer ever holds a secret.
    let ask = async |client_id: &str| {
        caller.request("GET", &secret_of(client_id)).send(&caller.urls[HOME]).await
    };
    let read = ask("a").await;
    let shown = assert_success(&read, 200)["result"].take();
    assert_eq!(shown, json!({"client_id": "a", "client_secret": SECRET}));
    assert_eq!(read.header("cache-control"), Some("no-store"));
    assert!(assert_marked(&read) && read.header("concordat-position").is_some(), "{read:?}");
    caller.send(&caller.patch("a", &json!({"client_secret": "another"}))).await;
    let read = ask("a").await;
    assert_eq!(assert_success(&read, 200)["result"]["client_secret"], "another");
    assert_failure(&ask("b").await, 404);
    let nobody = caller.request("GET", &secret_of("a")).without("SlashID-API-Key");
    assert_failure(&caller.send(&nobody).await, 401);
}

/// An operator's setting for an organization, in every region when it returns.
async fn set(demo: &Demo, caller: &Caller, stale_secrets: &str) {
    let request = demo
        .by_operator("PATCH", &format!("/v1/organizations/{}", caller.org.id))
        .header("SlashID-Required-Consistency", "all_regions")
        .json(&json!({"stale_secrets": stale_secrets}));
    assert_written(&request.send(&caller.urls[HOME]).await, 200);
    let shown = demo.by_operator("GET", &format!("/v1/organizations/{}", caller.org.id));
    let shown: Value = assert_success(&shown.send(&caller.urls[CUT]).await, 200)["result"].take();
    assert_eq!(shown["stale_secrets"], stale_secrets);
}

#[tokio::test]
async fn an_organization_that_refuses_stale_secrets_gets_none() {
    let options = DemoOptions { rtt_ms: "20,20,20", ..DemoOptions::default() };
    let demo = Demo::start(options).await;
    let caller = caller_at(&demo, "refuses").await;
    let everywhere = caller.post(&draft("a")).header("SlashID-Required-Consistency", "all_regions");
    assert_written(&caller.send(&everywhere).await, 201);
    let wrong = demo
        .by_operator("PATCH", &format!("/v1/organizations/{}", caller.org.id))
        .json(&json!({"stale_secrets": "sometimes"}));
    assert_failure(&wrong.send(&caller.urls[HOME]).await, 400);
    let unknown = demo
        .by_operator("PATCH", "/v1/organizations/00000000-0000-7000-8000-000000000000")
        .json(&json!({"stale_secrets": "refuse"}));
    assert_failure(&unknown.send(&caller.urls[HOME]).await, 404);
    let ask = || caller.request("GET", &secret_of("a"));
    for (setting, status) in [("serve", 200), ("refuse", 503)] {
        set(&demo, &caller, setting).await;
        demo.cut_region(REGIONS[CUT]).await;
        wait::eventually("the island knows that it is stale", async || {
            let read = ask().send(&caller.urls[CUT]).await;
            if assert_marked(&read) { Err(format!("{read:?}")) } else { Ok(()) }
        })
        .await;
        let read = ask().send(&caller.urls[CUT]).await;
        assert_eq!(read.status, status, "{read:?}");
        assert!(!assert_marked(&read));
        assert_eq!(read.header("retry-after").is_some(), status == 503);
        assert_eq!(read.text().contains(SECRET), status == 200);
        // Answers without a secret are served all the same, and secrets where they are current.
        assert_success(&caller.get_at(CUT, "a").await, 200);
        let at_home = ask().send(&caller.urls[HOME]).await;
        assert_eq!(assert_success(&at_home, 200)["result"]["client_secret"], SECRET);
        demo.heal_region(REGIONS[CUT]).await;
        wait::eventually("it is current again", async || {
            let read = ask().send(&caller.urls[CUT]).await;
            if read.status == 200 && assert_marked(&read) {
                Ok(())
            } else {
                Err(format!("{read:?}"))
            }
        })
        .await;
    }
}

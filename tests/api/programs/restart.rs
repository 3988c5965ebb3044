//! A demo with `--data-dir` that is killed and started again finds everything.

use concordat_tests::{
    demo::{Demo, DemoOptions},
    http::Request,
};
use serde_json::json;

use crate::world::{Caller, OIDC, assert_success, assert_written, caller_at, draft};

#[tokio::test]
async fn a_demo_finds_its_data_again() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        || DemoOptions { data_dir: Some(directory.path().join("data")), ..DemoOptions::default() };
    let demo = Demo::start(options()).await;
    let caller = caller_at(&demo, "kept").await;
    let mut expected = Vec::new();
    for number in 0..20 {
        let mut body = draft(&format!("id-{number}"));
        body["label"] = json!(format!("label {number}"));
        let request = caller.post(&body).header("Idempotency-Key", &format!("key {number}"));
        let answer = request.send(&caller.urls[number % 3]).await;
        assert_written(&answer, 201);
        expected.push((request, answer));
    }
    let everywhere = caller.delete("id-7").header("SlashID-Required-Consistency", "all_regions");
    assert_written(&caller.send(&everywhere).await, 200);
    let everything = caller.everything().await;
    assert_eq!(everything.len(), 19);
    let (ready, operator_key, org) =
        (demo.ready.clone(), demo.operator_key.clone(), demo.org.clone());
    demo.kill();

    let demo = Demo::start(options()).await;
    // Ports are new ones; who is there is not.
    assert_eq!(demo.org, org);
    assert_eq!(demo.operator_key, operator_key);
    let ids = |ready: &serde_json::Value| {
        let regions = ready["regions"].as_array().expect("regions").clone();
        let nodes =
            regions.into_iter().flat_map(|it| it["nodes"].as_array().expect("nodes").clone());
        nodes.map(|node| node["node_id"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&demo.ready), ids(&ready));
    let caller = Caller { urls: demo.urls(), org: caller.org };
    assert_eq!(caller.everything().await, everything);
    // A write under a remembered key is not repeated.
    for (request, before) in expected {
        let again = request.send(&caller.urls[1]).await;
        assert_written(&again, 201);
        assert_eq!(again.header("concordat-write-id"), before.header("concordat-write-id"));
    }
    assert_eq!(caller.everything().await, everything);
    // The secrets can still be decrypted, the printed organization works, and writes continue.
    assert_written(
        &caller.send(&caller.patch("id-1", &json!({"client_secret": "new"}))).await,
        200,
    );
    let list = Request::new("GET", OIDC)
        .header("SlashID-OrgID", &demo.org.id)
        .header("SlashID-API-Key", &demo.org.api_key);
    assert_success(&list.send(demo.url(2, 0)).await, 200);
}

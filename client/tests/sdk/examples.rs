//! The examples work as they say, against a scripted node.

use clap::Parser;
use serde_json::json;

use crate::fake::{API_KEY, Fake, OPERATOR_KEY, ORG, Reply, WRITE, receipt};

#[path = "../../examples/fail_over.rs"]
mod fail_over;
#[path = "../../examples/rotate_secret.rs"]
mod rotate_secret;
#[path = "../../examples/wait_for_receipt.rs"]
mod wait_for_receipt;

#[tokio::test]
async fn rotate_secret() {
    let credential = Reply::result(&json!({"client_id": "my-app"})).with("etag", "\"v1\"");
    let fake = Fake::start([credential, Reply::written(200, true)]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "n3w\n").unwrap();
    let args = ["x", "--endpoints", &fake.url, "--org", ORG, "--api-key", API_KEY];
    let args = args.into_iter().chain(["--client-id", "my-app", "--secret-file"]);
    let args = rotate_secret::Args::try_parse_from(args.chain(file.to_str())).unwrap();
    let said = rotate_secret::run(args).await.unwrap();
    assert_eq!(said, format!("write {WRITE}: the new secret is in all 2 regions"));
    let rotation = &fake.seen()[1];
    assert_eq!(rotation.json(), json!({"client_secret": "n3w"}));
    assert_eq!(rotation.header("if-match"), Some("\"v1\""), "no other rotation is overwritten");
    assert_eq!(rotation.header("slashid-required-consistency"), Some("all_regions"));
}

#[tokio::test]
async fn wait_for_receipt() {
    let fake = Fake::start([Reply::written(408, false), Reply::result(&receipt(true))]).await;
    let args = ["x", "--endpoints", &fake.url, "--org", ORG, "--api-key", API_KEY];
    let args = args.into_iter().chain(["--client-id", "my-app", "--label", "new"]);
    let args = wait_for_receipt::Args::try_parse_from(args).unwrap();
    let said = wait_for_receipt::run(args).await.unwrap();
    let regions = "  asia-japan applied\n  us-iowa applied";
    assert_eq!(said, format!("write {WRITE}: all_regions reached\n{regions}"));
    let waited = format!("/v1/writes/{WRITE}?required=all_regions&wait=60");
    assert_eq!(fake.seen()[1].target, waited);
}

#[tokio::test]
async fn fail_over() {
    let region = |state: &str, leader: Option<&str>| {
        let voters = json!([{"node_id": "00000000000000aa", "region": "asia-japan"}]);
        Reply::result(&json!([
            {"region": "us-iowa", "state": state, "voter_region": "asia-japan", "leader": leader,
             "voters": voters},
        ]))
    };
    let going_on = region("failing_over", None);
    let over = region("open", Some("00000000000000aa"));
    let fake = Fake::start([Reply::written(200, true), going_on, over]).await;
    let args = ["x", "--endpoints", &fake.url, "--operator-key", OPERATOR_KEY];
    let args = args.into_iter().chain(["--region", "us-iowa", "--to", "asia-japan"]);
    let args = fail_over::Args::try_parse_from(args).unwrap();
    let said = fail_over::run(args).await.unwrap();
    assert_eq!(said, "the group of us-iowa is led by 00000000000000aa in asia-japan");
    let asked = &fake.seen()[0];
    assert_eq!(asked.target, "/v1/cluster/regions/us-iowa/failover");
    assert_eq!(asked.json()["to"], "asia-japan");
}

//! A node whose keyring is not the cluster's ends with an exit code and a reason before it has taken
//! anything, before and after the cluster has organizations.

use concordat_tests::{
    demo::Org,
    http::Request,
    nine::{Nine, NineOptions},
    process,
    wait::LIMIT,
    workload::CREDENTIALS,
};
use serde_json::json;

use crate::fleet;

const REGION: &str = "us-iowa";
/// A wrong setting.
const SETTING: i32 = 2;

/// A keyring file of the same form, with other bytes under the same id.
async fn other_keyring(nine: &Nine) -> String {
    let path = nine.data_dir(0).parent().expect("a directory").join("another-keyring.toml");
    let path = path.to_str().expect("a path of text").to_owned();
    let made = process::run("concordatd", &["keyring", "new", &path], &[], LIMIT).await;
    assert!(made.status.success(), "{made:?}");
    path
}

/// It ends by itself, says why, and was ready at no time.
async fn is_refused(nine: &mut Nine, node: usize) -> String {
    let ended = nine.settles(node, LIMIT).await;
    let log = nine.log(node);
    let last = log.lines().last().unwrap_or_default().to_owned();
    assert_eq!(ended.and_then(|status| status.code()), Some(SETTING), "node {node}: {log}");
    assert!(last.starts_with("concordatd: ") && last.contains("keyring"), "{last:?}");
    last
}

fn create(org: &Org, client_id: &str) -> Request {
    Request::new("POST", CREDENTIALS)
        .header("SlashID-OrgID", &org.id)
        .header("SlashID-API-Key", &org.api_key)
        .header("SlashID-Required-Consistency-Timeout", "20")
        .json(&json!({"client_id": client_id, "client_secret": "a secret", "provider": "google"}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_another_keyring_refuses_to_start() {
    let _turn = fleet::turn().await;
    let options = NineOptions { regions: vec![REGION], ..NineOptions::default() };
    let mut nine = Nine::start_with(options).await;
    let another = other_keyring(&nine).await;

    // Before there is anything that is sealed.
    let early = nine.prepare(REGION);
    nine.set(early, "keyring", &another);
    nine.restart(early).await;
    let said = is_refused(&mut nine, early).await;
    assert!(said.contains("begun with"), "{said}");

    let org = nine.new_org(REGION).await;
    let made = create(&org, "web").send(nine.url(0)).await;
    assert_eq!(made.status, 201, "the others go on: {made:?}");

    // With a data directory of its own, whose cluster it belongs to already.
    nine.stop(2, LIMIT).await;
    let right = nine
        .data_dir(0)
        .parent()
        .and_then(|it| it.parent())
        .expect("two above")
        .join("keyring.toml");
    nine.set(2, "keyring", &another);
    nine.restart(2).await;
    let said = is_refused(&mut nine, 2).await;
    assert!(said.contains("key 1") && said.contains(&org.id), "{said}");
    assert!(!nine.log(2).contains("a secret"), "a secret is in the log");
    nine.set(2, "keyring", right.to_str().expect("a path of text"));
    nine.restart(2).await;
    assert_eq!(nine.settles(2, LIMIT).await, None, "with the right one it is a member again");

    // As a new node, after there are organizations.
    let late = nine.prepare(REGION);
    nine.set(late, "keyring", &another);
    nine.restart(late).await;
    is_refused(&mut nine, late).await;
    let made = create(&org, "web-2").send(nine.url(2)).await;
    assert_eq!(made.status, 201, "{made:?}");
}

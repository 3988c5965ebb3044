//! A node whose keyring is not the cluster's ends with an exit code and a reason before it has
//! accepted anything, before and after the cluster has organizations.

use concordat_tests::{
    demo::Org,
    http::Request,
    process,
    process_cluster::{ClusterOptions, ProcessCluster},
    wait::LIMIT,
    workload::CREDENTIALS,
};
use serde_json::json;

use crate::fleet;

const REGION: &str = "us-iowa";
/// A wrong setting.
const SETTING: i32 = 2;

/// A keyring file of the same form, with other bytes under the same id.
async fn other_keyring(cluster: &ProcessCluster) -> String {
    let path = cluster.data_dir(0).parent().expect("a directory").join("another-keyring.toml");
    let path = path.to_str().expect("a path of text").to_owned();
    let made = process::run("concordatd", &["keyring", "new", &path], &[], LIMIT).await;
    assert!(made.status.success(), "{made:?}");
    path
}

/// It ends by itself with a reason, and was ready at no time.
async fn is_refused(cluster: &mut ProcessCluster, node: usize) -> String {
    let ended = cluster.settles(node, LIMIT).await;
    let log = cluster.log(node);
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
    let options = ClusterOptions { regions: vec![REGION], ..ClusterOptions::default() };
    let mut cluster = ProcessCluster::start_with(options).await;
    let another = other_keyring(&cluster).await;

    // Before there is anything that is sealed.
    let early = cluster.prepare(REGION);
    cluster.set(early, "keyring", &another);
    cluster.restart(early).await;
    let said = is_refused(&mut cluster, early).await;
    assert!(said.contains("begun with"), "{said}");

    let org = cluster.new_org(REGION).await;
    let made = create(&org, "web").send(cluster.url(0)).await;
    assert_eq!(made.status, 201, "the others go on: {made:?}");

    // With a data directory of its own that already belongs to a cluster.
    cluster.stop(2, LIMIT).await;
    let right = cluster
        .data_dir(0)
        .parent()
        .and_then(|it| it.parent())
        .expect("two above")
        .join("keyring.toml");
    cluster.set(2, "keyring", &another);
    cluster.restart(2).await;
    let said = is_refused(&mut cluster, 2).await;
    assert!(said.contains("key 1") && said.contains(&org.id), "{said}");
    assert!(!cluster.log(2).contains("a secret"), "a secret is in the log");
    cluster.set(2, "keyring", right.to_str().expect("a path of text"));
    cluster.restart(2).await;
    assert_eq!(cluster.settles(2, LIMIT).await, None, "with the right one it is a member again");

    // As a new node, after there are organizations.
    let late = cluster.prepare(REGION);
    cluster.set(late, "keyring", &another);
    cluster.restart(late).await;
    is_refused(&mut cluster, late).await;
    let made = create(&org, "web-2").send(cluster.url(2)).await;
    assert_eq!(made.status, 201, "{made:?}");
}

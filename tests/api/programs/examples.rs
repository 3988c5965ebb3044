//! The client's examples against a real cluster: what each of them says is so.

use clap::Parser;
use concordat_tests::{
    demo::{Demo, DemoOptions, REGIONS},
    wait::{LIMIT, within},
};
use serde_json::json;

use crate::world::{Caller, caller, draft};

#[path = "../../../client/examples/fail_over.rs"]
mod fail_over;
#[path = "../../../client/examples/rotate_secret.rs"]
mod rotate_secret;
#[path = "../../../client/examples/wait_for_receipt.rs"]
mod wait_for_receipt;

/// The arguments of an example that an organization runs, its endpoints the nodes of all regions.
fn arguments<'a>(caller: &'a Caller, endpoints: &'a str, further: [&'a str; 4]) -> Vec<&'a str> {
    let common = ["x", "--endpoints", endpoints, "--org", &caller.org.id];
    let key = ["--api-key", &caller.org.api_key];
    common.into_iter().chain(key).chain(further).collect()
}

#[tokio::test]
async fn rotate_secret_replaces_a_secret_in_all_regions() {
    let caller = caller("rotate_secret").await;
    let before = caller.create(&draft("web")).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a-new-secret-from-a-file\n").unwrap();
    let endpoints = caller.urls.join(",");
    let further = ["--client-id", "web", "--secret-file", file.path().to_str().unwrap()];
    let arguments = arguments(&caller, &endpoints, further);
    let said = rotate_secret::run(rotate_secret::Args::parse_from(arguments)).await.unwrap();
    assert!(said.ends_with(&format!("in all {} regions", REGIONS.len())), "{said}");
    assert!(!said.contains("a-new-secret"), "{said}");
    for (region, name) in REGIONS.iter().enumerate() {
        let after = caller.get_at(region, "web").await;
        assert_ne!(after.header("etag"), before.header("etag"), "{name} has it");
    }
}

#[tokio::test]
async fn wait_for_receipt_names_every_region() {
    let caller = caller("wait_for_receipt").await;
    caller.create(&draft("web")).await;
    let endpoints = caller.urls.join(",");
    let arguments = arguments(&caller, &endpoints, ["--client-id", "web", "--label", "seen"]);
    let said = wait_for_receipt::run(wait_for_receipt::Args::parse_from(arguments)).await.unwrap();
    for (region, name) in REGIONS.iter().enumerate() {
        assert!(said.contains(&format!("{name} applied")), "{said}");
        let shown = caller.get_at(region, "web").await.json();
        assert_eq!(shown["result"]["label"], "seen", "{name}");
    }
}

#[tokio::test]
async fn fail_over_names_who_leads_and_writes_are_taken_again() {
    let demo = Demo::start(DemoOptions { nodes_per_region: 3, ..DemoOptions::default() }).await;
    let [lost, to, _] = REGIONS;
    demo.cut_region(lost).await;
    let endpoints = demo.url(1, 0).to_owned();
    let arguments = ["x", "--endpoints", &endpoints, "--operator-key", &demo.operator_key];
    let arguments = arguments.into_iter().chain(["--region", lost, "--to", to]);
    // The others believe the region's nodes to be alive for a moment longer, and refuse.
    let said = within("the region is failed over", LIMIT, async || {
        let arguments = fail_over::Args::parse_from(arguments.clone());
        fail_over::run(arguments).await.map_err(|error| error.to_string())
    })
    .await;
    let is_led = |id: &String| said == format!("the group of {lost} is led by {id} in {to}");
    assert!(demo.regions[1].1.iter().any(|node| is_led(&node.id)), "{said}");
    let caller = Caller { urls: vec![endpoints.clone()], org: demo.org.clone() };
    within("a write is taken", LIMIT, async || {
        let request =
            caller.post(&draft("after")).header("SlashID-Required-Consistency", "local_region");
        let answer = request.send(&caller.urls[0]).await;
        let is_taken = answer.status == 201 || answer.status == 409;
        if is_taken { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    assert_eq!(caller.get("after").await.json()["result"]["client_id"], json!("after"));
}

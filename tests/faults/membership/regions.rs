//! A region is added by its name and by starting nodes in it, gets organizations, and is removed
//! again, by the operator's commands and while clients write; one of its nodes is removed while the
//! leader of the system group, which does that, dies halfway.

use concordat_tests::{
    connection::request,
    demo::{Org, REGIONS},
    recorded::applied,
    rng,
    wait::within,
    workload::{CREDENTIALS, Workload},
};
use serde_json::{Value, json};

use crate::{
    fleet::{self, Fleet, LIMIT, NODES},
    membership::{concordat, done, ends, everyone_writes, finish, nodes, one},
};

const CLIENTS: usize = 4;
const NEW: &str = "australia-sydney";
const HOME_REGION: &str = REGIONS[0];
/// The system group and one for each region, with the new one.
const GROUPS: usize = 5;

/// The exit code of `concordat status` while a region is on its way in or out.
const DEGRADED: i32 = 7;

async fn parsed(fleet: &Fleet, via: usize, arguments: &[&str]) -> Value {
    let output = concordat(fleet, &[via], &[arguments, &["-o", "json"]].concat()).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_shown = output.status.success()
        || (arguments == ["status"] && output.status.code() == Some(DEGRADED));
    assert!(is_shown, "{arguments:?}: {told}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn length(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}

/// The new region, in a list of regions.
fn found(regions: &Value) -> Option<&Value> {
    regions.as_array().into_iter().flatten().find(|region| region["region"] == NEW)
}

/// Waits until the operator is shown the region as one like the others, by any node: with a group of
/// its own that its nodes vote in and lead, and on each of its nodes a replica of every group.
async fn is_shown(fleet: &Fleet, added: &[usize], via: usize) {
    within("the region is there", LIMIT, async || {
        let regions = parsed(fleet, via, &["region", "list"]).await;
        let region = found(&regions).ok_or_else(|| regions.to_string())?;
        let voters = region["voters"].as_array().into_iter().flatten();
        let own = voters.filter(|voter| voter["region"] == NEW).count();
        let is_whole =
            region["state"] == "open" && region["voter_region"] == NEW && own == added.len();
        if !is_whole || length(&region["voters"]) != own || region["leader"].is_null() {
            return Err(region.to_string());
        }
        let all = nodes(fleet, via).await;
        let ready = |node: &Value| {
            node["state"] == "member" && node["live"] == true && length(&node["replicas"]) == GROUPS
        };
        if all.len() != NODES + added.len() || !all.iter().all(ready) {
            return Err(format!("{all:?}"));
        }
        let status = parsed(fleet, via, &["status"]).await;
        let shown = found(&status["regions"]).ok_or_else(|| status.to_string())?;
        let replicas = shown["nodes"].as_array().into_iter().flatten();
        let held: Vec<usize> = replicas.map(|node| length(&node["groups"])).collect();
        let is_ok = status["write_available"]["all_regions"]["ok"] == true;
        if held == vec![GROUPS; added.len()] && is_ok { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

/// A new credential of an organization reaches exactly these regions; from then on nodes that claim
/// to be current have it, and these come to claim it.
async fn reaches(fleet: &Fleet, org: &Org, name: &str, via: usize, readers: &[usize], to: &[&str]) {
    let identity = [("slashid-orgid", org.id.as_str()), ("slashid-api-key", org.api_key.as_str())];
    let mut headers = identity.to_vec();
    headers.push(("slashid-required-consistency", "all_regions"));
    headers.push(("slashid-required-consistency-timeout", "8"));
    let body = json!({"client_id": name, "client_secret": "a secret", "provider": "google"});
    let bytes = request("POST", CREDENTIALS, &headers, Some(&body.to_string()));
    let made = fleet.ask(via, &bytes).await.expect("an answer");
    assert_eq!(made.status, 201, "{made:?}");
    let receipt = &made.body["meta"]["consistency"];
    let mut to = to.to_vec();
    to.sort_unstable();
    assert_eq!(applied(receipt), to, "{receipt}");
    assert_eq!(length(&receipt["regions"]), to.len(), "{receipt}");
    let bytes = request("GET", &format!("{CREDENTIALS}/{name}"), &identity, None);
    for node in readers {
        within("the node is current", LIMIT, async || {
            let seen = fleet.ask(*node, &bytes).await?;
            let is_old = seen.is_unmarked && seen.status != 200;
            assert!(!is_old, "node {node}, after {receipt}: {seen:?}");
            if seen.is_unmarked { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    }
}

/// Makes an organization at home in the new region.
async fn new_org(fleet: &Fleet, via: usize) -> Org {
    let asked = ["org", "create", "Newcomer", "--home-region", NEW, "--consistency", "all_regions"];
    let made = parsed(fleet, via, &asked).await;
    assert_eq!(made["organization"]["home_region"], NEW, "{made}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    Org { id: text(&made["organization"]["id"]), api_key: text(&made["api_key"]) }
}

/// Moves an organization by command, and waits for its arrival.
async fn moves(fleet: &Fleet, org: &str, to: &str, via: usize) {
    let moved = parsed(fleet, via, &["org", "move", org, "--to", to, "--wait", "60s"]).await;
    assert_eq!((&moved["home_region"], &moved["moving_to"]), (&to.into(), &Value::Null), "{moved}");
}

/// Removes one of these nodes; the leader of the system group dies when it is marked as leaving and
/// not removed yet. Returns the node.
async fn a_node_is_removed_over_a_death(fleet: &mut Fleet, added: &[usize]) -> usize {
    let mut leader = fleet.system_leader().await;
    let leaving = added.iter().copied().find(|node| *node == leader).unwrap_or(added[0]);
    let id = fleet.node_id(leaving).await.expect("it runs");
    if leaving == leader {
        done(fleet, &[3], &["node", "drain", &id]).await;
        leader = within("another node leads", LIMIT, async || {
            let leader = fleet.system_leader().await;
            if leader == leaving { Err("not yet".to_owned()) } else { Ok(leader) }
        })
        .await;
    }
    let via = if leader == 4 { 5 } else { 4 };
    done(fleet, &[via], &["node", "remove", &id, "--wait", "0"]).await;
    fleet.cluster.kill(leader).await;
    let shown = one(fleet, via, &id).await.expect("it is there");
    assert_eq!(shown["state"], "leaving", "too late to test anything: {shown}");
    let next = fleet.system_leader().await;
    assert_ne!(next, leader);
    println!("regions: node {leaving} leaves, {leader} led the system group, {next} does now");
    // No client asks again.
    within("it is removed", LIMIT, async || match one(fleet, via, &id).await {
        None => Ok(()),
        Some(node) => Err(node.to_string()),
    })
    .await;
    ends(fleet, leaving).await;
    fleet.cluster.restart(leader).await;
    fleet.cluster.ready().await;
    leaving
}

/// Removes the region once no organization has its home there, and waits for the end.
async fn is_removed(fleet: &mut Fleet, left: impl Iterator<Item = usize>) {
    let told = done(fleet, &[0, 5], &["region", "remove", NEW]).await;
    assert!(told.contains("removed"), "{told}");
    for node in left {
        ends(fleet, node).await;
    }
    for via in [1, 8] {
        within("nothing of it is shown", LIMIT, async || {
            let regions = parsed(fleet, via, &["region", "list"]).await;
            let status = parsed(fleet, via, &["status"]).await;
            let count = nodes(fleet, via).await.len();
            let is_there = found(&regions).is_some() || found(&status["regions"]).is_some();
            if is_there || count != NODES { Err(format!("{regions}, {status}")) } else { Ok(()) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_comes_holds_organizations_and_goes() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("regions: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let workload = Workload::start(fleet.plan(0..NODES, CLIENTS, seed)).await;
    done(&fleet, &[3], &["region", "add", NEW]).await;
    let mut added = Vec::new();
    for _ in 0..3 {
        added.push(fleet.cluster.add(NEW).await);
    }
    fleet.cluster.ready().await;
    for via in [4, added[1]] {
        is_shown(&fleet, &added, via).await;
    }
    let four: Vec<&str> = REGIONS.into_iter().chain([NEW]).collect();
    let org = fleet.org.clone();
    reaches(&fleet, &org, "four", 1, &added, &four).await;
    everyone_writes(&workload).await;

    let newcomer = new_org(&fleet, 7).await;
    reaches(&fleet, &newcomer, "own", added[2], &[0, 4, 8], &four).await;
    moves(&fleet, &org.id, NEW, 3).await;
    everyone_writes(&workload).await;
    reaches(&fleet, &org, "moved", 6, &added, &four).await;
    let refused = concordat(&fleet, &[5], &["region", "remove", NEW]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{told}");
    assert!(told.contains("at home there"), "{told}");

    let removed = a_node_is_removed_over_a_death(&mut fleet, &added).await;
    everyone_writes(&workload).await;
    tokio::join!(
        moves(&fleet, &org.id, HOME_REGION, 4),
        moves(&fleet, &newcomer.id, REGIONS[1], 0),
    );
    is_removed(&mut fleet, added.into_iter().filter(|node| *node != removed)).await;
    everyone_writes(&workload).await;
    reaches(&fleet, &org, "three", 5, &[0, 4, 8], &REGIONS).await;
    reaches(&fleet, &newcomer, "still", 2, &[0, 4, 8], &REGIONS).await;
    fleet.cluster.ready().await;
    finish(&fleet, workload, &[0, 4, 8]).await;
    fleet.agree().await;
}

//! Nodes and regions that join and leave by the operator's commands, while clients write and
//! processes die.

use concordat_tests::{rng, wait::within, workload::Workload};
use serde_json::Value;
use tokio::time::Instant;

use super::{concordat, done, ends, everyone_writes, finish, one};
use crate::fleet::{self, FAR, Fleet, HOME, LIMIT, NODES};

const CLIENTS: usize = 8;
const MIDDLE: std::ops::Range<usize> = 3..6;
const FAR_REGION: &str = "asia-japan";
const HOME_REGION: &str = "us-iowa";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_come_and_go_under_load() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("membership: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let workload = Workload::start(fleet.plan(3..NODES, CLIENTS, seed)).await;
    let added = fleet.cluster.add(HOME_REGION).await;
    fleet.cluster.ready().await;

    // The leader is drained: it transfers leadership, and continues to serve.
    let leader = fleet.home_leader().await;
    let id = fleet.node_id(leader).await.expect("it runs");
    done(&fleet, &[3], &["node", "drain", &id]).await;
    within("the leader is drained", LIMIT, async || match one(&fleet, 3, &id).await {
        Some(node) if node["votes"] == serde_json::json!([]) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let drained = one(&fleet, 3, &id).await.expect("it is there");
    assert_eq!(drained["replicas"].as_array().map(Vec::len), Some(4), "{drained}");
    everyone_writes(&workload).await;

    // It is removed, and the leader that followed it dies half-way.
    let asked = concordat(&fleet, &[3], &["node", "remove", &id, "--wait", "0"]).await;
    assert!(asked.status.success(), "{asked:?}");
    let second = fleet.home_leader().await;
    assert_ne!(second, leader);
    fleet.cluster.kill(second).await;
    everyone_writes(&workload).await;
    fleet.cluster.restart(second).await;
    let told = done(&fleet, &[3, 6], &["node", "remove", &id]).await;
    assert!(told.contains("removed"), "{told}");
    ends(&mut fleet, leader).await;

    // Started again it finds that it was removed; it has no vote to ask for.
    fleet.cluster.restart(leader).await;
    ends(&mut fleet, leader).await;
    everyone_writes(&workload).await;

    // One that is down is removed as well, and learns that when it is back.
    let down = HOME.chain([added]).find(|node| ![leader, second].contains(node)).expect("one");
    let id = fleet.node_id(down).await.expect("it runs");
    fleet.cluster.ready().await;
    fleet.cluster.kill(down).await;
    done(&fleet, &[4], &["node", "remove", &id]).await;
    everyone_writes(&workload).await;
    fleet.cluster.restart(down).await;
    ends(&mut fleet, down).await;
    everyone_writes(&workload).await;
    finish(&fleet, workload, &[second, 3, 8]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_lose_a_quorum_is_refused_with_the_reason() {
    let _turn = fleet::turn().await;
    let mut fleet = Fleet::start(None).await;
    let dead = 4;
    let id = fleet.node_id(5).await.expect("it runs");
    let dead_id = fleet.node_id(dead).await.expect("it runs");
    fleet.cluster.kill(dead).await;
    within("it is seen to be down", LIMIT, async || match one(&fleet, 0, &dead_id).await {
        Some(node) if node["live"] == false => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let refused = concordat(&fleet, &[0], &["node", "remove", &id]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{told}");
    assert!(told.contains("would lose its quorum"), "{told}");
    let refused = concordat(&fleet, &[3], &["region", "remove", HOME_REGION]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{told}");
    assert!(told.contains("at home there"), "{told}");
    let refused = concordat(&fleet, &[3], &["node", "drain", "0000000000000001"]).await;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_is_removed_under_load() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("membership: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let workload = Workload::start(fleet.plan(0..6, CLIENTS, seed)).await;
    let told = done(&fleet, &[0, 3], &["region", "remove", FAR_REGION]).await;
    assert!(told.contains("removed"), "{told}");
    for node in FAR {
        ends(&mut fleet, node).await;
    }
    everyone_writes(&workload).await;
    // Nothing waits for it any more.
    let body = r#"{"client_id":"last","client_secret":"a secret","provider":"google"}"#;
    let all = [
        ("slashid-required-consistency", "all_regions"),
        ("slashid-required-consistency-timeout", "20"),
    ];
    let made = fleet.ask(1, &fleet.on_credential("POST", "", &all, Some(body))).await;
    let made = made.expect("an answer");
    assert_eq!(made.status, 201, "{made:?}");
    let regions = made.body["meta"]["consistency"]["regions"].as_array().map(Vec::len);
    assert_eq!(regions, Some(2), "{made:?}");
    fleet.cluster.ready().await;
    finish(&fleet, workload, &[0, 3]).await;
}

/// The number of the home group's voters in each region.
async fn seats(fleet: &Fleet, via: usize) -> Vec<usize> {
    let text = done(fleet, &[via], &["region", "list", "-o", "json"]).await;
    let regions: Vec<Value> = serde_json::from_str(&text).expect("a list");
    let home = regions.into_iter().find(|region| region["region"] == HOME_REGION);
    let home = home.expect("the home region");
    let voters = home["voters"].as_array().cloned().unwrap_or_default();
    [HOME_REGION, "europe-belgium", FAR_REGION]
        .map(|name| voters.iter().filter(|voter| voter["region"] == name).count())
        .to_vec()
}

/// A write that need only arrive in the region it is asked in, again and again until it has.
async fn local_write(fleet: &Fleet, via: usize, number: usize) {
    let body = format!(r#"{{"label":"{number}"}}"#);
    within("a write arrives in its own region", LIMIT, async || {
        let bytes = fleet.on_credential("PATCH", "own", &[], Some(&body));
        let seen = fleet.ask(via, &bytes).await?;
        if seen.status == 200 { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

/// The home region votes alone again, and its commits need no other region: all others are paused.
async fn alone_again(fleet: &Fleet) {
    done(fleet, &[4], &["cluster", "set", "survival_goal=node"]).await;
    within("the voters are at home", LIMIT, async || match seats(fleet, 4).await[..] {
        [3, 0, 0] => Ok(()),
        ref seats => Err(format!("{seats:?}")),
    })
    .await;
    fleet.home_leader().await;
    MIDDLE.chain(FAR).for_each(|node| fleet.cluster.pause(node));
    for number in 20..26 {
        local_write(fleet, number % HOME.end, number).await;
    }
    MIDDLE.chain(FAR).for_each(|node| fleet.cluster.resume(node));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_region_may_be_lost_once_that_is_asked_for() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("membership: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let workload = Workload::start(fleet.plan(0..NODES, CLIENTS, seed)).await;
    let body = r#"{"client_id":"own","client_secret":"a secret","provider":"google"}"#;
    let made = fleet.ask(0, &fleet.on_credential("POST", "", &[], Some(body))).await;
    assert_eq!(made.expect("an answer").status, 201);
    done(&fleet, &[3], &["cluster", "set", "survival_goal=region"]).await;
    within("the voters are spread", LIMIT, async || {
        let seats = seats(&fleet, 3).await;
        if [[2, 2, 1], [2, 1, 2]].iter().any(|wanted| seats == wanted) {
            Ok(())
        } else {
            Err(format!("{seats:?}"))
        }
    })
    .await;
    everyone_writes(&workload).await;
    fleet.cluster.ready().await;
    for lost in [FAR, MIDDLE, HOME] {
        let killed = Instant::now();
        for node in lost.clone() {
            fleet.cluster.kill(node).await;
        }
        // Those of the clients' writes that require all regions wait for the lost one; others
        // continue.
        for number in 0..20 {
            let via = (0..NODES).filter(|node| !lost.contains(node)).nth(number % 6).expect("one");
            local_write(&fleet, via, number).await;
            if number == 0 {
                println!("membership: {lost:?} lost: writes again after {:?}", killed.elapsed());
            }
        }
        for node in lost {
            fleet.cluster.restart(node).await;
        }
        fleet.cluster.ready().await;
        everyone_writes(&workload).await;
    }
    alone_again(&fleet).await;
    everyone_writes(&workload).await;
    let all: Vec<usize> = (0..NODES).collect();
    finish(&fleet, workload, &all).await;
    fleet.agree().await;
}

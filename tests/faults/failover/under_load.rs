//! The home region is killed for good, under load, and failed over by the operator's command; its
//! nodes return later. Nothing that was acknowledged outside it is lost, and the cluster reports
//! truthfully on writes that were acknowledged in it alone.

use concordat_tests::{rng, wait::within, workload::Workload};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    fleet::{self, FAR, Fleet, HOME, LIMIT, NODES},
    membership::{concordat, done, everyone_writes, finish},
    watch::Watch,
};

const CLIENTS: usize = 6;
const LOST: &str = "us-iowa";
const TO: &str = "europe-belgium";
const OTHERS: std::ops::Range<usize> = 3..NODES;
/// Written after the failover; the home region alone wrote smaller numbers.
const AFTER: u64 = 100;

/// A write that was answered 200 in the home region while no other region had it.
struct Alone {
    write_id: String,
    position: String,
}

/// Writes in the home region while all other nodes are down.
async fn write_alone(fleet: &Fleet) -> Vec<Alone> {
    let mut written = Vec::new();
    for number in 1..=5 {
        let body = format!(r#"{{"label":"{number}"}}"#);
        let bytes = fleet.on_credential("PATCH", "own", &[], Some(&body));
        let Ok(seen) = fleet.ask(0, &bytes).await else { continue };
        let receipt = &seen.body["meta"]["consistency"];
        if seen.status == 200 {
            written.push(Alone {
                write_id: receipt["write_id"].as_str().expect("an id").to_owned(),
                position: receipt["position"].as_str().expect("a position").to_owned(),
            });
        }
    }
    written
}

/// A write's outcome, as a node reports it: `committed`, `lost` or `404`.
async fn outcome(fleet: &Fleet, node: usize, write_id: &str) -> Result<String, String> {
    let seen = fleet.receipt(node, write_id, "1").await?;
    match (seen.status, seen.body["result"]["outcome"].as_str()) {
        (200, Some(outcome)) => Ok(outcome.to_owned()),
        (404, _) => Ok("404".to_owned()),
        _ => Err(format!("node {node}: {seen:?}")),
    }
}

/// The nodes that lead a region's group, by the list of regions.
async fn voter_region(fleet: &Fleet, via: usize) -> Result<Value, String> {
    let regions = fleet.inspect(via, "/v1/cluster/regions").await?;
    let found = regions.as_array().into_iter().flatten().find(|it| it["region"] == LOST);
    found.cloned().ok_or_else(|| format!("{regions}"))
}

/// Kills all other nodes, lets the home region write alone, kills it too, and restarts the others.
async fn lose_the_region(fleet: &mut Fleet) -> Vec<Alone> {
    for node in OTHERS {
        fleet.cluster.kill(node).await;
    }
    let alone = write_alone(fleet).await;
    assert!(!alone.is_empty(), "the home region alone writes nothing");
    for node in HOME {
        fleet.cluster.kill(node).await;
    }
    for node in OTHERS {
        fleet.cluster.restart(node).await;
    }
    alone
}

/// Fails the region over, once the refusal asks for the confirmation only.
async fn fail_over(fleet: &Fleet) {
    let to = ["region", "failover", LOST, "--to", TO];
    within("it asks for the confirmation", LIMIT, async || {
        let refused = concordat(fleet, &[3, 6], &to).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        if told.contains("(confirm_fenced)") { Ok(told) } else { Err(told) }
    })
    .await;
    done(fleet, &[3, 6], &[&to[..], &["--confirm-fenced"]].concat()).await;
    // A retry is answered that it is done, not to stop a node.
    let repeated = concordat(fleet, &[4], &[&to[..], &["--confirm-fenced"]].concat()).await;
    let told = String::from_utf8_lossy(&repeated.stderr).into_owned();
    assert!(told.contains("already"), "{told}");
    let stands = voter_region(fleet, 4).await.expect("a list");
    assert_eq!(
        (&stands["voter_region"], &stands["state"]),
        (&TO.into(), &"open".into()),
        "{stands}"
    );
}

/// The region's own writes that no reachable node has; the others are committed. A read with a lost
/// position gets 410 at once; one with a kept position is answered, whether a survivor had applied
/// it or had it in its log only.
async fn lost_of(fleet: &Fleet, alone: Vec<Alone>) -> Vec<Alone> {
    let mut lost = Vec::new();
    for write in alone {
        let known = outcome(fleet, 3, &write.write_id).await.expect("an answer");
        assert_eq!(outcome(fleet, 8, &write.write_id).await, Ok(known.clone()));
        assert!(["committed", "404"].contains(&known.as_str()), "{known}");
        let is_gone = known == "404";
        let at_least = [
            ("concordat-at-least", write.position.as_str()),
            ("slashid-required-consistency-timeout", "2"),
        ];
        let seen = fleet.ask(6, &fleet.on_credential("GET", "own", &at_least, None)).await;
        let status = seen.expect("an answer").status;
        assert_eq!(status, if is_gone { 410 } else { 200 }, "lost: {is_gone}");
        if is_gone {
            lost.push(write);
        }
    }
    lost
}

/// Lost writes are reported once the region is back: at any node, and as the writes' outcome.
async fn is_told(fleet: &Fleet, lost: &[Alone]) {
    let told = done(fleet, &[7], &["region", "lost-writes", LOST, "-o", "json"]).await;
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["silent"], serde_json::json!([]), "{told}");
    for write in lost {
        assert!(told.to_string().contains(&write.write_id), "not listed: {}", write.write_id);
        for node in [0, 5] {
            assert_eq!(outcome(fleet, node, &write.write_id).await, Ok("lost".to_owned()));
        }
    }
}

/// Writes after the failover, until a write reaches its required consistency.
async fn write_after(fleet: &Fleet, label: u64, required: &str) {
    let body = format!(r#"{{"label":"{label}"}}"#);
    let headers =
        [("slashid-required-consistency", required), ("slashid-required-consistency-timeout", "5")];
    within("the successor writes", LIMIT, async || {
        let bytes = fleet.on_credential("PATCH", "own", &headers, Some(&body));
        let seen = fleet.ask(5, &bytes).await?;
        if seen.status == 200 { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

/// The region's nodes return, with their data. None of them returns it as fresh, from its first
/// answer on. They are watched until the end.
async fn come_back(fleet: &mut Fleet) -> Watch {
    write_after(fleet, AFTER, "local_region").await;
    let watch = Watch::start(fleet, HOME, "own");
    watch.expect(AFTER);
    for node in HOME {
        fleet.cluster.restart(node).await;
    }
    fleet.cluster.ready().await;
    watch.sees(HOME, AFTER).await;
    write_after(fleet, AFTER + 1, "all_regions").await;
    watch.expect(AFTER + 1);
    watch.sees(HOME, AFTER + 1).await;
    watch
}

/// The region's group goes home again.
async fn go_home(fleet: &Fleet) {
    done(fleet, &[4], &["region", "relocate", LOST, "--to", LOST]).await;
    within("it is led at home", LIMIT, async || {
        let stands = voter_region(fleet, 4).await?;
        for node in HOME {
            if stands["leader"] == *fleet.node_id(node).await? {
                return Ok(());
            }
        }
        Err(format!("{stands}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_lost_for_good_is_failed_over_under_load() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("failover: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let all = [("slashid-required-consistency", "all_regions")];
    let body = r#"{"client_id":"own","client_secret":"a secret","provider":"google"}"#;
    let made = fleet.ask(0, &fleet.on_credential("POST", "", &all, Some(body))).await;
    assert_eq!(made.expect("an answer").status, 201);
    let workload = Workload::start(fleet.plan(OTHERS, CLIENTS, seed)).await;
    everyone_writes(&workload).await;
    let alone = lose_the_region(&mut fleet).await;
    let (count, killed) = (alone.len(), Instant::now());
    fail_over(&fleet).await;
    // The lost region counts on, and is pending until it is back.
    workload.go_without(Some(LOST));
    everyone_writes(&workload).await;
    println!("failover: all clients write {:?} after the region's death", killed.elapsed());
    let lost = lost_of(&fleet, alone).await;
    assert!(!lost.is_empty(), "nothing is tested");
    println!("failover: of {count} writes of the region alone {} are lost", lost.len());
    let watch = come_back(&mut fleet).await;
    workload.go_without(None);
    is_told(&fleet, &lost).await;
    everyone_writes(&workload).await;
    go_home(&fleet).await;
    everyone_writes(&workload).await;
    println!("failover: {}", watch.end());
    let places: Vec<usize> = HOME.chain(FAR).collect();
    finish(&fleet, workload, &places).await;
    fleet.cluster.ready().await;
    fleet.agree().await;
}

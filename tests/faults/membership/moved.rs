//! An organization's home moves to another region and back while sixteen clients write, and the
//! leaders of both groups are killed with `kill -9` on the way. A third move cannot end, because
//! its new home has lost its quorum, and is canceled.

use concordat_tests::{
    rng,
    wait::within,
    workload::{self, Workload},
};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    fleet::{self, Fleet, HOME, LIMIT, NODES},
    membership::done,
};

const CLIENTS: usize = 16;
/// The region in the middle and its nodes.
const THERE: (&str, std::ops::Range<usize>) = ("europe-belgium", 3..6);
const HERE: (&str, std::ops::Range<usize>) = ("us-iowa", HOME);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_moves_there_and_back_under_load() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("moved: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let workload = Workload::start(fleet.plan(0..NODES, CLIENTS, seed)).await;
    for (from, to) in [(HERE, THERE), (THERE, HERE)] {
        let begun = Instant::now();
        everyone_writes(&workload, begun).await;
        released(&fleet, to.0).await;
        let new = fleet.leader_of(to.1.start / 3).await;
        fleet.cluster.kill(new).await;
        let old = fleet.leader_of(from.1.start / 3).await;
        fleet.cluster.kill(old).await;
        arrived(&fleet, to.0).await;
        let arrived_at = Instant::now();
        println!("moved: at home in {} after {:?}", to.0, arrived_at - begun);
        everyone_writes(&workload, arrived_at).await;
        fleet.cluster.restart(new).await;
        fleet.cluster.restart(old).await;
        fleet.cluster.ready().await;
        arrived(&fleet, to.0).await;
    }
    taken_back(&mut fleet, &workload).await;
    let ledgers = workload.stop(LIMIT).await;
    println!("moved: {}", workload::summary(&ledgers));
    let wrong = workload::inconsistencies(&ledgers);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let last: Vec<(String, u64)> =
        ledgers.iter().map(|ledger| (ledger.client_id.clone(), ledger.last())).collect();
    let all: Vec<usize> = (0..NODES).collect();
    fleet.reads(&last, &all, true).await;
    fleet.agree().await;
}

/// The organization as the command line shows it after one of its verbs for moves.
async fn moved(fleet: &Fleet, via: usize, arguments: &[&str]) -> Value {
    let start = ["org", "move", &fleet.org.id, "-o", "json"];
    let text = done(fleet, &[via], &[&start[..], arguments].concat()).await;
    serde_json::from_str(&text).expect("JSON")
}

/// The organization is frozen for a region without a quorum. Its leader lives, and begins to
/// import; its proposals are committed when the others are back, and must be void by then.
async fn taken_back(fleet: &mut Fleet, workload: &Workload) {
    let body = r#"{"client_id":"own","client_secret":"a secret","provider":"google"}"#;
    let all = [("slashid-required-consistency", "all_regions")];
    let made = fleet.ask(0, &fleet.on_credential("POST", "", &all, Some(body))).await;
    assert_eq!(made.expect("an answer").status, 201);
    let leader = fleet.leader_of(THERE.1.start / 3).await;
    let dead: Vec<usize> = THERE.1.filter(|node| *node != leader).collect();
    for node in &dead {
        fleet.cluster.kill(*node).await;
    }
    let shown = moved(fleet, 0, &["--to", THERE.0]).await;
    assert_eq!(shown["moving_to"], THERE.0, "{shown}");
    // Longer than a home takes to arrive where it can.
    let limit = [("slashid-required-consistency-timeout", "5")];
    let bytes = fleet.on_credential("PATCH", "own", &limit, Some(r#"{"label":"1"}"#));
    let seen = fleet.ask(1, &bytes).await.expect("an answer");
    assert!(matches!(seen.status, 408 | 503), "without a home: {seen:?}");
    let begun = Instant::now();
    let shown = moved(fleet, 7, &["--cancel"]).await;
    assert_eq!((&shown["home_region"], &shown["moving_to"]), (&HERE.0.into(), &Value::Null));
    everyone_writes(workload, begun).await;
    println!("moved: taken back, everyone has written again after {:?}", begun.elapsed());
    for node in dead {
        fleet.cluster.restart(node).await;
    }
    fleet.cluster.ready().await;
    arrived(fleet, HERE.0).await;
    for _ in 0..3 {
        everyone_writes(workload, Instant::now()).await;
        for node in 0..NODES {
            let shown = fleet.organization(node).await.expect("an answer");
            let is_here = shown["home_region"] == HERE.0 && shown["moving_to"].is_null();
            assert!(is_here, "node {node}, after the move was taken back: {shown}");
        }
    }
}

async fn released(fleet: &Fleet, to: &str) {
    let body = format!(r#"{{"home_region":"{to}"}}"#);
    within("the move has begun", LIMIT, async || {
        let seen = fleet.change_home(7, &body).await?;
        if seen.status == 202 { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

/// Waits until every process that runs shows the organization at home in a region.
async fn arrived(fleet: &Fleet, region: &str) {
    within("the organization has arrived", LIMIT, async || {
        for node in (0..NODES).filter(|node| fleet.cluster.is_running(*node)) {
            let shown = fleet.organization(node).await?;
            if shown["home_region"] != region || !shown["moving_to"].is_null() {
                return Err(format!("node {node}: {shown}"));
            }
        }
        Ok(())
    })
    .await;
}

async fn everyone_writes(workload: &Workload, since: Instant) {
    within("every client writes", LIMIT, async || {
        let violations = workload.violations();
        assert!(violations.is_empty(), "{violations:#?}");
        let answered = workload.answered_since(since);
        let silent = answered.iter().filter(|first| first.is_none()).count();
        if silent == 0 { Ok(()) } else { Err(format!("{silent} do not")) }
    })
    .await;
}

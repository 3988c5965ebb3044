//! An organisation's home moves to another region and back while sixteen clients write, and the
//! leaders of both groups are killed with `kill -9` on the way.

use concordat_tests::{
    chance,
    wait::within,
    workload::{self, Workload},
};
use tokio::time::Instant;

use crate::fleet::{self, Fleet, HOME, LIMIT, NODES};

const CLIENTS: usize = 16;
/// The region in the middle and its nodes.
const THERE: (&str, std::ops::Range<usize>) = ("europe-belgium", 3..6);
const HERE: (&str, std::ops::Range<usize>) = ("us-iowa", HOME);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_moves_there_and_back_under_load() {
    let _turn = fleet::turn().await;
    let seed = chance::seed();
    println!("moved: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(None).await;
    let workload = Workload::start(fleet.plan(0..NODES, CLIENTS, seed)).await;
    for (from, to) in [(HERE, THERE), (THERE, HERE)] {
        let begun = Instant::now();
        everyone_writes(&workload, begun).await;
        released(&fleet, to.0).await;
        let new = fleet.leader_of(to.1.start / 3).await;
        fleet.nine.kill(new).await;
        let old = fleet.leader_of(from.1.start / 3).await;
        fleet.nine.kill(old).await;
        arrived(&fleet, to.0).await;
        let arrived_at = Instant::now();
        println!("moved: at home in {} after {:?}", to.0, arrived_at - begun);
        everyone_writes(&workload, arrived_at).await;
        fleet.nine.restart(new).await;
        fleet.nine.restart(old).await;
        fleet.nine.ready().await;
        arrived(&fleet, to.0).await;
    }
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

async fn released(fleet: &Fleet, to: &str) {
    let body = format!(r#"{{"home_region":"{to}"}}"#);
    within("the move has begun", LIMIT, async || {
        let seen = fleet.change_home(7, &body).await?;
        if seen.status == 202 { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

/// Waits until every process that runs shows the organisation at home in a region.
async fn arrived(fleet: &Fleet, region: &str) {
    within("the organisation has arrived", LIMIT, async || {
        for node in (0..NODES).filter(|node| fleet.nine.is_running(*node)) {
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

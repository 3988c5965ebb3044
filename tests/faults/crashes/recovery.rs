//! Recovery times: a region that returns with ten thousand writes behind, and a cluster full of
//! credentials that was killed whole. The times are printed beside their goals, and must only end
//! within much larger limits; the test checks that everything is there again, and can be proved
//! current.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concordat_tests::{
    connection::{Connection, request},
    demo::Org,
    links::Way,
    process_cluster::{ClusterOptions, FORM_LIMIT},
    wait::within,
    workload,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::fleet::{self, FAR, Fleet, HOME, LIMIT, NODES};

/// Writes that the region misses.
const BEHIND: u64 = 10_000;
/// The least duration of the cut: until no node keeps a connection to it.
const CUT_OFF: Duration = Duration::from_secs(6);
/// Credentials of the cluster that is killed.
const CREDENTIALS: u64 = 100_000;
const CLIENTS: u64 = 48;
/// For one write while nothing is broken in its own region.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

fn name(number: u64) -> String {
    format!("credential-{number}")
}

/// Creates credentials with these numbers through the nodes of the home region, in any order.
async fn create(fleet: &Fleet, numbers: std::ops::Range<u64>) {
    let next = Arc::new(AtomicU64::new(numbers.start));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let url = fleet.cluster.url(HOME.start + usize::try_from(client % 3).expect("below 3"));
        let (url, next, end) = (url.to_owned(), Arc::clone(&next), numbers.end);
        let org = fleet.org.clone();
        clients.spawn(async move {
            let mut connection = Connection::open(&url).await.expect("a connection");
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return;
                }
                let bytes = creation(&org, number);
                let answer = timeout(WRITE_LIMIT, connection.exchange(&bytes)).await;
                let answer = answer.expect("in time").expect("an answer");
                let body = String::from_utf8_lossy(answer.body);
                assert_eq!(answer.status, 201, "{}: {body}", name(number));
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client panicked");
    }
}

fn creation(org: &Org, number: u64) -> Vec<u8> {
    let headers = [("slashid-orgid", org.id.as_str()), ("slashid-api-key", &org.api_key)];
    let body = serde_json::json!({
        "client_id": name(number), "client_secret": "a secret", "provider": "google",
    });
    let body = body.to_string();
    request("POST", workload::CREDENTIALS, &headers, Some(&body))
}

/// Waits until each of the nodes finds the credentials, and proves that it is current: it has then
/// applied all that was acknowledged before.
async fn are_current(fleet: &Fleet, nodes: impl Iterator<Item = usize> + Clone, numbers: &[u64]) {
    within("the nodes are current", 2 * FORM_LIMIT, async || {
        for node in nodes.clone() {
            for number in numbers {
                let bytes = fleet.on_credential("GET", &name(*number), &[], None);
                let seen = fleet.ask(node, &bytes).await?;
                if !seen.is_unmarked {
                    return Err(format!("node {node}: {} {}", seen.status, seen.body));
                }
                assert_eq!(seen.status, 200, "node {node} has lost {}: {seen:?}", name(*number));
            }
        }
        Ok(())
    })
    .await;
}

async fn region_behind(fleet: &Fleet) {
    let inside: Vec<usize> = FAR.collect();
    let outside: Vec<usize> = (0..NODES).filter(|node| !inside.contains(node)).collect();
    let links = fleet.cluster.links();
    links.set(&inside, &outside, Way::CUT);
    links.set(&outside, &inside, Way::CUT);
    let began = Instant::now();
    create(fleet, 0..BEHIND).await;
    println!("recovery: {BEHIND} writes with a region cut off took {:?}", began.elapsed());
    sleep_until(began + CUT_OFF).await;
    let healed = Instant::now();
    links.heal();
    are_current(fleet, FAR, &[0, BEHIND / 2, BEHIND - 1]).await;
    let took = healed.elapsed();
    println!("recovery: a region healed with {BEHIND} writes behind: {took:.2?} (goal 5 s)");
}

async fn all_restarted(fleet: &mut Fleet, count: u64) {
    let began = Instant::now();
    create(fleet, BEHIND..count).await;
    println!("recovery: {} more credentials took {:?}", count - BEHIND, began.elapsed());
    are_current(fleet, 0..NODES, &[count - 1]).await;
    fleet.cluster.kill_all().await;
    let killed = Instant::now();
    fleet.cluster.restart_all().await;
    within("a write succeeds again", 2 * FORM_LIMIT, async || {
        let key = [("idempotency-key", "after the restart")];
        let body = r#"{"label":"again"}"#;
        let bytes = fleet.on_credential("PATCH", &name(0), &key, Some(body));
        match fleet.ask(HOME.start, &bytes).await? {
            seen if seen.status == 200 => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    let wrote = killed.elapsed();
    are_current(fleet, 0..NODES, &[0, count / 2, count - 1]).await;
    let took = killed.elapsed();
    println!("recovery: all nodes restarted with {count} credentials: {took:.2?} (goal 10 s)");
    println!("recovery: of that, until the first write: {wrote:.2?}");
}

/// Every credential is there, as every node reports.
async fn all_are_there(fleet: &Fleet, count: u64) {
    for node in 0..NODES {
        within("the list is whole", LIMIT, async || {
            let seen = fleet.ask(node, &fleet.on_credential("GET", "", &[], None)).await?;
            match seen.body["meta"]["pagination"]["total_count"].as_u64() {
                Some(total) if total == count => Ok(()),
                _ => Err(format!("node {node}: {}", seen.body["meta"])),
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_catches_up_and_a_full_cluster_comes_back() {
    let _turn = fleet::turn().await;
    let options = ClusterOptions { has_links: true, ..ClusterOptions::default() };
    let mut fleet = Fleet::start_with(options).await;
    region_behind(&fleet).await;
    all_restarted(&mut fleet, CREDENTIALS).await;
    all_are_there(&fleet, CREDENTIALS).await;
    fleet.agree().await;
}

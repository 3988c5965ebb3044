//! A home-region node loses its disk: it returns under a new id and catches up through a snapshot
//! while clients write. Only the operator can know that the old one never returns; once it is
//! removed the new one votes in its place.

use concordat_tests::{
    rng,
    wait::within,
    workload::{self, Workload},
};

use crate::fleet::{self, Fleet, HOME, LIMIT, NODES};

const CLIENTS: usize = 8;
/// So small that a handful of writes leaves nothing for a newcomer but a snapshot.
const SNAPSHOT_EVERY: u64 = 100;
const KEEP: u64 = 20;
/// Enough for the first entries to be purged everywhere.
const WRITES_BEFORE: u64 = 6 * SNAPSHOT_EVERY;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_joins_as_a_new_one_through_a_snapshot() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("wiped_node: CONCORDAT_SEED={seed}");
    let mut fleet = Fleet::start(Some((SNAPSHOT_EVERY, KEEP))).await;
    // The node that dies is not among those the clients use: this test is about the newcomer.
    let leader = fleet.home_leader().await;
    let wiped = HOME.rev().find(|node| *node != leader).expect("a follower");
    let others = (0..NODES).filter(|node| *node != wiped);
    let workload = Workload::start(fleet.plan(others, CLIENTS, seed)).await;
    more_writes(&workload, WRITES_BEFORE).await;
    let old = fleet.node_id(wiped).await.expect("it runs");
    fleet.cluster.kill(wiped).await;
    more_writes(&workload, 2 * SNAPSHOT_EVERY).await;
    fleet.cluster.wipe(wiped);
    fleet.cluster.restart(wiped).await;
    fleet.cluster.ready().await;
    // It joins beside the old one, which is merely down as far as any node can see.
    let nodes = fleet.inspect(leader, "/v1/cluster/nodes").await.expect("the nodes");
    let kept = nodes.as_array().into_iter().flatten().find(|node| node["node_id"] == *old);
    let kept = kept.unwrap_or_else(|| panic!("{old} is not listed any more: {nodes}"));
    assert!(kept["state"] == "member" && kept["live"] == false, "{kept}");
    fleet.remove(leader, &old).await;
    let new = new_member(&fleet, wiped, &old).await;
    println!("wiped_node: node {wiped}, {old} before, is {new} now");
    more_writes(&workload, 2 * SNAPSHOT_EVERY).await;
    let violations = workload.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    let ledgers = workload.stop(LIMIT).await;
    println!("wiped_node: {}", workload::summary(&ledgers));
    let last: Vec<(String, u64)> =
        ledgers.iter().map(|ledger| (ledger.client_id.clone(), ledger.last())).collect();
    fleet.reads(&last, &[wiped], true).await;
    fleet.cluster.ready().await;
    fleet.agree().await;
    let log = fleet.cluster.log(wiped);
    assert!(log.contains("installing a snapshot"), "it caught up without a snapshot:\n{log}");
}

async fn more_writes(workload: &Workload, more: u64) {
    let count = || workload.acknowledged().iter().map(|(_, last)| *last).sum::<u64>();
    let enough = count() + more;
    within("clients write", LIMIT, async || match count() {
        now if now >= enough => Ok(()),
        now => Err(format!("{now} of {enough} writes; {:?}", workload.violations())),
    })
    .await;
}

/// Waits until every node knows the newcomer as a member of each group, as a voter of its home
/// group, and the old id of none; returns the new id.
async fn new_member(fleet: &Fleet, wiped: usize, old: &str) -> String {
    within("the new node has taken the old one's place", LIMIT, async || {
        let new = fleet.node_id(wiped).await?;
        assert_ne!(new, old, "a wiped disk has kept its id");
        for node in 0..NODES {
            let status = fleet.inspect(node, "/v1/cluster").await?;
            let groups = status["groups"].as_array().cloned().unwrap_or_default();
            if groups.len() != 4 {
                return Err(format!("node {node} has {} groups", groups.len()));
            }
            for group in groups {
                let has = |list: &str, id: &str| {
                    let list = group[list].as_array();
                    list.is_some_and(|list| list.iter().any(|member| member == id))
                };
                let at_home = group["region"] == "us-iowa";
                let placed = has("voters", &new) || (!at_home && has("learners", &new));
                if !placed || has("voters", old) || has("learners", old) {
                    return Err(format!("node {node}: {group}"));
                }
            }
        }
        Ok(new)
    })
    .await
}

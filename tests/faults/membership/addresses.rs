//! A node is its data directory; an address is where it was last found. Nodes are restarted at new
//! addresses, at each other's, at those of nodes that are down, with empty settings, at unreachable
//! addresses: none of them may be taken for another one, and all must find each other again.

use concordat_tests::{
    connection::request,
    process_cluster::{FORM_LIMIT, ProcessCluster},
    wait::within,
};
use serde_json::Value;

use crate::fleet::{self, Fleet, LIMIT, NODES};

/// Every node that was there at the beginning, by its id.
async fn ids(fleet: &Fleet) -> Vec<String> {
    let mut ids = Vec::new();
    for node in 0..NODES {
        let id = within("the node knows itself", LIMIT, async || fleet.node_id(node).await).await;
        ids.push(id);
    }
    ids
}

/// Waits until all nodes run, are who they were, are known as members at their present addresses, and
/// a write reaches all regions.
async fn whole(fleet: &mut Fleet, what: &str, ids: &[String]) {
    println!("addresses: {what}");
    for (node, id) in ids.iter().enumerate() {
        assert_eq!(
            fleet.cluster.node_id(node).as_ref(),
            Some(id),
            "{what}: node {node} is another"
        );
    }
    within(what, FORM_LIMIT, async || {
        for node in 0..NODES {
            if !fleet.cluster.is_running(node) {
                continue;
            }
            let listed = fleet.inspect(node, "/v1/cluster/nodes").await?;
            for (other, id) in ids.iter().enumerate() {
                let address = fleet.cluster.setting(other, "peer_address");
                let mut all = listed.as_array().into_iter().flatten();
                let own = all.find(|it| it["node_id"] == **id);
                let own = own.ok_or_else(|| format!("node {node} does not list node {other}"))?;
                let is_right = own["state"] == "member"
                    && own["live"] == fleet.cluster.is_running(other)
                    && own["peer_address"] == *address;
                if !is_right {
                    return Err(format!("node {node} lists node {other} of {address} as {own}"));
                }
            }
        }
        Ok(())
    })
    .await;
    fleet.cluster.ready().await;
}

/// A write that every region must see.
async fn write(fleet: &Fleet, via: usize, name: &str) {
    let body = format!(r#"{{"client_id":"{name}","client_secret":"s","provider":"google"}}"#);
    let headers = [
        ("slashid-required-consistency", "all_regions"),
        ("slashid-required-consistency-timeout", "10"),
        ("idempotency-key", name),
    ];
    let bytes = fleet.on_credential("POST", "", &headers, Some(&body));
    within("a write reaches all regions", LIMIT, async || match fleet.ask(via, &bytes).await? {
        seen if seen.status == 201 => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
}

async fn restart(fleet: &mut Fleet, nodes: &[usize]) {
    for node in nodes {
        fleet.cluster.restart(*node).await;
    }
}

async fn kill(fleet: &mut Fleet, nodes: &[usize]) {
    for node in nodes {
        fleet.cluster.kill(*node).await;
    }
}

/// Two live nodes that exchanged their addresses: one was evicted for good. A node that was down while
/// another took its address could not come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_changes_hands_ends_nobody() {
    let _turn = fleet::turn().await;
    let mut fleet = Fleet::start(None).await;
    let ids = ids(&fleet).await;
    let address = |fleet: &Fleet, node| fleet.cluster.setting(node, "peer_address");

    kill(&mut fleet, &[1]).await;
    fleet.cluster.set_peer_address(1, &ProcessCluster::free_address());
    restart(&mut fleet, &[1]).await;
    whole(&mut fleet, "one node at a new address", &ids).await;

    // Of the home region's three: a majority of its voters.
    let (one, two) = (address(&fleet, 1), address(&fleet, 2));
    kill(&mut fleet, &[1, 2]).await;
    fleet.cluster.set_peer_address(1, &two);
    fleet.cluster.set_peer_address(2, &one);
    restart(&mut fleet, &[1, 2]).await;
    whole(&mut fleet, "two nodes that have exchanged their addresses", &ids).await;
    write(&fleet, 4, "exchanged").await;

    let reused = address(&fleet, 2);
    kill(&mut fleet, &[1, 2]).await;
    fleet.cluster.set_peer_address(1, &reused);
    restart(&mut fleet, &[1]).await;
    within("a down node's address has another node", LIMIT, async || {
        let listed = fleet.inspect(4, "/v1/cluster/nodes").await?;
        let at = listed.as_array().into_iter().flatten().filter(|it| it["peer_address"] == *reused);
        let at: Vec<&Value> = at.collect();
        let moved = at.iter().any(|it| it["node_id"] == *ids[1] && it["live"] == true);
        if moved { Ok(()) } else { Err(format!("{at:?}")) }
    })
    .await;
    write(&fleet, 4, "reused").await;
    fleet.cluster.set_peer_address(2, &ProcessCluster::free_address());
    restart(&mut fleet, &[2]).await;
    whole(&mut fleet, "a node whose address was reused while it was down", &ids).await;

    // A new machine at the address of one that is down for a while: it joins beside it.
    let reused = address(&fleet, 8);
    kill(&mut fleet, &[8]).await;
    let tenth = fleet.cluster.prepare("asia-japan");
    fleet.cluster.set_peer_address(tenth, &reused);
    restart(&mut fleet, &[tenth]).await;
    fleet.cluster.ready().await;
    fleet.cluster.set_peer_address(8, &ProcessCluster::free_address());
    restart(&mut fleet, &[8]).await;
    whole(&mut fleet, "a node whose address a new one was given", &ids).await;
    write(&fleet, 8, "given").await;
    fleet.agree().await;
}

/// An unset variable in a compose file made every node advertise "", and the second one took the first
/// one's place. With all nodes at new addresses none found another, whatever the seeds said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_find_each_other_by_their_seeds_whatever_they_believe_to_know() {
    let _turn = fleet::turn().await;
    let mut fleet = Fleet::start(None).await;
    let ids = ids(&fleet).await;
    for node in [1, 2] {
        kill(&mut fleet, &[node]).await;
        let empty = ["CONCORDAT_PEER_ADDRESS", "CONCORDAT_SEEDS", "CONCORDAT_BOOTSTRAP"];
        let empty = empty.map(|name| (name, String::new())).to_vec();
        fleet.cluster.set_environment(node, empty);
        restart(&mut fleet, &[node]).await;
        whole(&mut fleet, "a node with empty variables", &ids).await;
    }

    // It announces an address that is no node's; it is not reachable, and harms no other.
    kill(&mut fleet, &[1]).await;
    let right = fleet.cluster.setting(1, "peer_address");
    fleet.cluster.configure(1, "peer_address", Some("127.0.0.1:1".into()));
    restart(&mut fleet, &[1]).await;
    write(&fleet, 4, "unreachable").await;
    kill(&mut fleet, &[1]).await;
    fleet.cluster.configure(1, "peer_address", Some(right.into()));
    restart(&mut fleet, &[1]).await;
    whole(&mut fleet, "a node that was at an address that nobody can reach", &ids).await;

    fleet.cluster.kill_all().await;
    let addresses: Vec<String> = (0..NODES).map(|_| ProcessCluster::free_address()).collect();
    for node in 0..NODES {
        fleet.cluster.set_peer_address(node, &addresses[node]);
        // One of each region.
        let seeds = [0, 3, 6].map(|seed| addresses[seed].clone()).to_vec();
        fleet.cluster.configure(node, "seeds", Some(seeds.into()));
    }
    fleet.cluster.restart_all().await;
    whole(&mut fleet, "all nodes at new addresses", &ids).await;
    write(&fleet, 4, "new").await;

    // Every node is at another one's address, and every seed is wrong but one.
    fleet.cluster.kill_all().await;
    for node in 0..NODES {
        fleet.cluster.set_peer_address(node, &addresses[(node + 1) % NODES]);
        let seeds = vec![ProcessCluster::free_address(), addresses[5].clone()];
        fleet.cluster.configure(node, "seeds", Some(seeds.into()));
    }
    fleet.cluster.restart_all().await;
    whole(&mut fleet, "all nodes where another one was", &ids).await;
    write(&fleet, 7, "turned").await;
    fleet.agree().await;
}

/// A wiped node whose settings still say "bootstrap" began a second cluster when its seeds did not
/// answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_first_node_begins_no_second_cluster_beside_silent_seeds() {
    let _turn = fleet::turn().await;
    let mut fleet = Fleet::start(None).await;
    write(&fleet, 4, "before").await;
    let old = fleet.cluster.node_id(0).expect("it has run");
    let all: Vec<usize> = (0..NODES).collect();
    kill(&mut fleet, &all).await;
    fleet.cluster.wipe(0);
    restart(&mut fleet, &[0]).await;
    within("it says that it waits for its seeds", LIMIT, async || {
        let log = fleet.cluster.log(0);
        let told =
            log.lines().any(|line| line.contains("WARN") && line.contains("no cluster is begun"));
        if told { Ok(()) } else { Err(log) }
    })
    .await;
    let answer = fleet.ask(0, &request("GET", "/readyz", &[], None)).await.expect("it answers");
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    restart(&mut fleet, &all).await;
    fleet.cluster.ready().await;
    fleet.remove(4, &old).await;
    fleet.cluster.ready().await;
    let seen = fleet.ask(0, &fleet.on_credential("GET", "before", &[], None)).await;
    assert_eq!(seen.expect("an answer").status, 200, "it is in another cluster");
    fleet.agree().await;
}

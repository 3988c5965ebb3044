//! Node identities and addresses, in this process ([`crate::in_process`]): states that have lost
//! every address, addresses that are exchanged, first nodes that were wiped.

use std::time::Duration;

use concordat_cluster::raft::Retention;
use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId},
    org::NodeState,
};
use concordat_tests::wait::within;

use crate::{
    fleet,
    in_process::{LIMIT, Nine, members::say},
};

/// Longer than a node asks its seeds before it would begin a cluster.
const LONG_ENOUGH: Duration = Duration::from_secs(4);

async fn all_off(nine: &mut Nine) {
    for place in 0..9 {
        nine.stop(place).await;
    }
}

async fn all_on(nine: &mut Nine) {
    for place in 0..9 {
        nine.run(place).await;
    }
}

fn ids(nine: &Nine) -> Vec<NodeId> {
    nine.places.iter().map(|place| place.id).collect()
}

/// No node was ended, and none was taken for another one.
fn all_there(nine: &Nine, ids: &[NodeId]) {
    assert_eq!(self::ids(nine), ids);
    for (number, groups) in nine.all_running() {
        assert_eq!(*groups.faulted().borrow(), None, "node {number} has stopped");
        for id in ids {
            let view = groups.node_view(*id).unwrap_or_else(|| panic!("{id} is unknown"));
            assert!(view.record.is_there(), "at node {number}: {view:?}");
        }
    }
}

/// Found by the simulation (seed 777049): power was lost while a cluster formed. The memberships
/// were in the synced logs, the addresses in states that were gone, and no leader could be elected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_states_are_gone_finds_its_members_in_its_logs() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    nine.patch(0, "a", 1).await;
    let before = ids(&nine);
    for place in 0..9 {
        nine.stop_without_state(place).await;
    }
    // No node is left to ask.
    nine.seeds.clear();
    all_on(&mut nine).await;
    nine.settled().await;
    all_there(&nine, &before);
    nine.patch(4, "a", 2).await;
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_at_new_addresses_find_each_other_by_their_seeds() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let before = ids(&nine);
    for round in 1..=2 {
        all_off(&mut nine).await;
        for place in 0..9 {
            // At first every node is at a new address, then every node is at another one's.
            let address = format!("street-{}", (place + round) % 9);
            nine.move_to(place, &address);
        }
        // One right seed among wrong ones.
        nine.seeds = vec!["place-0".into(), nine.places[5].address.clone(), "place-3".into()];
        all_on(&mut nine).await;
        nine.settled().await;
        all_there(&nine, &before);
        nine.patch(4, "a", round as u64).await;
        nine.agreed().await;
    }
}

/// A node whose every address and seed is wrong reaches no other one. The others held their leases, and did not
/// look for it at their seeds, which named its new address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reaches_none_is_found_by_the_seeds_of_the_others() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let before = ids(&nine);
    all_off(&mut nine).await;
    for place in 0..9 {
        nine.move_to(place, &format!("street-{place}"));
    }
    nine.seeds = vec!["street-0".into(), "street-8".into()];
    for place in 0..8 {
        nine.run(place).await;
    }
    nine.settled().await;
    nine.seeds = vec!["nowhere".into()];
    nine.run(8).await;
    nine.settled().await;
    all_there(&nine, &before);
    nine.patch(8, "a", 1).await;
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_exchange_their_addresses_stay_who_they_are() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let before = ids(&nine);
    // Two of the home group's voters, a majority; then one of them returns at the other's address,
    // which returns at a new one.
    for (round, (first, second)) in
        [("place-2", "place-1"), ("place-1", "elsewhere")].iter().enumerate()
    {
        for place in [1, 2] {
            nine.stop(place).await;
        }
        nine.move_to(1, first);
        nine.move_to(2, second);
        nine.run(1).await;
        // The one whose address was taken is down meanwhile, and is not removed by that.
        within("the first one is where the second was", LIMIT, async || {
            let view = nine.groups(4).node_view(before[1]).ok_or("unknown")?;
            match view.record.peer_address == *first && view.live {
                true => Ok(()),
                false => Err(format!("{view:?}")),
            }
        })
        .await;
        nine.run(2).await;
        nine.settled().await;
        all_there(&nine, &before);
        nine.patch(4, "a", round as u64).await;
        nine.agreed().await;
    }
}

/// A wiped node whose settings still say "bootstrap" began a second cluster when it reached no seed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_first_node_begins_no_cluster_while_a_seed_is_silent() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let old = nine.id(0);
    all_off(&mut nine).await;
    nine.places[0] = nine.empty_place(0);
    nine.run(0).await;
    tokio::time::sleep(LONG_ENOUGH).await;
    assert_eq!(nine.groups(0).cluster(), None, "it has begun a cluster");
    for place in 1..9 {
        nine.run(place).await;
    }
    nine.settled_with(10).await;
    say(&nine, 4, Command::SetNodeState { node: old, state: NodeState::Leaving }).await;
    nine.settled().await;
    nine.patch(0, "a", 1).await;
    nine.agreed().await;
}

/// A wiped first node whose settings name the very cluster that it joined made the system group anew
/// with itself alone, beside the living one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_joined_never_forms_whatever_its_settings_name() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    for round in 0..3 {
        let old = nine.id(0);
        nine.stop(0).await;
        nine.places[0] = nine.empty_place(0);
        nine.run(0).await;
        let new = nine.id(0);
        within("it is a member like the others", LIMIT, async || {
            let status = nine.groups(0).status().await;
            let system = status.groups.iter().find(|group| group.group == GroupId::SYSTEM);
            let system = system.ok_or("it has no system group")?;
            assert!(system.voters.iter().any(|voter| *voter != new) || system.voters.is_empty());
            assert_eq!(*nine.groups(0).faulted().borrow(), None);
            nine.groups(0).ready().map_err(|reason| reason.to_string())
        })
        .await;
        say(&nine, 4, Command::SetNodeState { node: old, state: NodeState::Leaving }).await;
        nine.settled().await;
        nine.patch(0, "a", round).await;
        nine.agreed().await;
    }
}

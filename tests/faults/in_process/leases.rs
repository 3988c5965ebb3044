//! Leases among nine replicas in one process: which reads are stale, and the cost of a silent
//! replica.
//!
//! They wait for levels, never for a number of milliseconds; invariants are checked all the while.

use std::time::Duration;

use concordat_cluster::{
    consistency::Scope,
    machine::query,
    raft::{Freshness, Retention},
};
use concordat_proto::{command::Command, id::GroupId, lease::LeaseTerms, region::Region};
use concordat_tests::wait::within;
use tokio::time::Instant;

use crate::{
    fleet,
    in_process::{LIMIT, Nine, REGIONS, WRITE_LIMIT},
};

async fn becomes(nine: &Nine, place: usize, is_current: bool) {
    let what = if is_current { "its reads are unmarked" } else { "its reads are marked" };
    within(what, LIMIT, async || {
        let fresh = nine.groups(place).freshness(nine.home());
        if (fresh == Freshness::Current) == is_current {
            return Ok(());
        }
        Err(format!("node {place}: {fresh:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_marks_its_reads_until_it_is_back() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    for place in 0..9 {
        becomes(&nine, place, true).await;
    }
    nine.network.cut_node(nine.id(8));
    becomes(&nine, 8, false).await;
    nine.patch(0, "a", 1).await;
    assert_eq!(nine.label(8, "a"), None, "it was cut off before");
    nine.network.heal_node(nine.id(8));
    becomes(&nine, 8, true).await;
    assert_eq!(nine.label(8, "a"), Some("1".into()), "unmarked only with what was committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_marks_its_reads_before_another_one_answers_writes() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let old = nine.leader_place().await;
    becomes(&nine, old, true).await;
    nine.network.cut_node(nine.id(old));
    let via = (0..3).find(|place| *place != old).expect("a home node");
    let index = nine.patch(via, "a", 1).await;
    let here = Scope::Region(Region::new(REGIONS[0]).unwrap());
    let arrived = nine.arrived(via, index, &here, Instant::now() + WRITE_LIMIT).await;
    assert!(arrived.reached, "{arrived:?}");
    // From here on an unmarked read of the old leader would miss the write.
    for _ in 0..50 {
        let fresh = nine.groups(old).freshness(nine.home());
        let has = nine.label(old, "a") == Some("1".into());
        assert!(has || fresh != Freshness::Current, "a stale read was not marked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    nine.network.heal_node(nine.id(old));
    becomes(&nine, old, true).await;
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_node_costs_the_writes_of_its_region_one_lease() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let leader = nine.leader_place().await;
    let silent = (0..3).find(|place| *place != leader).expect("a follower at home");
    for place in 0..3 {
        becomes(&nine, place, true).await;
    }
    let cost = || nine.groups(leader).metrics().lease_waits.local_region;
    nine.network.cut_node(nine.id(silent));
    for write in 0..20 {
        let (index, stale_readers) = nine.patch_told(leader, "a", write).await;
        let here = Scope::Region(Region::new(REGIONS[0]).unwrap());
        let deadline = Instant::now() + WRITE_LIMIT;
        let groups = nine.groups(leader);
        let arrived = groups.wait(nine.home(), index, &here, stale_readers, deadline).await;
        assert!(arrived.reached, "{arrived:?}");
    }
    let cost = cost();
    assert_eq!(cost.lost_us.count, 20, "each write's wait is counted, once");
    // One, or two when a renewal was under way; none when the first write alone took that long.
    let waited_out = cost.waited_out;
    assert!(waited_out <= 2, "the silent node's lease was waited for {waited_out} times");
    // A wait for an earlier write's receipt is no slow write.
    let (index, stale_readers) = nine.patch_told(leader, "a", 20).await;
    let (groups, deadline) = (nine.groups(leader), Instant::now() + WRITE_LIMIT);
    groups.wait_again(nine.home(), index, &Scope::All, stale_readers, deadline).await;
    assert_eq!(groups.metrics().lease_waits.all_regions.lost_us.count, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lease_terms_are_carried_into_every_group() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    let away = Duration::from_millis(900);
    let terms = LeaseTerms { away, ..LeaseTerms::DEFAULT };
    nine.propose_in(GroupId::SYSTEM, 4, Command::SetLeases(terms)).await;
    within("every group of every node has the terms", LIMIT, async || {
        for (place, groups) in nine.all_running() {
            let homes = groups.home_groups().into_iter().map(|(group, _)| group);
            for group in homes.chain([GroupId::SYSTEM]) {
                let found = query::leases(&*groups.store(), group).map_err(|e| e.to_string())?;
                if found.terms != terms {
                    return Err(format!("node {place}, group {group}: {found:?}"));
                }
                if found.longest != LeaseTerms::DEFAULT.away {
                    return Err(format!("the longest lease was forgotten: {found:?}"));
                }
            }
        }
        Ok(())
    })
    .await;
    for place in 0..9 {
        becomes(&nine, place, true).await;
    }
}

//! Nodes with one failing part, in one process: a disk that hangs, a link that works in one
//! direction only. Such a node costs the writes of its region one lease, once, and reports its
//! problem.
//!
//! They wait for levels and count waits, never milliseconds.

use concordat_cluster::{
    consistency::Scope,
    raft::{Freshness, NotReady, Purpose, Retention},
};
use concordat_proto::region::Region;
use concordat_tests::wait::within;
use tokio::time::Instant;

use crate::{
    fleet,
    in_process::{LIMIT, Nine, REGIONS, WRITE_LIMIT},
};

/// Writes beside a sick node, each of which would wait for a lease.
const WRITES: u64 = 30;
/// Those that may: the one under way when the node fell sick, and those that began before it, or its
/// leader, had noticed.
const WAITED_MAX: u64 = 6;

async fn becomes(nine: &Nine, place: usize, is_current: bool) {
    let what = if is_current { "its reads are unmarked" } else { "its reads are marked" };
    within(what, LIMIT, async || {
        let fresh = nine.groups(place).freshness(nine.home());
        let is = (fresh == Freshness::Current) == is_current;
        if is { Ok(()) } else { Err(format!("node {place}: {fresh:?}")) }
    })
    .await;
}

/// The leader of the first region's group, and one of its followers there.
async fn leader_and_follower(nine: &Nine) -> (usize, usize) {
    for place in 0..3 {
        becomes(nine, place, true).await;
    }
    let leader = nine.leader_place().await;
    (leader, (0..3).find(|place| *place != leader).expect("a follower at home"))
}

/// Writes one after another in the home region; how many of them waited for a lease's end.
async fn waited_out(nine: &Nine, leader: usize) -> u64 {
    let groups = nine.groups(leader);
    let before = groups.metrics().lease_waits.local_region.waited_out;
    for write in 0..WRITES {
        let (index, stale_readers) = nine.patch_told(leader, "a", write).await;
        let here = Scope::Region(Region::new(REGIONS[0]).unwrap());
        let deadline = Instant::now() + WRITE_LIMIT;
        let arrived = groups.wait(nine.home(), index, &here, stale_readers, deadline).await;
        assert!(arrived.reached, "{arrived:?}");
    }
    groups.metrics().lease_waits.local_region.waited_out - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_costs_the_writes_of_its_region_one_lease() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let (leader, sick) = leader_and_follower(&nine).await;
    nine.places[sick].files.hold_syncs();
    let waited = waited_out(&nine, leader).await;
    println!("sick: {waited} of {WRITES} writes waited for the lease of a node whose disk hangs");
    assert!(
        waited <= WAITED_MAX,
        "{waited} writes waited for the lease of a node whose disk hangs"
    );
    becomes(&nine, sick, false).await;
    let (health, id) = (nine.groups(sick).health(), nine.id(sick));
    assert!(health.is_disk_late && !health.unsynced.is_zero(), "{health:?}");
    assert_eq!(nine.groups(sick).ready_for(Purpose::Reads), Ok(()), "logins go on");
    let reason = nine.groups(sick).ready_for(Purpose::Writes).unwrap_err().to_string();
    assert!(reason.contains("the disk has not synced applied entries for"), "{reason}");
    let status = nine.groups(leader).status().await;
    let group = status.groups.iter().find(|it| it.group == nine.home()).expect("it is there");
    assert!(group.late.iter().any(|(node, _)| *node == id), "{:?}", group.late);
    nine.places[sick].files.release_syncs();
    becomes(&nine, sick, true).await;
    within("it says that it is well", LIMIT, async || {
        nine.groups(sick).ready().map_err(|reason| reason.to_string())
    })
    .await;
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_asks_for_leases_and_hears_no_answer_costs_one_lease() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let (leader, sick) = leader_and_follower(&nine).await;
    nine.network.cut_link(nine.id(leader), nine.id(sick));
    let waited = waited_out(&nine, leader).await;
    println!("sick: {waited} of {WRITES} writes waited for the lease of a node that hears nothing");
    assert!(
        waited <= WAITED_MAX,
        "{waited} writes waited for the lease of a node that hears nothing"
    );
    let refused = || async {
        let status = nine.groups(leader).status().await;
        let group = status.groups.into_iter().find(|it| it.group == nine.home());
        group.expect("it is there").refused
    };
    let id = nine.id(sick);
    assert!(refused().await.iter().any(|(node, _)| *node == id), "the leader says whom it refuses");
    becomes(&nine, sick, false).await;
    nine.network.heal_link(nine.id(leader), nine.id(sick));
    becomes(&nine, sick, true).await;
    within("nobody is refused", LIMIT, async || {
        let refused = refused().await;
        if refused.is_empty() { Ok(()) } else { Err(format!("{refused:?}")) }
    })
    .await;
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_reports_do_not_reach_where_writes_begin_costs_one_lease() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let (leader, sick) = leader_and_follower(&nine).await;
    let origin =
        (0..3).find(|place| ![leader, sick].contains(place)).expect("a third node at home");
    nine.network.cut_link(nine.id(sick), nine.id(origin));
    let waited = waited_out(&nine, origin).await;
    println!("sick: {waited} of {WRITES} writes waited for the lease of a node that is not heard");
    assert!(
        waited <= WAITED_MAX,
        "{waited} writes waited for the lease of a node that is not heard"
    );
    assert_eq!(
        nine.groups(sick).freshness(nine.home()),
        Freshness::Current,
        "its reads are unmarked"
    );
    nine.network.heal_link(nine.id(sick), nine.id(origin));
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_cluster_is_current_even_when_its_disks_hang() {
    let _turn = fleet::turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    nine.agreed().await;
    for place in 0..9 {
        becomes(&nine, place, true).await;
    }
    for place in &nine.places {
        place.files.hold_syncs();
    }
    // Longer than any lease: no replica shows unsynced entries, so none gives its lease up.
    let until = Instant::now() + std::time::Duration::from_secs(4);
    while Instant::now() < until {
        for (place, groups) in nine.all_running() {
            let health = groups.health();
            assert!(!health.is_disk_late, "node {place}: {health:?}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for place in &nine.places {
        place.files.release_syncs();
    }
    for place in 0..9 {
        becomes(&nine, place, true).await;
    }
}

/// What a node says of itself.
fn judged(nine: &Nine, place: usize) -> (Result<(), NotReady>, Result<(), NotReady>) {
    let groups = nine.groups(place);
    (groups.ready_for(Purpose::Reads), groups.ready_for(Purpose::Writes))
}

/// Waits until nodes report that they are ready for reads and not for writes, for this reason.
async fn says(nine: &Nine, places: &[usize], reason: &str) {
    within("nodes say what is wrong", LIMIT, async || {
        for place in places {
            let (reads, writes) = judged(nine, *place);
            let obstacles = writes.err().map(|reason| reason.to_string()).unwrap_or_default();
            if reads != Ok(()) || !obstacles.contains(reason) {
                return Err(format!("node {place}: reads {reads:?}, writes {obstacles:?}"));
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_tells_of_a_region_cut_off_of_lost_voters_and_of_a_lost_quorum() {
    let _turn = fleet::turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let all: Vec<usize> = (0..9).collect();
    let far = Region::new(REGIONS[2]).unwrap();
    nine.network.cut_region(&far);
    let (home, lost) = (nine.home(), nine.home_of(2));
    says(&nine, &[6, 7, 8], &format!("group {home}: leader ")).await;
    says(&nine, &[6, 7, 8], "reads have been stale for").await;
    says(&nine, &[0, 1, 2, 3, 4, 5], &format!("group {lost}: leader ")).await;
    nine.network.heal_region(&far);
    nine.settled().await;

    for place in 6..9 {
        nine.stop(place).await;
    }
    says(&nine, &[0, 1, 2, 3, 4, 5], &format!("group {lost}: leader ")).await;
    says(&nine, &[0, 1, 2, 3, 4, 5], "no quorum, unreachable voters").await;
    for place in 3..6 {
        nine.stop(place).await;
    }
    // Of the system group's voters two of five are left.
    says(&nine, &[0, 1, 2], "group 0: ").await;
    let (reads, _) = judged(&nine, 0);
    assert_eq!(reads, Ok(()), "organizations of the first region can be read");
    for place in 3..9 {
        nine.run(place).await;
    }
    nine.settled().await;
    for place in all {
        assert_eq!(judged(&nine, place).0, Ok(()));
    }
    nine.agreed().await;
}

//! A permanently lost region, in this process: failed over from its surviving replicas; back again,
//! with its lost writes; and voter regions that are changed while all goes well.

use std::time::Duration;

use concordat_cluster::{
    consistency::{Fate, Scope},
    machine::{
        locate::{Located, locate},
        query,
    },
    raft::{FENCE, Freshness, Groups, LeftBehind, Proposed, Retention},
};
use concordat_proto::{
    command::Command,
    consistency::Position,
    failover::FailoverBasis,
    id::{ClientId, GroupId, NodeId, WriteId},
    log::LogIndex,
    org::{NodeState, PartitionPolicy},
};
use concordat_tests::wait::within;
use tokio::time::{Instant, sleep};

use crate::{
    fleet,
    in_process::{
        LIMIT, Nine, ORG, REGIONS, WRITE_LIMIT, create_org,
        members::{region, say},
        patch,
    },
};

pub(crate) const LOST: [usize; 3] = [0, 1, 2];

pub(crate) fn close(to: usize, basis: FailoverBasis) -> Command {
    let (lost, to) = (region(REGIONS[0]), region(REGIONS[to]));
    Command::CloseGroup { region: lost, to, basis, absent: Vec::new() }
}

fn located(groups: &Groups) -> Option<Located> {
    let found = locate(&*groups.store(), &groups.readable_groups(), ORG).expect("the store reads");
    found.map(|at| Located { is_closed: groups.is_closed(at.group), ..at })
}

/// A read at a node: the label, and whether it is fresh.
fn read(groups: &Groups, name: &str) -> (Option<String>, bool) {
    let Some(at) = located(groups) else { return (None, false) };
    let is_current = at.is_settled() && groups.freshness(at.group) == Freshness::Current;
    let client_id = ClientId::new(name).expect("a client id");
    let found = query::oidc(&*groups.store(), at.group, ORG, &client_id).expect("it reads");
    (found.and_then(|credential| credential.label), is_current)
}

/// Waits until all running nodes see the first region's group led in another region.
pub(crate) async fn stands_in(nine: &Nine, voter_region: usize) -> GroupId {
    within("the group stands and is led there", LIMIT, async || {
        let mut group = None;
        for (number, groups) in nine.all_running() {
            if let Some(reason) = groups.faulted().borrow().clone() {
                panic!("node {number} stopped: {reason}");
            }
            let found = groups.regions();
            let found = found.iter().find(|it| it.record.region.as_str() == REGIONS[0]);
            let found = found.ok_or("no region")?;
            let leads = found.voters.iter().any(|(node, of)| {
                Some(*node) == found.leader && of.as_str() == REGIONS[voter_region]
            });
            if found.is_closed || !leads || found.voters.len() < 3 {
                return Err(format!("node {number}: {found:?}"));
            }
            groups.ready().map_err(|reason| format!("node {number}: {reason}"))?;
            group = Some(found.record.group);
        }
        group.ok_or_else(|| "nobody runs".into())
    })
    .await
}

pub(crate) async fn until_silent(nine: &Nine, via: usize) {
    within("nothing stands in the way", LIMIT, async || {
        match nine.groups(via).failover_blocker(&region(REGIONS[0]), &region(REGIONS[1]), &[]) {
            None => Ok(()),
            Some(reason) => Err(reason.to_string()),
        }
    })
    .await;
}

/// A write with its name, where it is committed.
pub(crate) async fn write_in(
    nine: &Nine,
    group: GroupId,
    via: usize,
    label: u64,
    limit: Duration,
) -> Option<(WriteId, LogIndex)> {
    let proposal = nine.proposal(via, patch("a", label));
    let write_id = proposal.write_id;
    let deadline = Instant::now() + limit;
    match nine.groups(via).propose(group, proposal, deadline).await {
        Proposed::Committed { applied, .. } => {
            applied.outcome.expect("not refused");
            Some((write_id, applied.index))
        }
        Proposed::NotProposed
        | Proposed::Busy
        | Proposed::Queued { .. }
        | Proposed::Unknown
        | Proposed::Closed => None,
    }
}

/// Waits until a node knows of the regions, in their order, which have a write; each of them counts.
pub(crate) async fn counted(
    nine: &Nine,
    via: usize,
    (group, index): (GroupId, LogIndex),
    has: [bool; 3],
) {
    within("the regions have the write as expected", LIMIT, async || {
        let groups = nine.groups(via);
        let progress =
            groups.progress(group, index, &Scope::All, groups.stale_readers(group, index));
        let of = |name| progress.regions.iter().find(|it| it.region.as_str() == name);
        let found = REGIONS.map(|name| of(name).map(|it| it.applied));
        assert!(found.iter().all(Option::is_some), "one does not count: {progress:?}");
        assert!(!progress.reached || !found.contains(&Some(false)), "{progress:?}");
        if found == has.map(Some) { Ok(()) } else { Err(format!("{progress:?}")) }
    })
    .await;
}

/// Removes nodes, as an operator.
async fn remove(nine: &Nine, via: usize, nodes: impl IntoIterator<Item = NodeId>) {
    for node in nodes {
        for state in [NodeState::Leaving, NodeState::Removed] {
            say(nine, via, Command::SetNodeState { node, state }).await;
        }
    }
}

/// Waits until a write has reached all regions that count; the number of regions is checked.
async fn everywhere(nine: &Nine, via: usize, (group, index): (GroupId, LogIndex), regions: usize) {
    within("it has reached all regions", LIMIT, async || {
        let groups = nine.groups(via);
        let progress =
            groups.progress(group, index, &Scope::All, groups.stale_readers(group, index));
        let is_there = progress.reached && progress.regions.len() == regions;
        if is_there { Ok(()) } else { Err(format!("{progress:?}")) }
    })
    .await;
}

/// Watches a node's reads until it is stopped: whether none was fresh from the closed group.
async fn watch(groups: Groups, closed: GroupId) {
    loop {
        let is_current = groups.freshness(closed) == Freshness::Current;
        assert!(!is_current, "a node answers unmarked from the closed group");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_region_is_failed_over_and_comes_back() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a", "b"]).await;
    let old = nine.home();
    let everywhere = nine.patch(4, "a", 1).await;
    let deadline = Instant::now() + WRITE_LIMIT;
    assert!(nine.arrived(4, everywhere, &Scope::All, deadline).await.reached);
    // An entry that only the lost region has: committed there while it was cut off.
    nine.network.cut_region(&region(REGIONS[0]));
    let (alone, alone_at) =
        write_in(&nine, old, 0, 2, WRITE_LIMIT).await.expect("a region alone writes on");
    assert!(alone_at > everywhere);
    for place in LOST {
        nine.stop(place).await;
    }
    nine.network.heal_region(&region(REGIONS[0]));
    until_silent(&nine, 3).await;
    say(&nine, 3, close(1, FailoverBasis::Fenced)).await;
    let new = stands_in(&nine, 1).await;
    assert_ne!(new, old);
    for (number, groups) in nine.all_running() {
        let at = located(groups).expect("it is there");
        assert_eq!((at.group, at.home.org.epoch), (new, 2), "node {number}");
        assert_eq!(read(groups, "a").0.as_deref(), Some("1"), "node {number}");
    }
    let after = nine.patch(7, "a", 3).await;
    // The lost region counts on: it is pending, until it is back or an operator removes it.
    counted(&nine, 7, (new, after), [false, true, true]).await;
    // The lost region returns: it neither proposes nor answers fresh reads from its state.
    let mut watches = Vec::new();
    for place in LOST {
        nine.run(place).await;
        watches.push(tokio::spawn(watch(nine.groups(place).clone(), old)));
        let late = write_in(&nine, old, place, 99, Duration::from_secs(1)).await;
        assert_eq!(late, None, "node {place} wrote to the closed group");
    }
    assert_eq!(stands_in(&nine, 1).await, new);
    for watch in watches {
        assert!(!watch.is_finished(), "{:?}", watch.await);
        watch.abort();
    }
    for place in LOST {
        within("it has what was written meanwhile", LIMIT, async || {
            match read(nine.groups(place), "a") {
                (Some(label), true) if label == "3" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    diverged(&nine, old, alone).await;
    // And its group comes home, with nothing lost.
    let (lost, home) = (region(REGIONS[0]), region(REGIONS[0]));
    say(&nine, 4, Command::SetVoterRegion { region: lost, voter_region: home }).await;
    assert_eq!(stands_in(&nine, 0).await, new);
    let last = nine.patch(0, "b", 4).await;
    let deadline = Instant::now() + WRITE_LIMIT;
    let reached = nine.arrived(0, last, &Scope::All, deadline).await;
    assert!(reached.reached && reached.regions.len() == 3, "{reached:?}");
}

/// The write that the lost region had alone is reported, at every node; no other one is.
async fn diverged(nine: &Nine, group: GroupId, alone: WriteId) {
    for via in [0, 4] {
        let (found, silent) = nine.groups(via).divergence(&region(REGIONS[0])).await;
        assert_eq!(silent, []);
        let nodes: Vec<NodeId> = found.iter().map(|of| of.node).collect();
        assert!(nodes.iter().all(|node| LOST.iter().any(|lost| nine.id(*lost) == *node)));
        assert!(found.iter().all(|of| of.group == group && of.unlisted == 0));
        let mut committed = found.iter().flat_map(|of| &of.writes).filter(|write| write.committed);
        assert!(committed.all(|write| write.write_id == alone), "{found:?}");
        let write = found.iter().flat_map(|of| &of.writes).find(|it| it.write_id == alone);
        let write = write.expect("it is listed");
        assert_eq!((write.operation.as_str(), write.org), ("oidc.patch", Some(ORG)));
        let told = nine.groups(via).left_behind(alone).await;
        assert!(matches!(told, LeftBehind::Lost { .. }), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_survivor_had_applied_lives_on_whoever_is_asked_first() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let old = nine.home();
    // One survivor alone, not in the successor's voter region, gets the last writes; and it loses
    // its power before it is asked.
    for place in [3, 4, 5, 6, 7] {
        nine.network.cut_node(nine.id(place));
    }
    let leader = nine.leader_place().await;
    for label in 1..=20 {
        write_in(&nine, old, leader, label, WRITE_LIMIT).await.expect("it is written");
    }
    let at = nine.groups(leader).applied(old);
    assert!(nine.groups(8).wait_visible(old, at, Instant::now() + WRITE_LIMIT).await);
    within("it has reported it", LIMIT, async || {
        let index = nine.groups(leader).progress(
            old,
            at,
            &Scope::Region(region(REGIONS[2])),
            nine.groups(leader).stale_readers(old, at),
        );
        let applied = index.regions.iter().any(|it| it.region.as_str() == REGIONS[2] && it.applied);
        if applied { Ok(()) } else { Err(format!("{index:?}")) }
    })
    .await;
    for place in LOST {
        nine.stop(place).await;
    }
    nine.stop(8).await;
    nine.network.heal_all();
    nine.run(8).await;
    until_silent(&nine, 3).await;
    say(&nine, 3, close(1, FailoverBasis::Fenced)).await;
    stands_in(&nine, 1).await;
    for (number, groups) in nine.all_running() {
        assert_eq!(read(groups, "a").0.as_deref(), Some("20"), "node {number}");
    }
}

/// The position of a write that is committed in the closed group, as its client gets it.
async fn position_of(nine: &Nine, via: usize, label: u64) -> Position {
    let proposal = nine.proposal(via, patch("a", label));
    let proposed = nine.try_propose(via, proposal, WRITE_LIMIT).await;
    let Proposed::Committed { applied, .. } = proposed else { panic!("{proposed:?}") };
    applied.position.expect("of an organization")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_is_kept_with_its_entry_and_lost_without_it() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let old = nine.home();
    within("positions have terms", LIMIT, async || {
        let position = position_of(&nine, 4, 1).await;
        position.term.map(drop).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    // One survivor alone has the next writes in its log; only the lost region has the last ones.
    for place in [3, 4, 5, 6, 7] {
        nine.network.cut_node(nine.id(place));
    }
    let leader = nine.leader_place().await;
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for label in 2..=10 {
        kept.push(position_of(&nine, leader, label).await);
    }
    let at = nine.groups(leader).applied(old);
    assert!(nine.groups(8).wait_visible(old, at, Instant::now() + WRITE_LIMIT).await);
    nine.network.cut_node(nine.id(8));
    for label in 11..=15 {
        lost.push(position_of(&nine, leader, label).await);
    }
    for place in LOST {
        nine.stop(place).await;
    }
    // It has applied them, and does not know that any more.
    nine.stop_without_state(8).await;
    nine.network.heal_all();
    nine.run(8).await;
    until_silent(&nine, 3).await;
    say(&nine, 3, close(1, FailoverBasis::Fenced)).await;
    stands_in(&nine, 1).await;
    for (number, groups) in nine.all_running() {
        let fate = |position: &Position| groups.fate(position).expect("it reads");
        for position in &kept {
            assert_eq!(fate(position), Some(Fate::Kept), "node {number}: {position:?}");
        }
        for position in &lost {
            assert_eq!(fate(position), Some(Fate::Lost), "node {number}: {position:?}");
        }
        // By its index alone it could not be decided.
        let last = Position { term: None, ..kept[kept.len() - 1] };
        assert_eq!(fate(&last), Some(Fate::Unknown), "node {number}");
        assert_eq!(read(groups, "a").0.as_deref(), Some("10"), "node {number}");
        let position = groups.position(2, groups.successor(old)).expect("it reads");
        assert!(position.term.is_some() && fate(&position).is_none(), "{position:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_fences_itself_is_failed_over_on_nobodys_word() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let old = nine.home();
    let first = region(REGIONS[0]);
    assert_eq!(nine.groups(3).fences_itself(&first), None);
    say(&nine, 3, Command::SetPartitionPolicy(PartitionPolicy::Fence)).await;
    let generation = within("all have noted it", LIMIT, async || {
        let noted = nine.all_running().map(|(_, groups)| groups.fences_itself(&first));
        let noted: Option<Vec<u32>> = noted.collect();
        noted.map(|all| all[0]).ok_or_else(|| "not all".to_owned())
    })
    .await;
    nine.patch(4, "a", 1).await;
    nine.network.cut_region(&first);
    let cut = Instant::now();
    let leader = nine.leader_place().await;
    assert!(LOST.contains(&leader));
    // It continues as long as no other node can take its place.
    write_in(&nine, old, leader, 2, WRITE_LIMIT).await.expect("its fence holds still");
    until_silent(&nine, 3).await;
    let stale = FailoverBasis::SelfFencing { generation: generation + 1 };
    let refused = nine.groups(3).propose(
        GroupId::SYSTEM,
        nine.proposal(3, close(1, stale)),
        Instant::now() + WRITE_LIMIT,
    );
    assert!(
        matches!(refused.await, Proposed::Committed { applied, .. } if applied.outcome.is_err())
    );
    say(&nine, 3, close(1, FailoverBasis::SelfFencing { generation })).await;
    // Until the others have a successor it may write and answer; from then on it must not.
    let founded = within("a successor is named", LIMIT, async || {
        let mut alive = Vec::new();
        for place in LOST {
            if nine.groups(place).freshness(old) == Freshness::Current {
                alive.push(place);
            }
        }
        let is_named = nine.groups(5).closed(old).is_some_and(|it| it.succession.is_some());
        assert!(!is_named || alive.is_empty(), "{alive:?} answer unmarked beside the successor");
        if is_named { Ok(Instant::now()) } else { Err("not yet".into()) }
    })
    .await;
    assert!(founded - cut >= FENCE, "it was not waited out");
    for place in LOST {
        assert_eq!(write_in(&nine, old, place, 9, Duration::from_secs(1)).await, None);
        assert!(nine.groups(place).is_fenced(old), "node {place} does not know why");
        assert!(!read(nine.groups(place), "a").1);
    }
    within("the successor is led", LIMIT, async || {
        let regions = nine.groups(5).regions();
        let found = regions.iter().find(|it| it.record.region == first).expect("it is there");
        let led = found.record.group != old && found.leader.is_some();
        if led { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let new = nine.groups(5).successor(old);
    write_in(&nine, new, 5, 5, WRITE_LIMIT).await.expect("the successor writes");
    nine.network.heal_region(&first);
    assert_eq!(stands_in(&nine, 1).await, new);
    for (number, groups) in nine.all_running() {
        within("all see what the successor wrote", LIMIT, async || match read(groups, "a") {
            (Some(label), true) if label == "5" => Ok(()),
            other => Err(format!("node {number}: {other:?}")),
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_moved_while_writes_go_on() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let group = nine.home();
    for (voter_region, label) in [(2, 1), (0, 2)] {
        let to = region(REGIONS[voter_region]);
        let command = Command::SetVoterRegion { region: region(REGIONS[0]), voter_region: to };
        say(&nine, 3, command).await;
        nine.patch(4, "a", label).await;
        assert_eq!(stands_in(&nine, voter_region).await, group, "no other group");
        nine.patch(4, "a", label).await;
    }
    nine.agreed().await;
}

/// The place of the node that a closed group's successor is to be founded by, as soon as it is named.
async fn founder(nine: &Nine, via: usize, closed: GroupId) -> usize {
    let deadline = Instant::now() + LIMIT;
    loop {
        let named = nine.groups(via).closed(closed).and_then(|it| it.succession);
        if let Some(succession) = named {
            let place = nine.places.iter().position(|place| place.id == succession.founder);
            return place.expect("one of ours");
        }
        assert!(Instant::now() < deadline, "nobody is named");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Lets the system group survive the loss of one more node: two of the lost ones are removed.
async fn spare_a_system_voter(nine: &Nine) {
    remove(nine, 3, [nine.id(0), nine.id(1)]).await;
    within("four of the system group's voters live", LIMIT, async || {
        let status = nine.groups(3).status().await;
        let living = |id: &&NodeId| (3..9).any(|place| nine.id(place) == **id);
        match status.groups[0].voters.iter().filter(living).count() {
            4.. => Ok(()),
            _ => Err(format!("{:?}", status.groups[0].voters)),
        }
    })
    .await;
}

/// A cluster whose first region is lost and closed, and whose successor's founder has lost its
/// power at once; and that founder's place.
async fn without_its_founder() -> (Nine, usize) {
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let old = nine.home();
    let at = nine.patch(4, "a", 1).await;
    assert!(nine.arrived(4, at, &Scope::All, Instant::now() + WRITE_LIMIT).await.reached);
    for place in LOST {
        nine.stop(place).await;
    }
    until_silent(&nine, 3).await;
    spare_a_system_voter(&nine).await;
    say(&nine, 3, close(1, FailoverBasis::Fenced)).await;
    let founder = founder(&nine, 8, old).await;
    nine.stop(founder).await;
    (nine, founder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founder_that_loses_its_power_founds_it_all_the_same() {
    let _turn = fleet::shared_turn().await;
    let (mut nine, founder) = without_its_founder().await;
    // Meanwhile the others answer from their state, and mark it as stale.
    for (number, groups) in nine.all_running() {
        let (label, is_current) = read(groups, "a");
        assert_eq!((label.as_deref(), is_current), (Some("1"), false), "node {number}");
    }
    nine.run(founder).await;
    let new = stands_in(&nine, 1).await;
    let at = nine.patch(7, "a", 2).await;
    counted(&nine, 7, (new, at), [false, true, true]).await;
    // One node of the lost region was left.
    remove(&nine, 4, [nine.id(2)]).await;
    everywhere(&nine, 7, (new, at), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_cut_off_right_after_the_naming_counts_for_the_successor() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let old = nine.home();
    let at = nine.patch(4, "a", 1).await;
    assert!(nine.arrived(4, at, &Scope::All, Instant::now() + WRITE_LIMIT).await.reached);
    for place in LOST {
        nine.stop(place).await;
    }
    until_silent(&nine, 3).await;
    // The founder is in the second region: no node has more, and the voter region is there.
    nine.agreed().await;
    say(&nine, 3, close(1, FailoverBasis::Fenced)).await;
    within("the second region knows the successor", LIMIT, async || {
        let knows =
            |place| nine.groups(place).closed(old).is_some_and(|it| it.succession.is_some());
        if [3, 4, 5].into_iter().all(knows) { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    let third = region(REGIONS[2]);
    nine.network.cut_region(&third);
    let new = nine.groups(4).successor(old);
    // Acknowledged in one region alone, it would be lost with that one.
    for label in 2..=5 {
        let proposal = nine.proposal(4, patch("a", label));
        let proposed = nine.groups(4).propose(new, proposal, Instant::now() + WRITE_LIMIT).await;
        let Proposed::Committed { applied, stale_readers } = proposed else {
            panic!("{proposed:?}")
        };
        let deadline = Instant::now() + Duration::from_secs(2);
        let progress =
            nine.groups(4).wait(new, applied.index, &Scope::All, stale_readers, deadline).await;
        let has: Vec<(&str, bool)> =
            progress.regions.iter().map(|it| (it.region.as_str(), it.applied)).collect();
        let expected = [(REGIONS[2], false), (REGIONS[1], true), (REGIONS[0], false)];
        assert_eq!((progress.reached, has), (false, expected.into()));
    }
    nine.network.heal_region(&third);
    assert_eq!(stands_in(&nine, 1).await, new);
    let last = nine.patch(7, "a", 6).await;
    counted(&nine, 7, (new, last), [false, true, true]).await;
    remove(&nine, 4, LOST.map(|place| nine.id(place))).await;
    everywhere(&nine, 7, (new, last), 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_at_a_groups_founding_arrives_and_names_a_region() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::forming(Retention::default()).await;
    let home = within("the first region has a group", LIMIT, async || {
        let known = nine.groups(0).home_groups();
        let found = known.into_iter().find(|(_, region)| region.as_str() == REGIONS[0]);
        found.map(|(group, _)| group).ok_or_else(|| "not yet".to_owned())
    })
    .await;
    // Proposed before there is a leader, so that only the leader's first entry comes before it.
    let proposal = nine.proposal(0, create_org());
    let proposed = nine.groups(0).propose(home, proposal, Instant::now() + WRITE_LIMIT).await;
    let Proposed::Committed { applied, stale_readers } = proposed else { panic!("{proposed:?}") };
    let counts = stale_readers.regions.values().any(|of| of.counts);
    assert!(counts, "no region counts: {stale_readers:?}");
    let deadline = Instant::now() + WRITE_LIMIT;
    let progress =
        nine.groups(0).wait(home, applied.index, &Scope::All, stale_readers, deadline).await;
    assert!(progress.reached && !progress.regions.is_empty(), "{progress:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founder_that_never_comes_back_is_succeeded_by_the_next_one() {
    let _turn = fleet::shared_turn().await;
    let (nine, first) = without_its_founder().await;
    let id = nine.places[first].id;
    let via = if first == 8 { 7 } else { 8 };
    // No node has entries of its group: that takes an election first.
    for state in [NodeState::Leaving, NodeState::Removed] {
        say(&nine, via, Command::SetNodeState { node: id, state }).await;
    }
    within("a successor is led in the seat", LIMIT, async || {
        for (number, groups) in nine.all_running() {
            let regions = groups.regions();
            let found = regions.iter().find(|it| it.record.region.as_str() == REGIONS[0]);
            let leader = found.filter(|it| !it.is_closed).and_then(|it| it.leader);
            if leader.is_none_or(|leader| leader == id) {
                return Err(format!("node {number}: {found:?}"));
            }
            match read(groups, "a") {
                (Some(label), true) if label == "1" => {}
                other => return Err(format!("node {number}: {other:?}")),
            }
        }
        Ok(())
    })
    .await;
    nine.patch(via, "a", 2).await;
}

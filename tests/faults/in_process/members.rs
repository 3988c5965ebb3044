//! Nodes and regions that join and leave, in this process: drained, removed, recreated; and home
//! groups that survive a region.

use std::{collections::BTreeSet, pin::Pin};

use concordat_cluster::{
    placement::RegionBlocker,
    raft::{GroupStatus, Proposed, Retention},
};
use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId},
    org::{NodeRecord, NodeState, RegionState, SurvivalGoal},
    region::Region,
};
use concordat_tests::wait::within;
use tokio::time::Instant;

use crate::{
    fleet,
    in_process::{LIMIT, Nine, Place, REGIONS, WRITE_LIMIT, patch},
};

/// An operator's command, through a node.
pub(crate) async fn say(nine: &Nine, via: usize, command: Command) {
    let proposal = nine.proposal(via, command);
    let deadline = Instant::now() + WRITE_LIMIT;
    match nine.groups(via).propose(GroupId::SYSTEM, proposal, deadline).await {
        Proposed::Committed { applied, .. } => {
            applied.outcome.unwrap_or_else(|refusal| panic!("refused: {refusal}"));
        }
        other @ (Proposed::NotProposed
        | Proposed::Busy
        | Proposed::Queued { .. }
        | Proposed::Unknown
        | Proposed::Closed) => {
            panic!("via node {via}: {other:?}")
        }
    }
}

fn set_node(node: NodeId, state: NodeState) -> Command {
    Command::SetNodeState { node, state }
}

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// Writes through a node for as long as the work takes; how many writes that were. It is boxed, since
/// a write and its work together are large.
fn while_writing<'a>(
    nine: &'a Nine,
    via: usize,
    work: impl Future<Output = ()> + 'a,
) -> Pin<Box<dyn Future<Output = u64> + 'a>> {
    Box::pin(async move {
        let mut count = 0;
        tokio::pin!(work);
        loop {
            let write = nine.patch(via, "a", count);
            tokio::pin!(write);
            // A write that was begun is seen through.
            tokio::select! {
                () = &mut work => {
                    write.await;
                    return count;
                }
                _ = &mut write => count += 1,
            }
        }
    })
}

/// Waits until every running node sees all groups so.
async fn until(nine: &Nine, what: &str, seen: impl Fn(&GroupStatus) -> Result<(), String>) {
    within(what, LIMIT, async || {
        for (number, groups) in nine.all_running() {
            if groups.faulted().borrow().is_some() {
                continue;
            }
            for group in groups.status().await.groups {
                seen(&group).map_err(|reason| format!("node {number}, {reason}: {group:?}"))?;
            }
        }
        Ok(())
    })
    .await;
}

fn members(group: &GroupStatus) -> BTreeSet<NodeId> {
    group.voters.iter().chain(&group.learners).copied().collect()
}

async fn until_gone(nine: &Nine, node: NodeId) {
    until(nine, "the node is gone", |group| match members(group).contains(&node) {
        true => Err("it is there".into()),
        false => Ok(()),
    })
    .await;
}

async fn until_it_stops(nine: &Nine, place: usize) {
    within("it stops and says why", LIMIT, async || {
        match nine.groups(place).faulted().borrow().clone() {
            Some(reason) if reason.contains("no longer part of the cluster") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// A tenth place, in the first region.
fn tenth(nine: &mut Nine) -> usize {
    let mut place: Place = nine.empty_place(2);
    (place.address, place.told) = ("place-9".into(), "place-9".into());
    nine.places.push(place);
    9
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_added_and_the_leader_is_drained_taken_back_and_removed() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let added = tenth(&mut nine);
    nine.run(added).await;
    let leader = nine.leader_place().await;
    let (id, home) = (nine.places[leader].id, nine.home());
    let no_vote = |group: &GroupStatus| match group.voters.contains(&id) {
        true => Err("it votes".into()),
        false if members(group).contains(&id) => Ok(()),
        false => Err("it has lost its replica".into()),
    };
    let drained = while_writing(&nine, 4, async {
        say(&nine, 3, set_node(id, NodeState::Draining)).await;
        until(&nine, "the leader is drained", no_vote).await;
    });
    assert!(drained.await > 0);
    let successor = nine.leader_place().await;
    assert!(successor != leader && nine.places[successor].region.as_str() == REGIONS[0]);
    while_writing(&nine, leader, async {
        say(&nine, 3, set_node(id, NodeState::Member)).await;
        // It cannot vote again until another voter leaves.
        say(&nine, 3, set_node(nine.places[successor].id, NodeState::Draining)).await;
        until(&nine, "it votes again", |group| {
            let missing = group.group == home && !group.voters.contains(&id);
            if missing { Err("it does not vote".into()) } else { Ok(()) }
        })
        .await;
        say(&nine, 3, set_node(nine.places[successor].id, NodeState::Member)).await;
    })
    .await;
    while_writing(&nine, 4, async {
        say(&nine, 3, set_node(id, NodeState::Leaving)).await;
        until_gone(&nine, id).await;
    })
    .await;
    until_it_stops(&nine, leader).await;
    nine.stop(leader).await;
    nine.patch(4, "a", 1).await;
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_down_when_it_was_removed_disturbs_nobody() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let leader = nine.leader_place().await;
    let gone = (0..3).find(|place| *place != leader).expect("a follower");
    let id = nine.places[gone].id;
    nine.stop(gone).await;
    say(&nine, 3, set_node(id, NodeState::Leaving)).await;
    until_gone(&nine, id).await;
    let terms = terms(&nine).await;
    nine.run(gone).await;
    until_it_stops(&nine, gone).await;
    // It believed itself a voter of two groups, and asked for votes.
    nine.patch(3, "a", 1).await;
    assert_eq!(self::terms(&nine).await, terms, "it has brought an election about");
    nine.stop(gone).await;
    nine.agreed().await;
}

async fn terms(nine: &Nine) -> Vec<(GroupId, u64)> {
    let status = nine.groups(8).status().await;
    status.groups.iter().map(|group| (group.group, group.term)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_goes_on_when_its_leaders_die() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let added = tenth(&mut nine);
    nine.run(added).await;
    nine.settled_with(10).await;
    let leader = nine.leader_place().await;
    let removed = (0..3).find(|place| *place != leader).expect("a follower");
    let id = nine.places[removed].id;
    say(&nine, 3, set_node(id, NodeState::Leaving)).await;
    // The home group's leader, and the system group's if that is another one.
    nine.stop(leader).await;
    nine.run(leader).await;
    let system = within("the system group has a leader", LIMIT, async || {
        let status = nine.groups(8).status().await;
        let leader = status.groups[0].leader;
        let place = nine.places.iter().position(|place| Some(place.id) == leader);
        place.ok_or_else(|| "nobody leads".into())
    })
    .await;
    nine.stop(system).await;
    until_gone(&nine, id).await;
    if system != removed {
        nine.run(system).await;
    }
    nine.patch(4, "a", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_without_organizations_is_removed_with_its_nodes() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    within("the home region is not let go", LIMIT, async || {
        match nine.groups(3).region_blocker(&region(REGIONS[0])).await.unwrap() {
            Some(RegionBlocker::OrgAtHome { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let last = REGIONS[2];
    assert_eq!(nine.groups(3).region_blocker(&region(last)).await.unwrap(), None);
    while_writing(&nine, 4, async {
        let state = RegionState::Leaving;
        say(&nine, 3, Command::SetRegionState { region: region(last), state }).await;
        for place in 6..9 {
            until_gone(&nine, nine.places[place].id).await;
        }
    })
    .await;
    for place in 6..9 {
        until_it_stops(&nine, place).await;
        nine.stop(place).await;
    }
    within("its group is gone", LIMIT, async || {
        for (number, groups) in nine.all_running() {
            let count = groups.status().await.groups.len();
            if count != 3 {
                return Err(format!("node {number} has {count} groups"));
            }
            groups.ready().map_err(|reason| reason.to_string())?;
        }
        Ok(())
    })
    .await;
    let index = nine.patch(4, "a", 7).await;
    let all = concordat_cluster::consistency::Scope::All;
    let deadline = Instant::now() + WRITE_LIMIT;
    let reached = nine.arrived(4, index, &all, deadline).await;
    assert!(reached.reached && reached.regions.len() == 2, "{reached:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_whose_founder_died_is_founded_by_another_node() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    let dead = NodeRecord {
        id: NodeId(0xdead),
        region: region("south"),
        peer_address: "nowhere".into(),
        api_url: "http://nowhere".into(),
        replaced_by: None,
        state: NodeState::Member,
    };
    say(&nine, 0, Command::AddRegion(region("south"))).await;
    say(&nine, 0, Command::RegisterNode(dead.clone())).await;
    let place = tenth(&mut nine);
    nine.places[place].region = region("south");
    nine.run(place).await;
    let id = nine.places[place].id;
    within("it has joined", LIMIT, async || {
        let there = nine.groups(3).nodes().iter().any(|node| node.record.id == id);
        if there { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    assert_eq!(nine.groups(3).recreate_blocker(&region("south")), None);
    assert!(nine.groups(3).recreate_blocker(&region(REGIONS[1])).is_some(), "that one lives");
    say(&nine, 3, set_node(dead.id, NodeState::Leaving)).await;
    within("the dead founder is removed", LIMIT, async || {
        match nine.groups(3).node_view(dead.id) {
            Some(node) if node.record.state == NodeState::Removed => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    say(&nine, 3, Command::RefoundRegion { region: region("south"), founder: id }).await;
    within("the region has a group that is led", LIMIT, async || {
        for (number, groups) in nine.all_running() {
            groups.ready().map_err(|reason| format!("node {number}: {reason}"))?;
            let regions = groups.regions();
            let south = regions.iter().find(|it| it.record.region.as_str() == "south");
            if south.and_then(|south| south.leader) != Some(id) {
                return Err(format!("node {number}: {south:?}"));
            }
        }
        Ok(())
    })
    .await;
}

/// The number of voters in each region.
fn seats(nine: &Nine, group: &GroupStatus) -> Vec<usize> {
    let region = |node: &NodeId| {
        nine.places.iter().find(|place| place.id == *node).map(|place| place.region.to_string())
    };
    REGIONS
        .map(|name| group.voters.iter().filter(|id| region(id).as_deref() == Some(name)).count())
        .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn home_groups_outlive_a_region_and_come_back() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let home = nine.home();
    let writes = while_writing(&nine, 4, async {
        say(&nine, 3, Command::SetSurvivalGoal(SurvivalGoal::Region)).await;
        until(&nine, "the voters are spread", |group| {
            let mut seats = seats(&nine, group);
            let first = seats[0];
            seats.sort_unstable();
            match seats == [1, 2, 2] && (group.group != home || first == 2) {
                true => Ok(()),
                false => Err(format!("{seats:?}")),
            }
        })
        .await;
    });
    assert!(writes.await > 0);
    until(&nine, "it leads from home", |group| {
        let leader = nine.places.iter().find(|place| Some(place.id) == group.leader);
        let away = leader.is_none_or(|leader| leader.region.as_str() != REGIONS[0]);
        if group.group == home && away { Err("it does not".into()) } else { Ok(()) }
    })
    .await;
    // Each region in turn, the home region too: the others write on.
    for lost in 0..3 {
        let via = (lost + 1) % 3 * 3 + 1;
        for place in lost * 3..lost * 3 + 3 {
            nine.stop(place).await;
        }
        nine.patch(via, "a", 100 + lost as u64).await;
        for place in lost * 3..lost * 3 + 3 {
            nine.run(place).await;
        }
        within("all are there again", LIMIT, async || {
            for (number, groups) in nine.all_running() {
                groups.ready().map_err(|reason| format!("node {number}: {reason}"))?;
            }
            Ok(())
        })
        .await;
        nine.agreed().await;
    }
    while_writing(&nine, 4, async {
        say(&nine, 3, Command::SetSurvivalGoal(SurvivalGoal::Node)).await;
        until(&nine, "the voters are at home", |group| match group.group == home {
            true if seats(&nine, group) != [3, 0, 0] => Err("not yet".into()),
            _ => Ok(()),
        })
        .await;
    })
    .await;
    let proposal = nine.proposal(8, patch("a", 9));
    let deadline = Instant::now() + WRITE_LIMIT;
    let last = nine.groups(8).propose(home, proposal, deadline).await;
    assert!(matches!(last, Proposed::Committed { .. }), "{last:?}");
    nine.agreed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_about_to_stop_hands_its_leads_over() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let leader = nine.leader_place().await;
    let home = nine.home();
    let term = |nine: &Nine, place: usize| {
        let groups = nine.groups(place).metrics().groups;
        groups.iter().find(|(group, ..)| *group == home).map(|(_, term, ..)| *term)
    };
    let before = term(&nine, leader);
    let written = while_writing(&nine, 4, nine.groups(leader).hand_over()).await;
    let led = nine.groups(leader).metrics().groups;
    assert!(!led.iter().any(|(.., leads)| *leads), "it still leads: {led:?}");
    let successor = nine.leader_place().await;
    assert!(successor != leader && nine.places[successor].region.as_str() == REGIONS[0]);
    assert!(term(&nine, successor) > before, "after {written} writes");
    nine.stop(leader).await;
    nine.patch(4, "a", 1_000_000).await;
    nine.run(leader).await;
    nine.settled().await;
    nine.agreed().await;
}

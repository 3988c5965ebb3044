//! Builds of two releases in one cluster, in this process ([`crate::in_process`]): a node that
//! simulates the first release refuses messages that release does not know, and stops at an entry
//! that it cannot read.

use std::time::Duration;

use concordat_cluster::raft::{Proposed, Retention};
use concordat_proto::{
    command::Command,
    id::{ClientId, GroupId},
    refusal::Refusal,
    registration::Binding,
    version::{FEATURE_LEVEL, FEATURE_LEVEL_FIRST},
};
use concordat_tests::wait::within;
use tokio::time::Instant;

use crate::{
    fleet,
    in_process::{LIMIT, Nine, ORG, WRITE_LIMIT},
};

/// Long enough for some rounds of questions.
const ROUNDS: Duration = Duration::from_secs(6);

async fn restart(nine: &mut Nine, place: usize, feature_level: u32) {
    nine.stop(place).await;
    nine.places[place].feature_level = feature_level;
    nine.run(place).await;
    nine.settled().await;
}

fn levels(nine: &Nine) -> Vec<u32> {
    nine.all_running().map(|(_, groups)| groups.feature_level()).collect()
}

/// A command of the newest level.
fn bind() -> Command {
    let command = Command::BindCredential {
        org: ORG,
        binding: Binding::new("jitsudo").expect("a good binding"),
        client_id: ClientId::new("a").expect("a good id"),
    };
    assert_eq!(command.feature_level(), FEATURE_LEVEL);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_command_is_proposed_only_when_every_member_knows_it() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start_of(Retention::default(), FEATURE_LEVEL_FIRST).await;
    nine.populate(&["a"]).await;
    // Upgraded one by one under writes, one of them rolled back on the way; the last one stays behind.
    for place in 1..9 {
        nine.patch(0, "a", place as u64).await;
        restart(&mut nine, place, FEATURE_LEVEL).await;
        if place == 4 {
            restart(&mut nine, place, FEATURE_LEVEL_FIRST).await;
            restart(&mut nine, place, FEATURE_LEVEL).await;
        }
    }
    // A node of the new release proposes it all the same: no leader appends it.
    let early = nine.proposal(1, bind());
    let ended = nine.try_propose(1, early, ROUNDS).await;
    assert_eq!(ended, Proposed::NotProposed, "while a member does not know it");
    assert!(levels(&nine).iter().all(|level| *level == FEATURE_LEVEL_FIRST), "{:?}", levels(&nine));
    nine.settled().await;

    restart(&mut nine, 0, FEATURE_LEVEL).await;
    within("every node has the new level", LIMIT, async || {
        let levels = levels(&nine);
        let is_raised = levels.iter().all(|level| *level == FEATURE_LEVEL);
        is_raised.then_some(()).ok_or_else(|| format!("{levels:?}"))
    })
    .await;
    let bound = nine.proposal(1, bind());
    nine.propose(1, bound).await;
    nine.patch(0, "a", 99).await;
    nine.settled().await;
    nine.agreed().await;

    // A node of the first release is not admitted any more.
    nine.stop(8).await;
    let mut empty = nine.empty_place(8);
    empty.feature_level = FEATURE_LEVEL_FIRST;
    nine.places[8] = empty;
    nine.run(8).await;
    tokio::time::sleep(ROUNDS).await;
    assert!(nine.groups(8).cluster().is_none(), "it was admitted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_is_not_raised_past_a_member_that_did_not_say_that_it_knows_it() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::default()).await;
    let known_by = (0..8).map(|place| nine.id(place)).collect();
    let raise = Command::RaiseFeatureLevel { level: FEATURE_LEVEL + 1, known_by };
    let deadline = Instant::now() + WRITE_LIMIT;
    // The leader's own: no other node may propose it.
    let leader = nine.leader_of(GroupId::SYSTEM).await;
    let proposal = nine.proposal(leader, raise);
    match nine.groups(leader).propose(GroupId::SYSTEM, proposal, deadline).await {
        Proposed::Committed { applied, .. } => {
            let node = nine.id(8);
            assert_eq!(applied.outcome, Err(Refusal::FeatureLevelUnknown { node }));
        }
        other @ (Proposed::NotProposed
        | Proposed::Busy
        | Proposed::Queued { .. }
        | Proposed::Unknown
        | Proposed::Closed) => panic!("{other:?}"),
    }
    assert!(levels(&nine).iter().all(|level| *level == FEATURE_LEVEL));
}

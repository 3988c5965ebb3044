//! A member asks a group's leader for what only that leader may propose: a mark that takes a
//! replica's lease away for good, and other terms of leases. Nothing of it gets into the log.

use std::time::Duration;

use concordat_cluster::{
    machine::query,
    raft::{Proposed, Retention},
};
use concordat_proto::{
    command::Command,
    lease::{LeaseTerms, ReplicaMark},
};
use tokio::time::Instant;

use crate::{fleet, in_process::Nine};

/// For a proposal that is refused again and again.
const ASK_LIMIT: Duration = Duration::from_secs(2);

async fn propose(nine: &Nine, via: usize, command: Command) -> Proposed {
    let proposal = nine.proposal(via, command);
    nine.groups(via).propose(nine.home(), proposal, Instant::now() + ASK_LIMIT).await
}

fn is_done(proposed: &Proposed) -> bool {
    matches!(proposed, Proposed::Committed { applied, .. } if applied.outcome.is_ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_proposes_nothing_that_is_the_leaders() {
    let _turn = fleet::shared_turn().await;
    let nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let leader = nine.leader_place().await;
    let victim = nine.id(8);
    let mark = || Command::MarkReplicas { marks: vec![(victim, ReplicaMark::Leaving)] };
    let terms = LeaseTerms { away: Duration::from_millis(900), ..LeaseTerms::DEFAULT };
    for member in (0..9).filter(|place| *place != leader) {
        for command in [mark(), Command::SetLeases(terms)] {
            let proposed = propose(&nine, member, command).await;
            assert!(!is_done(&proposed), "via node {member}: {proposed:?}");
        }
    }
    let store = nine.groups(leader).store();
    let marked = query::replica_mark(&*store, nine.home(), victim).expect("it reads");
    assert_eq!(marked, Some(ReplicaMark::Serving), "it was marked");
    let leases = query::leases(&*store, nine.home()).expect("it reads");
    assert_eq!(leases.terms, LeaseTerms::DEFAULT);
    // In themselves they are in order, and a member's writes are taken.
    nine.patch(8, "a", 1).await;
    assert!(is_done(&propose(&nine, nine.leader_place().await, mark()).await));
}

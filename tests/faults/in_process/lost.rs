//! A write that was lost with its region, in this process: once it was called lost it stays so.

use std::time::Duration;

use concordat_cluster::{
    machine::{locate::locate, query},
    raft::{LeftBehind, Proposed, Retention},
};
use concordat_proto::{
    failover::{DivergedWrite, FailoverBasis},
    id::{ClientId, GroupId, WriteId},
    limits,
    refusal::Refusal,
    reply::Applied,
};
use concordat_tests::wait::within;
use tokio::time::Instant;

use crate::{
    fleet,
    in_process::{
        LIMIT, Nine, ORG, WRITE_LIMIT,
        failover::{LOST, close, stands_in, until_silent, write_in},
        members::{region, say},
        patch,
    },
};

/// A node's own record of a write of the organization.
fn remembered(nine: &Nine, at: usize, write: WriteId) -> Option<Applied> {
    let groups = nine.groups(at);
    let store = groups.store();
    let found = locate(&*store, &groups.readable_groups(), ORG).expect("it reads")?;
    let record = query::remembered(&*store, found.group, Some(&found.home), write);
    record.expect("it reads").map(|record| record.applied)
}

async fn left_behind(nine: &Nine, via: usize, write: WriteId) -> DivergedWrite {
    within("it is proved to be lost", LIMIT, async || {
        let left = nine.groups(via).left_behind(write).await;
        if let LeftBehind::Lost { write, .. } = left { Ok(write) } else { Err(format!("{left:?}")) }
    })
    .await
}

async fn lose(nine: &mut Nine) {
    for place in LOST {
        nine.stop(place).await;
    }
}

/// A copy of a write under its own name, proposed in the successor.
async fn copy(nine: &Nine, group: GroupId, via: usize, write: WriteId) -> Applied {
    let mut proposal = nine.proposal(via, patch("a", 2));
    proposal.write_id = write;
    match nine.groups(via).propose(group, proposal, Instant::now() + WRITE_LIMIT).await {
        Proposed::Committed { applied, .. } => applied,
        other @ (Proposed::NotProposed
        | Proposed::Busy
        | Proposed::Queued { .. }
        | Proposed::Unknown
        | Proposed::Closed) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_called_lost_stays_lost_while_who_has_it_is_down() {
    let _turn = fleet::shared_turn().await;
    let mut nine = Nine::start(Retention::default()).await;
    nine.populate(&["a"]).await;
    let old = nine.home();
    let first = region(crate::in_process::REGIONS[0]);
    nine.patch(4, "a", 1).await;
    nine.network.cut_region(&first);
    let (alone, _) = write_in(&nine, old, 0, 2, WRITE_LIMIT).await.expect("a region writes alone");
    lose(&mut nine).await;
    nine.network.heal_region(&first);
    until_silent(&nine, 3).await;
    say(&nine, 3, close(1, FailoverBasis::Fenced)).await;
    let new = stands_in(&nine, 1).await;
    for place in LOST {
        nine.run(place).await;
    }
    assert_eq!(stands_in(&nine, 1).await, new);
    let write = left_behind(&nine, 4, alone).await;
    // Asked twice, at two nodes; also of who does not wait for an answer.
    for via in [4, 8] {
        let deadline = Instant::now() + WRITE_LIMIT;
        assert!(nine.groups(via).note_lost(new, old, &write, deadline).await, "node {via}");
    }
    lose(&mut nine).await;
    within("nobody has it any more", LIMIT, async || {
        let left = nine.groups(4).left_behind(alone).await;
        if matches!(left, LeftBehind::Nothing) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    for place in 3..9 {
        let known = remembered(&nine, place, alone).expect("it is on record everywhere");
        assert_eq!(known.outcome, Err(Refusal::Lost), "node {place}");
    }
    // No copy of it is ever carried out: not now, nor when the record is forgotten.
    assert_eq!(copy(&nine, new, 5, alone).await.outcome, Err(Refusal::Lost));
    let early = nine.proposal(5, patch("a", 2)).not_after;
    nine.set_on(limits::NOT_AFTER + Duration::from_secs(60), None).await;
    write_in(&nine, new, 5, 3, WRITE_LIMIT).await.expect("the time goes on");
    assert!(early < nine.groups(5).log_now(new), "a copy could still be in time");
    assert_eq!(copy(&nine, new, 5, alone).await.outcome, Err(Refusal::Lost));
    let client_id = ClientId::new("a").expect("a client id");
    let store = nine.groups(5).store();
    let found = query::oidc(&*store, new, ORG, &client_id).expect("it reads");
    assert_eq!(found.and_then(|it| it.label).as_deref(), Some("3"));
}

//! The reports of a replica while leaders change: simulated leaders send it entries and commits.

use std::sync::atomic::Ordering;

use concordat_proto::log::LogIndex;

use crate::raft::{
    config::Retention,
    testkit::{GROUP, alone, blank, id, membership, sends, until},
};

/// A leader of term 3 commits an entry of term 1. This replica has matched that entry, and has none
/// of term 3. It applies the entry, and a failover could prefer a log that ends in term 2.
#[tokio::test]
async fn what_a_later_leader_has_committed_is_reported_with_an_entry_of_its_own() {
    let groups = alone(Retention::DEFAULT).await;
    groups.core().open(GROUP).await.expect("it opens");
    let replica = groups.core().replica(GROUP).expect("it is open");
    let visible = || replica.visible.load(Ordering::Acquire);
    let first = vec![membership(), blank(1, 1), blank(1, 2)];
    sends(&replica, (1, 1), None, first, id(1, 1)).await;
    until("the first leader's commit is reported", || replica.reportable() == LogIndex(1)).await;

    sends(&replica, (1, 3), Some(id(1, 2)), Vec::new(), id(1, 2)).await;
    until("the later leader's commit is applied", || visible() == 2).await;
    assert_eq!(replica.reportable(), LogIndex(1), "no entry of term 3 is here");

    sends(&replica, (1, 3), Some(id(1, 2)), vec![blank(3, 3)], id(1, 2)).await;
    until("it is reported with the leader's own entry", || replica.reportable() == LogIndex(2))
        .await;
    groups.shutdown().await;
}

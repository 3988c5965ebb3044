//! What goes from the log of a replica that has entries of a simulated leader.

use std::time::Duration;

use super::{
    config::Retention,
    groups::Groups,
    testkit::{GROUP, alone, blank, id, membership, sends, until},
};
use crate::log::{GroupState, RaftLog};

/// Entries of one append.
const APPENDED: u64 = 100;

/// A replica with this many committed entries.
async fn with_entries(retention: Retention, count: u64) -> (Groups, RaftLog) {
    let groups = alone(retention).await;
    groups.core().open(GROUP).await.expect("it opens");
    let replica = groups.core().replica(GROUP).expect("it is open");
    sends(&replica, (1, 1), None, vec![membership()], id(0, 0)).await;
    let mut prev = id(0, 0);
    for first in (1..=count).step_by(usize::try_from(APPENDED).expect("small")) {
        let last = id(1, first + APPENDED - 1);
        let entries = (first..first + APPENDED).map(|index| blank(1, index)).collect();
        sends(&replica, (1, 1), Some(prev), entries, last).await;
        prev = last;
    }
    let log = groups.core().environment().log.clone();
    (groups, log)
}

fn state(log: &RaftLog) -> GroupState {
    log.state(GROUP.0)
}

#[tokio::test]
async fn old_entries_go_and_the_last_ones_stay() {
    let time = Duration::from_secs(1);
    let retention = Retention { snapshot_every: 100, keep: 700, time, ..Retention::DEFAULT };
    let (groups, log) = with_entries(retention, 3000).await;
    until("old entries go", || state(&log).first_index > 0).await;
    assert!(state(&log).first_index <= 3000 - 700 + 1, "the last ones stay");
    assert_eq!(state(&log).last.map(|last| last.index), Some(3000));
    groups.shutdown().await;
}

/// Few large entries fill a disk before they are old, or before a snapshot is due.
#[tokio::test]
async fn entries_beyond_the_bytes_go_whatever_their_age_and_number() {
    let keep = 1_000_000;
    let retention = Retention { snapshot_every: keep, keep, bytes: 50_000, ..Retention::DEFAULT };
    let (groups, log) = with_entries(retention, 6000).await;
    until("entries go", || log.group_bytes(GROUP.0) <= 50_000).await;
    assert!(log.group_bytes(GROUP.0) > 40_000, "no more than must");
    groups.shutdown().await;
}

//! Faults of many kinds under clients of all kinds, whose history is checked at the end: one after
//! another, or many at once. What clients saw is judged here for all of them; it must not be judged
//! before the cluster is whole again.

mod at_once;
mod kinds;
mod long_run;
mod promises;

use std::sync::Arc;

use concordat_tests::{
    checker::{self, Summary},
    process_cluster::ClusterOptions,
};

use self::kinds::SMALL_DISKS;
use crate::{
    clients::{Shared, count_broken, last_reads},
    fleet::Fleet,
};

/// So low that states are synced, logs purged and snapshots sent all the time.
const RETENTION: (u64, u64) = (500, 100);

/// Nine processes whose links and disks can be broken.
async fn breakable() -> Fleet {
    let options = ClusterOptions {
        retention: Some(RETENTION),
        has_links: true,
        small_disks: SMALL_DISKS.to_vec(),
        ..ClusterOptions::default()
    };
    Fleet::start_with(options).await
}

/// Waits until the cluster is whole and its replicas agree, reads everything at every node, and checks
/// the history of clients that have gone home.
///
/// # Panics
/// With the first violation.
async fn judged(fleet: &mut Fleet, shared: &Arc<Shared>, test: &str) -> Summary {
    fleet.cluster.ready().await;
    fleet.agree_or_report().await;
    let history = shared.recorder.history();
    let final_reads = last_reads(shared).await;
    match checker::check(&history, &final_reads) {
        Ok(summary) => summary,
        Err(violation) => {
            count_broken(test, &history);
            panic!("{violation}")
        }
    }
}

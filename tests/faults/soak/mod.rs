//! Faults of many kinds under clients of all kinds, whose history is checked at the end: one after
//! another, or many at once. What clients saw is judged here for all of them; it must not be judged
//! before the cluster is whole again.

mod at_once;
mod kinds;
mod long_run;
mod promises;

use std::sync::Arc;

use concordat_tests::checker::{self, Summary};

use crate::{
    clients::{Shared, count_broken, last_reads},
    fleet::Fleet,
};

/// Waits until the cluster is whole and its replicas agree, reads everything at every node, and checks
/// the history of clients that have gone home.
///
/// # Panics
/// With the first violation.
async fn judged(fleet: &mut Fleet, shared: &Arc<Shared>, test: &str) -> Summary {
    fleet.cluster.ready().await;
    fleet.agree().await;
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

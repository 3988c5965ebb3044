//! Why a process must stop: the first fault, as a text for its last log line.
//!
//! It stops nothing itself; the process supervisor reads the reason.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    error_chain::chain,
    store::{Store, StoreError, fail_stop::FailStopStore},
};

/// A failure of the store, wherever it occurs, ends the process: its answers cannot be trusted.
pub(crate) fn watched(
    store: &Arc<dyn Store>,
    faulted: watch::Sender<Option<String>>,
) -> Arc<dyn Store> {
    let fail = move |error: &StoreError| note_first(&faulted, || chain(error));
    Arc::new(FailStopStore::new(Arc::clone(store), Box::new(fail)))
}

/// The first fault is the reason; later ones are consequences.
pub(crate) fn note_first(faulted: &watch::Sender<Option<String>>, reason: impl FnOnce() -> String) {
    faulted.send_if_modified(|known| {
        let is_first = known.is_none();
        if is_first {
            *known = Some(reason());
        }
        is_first
    });
}

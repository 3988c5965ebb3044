//! Blocking disk access: on a thread of its own, or on the caller's when the store is in memory and
//! nothing blocks. So a simulated node has one thread, and its runs repeat exactly.
//!
//! Nothing else of the replicas may start a thread.

use std::sync::Arc;

use tokio::{
    sync::mpsc,
    task::{JoinError, spawn_blocking},
};

use crate::store::{Store, shadow::ShadowStore};

/// Does work that reads or writes the store, for as long as that takes.
pub(super) async fn run<T: Send + 'static>(
    store: &ShadowStore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if store.blocks() { spawn_blocking(work).await } else { Ok(work()) }
}

/// Runs work that returns its result in pieces, and forwards them with back pressure. The callback
/// that `work` gets returns false once the receiver is gone.
pub(super) async fn pieces<T: Send + 'static, R: Send + 'static>(
    store: Arc<ShadowStore>,
    to: mpsc::Sender<T>,
    work: impl FnOnce(&ShadowStore, &mut dyn FnMut(T) -> bool) -> R + Send + 'static,
) -> Result<R, JoinError> {
    if store.blocks() {
        let passing = move || work(&store, &mut |piece| to.blocking_send(piece).is_ok());
        return spawn_blocking(passing).await;
    }
    let mut gathered = Vec::new();
    let result = work(&store, &mut |piece| {
        gathered.push(piece);
        true
    });
    for piece in gathered {
        if to.send(piece).await.is_err() {
            break;
        }
    }
    Ok(result)
}

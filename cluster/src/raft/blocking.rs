//! Where the disk is waited for: on a thread of its own, or right here when the store keeps all in
//! memory and nothing blocks. So a simulated node has one thread, and its runs repeat exactly.
//!
//! Nothing else of the replicas may start a thread.

use std::sync::Arc;

use tokio::{
    sync::mpsc,
    task::{JoinError, spawn_blocking},
};

use crate::store::{Store, slots::SlottedStore};

/// Does work that reads or writes the store, for as long as that takes.
pub(super) async fn run<T: Send + 'static>(
    store: &SlottedStore,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if store.blocks() { spawn_blocking(work).await } else { Ok(work()) }
}

/// Does work that hands out its result in pieces, and passes them on as there is room. What `work`
/// is given answers false once nobody wants more.
pub(super) async fn pieces<T: Send + 'static, R: Send + 'static>(
    store: Arc<SlottedStore>,
    to: mpsc::Sender<T>,
    work: impl FnOnce(&SlottedStore, &mut dyn FnMut(T) -> bool) -> R + Send + 'static,
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

//! Lets a test run the Raft library's own storage suite on our log and state.
//!
//! Nothing of the process uses this; it exists so that no other module must name the library.

use std::sync::Arc;

use concordat_proto::id::GroupId;
use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};

use crate::{
    log::RaftLog,
    raft::engine::{
        log_store::LogStore,
        machine_store::{MachineStore, SyncedState},
        types::RaftTypes,
    },
    store::{Store, shadow::ShadowStore},
};

/// The storage for one test of the suite; `guard` lives as long as the test does.
#[derive(Debug)]
pub struct Fresh<G> {
    /// An empty log.
    pub log: RaftLog,
    /// An empty store.
    pub store: Arc<dyn Store>,
    /// For instance the directory of both.
    pub guard: G,
}

struct Builder<F>(F);

impl<F, G> StoreBuilder<RaftTypes, LogStore, MachineStore, G> for Builder<F>
where
    F: Fn() -> Fresh<G> + Send + Sync,
    G: Send + Sync,
{
    async fn build(&self) -> Result<(G, LogStore, MachineStore), StorageError<RaftTypes>> {
        let Fresh { log, store, guard } = self.0();
        let group = GroupId(7);
        let store = Arc::new(ShadowStore::open(store).expect("an empty store opens"));
        let synced = Arc::new(SyncedState::new(group, store).without_state());
        let machine = MachineStore::open(Arc::clone(&synced), Arc::new(drop));
        let machine = machine.expect("an empty state opens").skipping();
        Ok((guard, LogStore::new(group, log, synced), machine))
    }
}

/// Runs the suite; `fresh` makes an empty log and store for each of its tests.
///
/// # Errors
/// The suite's failure.
pub async fn run<G: Send + Sync>(fresh: impl Fn() -> Fresh<G> + Send + Sync) -> Result<(), String> {
    Suite::test_all(Builder(fresh)).await.map_err(|error| error.to_string())
}

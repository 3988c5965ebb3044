//! The Raft library's own storage suite, on every log and every store that we have.
//!
//! The suite checks what the library relies on: reads after each call, in any order, across purges,
//! truncations, votes and snapshots. Our own tests check disk faults.
#![cfg(test)]

mod damaged_state;

use std::{path::Path, sync::Arc};

use concordat_cluster::{
    log::{FileSystem, LogOptions, RaftLog, RealFiles, SimFiles},
    raft::storage_suite::{self, Fresh},
    store::{
        Store,
        memory::MemoryStore,
        rocks::{RocksOptions, RocksStore},
    },
};
use tempfile::TempDir;

/// Small: the suite writes little, and each of its tests makes a new log.
const SEGMENT_BYTES: u32 = 256 * 1024;
const BLOCK_CACHE_BYTES: usize = 1024 * 1024;

type NewFiles = fn(&Path) -> Arc<dyn FileSystem>;
type NewStore = Box<dyn Fn(&Path) -> Arc<dyn Store> + Send + Sync>;

fn real(directory: &Path) -> Arc<dyn FileSystem> {
    Arc::new(RealFiles::open(directory.join("log")).unwrap())
}

fn simulated(_: &Path) -> Arc<dyn FileSystem> {
    Arc::new(SimFiles::new())
}

fn memory() -> NewStore {
    Box::new(|_| Arc::new(MemoryStore::default()))
}

fn rocks() -> NewStore {
    let options = RocksOptions::new(BLOCK_CACHE_BYTES).unwrap();
    Box::new(move |directory| {
        Arc::new(RocksStore::open(&directory.join("state"), &options).unwrap())
    })
}

/// The log ends before its directory goes.
struct Guard {
    log: RaftLog,
    _directory: TempDir,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.log.shutdown();
    }
}

async fn passes(files: NewFiles, store: NewStore) {
    let fresh = || {
        let directory = tempfile::tempdir().unwrap();
        let options =
            LogOptions { segment_bytes: SEGMENT_BYTES, carries: true, ..LogOptions::default() };
        let log = RaftLog::open(files(directory.path()), options).unwrap();
        let store = store(directory.path());
        Fresh { log: log.clone(), store, guard: Guard { log, _directory: directory } }
    };
    storage_suite::run(fresh).await.expect("the library's storage suite passes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_log_and_memory() {
    passes(real, memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_log_and_rocksdb() {
    passes(real, rocks()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_log_and_memory() {
    passes(simulated, memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_log_and_rocksdb() {
    passes(simulated, rocks()).await;
}

//! The store of a node's state: RocksDB, or memory for a demo without a data directory.
//!
//! A build without the feature `rocksdb` has memory only, and reports an error where a disk is
//! required. State in memory is lost at the end: no node of a real cluster may use it.

use std::{path::Path, sync::Arc};

#[cfg(feature = "rocksdb")]
use concordat_cluster::store::rocks::{RocksOptions, RocksStore};
use concordat_cluster::store::{Store, memory::MemoryStore};

use super::{config::StorageSizes, failure::Failure};

/// Opens the state's stores of one process; they share one cache.
#[derive(Debug)]
pub(crate) enum StateStores {
    /// In memory.
    Memory,
    /// In RocksDB, in a folder of each node's data directory.
    #[cfg(feature = "rocksdb")]
    RocksDb(RocksOptions),
}

impl StateStores {
    /// On disk.
    #[cfg(feature = "rocksdb")]
    pub(crate) fn on_disk(sizes: &StorageSizes) -> Result<Self, Failure> {
        let options = RocksOptions::new(sizes.cache_bytes)
            .map_err(|error| Failure::fault("preparing the state's store", error))?;
        Ok(Self::RocksDb(options.with_write_buffer_bytes(sizes.write_buffer_bytes)))
    }

    /// On disk, which this build cannot do.
    #[cfg(not(feature = "rocksdb"))]
    pub(crate) fn on_disk(_sizes: &StorageSizes) -> Result<Self, Failure> {
        require_disk().map(|()| Self::Memory)
    }

    /// Opens the store of the node with this data directory, or makes one.
    #[cfg_attr(
        not(feature = "rocksdb"),
        expect(unused_variables, reason = "memory needs no directory")
    )]
    pub(crate) fn open(&self, data_dir: &Path) -> Result<Arc<dyn Store>, Failure> {
        match self {
            Self::Memory => Ok(Arc::new(MemoryStore::default())),
            #[cfg(feature = "rocksdb")]
            Self::RocksDb(options) => {
                let store = RocksStore::open(&data_dir.join("state"), options);
                let context = || format!("opening {}", data_dir.display());
                Ok(Arc::new(store.map_err(|error| Failure::fault(context(), error))?))
            }
        }
    }
}

/// Refuses where this build keeps nothing on a disk.
pub(crate) fn require_disk() -> Result<(), Failure> {
    if cfg!(feature = "rocksdb") {
        return Ok(());
    }
    Err(Failure::setting(
        "this concordatd was built without RocksDB and keeps no state on disk: it only runs `demo` without \
         --data-dir. `make build` builds one with RocksDB (the feature `rocksdb`, on by default)",
    ))
}

//! The contract of the state's store: an ordered map of bytes with atomic batches.
//!
//! A store never interprets what it keeps, never syncs a batch by itself (the Raft log is what is
//! durable; the state can be replayed), and never answers half a batch.

use std::fmt;

pub mod changes;
#[cfg(test)]
pub mod contract;
#[cfg(test)]
mod contract_test;
pub mod fail_stop;
pub mod keys;
pub mod memory;
#[cfg(feature = "rocks")]
pub mod rocks;
pub mod shadow;
#[cfg(test)]
mod threads_test;

/// The store is broken or refuses: a fault, the replica stops.
#[derive(Debug, thiserror::Error)]
#[error("store: {context}")]
pub struct StoreError {
    /// The action that failed.
    pub context: String,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// A failure without a deeper source.
    #[must_use]
    pub fn new(context: impl Into<String>) -> Self {
        Self { context: context.into(), source: None }
    }
    /// A failure with its source.
    #[must_use]
    pub fn caused(
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { context: context.into(), source: Some(Box::new(source)) }
    }
}

/// A key and what it holds.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Reads, of the newest state or of a snapshot.
pub trait Reader {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store is broken.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The pairs whose keys begin with `prefix` and are greater than `after`, in order of key, at
    /// most `limit`.
    ///
    /// # Errors
    /// When the store is broken.
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError>;
}

/// Changes that become visible together. A later change of a key wins.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WriteBatch {
    /// Every key under one of these goes first.
    pub cleared_prefixes: Vec<Vec<u8>>,
    /// Then these are set (`Some`) or removed (`None`), in order.
    pub changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl fmt::Debug for WriteBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "WriteBatch({} cleared, {} changes)",
            self.cleared_prefixes.len(),
            self.changes.len()
        )
    }
}

/// How well a store's cache of blocks did since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups that found their block.
    pub hits: u64,
    /// Look-ups that read it from a file.
    pub misses: u64,
    /// The bytes that the cache holds, for all stores that share it.
    pub bytes: u64,
}

/// Called with a reader of a snapshot, possibly on another thread.
pub type SnapshotVisit<'a> = &'a mut dyn FnMut(&dyn Reader) -> Result<(), StoreError>;

/// An ordered map with atomic, unsynced batches.
pub trait Store: Reader + fmt::Debug + Send + Sync + 'static {
    /// Applies a batch atomically: readers see all of it or nothing. It is not synced: after a
    /// power failure the store may be at any earlier batch, never between two.
    ///
    /// # Errors
    /// When the store is broken.
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError>;

    /// Returns once everything written before the call survives a power loss.
    ///
    /// # Errors
    /// When the store is broken.
    fn sync(&self) -> Result<(), StoreError>;

    /// Calls `visit` with a reader of the state as it is now. The reader's view does not change
    /// during the call, whatever is written meanwhile. Blocks the calling thread.
    ///
    /// # Errors
    /// When the store is broken, or the error that `visit` returns.
    fn read_snapshot(&self, visit: SnapshotVisit<'_>) -> Result<(), StoreError>;

    /// Whether calls may block on a disk, so that long ones need a thread of their own.
    fn blocks(&self) -> bool {
        true
    }

    /// How well its cache did; all zero for a store without one.
    fn cache_stats(&self) -> CacheStats {
        CacheStats::default()
    }
}

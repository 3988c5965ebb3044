//! The contract of the state's store: an ordered map of bytes with atomic batches.
//!
//! A store never interprets what it keeps, never syncs a batch by itself (the Raft log is what is
//! durable; the state can be replayed), and never answers half a batch.

use std::fmt;

#[doc(hidden)]
pub mod contract;
#[cfg(test)]
mod contract_test;
pub mod keys;
pub mod memory;
#[cfg(feature = "rocks")]
pub mod rocks;
pub mod slots;
pub mod watched;

/// The store is broken or refuses: a fault, the replica stops.
#[derive(Debug, thiserror::Error)]
#[error("store: {doing}")]
pub struct StoreError {
    /// What was being done.
    pub doing: String,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// A failure without a deeper source.
    #[must_use]
    pub fn new(doing: impl Into<String>) -> Self {
        Self { doing: doing.into(), source: None }
    }
    /// A failure with its source.
    #[must_use]
    pub fn caused(
        doing: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { doing: doing.into(), source: Some(Box::new(source)) }
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

/// What a snapshot is read by; it may be called from any thread.
pub type SnapshotVisit<'a> = &'a mut dyn FnMut(&dyn Reader) -> Result<(), StoreError>;

/// An ordered map with atomic, unsynced batches.
pub trait Store: Reader + fmt::Debug + Send + Sync + 'static {
    /// Applies a batch atomically: readers see all of it or nothing. Not synced: after a power
    /// loss the store may stand at any earlier batch, never between two.
    ///
    /// # Errors
    /// When the store is broken.
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError>;

    /// Returns once everything written before the call survives a power loss.
    ///
    /// # Errors
    /// When the store is broken.
    fn sync(&self) -> Result<(), StoreError>;

    /// Calls `visit` with a reader of the state as it is now, however long that takes and whatever
    /// is written meanwhile. Blocks the calling thread.
    ///
    /// # Errors
    /// When the store is broken, or what `visit` answers.
    fn read_snapshot(&self, visit: SnapshotVisit<'_>) -> Result<(), StoreError>;

    /// Whether calls may wait for a disk, so that long ones want a thread of their own.
    fn blocks(&self) -> bool {
        true
    }
}

//! A fail-stop store: it reports its first failure to the process, whichever caller met it, so that
//! the process can stop.
//!
//! Why: a block that cannot be read is often met by a caller that handles the error (a client's
//! read is refused, a snapshot is requested again), and the replicas never touch it. Such a node
//! would continue forever with a state that it cannot trust. This file does not decide what
//! follows, and it retries nothing.

use std::{fmt, sync::Arc};

use super::{CacheStats, Pair, Reader, SnapshotVisit, Store, StoreError, WriteBatch};

/// Called on every failure, on the thread that met it. Must not block.
pub type OnFailure = Box<dyn Fn(&StoreError) + Send + Sync>;

/// A store that reports its failures.
pub struct FailStopStore {
    inner: Arc<dyn Store>,
    on_failure: OnFailure,
}

impl FailStopStore {
    /// Watches a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, on_failure: OnFailure) -> Self {
        Self { inner, on_failure }
    }

    fn reported<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.inspect_err(|error| (self.on_failure)(error))
    }
}

impl fmt::Debug for FailStopStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// A reader of a snapshot. An error that the visitor itself returns is no failure of the store.
struct FailStopReader<'a> {
    inner: &'a dyn Reader,
    store: &'a FailStopStore,
}

impl Reader for FailStopReader<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.reported(self.inner.get(key))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.store.reported(self.inner.scan(prefix, after, limit))
    }
}

impl Reader for FailStopStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reported(self.inner.get(key))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.reported(self.inner.scan(prefix, after, limit))
    }
}

impl Store for FailStopStore {
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.reported(self.inner.write(batch))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.reported(self.inner.sync())
    }

    fn read_snapshot(&self, visit: SnapshotVisit<'_>) -> Result<(), StoreError> {
        self.inner.read_snapshot(&mut |inner| visit(&FailStopReader { inner, store: self }))
    }

    fn blocks(&self) -> bool {
        self.inner.blocks()
    }

    fn cache_stats(&self) -> CacheStats {
        self.inner.cache_stats()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::store::{contract, memory::MemoryStore};

    /// A store that cannot read one of its keys.
    #[derive(Debug)]
    struct Spoilt(MemoryStore);

    fn broken() -> StoreError {
        StoreError::new("a block with a wrong checksum")
    }

    struct SpoiltReader<'a>(&'a dyn Reader);

    impl Reader for SpoiltReader<'_> {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            if key == b"spoilt" { Err(broken()) } else { self.0.get(key) }
        }

        fn scan(
            &self,
            prefix: &[u8],
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<Pair>, StoreError> {
            if prefix == b"spoilt" { Err(broken()) } else { self.0.scan(prefix, after, limit) }
        }
    }

    impl Reader for Spoilt {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            SpoiltReader(&self.0).get(key)
        }

        fn scan(
            &self,
            prefix: &[u8],
            after: Option<&[u8]>,
            limit: usize,
        ) -> Result<Vec<Pair>, StoreError> {
            SpoiltReader(&self.0).scan(prefix, after, limit)
        }
    }

    impl Store for Spoilt {
        fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
            self.0.write(batch)
        }

        fn sync(&self) -> Result<(), StoreError> {
            Err(broken())
        }

        fn read_snapshot(&self, visit: SnapshotVisit<'_>) -> Result<(), StoreError> {
            self.0.read_snapshot(&mut |reader| visit(&SpoiltReader(reader)))
        }
    }

    fn watched(inner: impl Store) -> (FailStopStore, Arc<AtomicU64>) {
        let failures = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&failures);
        let count = move |_: &StoreError| {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        (FailStopStore::new(Arc::new(inner), Box::new(count)), failures)
    }

    #[test]
    fn a_store_that_works_keeps_the_contract_and_reports_no_failure() {
        let (store, failures) = watched(MemoryStore::default());
        contract::check(&store);
        assert_eq!(failures.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn every_failure_is_reported_by_any_call_that_meets_it() {
        let (store, failures) = watched(Spoilt(MemoryStore::with_faults(1)));
        let count = || failures.load(Ordering::Relaxed);
        assert!(store.get(b"whole").is_ok() && count() == 0);
        assert!(store.get(b"spoilt").is_err() && count() == 1);
        assert!(store.scan(b"spoilt", None, 1).is_err() && count() == 2);
        assert!(store.sync().is_err() && count() == 3);
        assert!(store.write(WriteBatch::default()).is_err() && count() == 4);
        let read = store.read_snapshot(&mut |reader| reader.get(b"spoilt").map(drop));
        assert!(read.is_err() && count() == 5);
        let objected = store.read_snapshot(&mut |_| Err(StoreError::new("not what I expected")));
        assert!(objected.is_err() && count() == 5, "the visitor's own objection");
    }
}

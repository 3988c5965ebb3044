//! A node's state in memory that simulates power failures: they may take everything since the last
//! sync, back to any batch before.
//!
//! The log has a simulated disk of its own, with more ways to fail.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use concordat_cluster::{
    locks::locked,
    store::{Pair, Reader, SnapshotVisit, Store, StoreError, WriteBatch, memory::MemoryStore},
};
use concordat_tests::rng::Rng;

/// The synced state, and the unsynced batches.
#[derive(Default)]
struct Durable {
    image: Vec<Pair>,
    since: Vec<WriteBatch>,
}

/// A node's state in memory that simulates power failures.
#[derive(Default)]
pub(crate) struct CrashStore {
    inner: MemoryStore,
    durable: Mutex<Durable>,
    is_failing: AtomicBool,
    /// How often an injected failure has occurred.
    failures: AtomicU64,
    has_failed: AtomicBool,
}

impl fmt::Debug for CrashStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CrashStore")
    }
}

impl CrashStore {
    /// The state of a restarted process: all of it.
    pub(crate) fn restarted(&self) -> Self {
        let mut durable = self.lock();
        let kept = Durable {
            image: std::mem::take(&mut durable.image),
            since: std::mem::take(&mut durable.since),
        };
        let all = kept.since.len();
        Self { failures: self.failures().into(), ..Self::of(kept, all) }
    }

    /// The state after a power failure.
    pub(crate) fn crashed(&self, rng: &mut Rng) -> Self {
        let mut durable = self.lock();
        let mut kept = Durable {
            image: std::mem::take(&mut durable.image),
            since: std::mem::take(&mut durable.since),
        };
        let batches = rng.place(kept.since.len() + 1);
        kept.since.truncate(batches);
        Self { failures: self.failures().into(), ..Self::of(kept, batches) }
    }

    /// The state after the worst power failure: nothing since the last sync.
    pub(crate) fn synced(&self) -> Self {
        let image = std::mem::take(&mut self.lock().image);
        Self {
            failures: self.failures().into(),
            ..Self::of(Durable { image, since: Vec::new() }, 0)
        }
    }

    /// Another disk with the same on it, all of it synced.
    pub(crate) fn copied(&self) -> Self {
        Self::of(Durable { image: self.pairs(), since: Vec::new() }, 0)
    }

    /// Every write fails from now on.
    pub(crate) fn fail(&self) {
        self.is_failing.store(true, Ordering::Relaxed);
    }

    /// Writes succeed again.
    pub(crate) fn repair(&self) {
        self.is_failing.store(false, Ordering::Relaxed);
        self.has_failed.store(false, Ordering::Relaxed);
    }

    /// How often an injected failure has occurred, in all lives.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// All that is kept, for those who look for secrets.
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        self.inner.scan(b"", None, usize::MAX).unwrap_or_default()
    }

    fn of(durable: Durable, batches: usize) -> Self {
        let inner = MemoryStore::default();
        let changes = durable.image.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        let image = WriteBatch { cleared_prefixes: Vec::new(), changes: changes.collect() };
        let batches = durable.since[..batches].iter().cloned();
        for batch in std::iter::once(image).chain(batches) {
            inner.write(batch).expect("memory does not fail");
        }
        Self { inner, durable: Mutex::new(durable), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Durable> {
        locked(&self.durable)
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_failing.load(Ordering::Relaxed) {
            let is_first = !self.has_failed.swap(true, Ordering::Relaxed);
            self.failures.fetch_add(u64::from(is_first), Ordering::Relaxed);
            return Err(StoreError::new("a disk that was made to fail"));
        }
        Ok(())
    }
}

impl Reader for CrashStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.inner.scan(prefix, after, limit)
    }
}

impl Store for CrashStore {
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.check()?;
        self.lock().since.push(batch.clone());
        self.inner.write(batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.check()?;
        let mut durable = self.lock();
        if !durable.since.is_empty() {
            durable.since.clear();
            durable.image = self.pairs();
        }
        Ok(())
    }

    fn read_snapshot(&self, visit: SnapshotVisit<'_>) -> Result<(), StoreError> {
        self.inner.read_snapshot(visit)
    }

    fn blocks(&self) -> bool {
        false
    }
}

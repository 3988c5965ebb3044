//! The store on RocksDB: one column family, a write-ahead log that is synced only on demand.
//!
//! No other module of the project may name the library. It must never sync a batch by itself: the
//! Raft log is durable, and a state that goes back after a power failure is replayed from it.

use std::{fmt, path::Path};

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DB, DBCompressionType, DBRawIterator, Env,
    LogLevel, LruCacheOptions, Options, ReadOptions, Snapshot, WriteBatch as RocksBatch,
    WriteOptions,
    statistics::{StatsLevel, Ticker},
};

use super::{CacheStats, Pair, Reader, SnapshotVisit, Store, StoreError, WriteBatch, keys};

/// Bits per key of the filters: one look-up in a hundred for an absent key reads a block.
const BLOOM_BITS: f64 = 10.0;
/// The part of a write buffer that its filter takes.
const BUFFER_BLOOM_RATIO: f64 = 0.05;
/// Background flushes and compactions of one store at a time, and threads of the process for them.
const BACKGROUND_JOBS: i32 = 2;
/// Four shards. A block that is larger than its shard is never kept, and the library would divide a cache of
/// 128 MiB into 64 shards; more than a few are of use only to many threads.
const CACHE_SHARD_BITS: i32 = 2;
/// Written data is handed to the disk in pieces, so that a sync finds little left.
const BYTES_PER_SYNC: u64 = 1024 * 1024;

/// The options of a store. Clones share the block cache and the background threads: open all stores
/// of a process with clones of one.
#[derive(Clone)]
pub struct RocksOptions {
    cache: Cache,
    env: Env,
    write_buffer_bytes: usize,
    open_files_max: i32,
}

impl RocksOptions {
    /// With a block cache of this size (shared by all clones).
    ///
    /// # Errors
    /// When the library has no environment to give.
    pub fn new(block_cache_bytes: usize) -> Result<Self, StoreError> {
        let mut env = Env::new().map_err(|e| StoreError::caused("get an environment", e))?;
        env.set_background_threads(BACKGROUND_JOBS);
        let mut cache = LruCacheOptions::default();
        cache.set_capacity(block_cache_bytes);
        cache.set_num_shard_bits(CACHE_SHARD_BITS);
        Ok(Self {
            cache: Cache::new_lru_cache_opts(&cache),
            env,
            write_buffer_bytes: 16 * 1024 * 1024,
            open_files_max: 256,
        })
    }

    /// With another size of the buffer that collects writes; up to two are held.
    #[must_use]
    pub fn with_write_buffer_bytes(mut self, bytes: usize) -> Self {
        self.write_buffer_bytes = bytes;
        self
    }

    /// With another limit of open files.
    #[must_use]
    pub fn with_open_files_max(mut self, files: i32) -> Self {
        self.open_files_max = files;
        self
    }

    fn database(&self) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_bloom_filter(BLOOM_BITS, false);
        // Index and filter in blocks of their own, with an index above them that stays in memory. As one block for
        // each file they have megabytes, and a cache that cannot keep one reads it for every look-up. Nothing but
        // that index is pinned: what is pinned may be more than the whole cache.
        table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        table.set_partition_filters(true);
        table.set_pin_top_level_index_and_filter(true);
        table.set_cache_index_and_filter_blocks(true);
        table.set_format_version(5);

        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_env(&self.env);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(self.write_buffer_bytes);
        options.set_max_write_buffer_number(2);
        // A write looks for its own name and finds none: the buffer need not be searched for that.
        options.set_memtable_prefix_bloom_ratio(BUFFER_BLOOM_RATIO);
        options.set_memtable_whole_key_filtering(true);
        // Batches are small: inserted one after the other, without waiting for each other's keys.
        options.set_allow_concurrent_memtable_write(false);
        options.set_max_background_jobs(BACKGROUND_JOBS);
        options.set_max_open_files(self.open_files_max);
        options.set_bytes_per_sync(BYTES_PER_SYNC);
        options.set_wal_bytes_per_sync(BYTES_PER_SYNC);
        options.set_keep_log_file_num(1);
        options.set_log_level(LogLevel::Warn);
        options.set_stats_dump_period_sec(0);
        options.enable_statistics();
        options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
        options
    }
}

impl fmt::Debug for RocksOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksOptions")
            .field("write_buffer_bytes", &self.write_buffer_bytes)
            .field("open_files_max", &self.open_files_max)
            .finish_non_exhaustive()
    }
}

/// A store on RocksDB.
pub struct RocksStore {
    db: DB,
    /// Those that it was opened with: they have its counters.
    options: Options,
    cache: Cache,
}

impl RocksStore {
    /// Opens the store in this directory, and makes it when it is not there.
    ///
    /// # Errors
    /// When it is held by another process, damaged, or cannot be made.
    pub fn open(path: &Path, options: &RocksOptions) -> Result<Self, StoreError> {
        let cache = options.cache.clone();
        let options = options.database();
        let db = DB::open(&options, path).map_err(|error| {
            StoreError::caused(format!("open the RocksDB in {}", path.display()), error)
        })?;
        Ok(Self { db, options, cache })
    }

    /// The greatest key, or `None` when there is none.
    fn last_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let mut iterator = self.db.raw_iterator();
        iterator.seek_to_last();
        iterator.status().map_err(|error| StoreError::caused("find the last key", error))?;
        Ok(iterator.key().map(<[u8]>::to_vec))
    }
}

/// The options of a scan under a prefix: the library stops at the prefix's end and so never walks
/// over deleted keys behind it.
fn range_options(prefix: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    if let Some(end) = keys::successor(prefix) {
        options.set_iterate_upper_bound(end);
    }
    options
}

fn collect(
    mut iterator: DBRawIterator<'_>,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<Pair>, StoreError> {
    match after {
        // The least key behind `after` is `after` and a zero byte.
        Some(after) if after >= prefix => iterator.seek([after, &[0]].concat()),
        Some(_) | None => iterator.seek(prefix),
    }
    let mut pairs = Vec::new();
    while pairs.len() < limit
        && let Some((key, value)) = iterator.item()
        && key.starts_with(prefix)
    {
        pairs.push((key.to_vec(), value.to_vec()));
        iterator.next();
    }
    // An iterator that met an error looks like one at its end.
    iterator.status().map_err(|error| StoreError::caused("scan", error))?;
    Ok(pairs)
}

impl Reader for RocksStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get(key).map_err(|error| StoreError::caused("get", error))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        collect(self.db.raw_iterator_opt(range_options(prefix)), prefix, after, limit)
    }
}

/// The state as it was at some moment. Reads of it leave the cache to the newest state.
struct Frozen<'a>(Snapshot<'a>);

impl Reader for Frozen<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).map_err(|error| StoreError::caused("get from a snapshot", error))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let mut options = range_options(prefix);
        options.fill_cache(false);
        collect(self.0.raw_iterator_opt(options), prefix, after, limit)
    }
}

impl Store for RocksStore {
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut rocks = RocksBatch::default();
        for prefix in &batch.cleared_prefixes {
            match keys::successor(prefix) {
                Some(end) => rocks.delete_range(prefix, &end),
                // No key follows such a prefix: scan to the last key of the store.
                None => {
                    if let Some(last) = self.last_key()?.filter(|last| last >= prefix) {
                        rocks.delete_range(prefix, &[&last[..], &[0]].concat());
                    }
                }
            }
        }
        for (key, value) in &batch.changes {
            match value {
                Some(value) => rocks.put(key, value),
                None => rocks.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(false);
        self.db.write_opt(rocks, &options).map_err(|error| StoreError::caused("write", error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(|error| StoreError::caused("sync", error))
    }

    fn read_snapshot(&self, visit: SnapshotVisit<'_>) -> Result<(), StoreError> {
        visit(&Frozen(self.db.snapshot()))
    }

    fn cache_stats(&self) -> CacheStats {
        CacheStats {
            hits: self.options.get_ticker_count(Ticker::BlockCacheHit),
            misses: self.options.get_ticker_count(Ticker::BlockCacheMiss),
            bytes: self.cache.get_usage() as u64,
        }
    }
}

impl fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RocksStore({})", self.db.path().display())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::store::{contract, contract_test, shadow::ShadowStore};

    fn options() -> RocksOptions {
        RocksOptions::new(1024 * 1024).unwrap()
    }

    #[test]
    fn keeps_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        let store = RocksStore::open(directory.path(), &options()).unwrap();
        contract::check(&store);
        contract::check_edges(&store);
    }

    #[test]
    fn slots_keep_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        let store = RocksStore::open(directory.path(), &options()).unwrap();
        contract::check(&ShadowStore::open(Arc::new(store)).unwrap());
    }

    #[test]
    fn is_there_again_after_a_reopening() {
        let directory = tempfile::tempdir().unwrap();
        let batch = |value: Option<Vec<u8>>, cleared: &[u8]| WriteBatch {
            cleared_prefixes: vec![cleared.to_vec()],
            changes: vec![(b"key".to_vec(), value), (b"other".to_vec(), Some(vec![2]))],
        };
        let store = RocksStore::open(directory.path(), &options()).unwrap();
        store.write(batch(Some(vec![1]), b"x")).unwrap();
        assert!(RocksStore::open(directory.path(), &options()).is_err(), "it is held already");
        drop(store);
        let store = RocksStore::open(directory.path(), &options()).unwrap();
        assert_eq!(store.get(b"key").unwrap(), Some(vec![1]));
        store.write(batch(None, b"o")).unwrap();
        store.sync().unwrap();
        drop(store);
        let store = RocksStore::open(directory.path(), &options()).unwrap();
        assert_eq!(store.scan(b"", None, 9).unwrap(), [(b"other".to_vec(), vec![2])]);
    }

    #[test]
    fn many_pairs_are_scanned_in_pages_across_flushes() {
        let directory = tempfile::tempdir().unwrap();
        let options = options().with_write_buffer_bytes(64 * 1024).with_open_files_max(32);
        let store = RocksStore::open(directory.path(), &options).unwrap();
        for number in (0..3000_u32).rev() {
            let changes = vec![(number.to_be_bytes().to_vec(), Some(vec![7; 100]))];
            store.write(WriteBatch { cleared_prefixes: vec![], changes }).unwrap();
        }
        store.db.flush().unwrap();
        let (mut after, mut seen) = (None, 0_u32);
        loop {
            let pairs = store.scan(&[], after.as_deref(), 70).unwrap();
            let Some((last, _)) = pairs.last() else { break };
            after = Some(last.clone());
            for (key, _) in &pairs {
                assert_eq!(*key, seen.to_be_bytes());
                seen += 1;
            }
        }
        assert_eq!(seen, 3000);
    }

    /// The filter of the file is larger than the cache. What is read again and again is found there all the
    /// same: a whole filter would be read from the file for each look-up.
    #[test]
    fn a_file_with_very_many_keys_is_read_through_a_small_cache() {
        const KEYS: u32 = 300_000;
        const READ: [u32; 4] = [7, 70_007, 140_007, 290_007];
        const ROUNDS: u64 = 100;
        let directory = tempfile::tempdir().unwrap();
        let options = RocksOptions::new(256 * 1024).unwrap();
        let store = RocksStore::open(directory.path(), &options).unwrap();
        let numbers: Vec<u32> = (0..KEYS).collect();
        for numbers in numbers.chunks(1000) {
            let put = |number: &u32| (number.to_be_bytes().to_vec(), Some(vec![7; 8]));
            let changes = numbers.iter().map(put).collect();
            store.write(WriteBatch { cleared_prefixes: vec![], changes }).unwrap();
        }
        store.db.flush().unwrap();
        store.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        let read_all = || {
            for number in READ {
                assert_eq!(store.get(&number.to_be_bytes()).unwrap(), Some(vec![7; 8]));
            }
        };
        read_all();
        let before = store.cache_stats();
        (0..ROUNDS).for_each(|_| read_all());
        let after = store.cache_stats();
        let reads = ROUNDS * READ.len() as u64;
        let (hits, misses) = (after.hits - before.hits, after.misses - before.misses);
        assert!(hits >= reads && misses <= reads / 100, "{reads} reads: {before:?}, {after:?}");
        assert!(after.bytes > 0 && after.bytes < 1024 * 1024, "{after:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_a_map(steps in contract_test::steps()) {
            thread_local! {
                static STORE: (RocksStore, tempfile::TempDir) = {
                    let directory = tempfile::tempdir().unwrap();
                    (RocksStore::open(directory.path(), &options()).unwrap(), directory)
                };
            }
            STORE.with(|(store, _)| contract::check_steps(store, &steps));
        }
    }
}

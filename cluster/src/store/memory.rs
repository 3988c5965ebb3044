//! The store in memory: for tests and simulations. A test can make one write fail.
//!
//! It is not durable. A snapshot shares the map until the next write, which copies it.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, Mutex},
};

use super::{Pair, Reader, SnapshotVisit, Store, StoreError, WriteBatch};

use crate::locks::locked;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Default)]
struct State {
    map: Arc<Map>,
    writes: u64,
    failing: Option<u64>,
}

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// A store whose write of this number (the first is 1) fails and changes nothing.
    #[must_use]
    pub fn with_faults(failing_write: u64) -> Self {
        let state = State { failing: Some(failing_write), ..State::default() };
        Self { state: Mutex::new(state) }
    }

    fn map(&self) -> Arc<Map> {
        Arc::clone(&locked(&self.state).map)
    }
}

/// The map as it was at some moment.
struct Frozen(Arc<Map>);

impl Reader for Frozen {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let begin = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            Some(_) | None => Bound::Included(prefix),
        };
        let pairs = self.0.range::<[u8], _>((begin, Bound::Unbounded));
        let pairs = pairs.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(pairs.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl Reader for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Frozen(self.map()).get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        Frozen(self.map()).scan(prefix, after, limit)
    }
}

impl Store for MemoryStore {
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut state = locked(&self.state);
        state.writes += 1;
        if state.failing == Some(state.writes) {
            return Err(StoreError::new("a write that was made to fail"));
        }
        let map = Arc::make_mut(&mut state.map);
        for prefix in batch.cleared_prefixes {
            map.retain(|key, _| !key.starts_with(&prefix));
        }
        for (key, value) in batch.changes {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn read_snapshot(&self, visit: SnapshotVisit<'_>) -> Result<(), StoreError> {
        visit(&Frozen(self.map()))
    }

    fn blocks(&self) -> bool {
        false
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} keys)", self.map().len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::store::{contract, contract_test, shadow::ShadowStore};

    #[test]
    fn keeps_the_contract() {
        contract::check(&MemoryStore::default());
        contract::check_edges(&MemoryStore::default());
    }

    #[test]
    fn slots_keep_the_contract() {
        contract::check(&ShadowStore::open(Arc::new(MemoryStore::default())).unwrap());
    }

    #[test]
    fn a_failing_write_changes_nothing() {
        let store = MemoryStore::with_faults(2);
        let put = |value| WriteBatch {
            cleared_prefixes: vec![],
            changes: vec![(b"key".to_vec(), Some(vec![value]))],
        };
        store.write(put(1)).unwrap();
        assert!(store.write(put(2)).is_err());
        assert_eq!(store.get(b"key").unwrap(), Some(vec![1]));
        store.write(put(3)).unwrap();
        assert_eq!(store.get(b"key").unwrap(), Some(vec![3]));
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in contract_test::steps()) {
            contract::check_steps(&MemoryStore::default(), &steps);
            contract::check_steps(
                &ShadowStore::open(Arc::new(MemoryStore::default())).unwrap(),
                &steps,
            );
        }
    }
}

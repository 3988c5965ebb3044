//! The changes of an entry: ranges that are cleared, then one value or removal for each key, in
//! order of key.
//!
//! Nothing here reads or writes a store; a later change of a key replaces an earlier one, and
//! clearing a range drops earlier changes within it.

use std::{collections::BTreeMap, fmt};

use crate::store::WriteBatch;

/// An ordered set of changes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Changes {
    cleared: Vec<Vec<u8>>,
    by_key: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Changes {
    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.by_key.insert(key, Some(value));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.by_key.insert(key, None);
    }

    /// Removes all keys that begin with a prefix.
    pub fn clear(&mut self, prefix: Vec<u8>) {
        self.by_key.retain(|key, _| !key.starts_with(&prefix));
        self.cleared.push(prefix);
    }

    /// Adds changes that came later.
    pub fn add(&mut self, later: Self) {
        for prefix in later.cleared {
            self.clear(prefix);
        }
        if self.by_key.is_empty() {
            self.by_key = later.by_key;
        } else {
            self.by_key.extend(later.by_key);
        }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cleared.is_empty() && self.by_key.is_empty()
    }

    /// As a batch for a store.
    #[must_use]
    pub fn into_batch(self) -> WriteBatch {
        WriteBatch { cleared_prefixes: self.cleared, changes: self.by_key.into_iter().collect() }
    }

    /// Whether these changes hide the value of a key in the store below.
    pub(in crate::machine) fn hide(&self, key: &[u8]) -> bool {
        self.by_key.contains_key(key) || self.cleared.iter().any(|prefix| key.starts_with(prefix))
    }

    pub(in crate::machine) fn by_key(&self) -> &BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        &self.by_key
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the values: they are long, and some hold sealed secrets.
        write!(f, "Changes({} cleared, {} keys)", self.cleared.len(), self.by_key.len())
    }
}

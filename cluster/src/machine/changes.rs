//! What an entry changes: one value or removal for each key, in order of key.
//!
//! Nothing here reads or writes a store; a later change of a key replaces an earlier one.

use std::{collections::BTreeMap, fmt};

use crate::store::WriteBatch;

/// An ordered set of changes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Changes {
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

    /// Adds changes that came later.
    pub fn add(&mut self, later: Self) {
        if self.by_key.is_empty() {
            self.by_key = later.by_key;
        } else {
            self.by_key.extend(later.by_key);
        }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Every change, in order of key: what it is set to, or `None` where it is removed.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.by_key.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// As a batch for a store.
    #[must_use]
    pub fn into_batch(self) -> WriteBatch {
        WriteBatch { cleared_prefixes: Vec::new(), changes: self.by_key.into_iter().collect() }
    }

    pub(super) fn by_key(&self) -> &BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        &self.by_key
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the values: they are long, and some hold sealed secrets.
        write!(f, "Changes({} keys)", self.by_key.len())
    }
}

//! An entry's view: the state before its batch and, over it, the batch's changes so far.
//!
//! An overlay never writes to the store below.

use std::{fmt, ops::Bound};

use super::changes::Changes;
use crate::store::{Pair, Reader, StoreError, WriteBatch};

/// Pairs that a scan without a limit reads from below at a time.
const PAGE_PAIRS_MAX: usize = 256;

/// A reader, and changes that hide some of its values.
pub struct Overlay<'a> {
    base: &'a dyn Reader,
    changes: Changes,
}

impl<'a> Overlay<'a> {
    /// Over a reader, with nothing changed yet.
    #[must_use]
    pub fn new(base: &'a dyn Reader) -> Self {
        Self { base, changes: Changes::default() }
    }

    /// Adds changes that came later.
    pub fn add(&mut self, changes: Changes) {
        self.changes.add(changes);
    }

    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.put(key, value);
    }

    /// Removes a key.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.changes.remove(key);
    }

    /// Removes all keys that begin with a prefix.
    pub fn clear(&mut self, prefix: Vec<u8>) {
        self.changes.clear(prefix);
    }

    /// All that was changed.
    #[must_use]
    pub fn into_changes(self) -> Changes {
        self.changes
    }

    /// All that was changed, as a batch for the store below.
    #[must_use]
    pub fn into_batch(self) -> WriteBatch {
        self.changes.into_batch()
    }

    /// The pairs of one page from below that no change hides, and where the next page begins
    /// (`None`: this was the last one).
    fn base_page(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        size: usize,
    ) -> Result<(Vec<Pair>, Option<Vec<u8>>), StoreError> {
        let mut pairs = self.base.scan(prefix, after, size)?;
        let next = if pairs.len() < size { None } else { pairs.last().map(|(key, _)| key.clone()) };
        pairs.retain(|(key, _)| !self.changes.hide(key));
        Ok((pairs, next))
    }
}

impl Reader for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.by_key().get(key) {
            Some(value) => Ok(value.clone()),
            None if self.changes.hide(key) => Ok(None),
            None => self.base.get(key),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let size = limit.min(PAGE_PAIRS_MAX);
        let mut changed = changed_pairs(&self.changes, prefix, after).peekable();
        let mut merged: Vec<Pair> = Vec::new();
        let mut next = after.map(<[u8]>::to_vec);
        loop {
            let (page, following) = self.base_page(prefix, next.as_deref(), size)?;
            for pair in page {
                while let Some(own) = changed.next_if(|(key, _)| *key < pair.0) {
                    merged.push(own);
                }
                merged.push(pair);
            }
            if merged.len() >= limit || following.is_none() {
                break;
            }
            next = following;
        }
        merged.extend(changed.take(limit.saturating_sub(merged.len())));
        merged.truncate(limit);
        Ok(merged)
    }
}

/// The pairs that the changes themselves set in a range.
fn changed_pairs<'c>(
    changes: &'c Changes,
    prefix: &'c [u8],
    after: Option<&[u8]>,
) -> impl Iterator<Item = Pair> + use<'c> {
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
        Some(_) | None => Bound::Included(prefix.to_vec()),
    };
    changes
        .by_key()
        .range((start, Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(prefix))
        .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
}

impl fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("changes", &self.changes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::store::{Store, memory::MemoryStore};

    #[derive(Debug, Clone, Copy)]
    enum Change {
        Put(u8),
        Remove,
        Clear,
    }

    fn key() -> impl Strategy<Value = Vec<u8>> {
        vec(0_u8..3, 1..5)
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            6 => any::<u8>().prop_map(Change::Put),
            4 => Just(Change::Remove),
            1 => Just(Change::Clear),
        ]
    }

    proptest! {
        #[test]
        fn reads_like_one_map(
            base in vec((key(), any::<u8>()), 0..40),
            over in vec((key(), change()), 0..40),
            prefix in vec(0_u8..3, 0..3),
            after in proptest::option::of(key()),
            limit in prop_oneof![0_usize..8, Just(usize::MAX)],
        ) {
            let store = MemoryStore::default();
            let mut model = BTreeMap::new();
            for (key, value) in base {
                let changes = vec![(key.clone(), Some(vec![value]))];
                store.write(WriteBatch { cleared_prefixes: vec![], changes }).unwrap();
                model.insert(key, vec![value]);
            }
            let mut overlay = Overlay::new(&store);
            for (key, change) in over {
                match change {
                    Change::Put(value) => {
                        model.insert(key.clone(), vec![value]);
                        overlay.put(key, vec![value]);
                    }
                    Change::Remove => {
                        model.remove(&key);
                        overlay.remove(key);
                    }
                    Change::Clear => {
                        model.retain(|other, _| !other.starts_with(&key));
                        overlay.clear(key);
                    }
                }
            }
            let expected: Vec<Pair> = model
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix))
                .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
                .take(limit)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            prop_assert_eq!(overlay.scan(&prefix, after.as_deref(), limit).unwrap(), expected);
            for key in model.keys() {
                prop_assert_eq!(overlay.get(key).unwrap(), model.get(key).cloned());
            }
            let all = overlay.scan(&[], None, usize::MAX).unwrap();
            store.write(overlay.into_batch()).unwrap();
            prop_assert_eq!(store.scan(&[], None, usize::MAX).unwrap(), all);
        }
    }
}

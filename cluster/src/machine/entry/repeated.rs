//! The records that every entry of a batch reads: each is read from the store once for the batch.
//!
//! Only while nothing else writes these records: a group's state changes by its own batches alone. It must
//! never outlive its batch.

use std::{cell::RefCell, collections::BTreeMap, fmt};

use crate::store::{
    Pair, Reader, StoreError,
    keys::{self, Kind},
};

/// A reader that remembers what it has read of some kinds.
pub struct Repeated<'a> {
    base: &'a dyn Reader,
    read: RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
}

impl<'a> Repeated<'a> {
    /// Over a reader, with nothing read yet.
    #[must_use]
    pub fn new(base: &'a dyn Reader) -> Self {
        Self { base, read: RefCell::default() }
    }
}

/// Whether entry after entry of one organization, or of one group, reads a record. Others are read once, so that
/// remembering them would cost more than it saves.
fn is_repeated(key: &[u8]) -> bool {
    matches!(
        keys::kind(key),
        Some(
            Kind::Org
                | Kind::ApiKey
                | Kind::FeatureLevel
                | Kind::PolicyRevision
                | Kind::OwnPolicyVersion
        )
    )
}

impl Reader for Repeated<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_repeated(key) {
            return self.base.get(key);
        }
        if let Some(known) = self.read.borrow().get(key) {
            return Ok(known.clone());
        }
        let found = self.base.get(key)?;
        self.read.borrow_mut().insert(key.to_vec(), found.clone());
        Ok(found)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.base.scan(prefix, after, limit)
    }
}

impl fmt::Debug for Repeated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeated").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use concordat_proto::id::{GroupId, OrgId, WriteId};

    use super::*;

    #[derive(Default)]
    struct Counted {
        gets: Cell<usize>,
    }

    impl Reader for Counted {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            self.gets.set(self.gets.get() + 1);
            Ok((key.len() > 21).then(|| key.to_vec()))
        }

        fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Pair>, StoreError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn what_every_entry_reads_is_read_once_whether_it_is_there_or_not() {
        let base = Counted::default();
        let repeated = Repeated::new(&base);
        let (group, org) = (GroupId(1), OrgId::from_bytes([1; 16]));
        for key in [keys::org(group, org), keys::api_key(group, org, &[1; 32])] {
            let before = base.gets.get();
            let first = repeated.get(&key).unwrap();
            assert_eq!(repeated.get(&key).unwrap(), first);
            assert_eq!(base.gets.get(), before + 1);
        }
        let write = keys::write(group, WriteId::from_bytes([2; 16]));
        let before = base.gets.get();
        assert_eq!(repeated.get(&write).unwrap(), repeated.get(&write).unwrap());
        assert_eq!(base.gets.get(), before + 2);
    }
}

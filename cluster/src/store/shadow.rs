//! A store in which a group's whole state can be replaced atomically.
//!
//! Why: a snapshot arrives in chunks, over minutes, over connections that break. Readers must see
//! the old state or the new one and nothing between. So each group has two slots under the same
//! logical keys. A snapshot is received into the spare slot; then one small batch makes it the live
//! one, and the old one is cleared. No record is written twice, and a crash at any moment leaves
//! one complete state.
//!
//! Above this layer, keys are logical ([`super::keys`]); only this file sets the slot's bit. It
//! must never return a key with that bit, nor let a reader see two slots in one call.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use concordat_proto::id::{GroupId, OrgId};

use super::{
    CacheStats, Pair, Reader, SnapshotVisit, Store, StoreError, WriteBatch,
    changes::{Changes, Stamp},
    keys,
};
use crate::{locks::locked, planted};

/// The bit of a key's first byte that distinguishes the two slots. Group numbers stay below it.
const SLOT_BIT: u8 = 0x80;
/// Under this prefix is, per group, the live slot. No group's keys begin with it: their first byte
/// is at most 0x7f, and 0xfe with the slot's bit.
const LIVE_PREFIX: [u8; 4] = [0xff; 4];

/// The slot that a group's state is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Slot {
    #[default]
    First,
    Second,
}

impl Slot {
    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

type Live = BTreeMap<[u8; 4], Slot>;

/// A store with two slots for each group, over any other store.
#[derive(Debug)]
pub struct ShadowStore {
    inner: Arc<dyn Store>,
    live: Mutex<Arc<Live>>,
    changes: Changes,
}

fn live_key(group: [u8; 4]) -> Vec<u8> {
    [LIVE_PREFIX, group].concat()
}

fn physical(key: &[u8], slot: Slot) -> Vec<u8> {
    let mut key = key.to_vec();
    if let (Slot::Second, Some(first)) = (slot, key.first_mut()) {
        *first |= SLOT_BIT;
    }
    key
}

fn group_of(key: &[u8]) -> Result<[u8; 4], StoreError> {
    let group: [u8; 4] =
        key.first_chunk::<4>().copied().ok_or_else(|| StoreError::new("a key without a group"))?;
    if group[0] >= SLOT_BIT - 1 {
        return Err(StoreError::new("a key of no group"));
    }
    Ok(group)
}

struct ShadowReader<'a> {
    inner: &'a dyn Reader,
    live: &'a Live,
}

impl ShadowReader<'_> {
    fn slot(&self, key: &[u8]) -> Result<Slot, StoreError> {
        Ok(self.live.get(&group_of(key)?).copied().unwrap_or_default())
    }
}

impl Reader for ShadowReader<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(&physical(key, self.slot(key)?))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let slot = self.slot(prefix)?;
        let after = after.map(|key| physical(key, slot));
        let mut pairs = self.inner.scan(&physical(prefix, slot), after.as_deref(), limit)?;
        for (key, _) in &mut pairs {
            if let Some(first) = key.first_mut() {
                *first &= !SLOT_BIT;
            }
        }
        Ok(pairs)
    }
}

impl ShadowStore {
    /// Over a store, with the slots as they were left.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn open(inner: Arc<dyn Store>) -> Result<Self, StoreError> {
        let mut live = Live::new();
        for (key, value) in inner.scan(&LIVE_PREFIX, None, usize::MAX)? {
            let group = key.get(4..).and_then(|group| group.try_into().ok());
            let group: [u8; 4] = group.ok_or_else(|| StoreError::new("a slot of no group"))?;
            let slot = match value[..] {
                [0] => Slot::First,
                [1] => Slot::Second,
                _ => return Err(StoreError::new("a slot that is neither of the two")),
            };
            live.insert(group, slot);
        }
        let store = Self { inner, live: Mutex::new(Arc::new(live)), changes: Changes::default() };
        // A crash left them: while a snapshot was received, or between a swap and the clearing of the
        // old slot. They would stay for as long as no further snapshot comes.
        for group in planted::on_spares_found(store.used_spares()?) {
            store.clear_shadow(group)?;
        }
        Ok(store)
    }

    /// The groups whose spare slot holds anything: what a snapshot brings at present.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn used_spares(&self) -> Result<Vec<GroupId>, StoreError> {
        let live = self.live();
        let mut used = Vec::new();
        let mut from = Some(vec![0; 4]);
        // One look for each slot in use. The slots' own keys come last.
        while let Some(after) = from {
            let found = self.inner.scan(&[], Some(&after), 1)?;
            let Some((key, _)) = found.first().filter(|(key, _)| !key.starts_with(&LIVE_PREFIX))
            else {
                break;
            };
            let mut group: [u8; 4] =
                *key.first_chunk().ok_or_else(|| StoreError::new("a key without a group"))?;
            from = keys::successor(&group);
            let slot = if group[0] & SLOT_BIT == 0 { Slot::First } else { Slot::Second };
            group[0] &= !SLOT_BIT;
            if slot != live.get(&group).copied().unwrap_or_default() {
                used.push(GroupId(u32::from_be_bytes(group)));
            }
        }
        Ok(used)
    }

    /// The present moment in the changes of an organization ([`super::changes`]); none while it is being changed.
    pub fn stamp(&self, org: OrgId) -> Option<Stamp> {
        self.changes.stamp(org)
    }

    fn live(&self) -> Arc<Live> {
        Arc::clone(&locked(&self.live))
    }

    /// Reads, and reads again when a swap came between: the slot that was read from may have been
    /// emptied meanwhile.
    fn read<T>(
        &self,
        read: impl Fn(&dyn Reader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let live = self.live();
            let result = read(&ShadowReader { inner: &*self.inner, live: &live })?;
            if Arc::ptr_eq(&live, &self.live()) {
                return Ok(result);
            }
        }
    }

    /// A batch with the keys that it has in the live slots.
    fn in_live_slots(&self, batch: WriteBatch) -> Result<WriteBatch, StoreError> {
        let live = self.live();
        let placed = |key: &[u8]| -> Result<Vec<u8>, StoreError> {
            Ok(physical(key, live.get(&group_of(key)?).copied().unwrap_or_default()))
        };
        let mut inner = WriteBatch::default();
        for prefix in &batch.cleared_prefixes {
            inner.cleared_prefixes.push(placed(prefix)?);
        }
        for (key, value) in batch.changes {
            inner.changes.push((placed(&key)?, value));
        }
        Ok(inner)
    }

    fn shadow(&self, group: GroupId) -> Slot {
        self.live().get(&group.0.to_be_bytes()).copied().unwrap_or_default().other()
    }

    /// Empties the group's spare slot, before a snapshot is received into it.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn clear_shadow(&self, group: GroupId) -> Result<(), StoreError> {
        let prefix = physical(&group.0.to_be_bytes(), self.shadow(group));
        let batch = WriteBatch { cleared_prefixes: vec![prefix], changes: Vec::new() };
        planted::on_clear_spare(|| self.inner.write(batch))
    }

    /// Puts records into the group's spare slot. Their keys must be the group's.
    ///
    /// # Errors
    /// When the store is broken or a key is another group's.
    pub fn write_shadow(&self, group: GroupId, pairs: Vec<Pair>) -> Result<(), StoreError> {
        let slot = self.shadow(group);
        let mut changes = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if group_of(&key)? != group.0.to_be_bytes() {
                return Err(StoreError::new("a record of another group in a snapshot"));
            }
            changes.push((physical(&key, slot), Some(value)));
        }
        self.inner.write(WriteBatch { cleared_prefixes: Vec::new(), changes })
    }

    /// One record of the spare slot.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn get_shadow(&self, group: GroupId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(&physical(key, self.shadow(group)))
    }

    /// Makes the spare slot the live one and clears the old one. Survives a power loss when it
    /// returns.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn swap(&self, group: GroupId) -> Result<(), StoreError> {
        let key = group.0.to_be_bytes();
        let shadow = self.shadow(group);
        let value = match shadow {
            Slot::First => vec![0],
            Slot::Second => vec![1],
        };
        let swap = WriteBatch {
            cleared_prefixes: Vec::new(),
            changes: vec![(live_key(key), Some(value))],
        };
        let concerned = self.changes.begin_all();
        let written = self.inner.write(swap);
        if written.is_ok() {
            let mut live = locked(&self.live);
            Arc::make_mut(&mut live).insert(key, shadow);
        }
        self.changes.done(&concerned);
        written?;
        self.inner.sync()?;
        self.clear_shadow(group)
    }
}

impl Reader for ShadowStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|reader| reader.get(key))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.read(|reader| reader.scan(prefix, after, limit))
    }
}

impl Store for ShadowStore {
    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let concerned = self.changes.begin(&batch);
        let written = self.in_live_slots(batch).and_then(|batch| self.inner.write(batch));
        self.changes.done(&concerned);
        written
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.inner.sync()
    }

    fn read_snapshot(&self, visit: SnapshotVisit<'_>) -> Result<(), StoreError> {
        self.inner.read_snapshot(&mut |reader| {
            // The live slot is read from the snapshot itself: a swap may be in progress.
            let mut live = Live::new();
            for (key, value) in reader.scan(&LIVE_PREFIX, None, usize::MAX)? {
                if let Some(group) = key.get(4..).and_then(|group| group.try_into().ok()) {
                    live.insert(group, if value == [1] { Slot::Second } else { Slot::First });
                }
            }
            visit(&ShadowReader { inner: reader, live: &live })
        })
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
    use super::*;
    use crate::store::memory::MemoryStore;

    const GROUP: GroupId = GroupId(3);

    fn key(name: &[u8]) -> Vec<u8> {
        [&GROUP.0.to_be_bytes(), name].concat()
    }

    fn set(store: &ShadowStore, name: &[u8], value: &[u8]) {
        let changes = vec![(key(name), Some(value.to_vec()))];
        store.write(WriteBatch { cleared_prefixes: Vec::new(), changes }).unwrap();
    }

    fn all(store: &ShadowStore) -> Vec<Pair> {
        store.scan(&key(b""), None, usize::MAX).unwrap()
    }

    #[test]
    fn readers_see_the_old_state_until_the_swap_and_then_only_the_new_one() {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let store = ShadowStore::open(Arc::clone(&inner)).unwrap();
        for round in 0_u8..4 {
            set(&store, b"old", &[round]);
            let before = all(&store);
            store.clear_shadow(GROUP).unwrap();
            store.write_shadow(GROUP, vec![(key(b"new"), vec![round])]).unwrap();
            assert_eq!(all(&store), before, "a snapshot on its way shows");
            assert_eq!(store.get_shadow(GROUP, &key(b"new")).unwrap(), Some(vec![round]));
            store.swap(GROUP).unwrap();
            assert_eq!(all(&store), vec![(key(b"new"), vec![round])]);
            assert_eq!(store.get_shadow(GROUP, &key(b"old")).unwrap(), None, "not cleared");
            let reopened = ShadowStore::open(Arc::clone(&inner)).unwrap();
            assert_eq!(all(&reopened), all(&store), "a restart shows another slot");
        }
    }

    #[test]
    fn what_a_crash_left_in_a_spare_slot_is_cleared_at_the_next_start() {
        let inner = Arc::new(MemoryStore::default());
        let open = || ShadowStore::open(Arc::clone(&inner) as Arc<dyn Store>).unwrap();
        let physical_keys = || inner.scan(&[], None, usize::MAX).unwrap().len();
        // While a snapshot was received, which no slot is known of yet.
        open().write_shadow(GROUP, vec![(key(b"part"), Vec::new())]).unwrap();
        let store = open();
        assert_eq!((store.used_spares().unwrap(), physical_keys()), (Vec::new(), 0));
        // Between a swap and the clearing of the old slot.
        set(&store, b"old", b"1");
        store.write_shadow(GROUP, vec![(key(b"new"), Vec::new())]).unwrap();
        assert_eq!(store.used_spares().unwrap(), [GROUP]);
        let swap = vec![(live_key(GROUP.0.to_be_bytes()), Some(vec![1]))];
        inner.write(WriteBatch { cleared_prefixes: Vec::new(), changes: swap }).unwrap();
        let store = open();
        assert_eq!(all(&store), vec![(key(b"new"), Vec::new())]);
        assert_eq!(physical_keys(), 2, "the new state and its slot");
        assert_eq!(store.used_spares().unwrap(), []);
    }

    #[test]
    fn a_snapshot_cannot_bring_another_groups_records() {
        let store = ShadowStore::open(Arc::new(MemoryStore::default())).unwrap();
        let foreign = [&4_u32.to_be_bytes()[..], b"x"].concat();
        assert!(store.write_shadow(GROUP, vec![(foreign, Vec::new())]).is_err());
        assert!(store.get(&[0xff, 0xff, 0xff, 0xff, 0]).is_err(), "the slots' own keys are hidden");
    }

    #[test]
    fn it_is_a_store() {
        let store = ShadowStore::open(Arc::new(MemoryStore::default())).unwrap();
        set(&store, b"a", b"1");
        set(&store, b"b", b"2");
        let mut seen = Vec::new();
        store
            .read_snapshot(&mut |reader| {
                set(&store, b"c", b"3");
                seen = reader.scan(&key(b""), Some(&key(b"a")), 10)?;
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, vec![(key(b"b"), b"2".to_vec())], "a snapshot moved");
    }
}

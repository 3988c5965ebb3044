//! The callers' view: per group the vote, the purge mark and the location of each live entry, with
//! the newest payloads kept in memory.
//!
//! It changes when a call is queued, so it may be ahead of the disk; a payload stays in memory at
//! least until it is on the disk. It does no IO and must be locked only for moments.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::{
    error::LogError,
    frame::frame_bytes,
    types::{GroupState, LogRecord, RecordId},
};

/// The location of an entry's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment; 0 while the entry is not on the disk (segments count from 1).
    pub(super) sequence: u32,
    pub(super) offset: u32,
    /// Length of the payload.
    pub(super) length: u32,
    /// The chain before the record, to check it by.
    pub(super) chain: u32,
}

const NOWHERE: Place = Place { sequence: 0, offset: 0, length: 0, chain: 0 };

impl Place {
    /// Bytes that the record takes on the disk.
    fn disk_bytes(self) -> u64 {
        if self == NOWHERE { 0 } else { frame_bytes(self.length as usize) as u64 }
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    term: u64,
    place: Place,
}

#[derive(Debug, Default)]
struct GroupIndex {
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    /// Index of `slots[0]`.
    first: u64,
    slots: VecDeque<Slot>,
    /// Payloads of the newest slots, each with the serial of its append.
    tail: VecDeque<(u64, Bytes)>,
    synced: u64,
    /// Of the records of the entries that are on the disk.
    live_bytes: u64,
}

/// One entry to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) id: RecordId,
    pub(super) from: Source,
}

/// Where a payload is read from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Memory(Bytes),
    Disk(Place),
}

/// All groups of the node.
#[derive(Debug)]
pub(super) struct Index {
    groups: BTreeMap<u32, GroupIndex>,
    /// The group of every payload in memory, by serial: oldest first.
    cached: BTreeMap<u64, u32>,
    cache_bytes: usize,
    cache_bytes_max: usize,
    next_serial: u64,
}

impl GroupIndex {
    /// The index that the next append must have; None when both 0 and 1 will do.
    fn expected(&self) -> Option<u64> {
        match (&self.purged, self.slots.len()) {
            (None, 0) => None,
            (Some((purged, _)), 0) => Some(purged + 1),
            (_, count) => Some(self.first + count as u64),
        }
    }

    fn position(&self, index: u64) -> Option<usize> {
        let position = usize::try_from(index.checked_sub(self.first)?).ok()?;
        (position < self.slots.len()).then_some(position)
    }

    /// Position of the first slot whose payload is in memory.
    fn tail_start(&self) -> usize {
        self.slots.len() - self.tail.len()
    }

    fn push(&mut self, id: RecordId, place: Place) {
        if self.slots.is_empty() {
            self.first = id.index;
        }
        self.slots.push_back(Slot { term: id.term, place });
    }
}

impl Index {
    pub(super) fn new(cache_bytes_max: usize) -> Index {
        Index {
            groups: BTreeMap::new(),
            cached: BTreeMap::new(),
            cache_bytes: 0,
            cache_bytes_max,
            next_serial: 0,
        }
    }

    pub(super) fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// Bytes that live entries take on the disk.
    pub(super) fn live_bytes(&self) -> u64 {
        self.groups.values().map(|group| group.live_bytes).sum()
    }

    pub(super) fn group_bytes(&self, group: u32) -> u64 {
        self.groups.get(&group).map_or(0, |group| group.live_bytes)
    }

    pub(super) fn state(&self, group: u32) -> GroupState {
        let Some(group) = self.groups.get(&group) else { return GroupState::default() };
        let last = group.slots.back().map(|slot| RecordId {
            term: slot.term,
            index: group.first + group.slots.len() as u64 - 1,
        });
        let purged_index = group.purged.as_ref().map_or(0, |(index, _)| *index);
        let first_index = match (&last, &group.purged) {
            (Some(_), _) => group.first,
            (None, Some((purged, _))) => purged + 1,
            (None, None) => 0,
        };
        GroupState {
            vote: group.vote.clone(),
            purged: group.purged.as_ref().map(|(_, id)| id.clone()),
            purged_index,
            first_index,
            last,
        }
    }

    pub(super) fn groups(&self) -> Vec<u32> {
        self.groups.keys().copied().collect()
    }

    pub(super) fn synced(&self, group: u32) -> u64 {
        self.groups.get(&group).map_or(0, |group| group.synced)
    }

    /// The name of the last entry known to be synced, if it is kept.
    pub(super) fn synced_id(&self, group: u32) -> Option<RecordId> {
        let group = self.groups.get(&group)?;
        let slot = group.slots[group.position(group.synced)?];
        Some(RecordId { term: slot.term, index: group.synced })
    }

    /// Whether these records continue the group's log without a gap.
    pub(super) fn check_append(&self, group: u32, records: &[LogRecord]) -> Result<(), LogError> {
        let Some(head) = records.first() else { return Ok(()) };
        let expected = self.groups.get(&group).and_then(GroupIndex::expected);
        let first = expected.unwrap_or(head.id.index);
        for (expected, record) in (first..).zip(records) {
            if record.id.index != expected {
                return Err(LogError::NotContiguous { group, expected, found: record.id.index });
            }
        }
        Ok(())
    }

    /// Takes records that were checked; returns the serial of the first.
    pub(super) fn append(&mut self, group: u32, records: &[LogRecord]) -> u64 {
        let first_serial = self.next_serial;
        let ledger = self.groups.entry(group).or_default();
        for record in records {
            ledger.push(record.id, NOWHERE);
            ledger.tail.push_back((self.next_serial, record.payload.clone()));
            self.cached.insert(self.next_serial, group);
            self.cache_bytes += record.payload.len();
            self.next_serial += 1;
        }
        first_serial
    }

    pub(super) fn save_vote(&mut self, group: u32, vote: Bytes) {
        self.groups.entry(group).or_default().vote = Some(vote);
    }

    /// The first index a truncation drops; None when it drops nothing.
    pub(super) fn truncation(&self, group: u32, last_kept: Option<u64>) -> Option<u64> {
        let group = self.groups.get(&group)?;
        let floor = group.purged.as_ref().map_or(0, |(purged, _)| purged + 1);
        let from = last_kept.map_or(0, |kept| kept.saturating_add(1)).max(floor);
        let end = group.first + group.slots.len() as u64;
        (!group.slots.is_empty() && from < end).then_some(from)
    }

    pub(super) fn truncate(&mut self, group: u32, from: u64) {
        let Some(group) = self.groups.get_mut(&group) else { return };
        let kept = usize::try_from(from.saturating_sub(group.first)).unwrap_or(usize::MAX);
        while group.slots.len() > kept
            && let Some(slot) = group.slots.pop_back()
        {
            group.live_bytes -= slot.place.disk_bytes();
            if let Some((serial, payload)) = group.tail.pop_back() {
                self.cached.remove(&serial);
                self.cache_bytes -= payload.len();
            }
        }
        group.synced = group.synced.min(from.saturating_sub(1));
    }

    /// Whether a purge would move the purge mark.
    pub(super) fn purges(&self, group: u32, up_to: u64) -> bool {
        let purged = self.groups.get(&group).and_then(|group| group.purged.as_ref());
        purged.is_none_or(|(purged, _)| *purged < up_to)
    }

    pub(super) fn purge(&mut self, group: u32, up_to: u64, id: Bytes) {
        let group = self.groups.entry(group).or_default();
        group.purged = Some((up_to, id));
        while group.first <= up_to
            && let Some(slot) = group.slots.pop_front()
        {
            group.live_bytes -= slot.place.disk_bytes();
            group.first += 1;
            if group.tail.len() > group.slots.len()
                && let Some((serial, payload)) = group.tail.pop_front()
            {
                self.cached.remove(&serial);
                self.cache_bytes -= payload.len();
            }
        }
    }

    /// An entry is on the disk, synced. Ignored when it was dropped or replaced meanwhile.
    pub(super) fn on_synced(&mut self, group: u32, index: u64, serial: u64, place: Place) {
        let Some(group) = self.groups.get_mut(&group) else { return };
        let Some(position) = group.position(index) else { return };
        let in_tail = position.checked_sub(group.tail_start());
        let known = in_tail.and_then(|position| group.tail.get(position));
        if known.is_some_and(|(known, _)| *known == serial) {
            group.slots[position].place = place;
            group.synced = group.synced.max(index);
            group.live_bytes += place.disk_bytes();
        }
    }

    /// The entries of `range` whose newest copy is in this segment, up to `bytes_max` but at least
    /// one. Entries that were dropped or replaced by queued calls are not among them.
    pub(super) fn in_segment(
        &self,
        group: u32,
        range: std::ops::Range<u64>,
        sequence: u32,
        bytes_max: usize,
    ) -> Vec<Planned> {
        let Some(group) = self.groups.get(&group) else { return Vec::new() };
        let mut planned = Vec::new();
        let mut bytes = 0;
        for index in range {
            let Some(position) = group.position(index) else { continue };
            let Slot { term, place } = group.slots[position];
            if place.sequence != sequence {
                continue;
            }
            bytes += frame_bytes(place.length as usize);
            if bytes > bytes_max && !planned.is_empty() {
                break;
            }
            planned.push(Planned { id: RecordId { term, index }, from: Source::Disk(place) });
        }
        planned
    }

    /// A copy of an entry is on the disk, synced, and read from there from now on. Ignored when the
    /// entry was dropped or replaced meanwhile.
    pub(super) fn on_carried(&mut self, group: u32, index: u64, from: Place, to: Place) {
        let Some(group) = self.groups.get_mut(&group) else { return };
        let Some(position) = group.position(index) else { return };
        let slot = &mut group.slots[position];
        if slot.place == from {
            slot.place = to;
        }
    }

    /// A purge is synced: the entries that it covers can be dropped.
    pub(super) fn on_purge_synced(&mut self, group: u32, up_to: u64) {
        if let Some(group) = self.groups.get_mut(&group) {
            group.synced = group.synced.max(up_to);
        }
    }

    /// Drops the oldest payloads beyond the limit, but none that is not on the disk.
    pub(super) fn evict(&mut self) {
        while self.cache_bytes > self.cache_bytes_max {
            let Some((serial, id)) = self.cached.first_key_value().map(|(a, b)| (*a, *b)) else {
                return;
            };
            let group = self.groups.get_mut(&id).expect("a cached payload has its group");
            let start = group.tail_start();
            if group.slots[start].place == NOWHERE {
                return;
            }
            let (oldest, payload) = group.tail.pop_front().expect("it has a cached payload");
            assert_eq!(oldest, serial, "a group's payloads are cached in order");
            self.cached.remove(&serial);
            self.cache_bytes -= payload.len();
        }
    }

    /// The last entry of each run of one term, in order.
    pub(super) fn runs(&self, group: u32) -> Vec<RecordId> {
        let Some(group) = self.groups.get(&group) else { return Vec::new() };
        let mut runs: Vec<RecordId> = Vec::new();
        for (index, slot) in (group.first..).zip(&group.slots) {
            let id = RecordId { term: slot.term, index };
            match runs.last_mut() {
                Some(run) if run.term == id.term => *run = id,
                Some(_) | None => runs.push(id),
            }
        }
        runs
    }

    /// The last of the oldest entries that together take `bytes` on the disk, or a little more.
    pub(super) fn end_of_oldest(&self, group: u32, bytes: u64) -> Option<u64> {
        let group = self.groups.get(&group)?;
        let mut rest = bytes;
        let mut end = None;
        for (index, slot) in (group.first..).zip(&group.slots) {
            if rest == 0 {
                break;
            }
            rest = rest.saturating_sub(slot.place.disk_bytes());
            end = Some(index);
        }
        end
    }

    /// The reads for `from..to`, up to `bytes_max` but at least one entry.
    pub(super) fn plan(
        &self,
        group: u32,
        range: std::ops::Range<u64>,
        bytes_max: usize,
    ) -> Result<Vec<Planned>, LogError> {
        let state = self.state(group);
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let first_index = state.first_index;
        if range.start < first_index {
            return Err(LogError::Purged { group, wanted: range.start, first_index });
        }
        let Some(group) = self.groups.get(&group) else { return Ok(Vec::new()) };
        let mut planned = Vec::new();
        let mut bytes = 0usize;
        for index in range {
            let Some(position) = group.position(index) else { break };
            let slot = group.slots[position];
            let payload =
                position.checked_sub(group.tail_start()).map(|position| &group.tail[position].1);
            bytes += payload.map_or(slot.place.length as usize, Bytes::len);
            if bytes > bytes_max && !planned.is_empty() {
                break;
            }
            let from = match payload {
                Some(payload) => Source::Memory(payload.clone()),
                None => Source::Disk(slot.place),
            };
            planned.push(Planned { id: RecordId { term: slot.term, index }, from });
        }
        Ok(planned)
    }

    /// Recovery: an entry found on the disk, already checked to follow the last one.
    pub(super) fn replay(&mut self, group: u32, id: RecordId, place: Place) {
        let group = self.groups.entry(group).or_default();
        group.live_bytes += place.disk_bytes();
        group.push(id, place);
    }

    /// Recovery: a copy of an entry. False when there is no such entry, or it has another term.
    pub(super) fn replay_carried(&mut self, group: u32, id: RecordId, place: Place) -> bool {
        let Some(group) = self.groups.get_mut(&group) else { return false };
        let Some(position) = group.position(id.index) else { return false };
        let slot = &mut group.slots[position];
        let is_gone = slot.place == NOWHERE;
        if !is_gone && slot.term != id.term {
            return false;
        }
        group.live_bytes = group.live_bytes + place.disk_bytes() - slot.place.disk_bytes();
        *slot = Slot { term: id.term, place };
        true
    }

    /// Recovery: entries that lay in segments that are gone; all must be carried over or dropped by
    /// later records.
    pub(super) fn replay_gone(&mut self, group: u32, first: u64, last: u64) {
        for index in first..=last {
            self.replay(group, RecordId { term: 0, index }, NOWHERE);
        }
    }

    /// Recovery is over: everything kept is synced. A group and index whose entry is gone, if any.
    pub(super) fn finish_replay(&mut self) -> Result<(), (u32, u64)> {
        for (id, group) in &mut self.groups {
            let purged = group.purged.as_ref().map_or(0, |(index, _)| *index);
            let last = (group.first + group.slots.len() as u64).saturating_sub(1);
            group.synced = if group.slots.is_empty() { purged } else { last };
            if let Some(gone) = group.slots.iter().position(|slot| slot.place == NOWHERE) {
                return Err((*id, group.first + gone as u64));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The writer may be carrying an entry over while a caller replaces it.
    #[test]
    fn a_copy_of_an_entry_that_was_replaced_is_not_taken_for_the_new_one() {
        let entry = |term| {
            let payload = Bytes::from_static(b"payload");
            [LogRecord { id: RecordId { term, index: 1 }, payload }]
        };
        let place = |sequence| Place { sequence, offset: 64, length: 7, chain: 5 };
        let mut index = Index::new(0);
        let serial = index.append(1, &entry(1));
        index.on_synced(1, 1, serial, place(1));
        index.evict();
        let planned = index.in_segment(1, 1..2, 1, usize::MAX);
        assert_eq!(planned.len(), 1);
        index.truncate(1, 1);
        let serial = index.append(1, &entry(2));
        assert_eq!(index.in_segment(1, 1..2, 1, usize::MAX), []);
        index.on_carried(1, 1, place(1), place(9));
        index.evict();
        let read = index.plan(1, 1..2, usize::MAX).expect("it is there");
        assert!(matches!(read[..], [Planned { from: Source::Memory(_), .. }]), "{read:?}");
        index.on_synced(1, 1, serial, place(2));
        index.on_carried(1, 1, place(2), place(9));
        index.evict();
        let read = index.plan(1, 1..2, usize::MAX).expect("it is there");
        assert!(matches!(read[..], [Planned { from: Source::Disk(at), .. }] if at == place(9)));
    }
}

//! A summary of each group's history at one position of the log: votes, purges, and the segments
//! that hold its live entries.
//!
//! The writer keeps one that is never ahead of its writes, recovery builds the same one by replay,
//! and every segment begins with a checkpoint of it, so that older segments can be removed. It must
//! never include a change before that change's record is laid out, and it holds no payloads.

use std::{
    collections::{BTreeMap, VecDeque},
    iter,
    ops::Range,
};

use bytes::Bytes;

use super::frame::{read_u32, read_u64};

/// One group at one place of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GroupLedger {
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    /// First and last index that are live.
    live: Option<(u64, u64)>,
    /// The locations of live entries: the first index of each run of entries in one segment. The
    /// indexes ascend; the segments need not, since old entries are carried over into new segments.
    runs: VecDeque<(u64, u32)>,
}

/// A group in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) vote: Option<Bytes>,
    pub(super) purged: Option<(u64, Bytes)>,
    pub(super) live: Option<(u64, u64)>,
}

/// All groups.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    groups: BTreeMap<u32, GroupLedger>,
}

impl Ledger {
    fn group(&mut self, group: u32) -> &mut GroupLedger {
        self.groups.entry(group).or_default()
    }

    /// An entry was laid out in this segment; false when it does not follow the last one.
    pub(super) fn append(&mut self, group: u32, index: u64, sequence: u32) -> bool {
        let group = self.group(group);
        let follows = match (group.live, &group.purged) {
            (Some((_, last)), _) => index == last + 1,
            (None, Some((purged, _))) => index == purged + 1,
            (None, None) => true,
        };
        if !follows {
            return false;
        }
        let first = group.live.map_or(index, |(first, _)| first);
        group.live = Some((first, index));
        if group.runs.back().is_none_or(|(_, newest)| *newest != sequence) {
            group.runs.push_back((index, sequence));
        }
        true
    }

    /// A copy of an entry was laid out in this segment; false when the entry is not live.
    pub(super) fn carry(&mut self, group: u32, index: u64, sequence: u32) -> bool {
        self.groups.get_mut(&group).is_some_and(|group| group.carry(index, sequence))
    }

    pub(super) fn save_vote(&mut self, group: u32, vote: Bytes) {
        self.group(group).vote = Some(vote);
    }

    /// Drops the entries from `from` on.
    pub(super) fn truncate(&mut self, group: u32, from: u64) {
        let group = self.group(group);
        group.live = group
            .live
            .filter(|(first, _)| *first < from)
            .map(|(first, last)| (first, last.min(from - 1)));
        if group.live.is_none() {
            group.runs.clear();
        }
        while group.runs.back().is_some_and(|(first, _)| *first >= from) {
            group.runs.pop_back();
        }
    }

    /// Drops the entries up to `up_to`.
    pub(super) fn purge(&mut self, group: u32, up_to: u64, id: Bytes) {
        let group = self.group(group);
        group.purged = Some((up_to, id));
        group.live = group
            .live
            .filter(|(_, last)| *last > up_to)
            .map(|(first, last)| (first.max(up_to + 1), last));
        if group.live.is_none() {
            group.runs.clear();
        }
        while group.runs.get(1).is_some_and(|(first, _)| *first <= up_to + 1) {
            group.runs.pop_front();
        }
    }

    /// The oldest segment that holds a live entry.
    pub(super) fn oldest_needed(&self) -> Option<u32> {
        self.groups.values().flat_map(|group| &group.runs).map(|run| run.1).min()
    }

    /// The live entries in a segment.
    pub(super) fn entries_in(&self, sequence: u32) -> Vec<(u32, Range<u64>)> {
        let of_group = |(id, group): (&u32, &GroupLedger)| {
            let ranges = group.ranges().filter(|(_, of)| *of == sequence);
            ranges.map(|(range, _)| (*id, range)).collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of_group).collect()
    }

    /// Every group's checkpoint, as payloads.
    pub(super) fn checkpoints(&self) -> impl Iterator<Item = (u32, Vec<u8>)> + '_ {
        self.groups.iter().map(|(id, group)| (*id, group.checkpoint().encode()))
    }

    /// Takes a checkpoint for truth: the segments before it are gone.
    pub(super) fn adopt(&mut self, group: u32, checkpoint: &Checkpoint, gone: u32) {
        let ledger = self.group(group);
        ledger.vote.clone_from(&checkpoint.vote);
        ledger.purged.clone_from(&checkpoint.purged);
        ledger.live = checkpoint.live;
        ledger.runs = checkpoint.live.iter().map(|(first, _)| (*first, gone)).collect();
    }

    /// Whether a checkpoint agrees with the records before it.
    pub(super) fn agrees(&self, group: u32, checkpoint: &Checkpoint) -> bool {
        self.groups.get(&group).is_some_and(|ledger| ledger.checkpoint() == *checkpoint)
    }
}

impl GroupLedger {
    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { vote: self.vote.clone(), purged: self.purged.clone(), live: self.live }
    }

    /// The live entries of each run, and their segment.
    fn ranges(&self) -> impl Iterator<Item = (Range<u64>, u32)> {
        // Without live entries there are no runs.
        let (first, last) = self.live.unwrap_or_default();
        let ends = self.runs.iter().skip(1).map(|(start, _)| *start).chain(iter::once(last + 1));
        let of_run = move |((start, sequence), end): (&(u64, u32), u64)| {
            ((*start).max(first)..end, *sequence)
        };
        self.runs.iter().zip(ends).map(of_run)
    }

    fn carry(&mut self, index: u64, sequence: u32) -> bool {
        let found = self.ranges().enumerate().find(|(_, (range, _))| range.contains(&index));
        let Some((at, (range, from))) = found else { return false };
        if index + 1 < range.end {
            self.runs.insert(at + 1, (index + 1, from));
        }
        if index > range.start {
            self.runs.insert(at + 1, (index, sequence));
        } else if at > 0 && self.runs[at - 1].1 == sequence {
            self.runs.remove(at);
        } else {
            self.runs[at].1 = sequence;
        }
        true
    }
}

const HAS_VOTE: u32 = 1;
const HAS_PURGED: u32 = 2;
const HAS_LIVE: u32 = 4;
const FIXED_BYTES: usize = 36;

impl Checkpoint {
    /// flags u32 · length of the vote u32 · length of the purged id u32 · purged index u64 · first
    /// and last live index u64 · the vote · the purged id.
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("it was a record once");
        let (purged_index, id) = self.purged.clone().unwrap_or_default();
        let vote = self.vote.clone().unwrap_or_default();
        let (first, last) = self.live.unwrap_or_default();
        let flag = |present: bool, flag: u32| if present { flag } else { 0 };
        let flags = flag(self.vote.is_some(), HAS_VOTE)
            | flag(self.purged.is_some(), HAS_PURGED)
            | flag(self.live.is_some(), HAS_LIVE);
        let mut bytes = Vec::with_capacity(FIXED_BYTES + vote.len() + id.len());
        for word in [flags, length(&vote), length(&id)] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for number in [purged_index, first, last] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&vote);
        bytes.extend_from_slice(&id);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Checkpoint> {
        let fixed = bytes.get(..FIXED_BYTES)?;
        let (flags, vote_bytes) = (read_u32(fixed, 0), read_u32(fixed, 4) as usize);
        let id_at = FIXED_BYTES.checked_add(vote_bytes)?;
        let vote = bytes.get(FIXED_BYTES..id_at)?;
        let id = bytes.get(id_at..)?;
        if id.len() != read_u32(fixed, 8) as usize {
            return None;
        }
        let (first, last) = (read_u64(fixed, 20), read_u64(fixed, 28));
        Some(Checkpoint {
            vote: (flags & HAS_VOTE != 0).then(|| Bytes::copy_from_slice(vote)),
            purged: (flags & HAS_PURGED != 0)
                .then(|| (read_u64(fixed, 12), Bytes::copy_from_slice(id))),
            live: (flags & HAS_LIVE != 0 && first <= last).then_some((first, last)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_follow_truncation_and_purge() {
        let mut ledger = Ledger::default();
        for index in 1..=9 {
            assert!(ledger.append(4, index, u32::try_from(index.div_ceil(3)).expect("small")));
        }
        assert!(!ledger.append(4, 11, 4));
        assert_eq!(ledger.oldest_needed(), Some(1));
        ledger.purge(4, 2, Bytes::from_static(b"two"));
        assert_eq!(ledger.oldest_needed(), Some(1));
        ledger.purge(4, 3, Bytes::from_static(b"three"));
        assert_eq!(ledger.oldest_needed(), Some(2));
        ledger.truncate(4, 6);
        assert!(ledger.append(4, 6, 4));
        ledger.purge(4, 5, Bytes::from_static(b"five"));
        assert_eq!(ledger.oldest_needed(), Some(4));
        ledger.purge(4, 20, Bytes::from_static(b"twenty"));
        assert_eq!(ledger.oldest_needed(), None);
        assert!(ledger.append(4, 21, 4));
    }

    #[test]
    fn a_truncation_of_what_a_purge_left_of_a_run_needs_no_segment() {
        let mut ledger = Ledger::default();
        for index in 1..=10 {
            assert!(ledger.append(4, index, 1));
        }
        ledger.purge(4, 7, Bytes::from_static(b"seven"));
        ledger.truncate(4, 8);
        assert_eq!(ledger.oldest_needed(), None);
        assert!(ledger.append(4, 8, 2));
        assert_eq!(ledger.oldest_needed(), Some(2));
    }

    /// Against a map from each live index to its segment.
    #[test]
    fn runs_follow_each_order_of_carrying_purging_and_truncating() {
        let mut rng = 7u64;
        let mut below = |bound: u64| {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (rng >> 33) % bound
        };
        for _ in 0..300 {
            let (mut ledger, mut model) = (Ledger::default(), BTreeMap::new());
            let (mut next, mut purged) = (1, 0);
            for step in 1..60 {
                let sequence = 1 + step / 6;
                match below(8) {
                    0 if next > purged + 1 => {
                        let up_to = next - 1 - below((next - 1 - purged).min(12));
                        purged = up_to;
                        ledger.purge(1, up_to, Bytes::new());
                        model.retain(|index, _| *index > up_to);
                    }
                    1 if !model.is_empty() => {
                        let from = next - 1 - below(model.len() as u64);
                        ledger.truncate(1, from);
                        model.retain(|index, _| *index < from);
                        next = from;
                    }
                    2..5 => {
                        let index = below(next + 1);
                        let is_live = model.contains_key(&index);
                        assert_eq!(ledger.carry(1, index, sequence), is_live);
                        model.entry(index).and_modify(|of| *of = sequence);
                    }
                    _ => {
                        assert!(ledger.append(1, next, sequence));
                        model.insert(next, sequence);
                        next += 1;
                    }
                }
                assert_eq!(ledger.oldest_needed(), model.values().min().copied());
                for sequence in 1..=sequence {
                    let found =
                        ledger.entries_in(sequence).into_iter().flat_map(|(_, range)| range);
                    let expected = model.iter().filter(|(_, of)| **of == sequence);
                    assert!(found.eq(expected.map(|(index, _)| *index)), "{ledger:?} {model:?}");
                }
            }
        }
    }

    #[test]
    fn a_checkpoint_is_read_back() {
        let mut ledger = Ledger::default();
        ledger.save_vote(1, Bytes::from_static(b"vote"));
        assert!(ledger.append(1, 1, 1));
        ledger.purge(2, 7, Bytes::from_static(b"id"));
        assert!(ledger.append(3, 0, 1));
        for (group, bytes) in ledger.checkpoints() {
            let checkpoint = Checkpoint::decode(&bytes).expect("a checkpoint");
            assert!(ledger.agrees(group, &checkpoint));
            assert!(Checkpoint::decode(&bytes[..bytes.len() - 1]).is_none() || bytes.len() == 36);
        }
    }
}

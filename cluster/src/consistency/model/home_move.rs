//! An organization that moves from one group to the other and back, while it is written and read.
//!
//! Each group behaves as the other models have shown, at the limit: a write has reached the region
//! as soon as the watched replica has applied it or holds no lease of that group from before it,
//! and no later. Its log holds its committed entries. The leader is not modeled; a leader that was
//! replaced shows as an `Adopt` that was proposed and is applied late, or twice.
//!
//! Must never give the two groups a common clock, order or table: only the replica sees both.

use super::{
    bits::{Bits, Packed},
    request::LEASE,
    search::{Model, down},
};

/// The first home and the second.
pub(super) const GROUPS: usize = 2;
/// Entries in a group's log.
pub(super) const ENTRIES: usize = 4;
/// Writes in all, each to where the organization is at home.
pub(super) const WRITES: u8 = 3;
/// The epoch after the move there and the move back.
const EPOCH_LAST: u8 = 3;

/// A rule left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// `Adopt` is proposed while a lease from before the `Release` may be held.
    AdoptsBeforeLeasesAreOver,
    /// A lease of the former home will do, though the newest record names the other group.
    ReadsWithoutNewGroupsLease,
    /// `Adopt` is applied whatever epochs the group has held.
    AdoptsOldEpoch,
    /// It is applied when the group has released the organization, whatever the epoch of that.
    ForgetsEpochAtRelease,
}

/// The model, whole or with a rule left out.
pub(super) struct HomeMove {
    pub(super) flaw: Option<Flaw>,
}

/// A group's committed entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Entry {
    #[default]
    None,
    /// The write of this number.
    Write(u8),
    /// The organization goes to the other group, which will hold it in this epoch.
    Release(u8),
    /// It comes, in this epoch, with these writes.
    Adopt(u8, Writes),
}

/// A set of writes: the model's state of an organization.
pub(super) type Writes = u8;

/// The record of the organization in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// The highest epoch that the group has held or knows of.
    pub(super) epoch: u8,
    /// Whether the group is its home; if not, it is in the other group in that epoch.
    pub(super) home: bool,
    pub(super) writes: Writes,
}

/// A lease of the watched replica.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lease {
    pub(super) left: u8,
    pub(super) index: u8,
}

/// A group, and the watched replica's copy of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    pub(super) log: [Entry; ENTRIES],
    /// The replica's applied index.
    pub(super) applied: u8,
    /// One at a time: an answer needs no second, which would only keep judges waiting.
    pub(super) lease: Lease,
}

/// Both groups.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) groups: [Group; GROUPS],
    /// Whether an `Adopt` was proposed to each group: it may land at any time, and again.
    pub(super) proposed: [bool; 2],
    /// Writes made, and those that were answered as having reached the region.
    pub(super) written: u8,
    pub(super) reached: Writes,
}

impl Packed for State {
    fn fields(&mut self, bits: &mut Bits) {
        for group in &mut self.groups {
            group.log.iter_mut().for_each(|entry| entry.fields(bits));
            bits.number(&mut group.applied, 3);
            bits.number(&mut group.lease.left, 2);
            bits.number(&mut group.lease.index, 3);
        }
        self.proposed.iter_mut().for_each(|proposed| bits.flag(proposed));
        bits.number(&mut self.written, 2);
        bits.number(&mut self.reached, 3);
    }
}

impl Entry {
    fn fields(&mut self, bits: &mut Bits) {
        let (mut kind, mut number, mut writes) = match *self {
            Self::None => (0, 0, 0),
            Self::Write(write) => (1, write, 0),
            Self::Release(epoch) => (2, epoch, 0),
            Self::Adopt(epoch, writes) => (3, epoch, writes),
        };
        bits.number(&mut kind, 2);
        bits.number(&mut number, 2);
        bits.number(&mut writes, 3);
        *self = match kind {
            0 => Self::None,
            1 => Self::Write(number),
            2 => Self::Release(number),
            _ => Self::Adopt(number, writes),
        };
    }
}

impl Group {
    pub(super) fn length(&self) -> u8 {
        self.log.iter().map(|entry| u8::from(*entry != Entry::None)).sum()
    }

    pub(super) fn index_of(&self, entry: Entry) -> Option<u8> {
        (1..).zip(self.log).find(|(_, one)| *one == entry).map(|(index, _)| index)
    }

    fn append(&mut self, entry: Entry) {
        self.log[usize::from(self.length())] = entry;
    }

    fn is_full(&self) -> bool {
        usize::from(self.length()) == ENTRIES
    }

    /// Whether the replica may still answer without the entry at this index under a lease of this
    /// group: the entry has no stale readers when it may not.
    fn allows_stale_read(&self, index: u8) -> bool {
        self.applied < index && self.lease.left > 0 && self.lease.index < index
    }

    /// Whether a lease lets the replica answer now.
    fn may_answer(&self) -> bool {
        self.lease.left > 0 && self.lease.index <= self.applied
    }
}

/// The possible steps. `group` is 0 or 1.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "traces show the fields, by Debug")]
pub(super) enum Step {
    Tick,
    Write { group: usize, write: u8 },
    Release { group: usize, epoch: u8 },
    ProposeAdopt { group: usize, epoch: u8 },
    AdoptLands { group: usize, epoch: u8 },
    Lease { group: usize, index: u8 },
    ReplicaApplies { group: usize },
    ReplicaRestarts,
    Reached { write: u8 },
}

impl Model for HomeMove {
    type State = State;
    type Step = Step;

    fn initial(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn next(&self, state: &State, out: &mut Vec<(Step, State)>) {
        for group in 0..GROUPS {
            self.log_steps(state, group, out);
            replica_steps(state, group, out);
        }
        let mut ticked = *state;
        for group in &mut ticked.groups {
            down(&mut group.lease.left);
        }
        out.push((Step::Tick, ticked));
        let mut restarted = *state;
        for group in &mut restarted.groups {
            (group.applied, group.lease) = (0, Lease::default());
        }
        out.push((Step::ReplicaRestarts, restarted));
        out.iter_mut().for_each(|(_, next)| next.tidy());
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        let ends = [0, 1].map(|group| self.record(state, group, u8::MAX));
        let all = (1 << state.written) - 1;
        let newest =
            ends.iter().max_by_key(|end| (end.epoch, end.home)).map_or(0, |end| end.writes);
        if ends.iter().all(|end| end.home) {
            return Some("an organization has two homes");
        }
        if newest & all != all {
            return Some("a committed write is lost");
        }
        let answer = self.answer(state)?;
        let stale = state.reached & !answer != 0;
        stale.then_some("an unmarked read misses a write that has reached the region")
    }
}

impl HomeMove {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// The organization's record in a group's log up to an index.
    fn record(&self, state: &State, group: usize, up_to: u8) -> Record {
        let first = group == 0;
        let mut record = Record { epoch: u8::from(first), home: first, writes: 0 };
        for entry in state.groups[group].log.into_iter().take(usize::from(up_to)) {
            match entry {
                Entry::Write(write) if record.home => record.writes |= 1 << write,
                Entry::Release(epoch) if record.home => {
                    (record.epoch, record.home) = (epoch, false)
                }
                Entry::Adopt(epoch, writes) if self.adopts(record, epoch) => {
                    record = Record { epoch, home: true, writes };
                }
                Entry::None | Entry::Write(_) | Entry::Release(_) | Entry::Adopt(..) => {}
            }
        }
        record
    }

    fn adopts(&self, record: Record, epoch: u8) -> bool {
        epoch > record.epoch
            || self.has(Flaw::AdoptsOldEpoch)
            || (self.has(Flaw::ForgetsEpochAtRelease) && !record.home)
    }

    /// The replica's fresh answer, if it may give one: from the record of the highest epoch, under
    /// a lease of the group in that record, once the organization has arrived there.
    fn answer(&self, state: &State) -> Option<Writes> {
        let records = [0, 1].map(|group| self.record(state, group, state.groups[group].applied));
        let newest = usize::from(records[1].epoch > records[0].epoch);
        let named = if records[newest].home { newest } else { 1 - newest };
        let arrived = records[named].home && records[named].epoch == records[newest].epoch;
        // One that has held the organization before.
        let former = 1 - named;
        let by_former = records[former].epoch > 0 && state.groups[former].may_answer();
        let leased = state.groups[named].may_answer()
            || (by_former && self.has(Flaw::ReadsWithoutNewGroupsLease));
        (arrived && leased).then_some(records[named].writes)
    }

    fn log_steps(&self, state: &State, group: usize, out: &mut Vec<(Step, State)>) {
        let (from, end) = (&state.groups[group], self.record(state, group, u8::MAX));
        let mut append = |step, entry, written| {
            let mut next = *state;
            next.groups[group].append(entry);
            next.written += written;
            out.push((step, next));
        };
        if end.home && !from.is_full() {
            let (write, epoch) = (state.written, end.epoch + 1);
            if write < WRITES {
                append(Step::Write { group, write }, Entry::Write(write), 1);
            }
            if epoch <= EPOCH_LAST {
                append(Step::Release { group, epoch }, Entry::Release(epoch), 0);
            }
        }
        // The first group holds the odd epochs.
        let epoch = if group == 0 { 3 } else { 2 };
        let released = state.groups[1 - group].index_of(Entry::Release(epoch));
        let Some(index) = released.filter(|_| !from.is_full()) else { return };
        if state.proposed[group] {
            let writes = self.record(state, 1 - group, index).writes;
            append(Step::AdoptLands { group, epoch }, Entry::Adopt(epoch, writes), 0);
        } else {
            self.propose(state, (group, epoch), index, out);
        }
    }

    /// The leader's own node has applied the `Release` at this index of the other group.
    fn propose(
        &self,
        state: &State,
        (group, epoch): (usize, u8),
        index: u8,
        out: &mut Vec<(Step, State)>,
    ) {
        let allows_stale_read = state.groups[1 - group].allows_stale_read(index);
        if !allows_stale_read || self.has(Flaw::AdoptsBeforeLeasesAreOver) {
            let mut next = *state;
            next.proposed[group] = true;
            out.push((Step::ProposeAdopt { group, epoch }, next));
        }
    }
}

/// The watched replica applies, gets a lease, or is found to be no stale reader of a write.
fn replica_steps(state: &State, group: usize, out: &mut Vec<(Step, State)>) {
    let copy = &state.groups[group];
    if copy.applied < copy.length() {
        let mut next = *state;
        next.groups[group].applied += 1;
        out.push((Step::ReplicaApplies { group }, next));
    }
    if copy.lease.left == 0 {
        let mut next = *state;
        let index = copy.length();
        next.groups[group].lease = Lease { left: LEASE, index };
        out.push((Step::Lease { group, index }, next));
    }
    for write in 0..state.written {
        let index = copy.index_of(Entry::Write(write));
        if index.is_some_and(|index| !copy.allows_stale_read(index))
            && state.reached & (1 << write) == 0
        {
            let reached = state.reached | (1 << write);
            out.push((Step::Reached { write }, State { reached, ..*state }));
        }
    }
}

impl State {
    /// A lease that has run out is none.
    fn tidy(&mut self) {
        for group in self.groups.iter_mut().filter(|group| group.lease.left == 0) {
            group.lease = Lease::default();
        }
    }
}

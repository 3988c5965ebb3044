//! Serving, leaving, removal and the regions that count, under a change of leader.
//!
//! The watched replica is in a far region; the region's other replica never serves, so that the
//! region counts only by the watched one: if it always counted, judges would only wait more often.
//! The log has the watched write, and the marks that the watched replica serves (unless it did
//! before), leaves and is removed: each at most once, in any order that the rules allow.
//!
//! Votes and leader leases are not modeled: the second leader is elected at any time, from then on
//! the first one cannot prove its leadership, and of a new leader's waiting time only the length of
//! a lease remains. The second leader keeps every entry that was known to be committed, and any of
//! the rest; the first one may learn later that a kept entry is committed.
//!
//! Must not assume that a removed replica learns of its removal: it continues to serve.

use super::{
    bits::{Bits, Packed},
    request::{Request, Stage},
    search::{Model, down},
};

/// Leaders, one after the other.
pub(super) const TERMS: usize = 2;
/// One entry of each kind, and the second leader's no-op.
pub(super) const ENTRIES: usize = 5;
/// Requests for a lease that are under way or held at a time.
pub(super) const REQUESTS: usize = 1;

/// A rule left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A replica is removed while the leader's table counts a lease of it.
    RemovesWhileLeased,
    /// It is removed without having been marked as leaving.
    RemovesWithoutLeaving,
    /// Whether it serves is read before its lease is registered, not in the same step.
    ChecksServingBeforeRegistering,
    /// A new leader grants when an entry of its own term is committed but not yet applied.
    GrantsBeforeApplyingOwnTerm,
    /// The stale readers are computed from what the leader had applied before the entry.
    FixesBeforeApplying,
    /// A region whose last serving replica is leaving does not count any more.
    LeavingDoesNotCount,
}

/// The model, whole or with a rule left out.
pub(super) struct Membership {
    pub(super) flaw: Option<Flaw>,
}

impl Membership {
    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

/// An entry of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Entry {
    #[default]
    None,
    Noop,
    Write,
    Serve,
    Leave,
    Remove,
}

/// The phase of a leader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LeaderPhase {
    #[default]
    None,
    Leading,
    /// Its tables are still in memory.
    Deposed,
    /// It has restarted.
    Gone,
}

/// The leader of a term.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leader {
    pub(super) phase: LeaderPhase,
    /// The length of its log that may ever be committed.
    pub(super) length: u8,
    /// The commit index that it knows.
    pub(super) known: u8,
    /// Its node's applied index.
    pub(super) applied: u8,
    /// Ticks for which every member counts as holding a lease of the leader before.
    pub(super) inherited: u8,
}

/// The group, the watched replica and a judge of `all_regions` for the write.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) log: [Entry; ENTRIES],
    pub(super) leaders: [Leader; TERMS],
    pub(super) requests: [Request; REQUESTS],
    /// Whether the watched replica serves from the beginning.
    pub(super) served_before: bool,
    /// The greatest commit index that any leader ever knew.
    pub(super) known_ever: u8,
    /// Whether the watched replica has applied the write, and whether it has reported it.
    pub(super) applied: bool,
    pub(super) reported: bool,
    /// The term of the leader whose set the judge has, or zero for one that falls back.
    pub(super) judge: u8,
    /// Whether the judge knows whether the region counts, and for how long to wait.
    pub(super) fixed: bool,
    pub(super) counts: bool,
    pub(super) waits: u8,
    /// Whether `all_regions` was answered for the write.
    pub(super) done: bool,
}

impl Packed for State {
    fn fields(&mut self, bits: &mut Bits) {
        use Entry::{Leave, None, Noop, Remove, Serve, Write};
        for entry in &mut self.log {
            bits.choice(entry, &[None, Noop, Write, Serve, Leave, Remove]);
        }
        for leader in &mut self.leaders {
            use LeaderPhase::{Deposed, Gone, Leading, None};
            bits.choice(&mut leader.phase, &[None, Leading, Deposed, Gone]);
            for number in [&mut leader.length, &mut leader.known, &mut leader.applied] {
                bits.number(number, 3);
            }
            bits.number(&mut leader.inherited, 2);
        }
        self.requests.iter_mut().for_each(|request| request.fields(bits));
        bits.number(&mut self.known_ever, 3);
        bits.number(&mut self.judge, 2);
        bits.number(&mut self.waits, 2);
        for flag in [&mut self.served_before, &mut self.applied] {
            bits.flag(flag);
        }
        for flag in [&mut self.reported, &mut self.fixed, &mut self.counts, &mut self.done] {
            bits.flag(flag);
        }
    }
}

impl State {
    /// The index of the first entry of a kind.
    pub(super) fn index_of(&self, entry: Entry) -> Option<u8> {
        (1..).zip(self.log).find(|(_, one)| *one == entry).map(|(index, _)| index)
    }

    /// Whether the log up to this index has the entry.
    pub(super) fn says(&self, entry: Entry, up_to: u8) -> bool {
        self.index_of(entry).is_some_and(|index| index <= up_to)
    }

    /// Whether the watched replica serves, leaving or not, by the log up to this index.
    pub(super) fn serves(&self, up_to: u8) -> bool {
        (self.served_before || self.says(Entry::Serve, up_to)) && !self.says(Entry::Remove, up_to)
    }

    pub(super) fn length(&self) -> u8 {
        self.log.iter().map(|entry| u8::from(*entry != Entry::None)).sum()
    }

    pub(super) fn leader(&self, term: u8) -> &Leader {
        &self.leaders[usize::from(term) - 1]
    }

    pub(super) fn leader_mut(&mut self, term: u8) -> &mut Leader {
        &mut self.leaders[usize::from(term) - 1]
    }

    /// Whether the watched write is among what is committed up to this index.
    pub(super) fn has_write(&self, up_to: u8) -> bool {
        self.says(Entry::Write, up_to)
    }
}

/// The possible steps.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "traces show the fields, by Debug")]
pub(super) enum Step {
    Tick,
    Append { term: u8, entry: Entry },
    LeaderLearnsCommit { term: u8, index: u8 },
    LeaderApplies { term: u8, index: u8 },
    Elect { keeps: u8, with_vote_of_first: bool },
    RestartLeader { term: u8 },
    Ask,
    SeeThatItServes { term: u8 },
    Register { term: u8 },
    ProveAndReadIndex { term: u8 },
    Record,
    Receive,
    ReplicaApplies,
    ReplicaRestarts,
    FixStaleReaders { term: u8, counts: bool, ticks: u8 },
    OriginApplies { index: u8, counts: bool, ticks: u8 },
    Judge,
}

impl Model for Membership {
    type State = State;
    type Step = Step;

    fn initial(&self) -> Vec<State> {
        let judges = |served_before| (0..=2).map(move |judge| (served_before, judge));
        let first = |(served_before, judge)| {
            let mut state = State { judge, served_before, ..State::default() };
            state.leaders[0].phase = LeaderPhase::Leading;
            state
        };
        [false, true].into_iter().flat_map(judges).map(first).collect()
    }

    fn next(&self, state: &State, out: &mut Vec<(Step, State)>) {
        out.push((Step::Tick, ticked(*state)));
        self.log_steps(state, out);
        self.lease_steps(state, out);
        self.judge_steps(state, out);
        out.iter_mut().for_each(|(_, next)| next.tidy());
        out.retain(|(_, next)| next.may_be_judged());
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        let stale = state.requests.iter().any(|one| one.stage == Stage::Held && one.old);
        let broken = state.done && !state.applied && stale;
        broken.then_some("an unmarked read misses an entry that has reached all regions")
    }
}

fn ticked(mut state: State) -> State {
    for leader in &mut state.leaders {
        down(&mut leader.inherited);
    }
    state.requests.iter_mut().for_each(|request| request.tick(true));
    down(&mut state.waits);
    state
}

impl State {
    /// Drops what can no longer matter.
    fn tidy(&mut self) {
        if self.done {
            (self.reported, self.fixed, self.counts) = (false, false, false);
            (self.waits, self.judge) = (0, 0);
        }
        let kept = self.known_kept();
        if self.leaders[1].phase != LeaderPhase::None {
            self.known_ever = kept;
        }
        let (log, judged) = (self.log, self.fixed || self.done);
        for (term, leader) in (1_u8..).zip(&mut self.leaders) {
            leader.forget_applied(&log, term, self.judge == term && !judged);
            let asked = self.judge == term && !self.fixed && !self.done;
            if leader.phase == LeaderPhase::Deposed && !asked {
                leader.phase = LeaderPhase::Gone;
            }
            if leader.phase == LeaderPhase::Gone {
                *leader = Leader { phase: LeaderPhase::Gone, ..Leader::default() };
            }
            let leads = leader.phase == LeaderPhase::Leading;
            for request in self.requests.iter_mut().filter(|one| one.term == term) {
                request.tidy(leads);
                if leader.phase == LeaderPhase::Gone {
                    request.counted = 0;
                }
            }
        }
    }

    /// After the last election only the write, and the entries that an origin may have applied
    /// after it, matter.
    fn known_kept(&self) -> u8 {
        let origin = self.judge == 0 && !self.fixed && !self.done;
        match self.index_of(Entry::Write) {
            Some(write) if self.known_ever >= write && origin => self.known_ever,
            Some(write) if self.known_ever >= write => write,
            _ => 0,
        }
    }

    fn may_be_judged(&self) -> bool {
        let gone = |term| self.leader(term).phase == LeaderPhase::Gone;
        self.done || self.judge == 0 || self.fixed || !gone(self.judge)
    }
}

impl Leader {
    /// Having applied an entry that changes nothing for this leader is equivalent to not having
    /// applied it.
    fn forget_applied(&mut self, log: &[Entry; ENTRIES], term: u8, asked: bool) {
        let matters = |entry| match entry {
            Entry::None => false,
            Entry::Noop => term == 2,
            Entry::Serve | Entry::Leave => true,
            Entry::Write | Entry::Remove => asked,
        };
        while self.applied > 0 && !matters(log[usize::from(self.applied) - 1]) {
            self.applied -= 1;
        }
    }
}

//! The steps of the membership model: the log and its leaders, leases, judges.
//!
//! Must never look at a part of the log that the acting node does not have.

use super::{
    membership::{ENTRIES, Entry, Flaw, Leader, LeaderPhase, Membership, State, Step, TERMS},
    request::{LEASE, Request, Stage},
};

impl Membership {
    pub(super) fn log_steps(&self, state: &State, out: &mut Vec<(Step, State)>) {
        for (term, leader) in (1_u8..).zip(state.leaders) {
            if leader.phase == LeaderPhase::Leading {
                self.lead(state, term, out);
            }
            if matches!(leader.phase, LeaderPhase::Leading | LeaderPhase::Deposed) {
                learn_and_apply(state, term, out);
                let mut next = *state;
                next.leader_mut(term).phase = LeaderPhase::Gone;
                next.requests.iter_mut().for_each(|one| one.leader_restarts(term));
                out.push((Step::RestartLeader { term }, next));
            }
        }
        elect(state, out);
    }

    /// A step of the newest leader; one that was replaced reaches no majority any more.
    fn lead(&self, state: &State, term: u8, out: &mut Vec<(Step, State)>) {
        if newest(state) != term {
            return;
        }
        for entry in [Entry::Write, Entry::Serve, Entry::Leave, Entry::Remove] {
            let new = state.index_of(entry).is_none() && usize::from(state.length()) < ENTRIES;
            if new && self.may_append(state, term, entry) {
                let mut next = *state;
                next.log[usize::from(state.length())] = entry;
                next.leader_mut(term).length += 1;
                out.push((Step::Append { term, entry }, next));
            }
        }
    }

    fn may_append(&self, state: &State, term: u8, entry: Entry) -> bool {
        let (leader, all) = (state.leader(term), state.length());
        match entry {
            Entry::None | Entry::Noop => false,
            Entry::Write => true,
            Entry::Serve => !state.served_before && !state.says(Entry::Leave, all),
            Entry::Leave => state.serves(all),
            Entry::Remove => {
                let leaving = state.says(Entry::Leave, leader.applied);
                let counts = |one: &Request| one.term == term && one.counted > 0;
                let leased = leader.inherited > 0 || state.requests.iter().any(counts);
                (leaving || self.has(Flaw::RemovesWithoutLeaving))
                    && (!leased || self.has(Flaw::RemovesWhileLeased))
            }
        }
    }

    pub(super) fn lease_steps(&self, state: &State, out: &mut Vec<(Step, State)>) {
        let request = state.requests[0];
        let mut push = |step, change: &dyn Fn(&mut Request)| {
            let mut next = *state;
            change(&mut next.requests[0]);
            out.push((step, next));
        };
        match request.stage {
            Stage::Free => push(Step::Ask, &|one| *one = Request::sent()),
            Stage::Sent => self.arrive(state, out),
            Stage::Seen => {
                let term = request.term;
                push(Step::Register { term }, &|one| one.register(term));
            }
            Stage::Registered => {
                let (term, leader) = (request.term, state.leader(request.term));
                let old = !state.has_write(leader.known);
                let leads = leader.phase == LeaderPhase::Leading && newest(state) == term;
                if leads && leader.known >= own_entry(state, term) {
                    let proved = |one: &mut Request| (one.stage, one.old) = (Stage::Proved, old);
                    push(Step::ProveAndReadIndex { term }, &proved);
                }
            }
            Stage::Proved => push(Step::Record, &Request::record),
            Stage::Granted => push(Step::Receive, &|one| one.stage = Stage::Held),
            Stage::Held => {}
        }
    }

    /// A lease is registered for a replica that serves and is not leaving, by the leader's applied
    /// state. A new leader must have applied an entry of its own term, or it may not know yet what
    /// earlier leaders committed.
    fn arrive(&self, state: &State, out: &mut Vec<(Step, State)>) {
        for (term, leader) in (1_u8..).zip(&state.leaders) {
            let leaving = state.says(Entry::Leave, leader.applied);
            let fresh = leader.applied >= own_entry(state, term)
                || self.has(Flaw::GrantsBeforeApplyingOwnTerm);
            let entitled = fresh && state.serves(leader.applied) && !leaving;
            if leader.phase != LeaderPhase::Leading || !entitled {
                continue;
            }
            let mut next = *state;
            if self.has(Flaw::ChecksServingBeforeRegistering) {
                (next.requests[0].stage, next.requests[0].term) = (Stage::Seen, term);
                out.push((Step::SeeThatItServes { term }, next));
            } else {
                next.requests[0].register(term);
                out.push((Step::Register { term }, next));
            }
        }
    }

    pub(super) fn judge_steps(&self, state: &State, out: &mut Vec<(Step, State)>) {
        if state.has_write(state.known_ever) && !state.applied {
            let next = State { applied: true, reported: true, ..*state };
            out.push((Step::ReplicaApplies, next));
        }
        let next = State { applied: false, requests: Default::default(), ..*state };
        out.push((Step::ReplicaRestarts, next));
        match (state.done, state.fixed, state.judge) {
            (true, _, _) => {}
            (false, true, _) => {
                if !state.counts || state.waits == 0 || state.reported {
                    out.push((Step::Judge, State { done: true, ..*state }));
                }
            }
            (false, false, 0) => self.fall_back(state, out),
            (false, false, term) => out.extend(self.fix(state, term)),
        }
    }

    /// The stale readers and the regions that count, by the leader's applied state. The table has
    /// no row for a replica that the leader's log has removed: membership is in force from its
    /// append on.
    fn fix(&self, state: &State, term: u8) -> Option<(Step, State)> {
        let leader = state.leader(term);
        let remembers = matches!(leader.phase, LeaderPhase::Leading | LeaderPhase::Deposed);
        let applied = state.has_write(leader.applied) || self.has(Flaw::FixesBeforeApplying);
        if !remembers || !state.has_write(leader.known) || !applied {
            return None;
        }
        let allows_stale_read = |one: &&Request| one.allows_stale_read(term);
        let counted = state.requests.iter().filter(allows_stale_read).map(|one| one.counted).max();
        let member = !state.says(Entry::Remove, leader.length);
        let ticks = if member { leader.inherited.max(counted.unwrap_or(0)) } else { 0 };
        let counts = self.region_counts(state, leader.applied);
        let next = State { fixed: true, counts, waits: ticks, ..*state };
        Some((Step::FixStaleReaders { term, counts, ticks }, next))
    }

    /// An origin without a leader's set has applied the write, and perhaps more, and waits for all
    /// members in its own log.
    fn fall_back(&self, state: &State, out: &mut Vec<(Step, State)>) {
        for index in 1..=state.known_ever {
            if state.has_write(index) {
                let member = !state.says(Entry::Remove, state.length());
                let ticks = if member { LEASE } else { 0 };
                let counts = self.region_counts(state, index);
                let next = State { fixed: true, counts, waits: ticks, ..*state };
                out.push((Step::OriginApplies { index, counts, ticks }, next));
            }
        }
    }

    fn region_counts(&self, state: &State, applied: u8) -> bool {
        let leaving = state.says(Entry::Leave, applied) && self.has(Flaw::LeavingDoesNotCount);
        state.serves(applied) && !leaving
    }
}

fn newest(state: &State) -> u8 {
    if state.leaders[1].phase == LeaderPhase::None { 1 } else { 2 }
}

/// The index of the leader's own first entry; the first leader's is before the log.
fn own_entry(state: &State, term: u8) -> u8 {
    let noop = if term == 1 { Some(0) } else { state.index_of(Entry::Noop) };
    noop.unwrap_or(u8::MAX)
}

/// A leader commits its log once it has an entry of its own term.
fn learn_and_apply(state: &State, term: u8, out: &mut Vec<(Step, State)>) {
    let leader = state.leader(term);
    let own = own_entry(state, term);
    let leads = leader.phase == LeaderPhase::Leading;
    for index in (leader.known + 1..=leader.length).filter(|index| leads && *index >= own) {
        let mut next = *state;
        next.leader_mut(term).known = index;
        next.known_ever = next.known_ever.max(index);
        out.push((Step::LeaderLearnsCommit { term, index }, next));
    }
    for index in leader.applied + 1..=leader.known {
        let mut next = *state;
        next.leader_mut(term).applied = index;
        out.push((Step::LeaderApplies { term, index }, next));
    }
}

/// The second leader may or may not know, from its time as a follower, the known commit index.
fn elect(state: &State, out: &mut Vec<(Step, State)>) {
    let leads = state.leaders[0].phase == LeaderPhase::Leading;
    if usize::from(newest(state)) == TERMS || usize::from(state.length()) == ENTRIES {
        return;
    }
    for with_vote_of_first in [false, true] {
        if with_vote_of_first && !leads {
            continue;
        }
        for keeps in state.known_ever..=state.length() {
            let mut next = *state;
            next.log.iter_mut().skip(usize::from(keeps)).for_each(|entry| *entry = Entry::None);
            next.log[usize::from(keeps)] = Entry::Noop;
            let old = &mut next.leaders[0];
            old.length = old.length.min(keeps);
            if with_vote_of_first {
                old.phase = LeaderPhase::Deposed;
            }
            let step = Step::Elect { keeps, with_vote_of_first };
            for known in [0, state.known_ever] {
                next.leaders[1] = Leader {
                    phase: LeaderPhase::Leading,
                    length: keeps + 1,
                    known,
                    inherited: LEASE,
                    ..Leader::default()
                };
                out.push((step, next));
            }
        }
    }
}

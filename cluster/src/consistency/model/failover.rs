//! A lost region and the log that its group continues from: it must contain every entry that was
//! answered as having reached all regions.
//!
//! The lost region has all three voters. The two survivors are learners of one region. One report
//! from that region suffices, since the other learner holds no lease: fewer reports never count.
//! The voters' region may be lost in every state. Then the survivors' logs are compared, and the
//! founder's log must have every entry that a leader had committed and a survivor had reported.
//!
//! The model has elections, appends of any part of a leader's log, commits only through an entry of
//! the leader's own term, and messages from former leaders to survivors. A log is what is synced;
//! entries that are appended and not synced do not count. Reports are sent as soon as the rule
//! allows: later ones only delay answers. The model has no time: leases only delay the judge.

use super::{
    bits::{Bits, Packed},
    search::Model,
};

const VOTERS: usize = 3;
const SURVIVORS: usize = 2;
const NODES: usize = VOTERS + SURVIVORS;
/// Leaders, one a term.
const TERMS: usize = 3;
/// Entries in a log.
const ENTRIES: usize = 3;

/// A rule left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A survivor reports what it has applied, whatever its log ends with.
    ReportsByOldTerm,
    /// The longest log becomes the successor, whatever the term of its last entry.
    FoundsByIndex,
}

/// The model, whole or with a rule left out.
pub(super) struct Failover {
    pub(super) flaw: Option<Flaw>,
}

/// The terms of a node's entries, in order; zero where there is none.
type Log = [u8; ENTRIES];

/// Voters first, then survivors. Arrays by term use the term's number less one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    term: [u8; NODES],
    log: [Log; NODES],
    /// The leader of each term: the voter's number plus one; zero once it has stopped.
    leads: [u8; TERMS],
    /// A leader's longest log: its messages may contain any prefix.
    sent: [Log; TERMS],
    /// The index up to which another voter has followed it.
    matched: [u8; TERMS],
    /// Its commit index.
    committed: [u8; TERMS],
    /// The index up to which a survivor's log is known to match the leader's of its term.
    follows: [u8; SURVIVORS],
    applied: [u8; SURVIVORS],
    reported: [u8; SURVIVORS],
}

/// The possible steps.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "traces show the fields, by Debug")]
pub(super) enum Step {
    Elected { term: u8, voter: usize, by: usize },
    Stops { term: u8 },
    Appends { term: u8 },
    Replicates { term: u8, voter: usize, up_to: u8 },
    Commits { term: u8, up_to: u8 },
    SurvivorSyncs { term: u8, survivor: usize, up_to: u8 },
    SurvivorApplies { term: u8, survivor: usize, up_to: u8 },
}

impl Packed for State {
    fn fields(&mut self, bits: &mut Bits) {
        let logs = self.log.iter_mut().chain(&mut self.sent).flatten();
        logs.for_each(|term| bits.number(term, 2));
        let rest = self.term.iter_mut().chain(&mut self.leads).chain(&mut self.matched);
        let rest = rest.chain(&mut self.committed).chain(&mut self.follows);
        let rest = rest.chain(&mut self.applied).chain(&mut self.reported);
        rest.for_each(|number| bits.number(number, 2));
    }
}

fn length(log: &Log) -> u8 {
    log.iter().map(|term| u8::from(*term != 0)).sum()
}

/// The last entry's term, then its index: elections compare these.
fn end(log: &Log) -> (u8, u8) {
    let length = length(log);
    (log[..usize::from(length)].last().copied().unwrap_or(0), length)
}

/// A log after an append of another one's first entries: what contradicts them goes.
fn followed(log: Log, leader: &Log, up_to: u8) -> Log {
    let up_to = usize::from(up_to);
    let clashes = log.iter().zip(leader).take(up_to).any(|(own, its)| *own != 0 && own != its);
    if !clashes && usize::from(length(&log)) >= up_to {
        return log;
    }
    let mut next = Log::default();
    next[..up_to].copy_from_slice(&leader[..up_to]);
    next
}

fn place(term: u8) -> usize {
    usize::from(term) - 1
}

impl Model for Failover {
    type State = State;
    type Step = Step;

    /// The first leader, with its first entry.
    fn initial(&self) -> Vec<State> {
        let mut first = State { term: [1; NODES], ..State::default() };
        first.log[0][0] = 1;
        first.leads[0] = 1;
        first.sent[0] = first.log[0];
        vec![first]
    }

    fn next(&self, state: &State, out: &mut Vec<(Step, State)>) {
        elections(state, out);
        for term in 1..=3 {
            if state.sent[place(term)] == Log::default() {
                continue;
            }
            leader_steps(state, term, out);
            survivor_steps(state, term, out);
        }
        for (_, next) in out.iter_mut() {
            self.report(next);
            next.tidy();
        }
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        let of = |survivor: usize| &state.log[VOTERS + survivor];
        let rank = |survivor: usize| match self.flaw {
            Some(Flaw::FoundsByIndex) => (0, length(of(survivor))),
            _ => end(of(survivor)),
        };
        let best = (0..SURVIVORS).map(rank).max();
        let furthest = state.reported.into_iter().max().unwrap_or(0);
        for (sent, committed) in state.sent.iter().zip(state.committed) {
            let answered = usize::from(committed.min(furthest));
            let lacks = |survivor: &usize| of(*survivor)[..answered] != sent[..answered];
            let founds = |survivor: &usize| Some(rank(*survivor)) == best;
            if (0..SURVIVORS).filter(founds).any(|survivor| lacks(&survivor)) {
                return Some("the founder lacks an entry that had reached all regions");
            }
        }
        None
    }
}

impl Failover {
    /// Survivors report what the rule allows.
    fn report(&self, state: &mut State) {
        for survivor in 0..SURVIVORS {
            let node = VOTERS + survivor;
            let ends_in_term = end(&state.log[node]).0 == state.term[node];
            if ends_in_term || self.flaw == Some(Flaw::ReportsByOldTerm) {
                state.reported[survivor] = state.reported[survivor].max(state.applied[survivor]);
            }
        }
    }
}

/// Two voters make one of them the leader of the next term; it appends its first entry.
fn elections(state: &State, out: &mut Vec<(Step, State)>) {
    for voter in 0..VOTERS {
        for by in (0..VOTERS).filter(|by| *by != voter) {
            let term = state.term[voter].max(state.term[by]) + 1;
            let own = length(&state.log[voter]);
            let is_as_new = end(&state.log[voter]) >= end(&state.log[by]);
            if usize::from(term) > TERMS || usize::from(own) == ENTRIES || !is_as_new {
                continue;
            }
            let mut next = *state;
            next.hears(voter, term);
            next.hears(by, term);
            next.log[voter][usize::from(own)] = term;
            next.leads[place(term)] = u8::try_from(voter).expect("few voters") + 1;
            next.sent[place(term)] = next.log[voter];
            out.push((Step::Elected { term, voter, by }, next));
        }
    }
}

fn leader_steps(state: &State, term: u8, out: &mut Vec<(Step, State)>) {
    let at = place(term);
    let Some(leader) = usize::from(state.leads[at]).checked_sub(1) else { return };
    let log = state.log[leader];
    let mut stopped = *state;
    stopped.leads[at] = 0;
    out.push((Step::Stops { term }, stopped));
    if usize::from(length(&log)) < ENTRIES {
        let mut next = *state;
        next.log[leader][usize::from(length(&log))] = term;
        next.sent[at] = next.log[leader];
        out.push((Step::Appends { term }, next));
    }
    let followers = (0..VOTERS).filter(|voter| *voter != leader && state.term[*voter] <= term);
    for voter in followers {
        for up_to in 1..=length(&log) {
            let mut next = *state;
            next.hears(voter, term);
            next.log[voter] = followed(state.log[voter], &log, up_to);
            next.matched[at] = state.matched[at].max(up_to);
            out.push((Step::Replicates { term, voter, up_to }, next));
        }
    }
    // Of three voters two are a quorum; an entry of an earlier term is committed by one of the
    // leader's own.
    for up_to in state.committed[at] + 1..=state.matched[at] {
        if log[place(up_to)] == term {
            let mut next = *state;
            next.committed[at] = up_to;
            out.push((Step::Commits { term, up_to }, next));
        }
    }
}

fn survivor_steps(state: &State, term: u8, out: &mut Vec<(Step, State)>) {
    let at = place(term);
    for survivor in 0..SURVIVORS {
        let node = VOTERS + survivor;
        if state.term[node] > term {
            continue;
        }
        for up_to in 1..=length(&state.sent[at]) {
            let mut next = *state;
            next.hears(node, term);
            next.log[node] = followed(state.log[node], &state.sent[at], up_to);
            next.follows[survivor] = next.follows[survivor].max(up_to);
            out.push((Step::SurvivorSyncs { term, survivor, up_to }, next));
        }
        let up_to = state.committed[at].min(state.follows[survivor]);
        if state.term[node] == term && up_to > state.applied[survivor] {
            let mut next = *state;
            next.applied[survivor] = up_to;
            out.push((Step::SurvivorApplies { term, survivor, up_to }, next));
        }
    }
}

impl State {
    /// A node learns of a term: its leadership in an earlier one has ended, and it does not know
    /// yet how far it matches the new leader.
    fn hears(&mut self, node: usize, term: u8) {
        if self.term[node] >= term {
            return;
        }
        self.term[node] = term;
        if let Some(survivor) = node.checked_sub(VOTERS) {
            self.follows[survivor] = 0;
            return;
        }
        for leads in &mut self.leads[..place(term)] {
            if usize::from(*leads) == node + 1 {
                *leads = 0;
            }
        }
    }

    /// Drops what can no longer matter, and merges states that differ only in names.
    fn tidy(&mut self) {
        for at in 0..TERMS {
            if self.leads[at] != 0 {
                continue;
            }
            self.matched[at] = 0;
            let is_past = |term: &u8| usize::from(*term) > at + 1;
            if self.committed[at] == 0 && self.term[VOTERS..].iter().all(is_past) {
                self.sent[at] = Log::default();
            }
        }
        // After the last election a voter that does not lead only follows.
        if self.sent[TERMS - 1] != Log::default() {
            for voter in 0..VOTERS {
                let mark = u8::try_from(voter).expect("few voters") + 1;
                if !self.leads.contains(&mark) {
                    (self.log[voter], self.term[voter]) = (Log::default(), 3);
                }
            }
        }
        self.order_voters();
        let survivor = |of: &Self, it: usize| {
            let node = VOTERS + it;
            (of.term[node], of.log[node], of.follows[it], of.applied[it], of.reported[it])
        };
        if survivor(self, 0) > survivor(self, 1) {
            self.term.swap(VOTERS, VOTERS + 1);
            self.log.swap(VOTERS, VOTERS + 1);
            self.follows.swap(0, 1);
            self.applied.swap(0, 1);
            self.reported.swap(0, 1);
        }
    }

    fn order_voters(&mut self) {
        let before = *self;
        let led = |voter: usize| {
            let mark = u8::try_from(voter).expect("few voters") + 1;
            before.leads.map(|leads| leads == mark)
        };
        let mut order = [0, 1, 2];
        order.sort_by_key(|voter| (led(*voter), before.term[*voter], before.log[*voter]));
        for (to, from) in order.into_iter().enumerate() {
            (self.term[to], self.log[to]) = (before.term[from], before.log[from]);
            for (leads, was_led) in self.leads.iter_mut().zip(led(from)) {
                if was_led {
                    *leads = u8::try_from(to).expect("few voters") + 1;
                }
            }
        }
    }
}

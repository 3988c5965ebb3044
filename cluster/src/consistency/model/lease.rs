//! Leases and stale readers under changes of leader: one group, explicit votes and logs, time in
//! ticks that all clocks share.
//!
//! Three voters (both nodes of one region, one of the other) and the replica of the fourth node,
//! which is the only one that asks for leases. That loses no generality: leases of others only
//! delay the judge, and a voter's own replica restarts with the voter, while this one may restart
//! at any time, so it can do all that they can. For the same reason the region's other replica,
//! which must have reported, is not modeled: nothing prevents it from applying at once. Of indexes
//! only "below the watched entry" and "not below" matter to leases.
//!
//! Must never let a rule of the protocol depend on something that only the model knows.

use super::{
    lease_state::{LeaderPhase, State, TERMS},
    request::Stage,
    search::{Model, down},
};

/// Length of a leader lease, in ticks.
pub(super) const LEADER_LEASE: u8 = 2;

/// The bounds of the search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Terms.
    pub(super) terms: u8,
    /// The watched entry is any up to this index; a leader appends up to the watched entry.
    pub(super) watched: u8,
    /// Requests for a lease that are under way or held at a time.
    pub(super) requests: usize,
    /// Whether states that differ only in the voters' names are merged: half the states, worse
    /// traces.
    pub(super) nameless: bool,
}

/// A rule left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A leader grants before an entry of its own term is committed.
    GrantsBeforeOwnTerm,
    /// It reads the index first and registers the lease after.
    ReadsIndexBeforeRegistering,
    /// Its table counts a lease only from the moment that it knows its index.
    RegisteredDoesNotCount,
    /// Its table keeps the newest lease of a replica only.
    RenewalForgetsLeaseBefore,
    /// It grants after it has begun to transfer leadership.
    GrantsAfterTransferBegan,
    /// A restarted voter votes, and becomes a candidate, at once.
    RestartedVoterVotesAtOnce,
    /// A restarted voter refuses votes to others, but becomes a candidate and votes for itself at
    /// once.
    RestartedVoterStandsAtOnce,
    /// The holder counts its lease from the answer.
    CountsFromAnswer,
    /// A restarted replica takes an answer that was meant for its former life.
    AnswerOutlivesRestart,
    /// The judge asks whether a replica has acknowledged, and nothing else.
    AcknowledgementsAlone,
    /// A new leader starts with an empty table.
    NewLeaderInheritsNothing,
    /// Without a set of stale readers the origin assumes an empty one.
    FallbackCountsFromNothing,
}

/// The model, whole or with a rule left out.
pub(super) struct Leases {
    pub(super) bounds: Bounds,
    pub(super) flaw: Option<Flaw>,
}

impl Leases {
    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

/// The possible steps. A late message, or a process that pauses, is a step not taken yet; a lost
/// message is a step never taken.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "traces show the fields, by Debug")]
pub(super) enum Step {
    Tick,
    Append { term: u8 },
    Heartbeat { term: u8, to: usize },
    Replicate { term: u8, to: usize },
    LeaderLearnsCommit { term: u8, index: u8 },
    BeginTransfer { term: u8 },
    Elect { term: u8, node: usize, with: usize },
    ElectByTransfer { term: u8, node: usize, with: usize },
    RestartVoter { node: usize },
    Ask,
    Register { request: usize, term: u8 },
    ProveAndReadIndex { request: usize, term: u8 },
    Record { request: usize },
    Receive { request: usize },
    ReplicaApplies,
    ReplicaRestarts,
    FixStaleReaders { term: u8, ticks: u8 },
    OriginApplies,
    Judge,
}

impl Model for Leases {
    type State = State;
    type Step = Step;

    fn initial(&self) -> Vec<State> {
        let first = |(watched, judge)| {
            let mut state = State { watched, judge, ..State::default() };
            state.voters.iter_mut().for_each(|voter| voter.term = 1);
            state.leaders[0].phase = LeaderPhase::Leading;
            state
        };
        let judges = |watched| (0..=self.bounds.terms).map(move |judge| (watched, judge));
        (1..=self.bounds.watched).flat_map(judges).map(first).collect()
    }

    fn next(&self, state: &State, out: &mut Vec<(Step, State)>) {
        out.push((Step::Tick, self.ticked(*state)));
        self.raft_steps(state, out);
        self.grant_steps(state, out);
        self.judge_steps(state, out);
        out.iter_mut().for_each(|(_, next)| self.tidy(next));
        out.retain(|(_, next)| next.may_be_judged());
    }

    fn broken(&self, state: &State) -> Option<&'static str> {
        let stale =
            state.requests.iter().any(|request| request.stage == Stage::Held && request.old);
        let broken = state.reached && !state.applied && stale;
        broken.then_some("an unmarked read misses an entry that has reached the region")
    }
}

impl Leases {
    /// Drops what can no longer matter, so that states that behave alike are one.
    fn tidy(&self, state: &mut State) {
        if state.reached {
            (state.reported, state.fixed, state.waits, state.judge) = (false, false, 0, 0);
        }
        for term in (1_u8..).take(TERMS) {
            let mut leader = *state.leader(term);
            state.tidy_leader(&mut leader, term);
            if leader.phase == LeaderPhase::Transferring
                && !self.has(Flaw::GrantsAfterTransferBegan)
            {
                leader.proof = 0;
            }
            *state.leader_mut(term) = leader;
            let counts = state.asks(term) && leader.phase != LeaderPhase::Gone;
            for request in state.requests.iter_mut().filter(|request| request.term == term) {
                request.tidy(leader.leads());
                request.counted = if counts { request.counted } else { 0 };
            }
        }
        state.requests.sort_unstable();
        state.forget_votes(self.bounds.terms);
        if self.bounds.nameless {
            state.sort_voters();
        }
    }

    fn ticked(&self, mut state: State) -> State {
        state.voters.iter_mut().for_each(|voter| down(&mut voter.silent));
        for leader in &mut state.leaders {
            [&mut leader.proof, &mut leader.inherited].into_iter().for_each(down);
        }
        for request in &mut state.requests {
            let from_answer = self.has(Flaw::CountsFromAnswer) && request.stage != Stage::Held;
            request.tick(!from_answer);
        }
        down(&mut state.waits);
        state
    }
}

//! The steps of leases: ask, register, prove, record, answer; and the judge of whether an entry has
//! reached the region.
//!
//! Must never join two steps that are separate in the implementation: between any two of these a
//! node may pause, lose its leadership or restart.

use super::{
    lease::{Flaw, Leases, Step},
    lease_state::{LeaderPhase, State},
    request::{LEASE, Request, Stage},
};

impl Leases {
    pub(super) fn grant_steps(&self, state: &State, out: &mut Vec<(Step, State)>) {
        // Free ones are first.
        let used = state.requests.iter().filter(|one| one.stage != Stage::Free).count();
        if used < self.bounds.requests {
            let mut next = *state;
            next.requests[0] = Request::sent();
            out.push((Step::Ask, next));
        }
        for request in 0..state.requests.len() {
            match state.requests[request].stage {
                Stage::Free | Stage::Seen | Stage::Held => {}
                Stage::Sent => self.arrive(state, request, out),
                Stage::Registered => {
                    let term = state.requests[request].term;
                    self.prove(state, request, term, out);
                }
                Stage::Proved => self.record(state, request, out),
                Stage::Granted => self.receive(state, request, out),
            }
        }
    }

    /// A node that believes that it leads registers a request.
    fn arrive(&self, state: &State, request: usize, out: &mut Vec<(Step, State)>) {
        for (term, leader) in (1_u8..).zip(&state.leaders) {
            if !leader.leads() {
                continue;
            }
            if self.has(Flaw::ReadsIndexBeforeRegistering) {
                self.prove(state, request, term, out);
                continue;
            }
            let mut next = *state;
            next.requests[request].register(term);
            if self.has(Flaw::RegisteredDoesNotCount) {
                next.requests[request].counted = 0;
            }
            out.push((Step::Register { request, term }, next));
        }
    }

    /// One step proves leadership and reads the commit index.
    fn prove(&self, state: &State, request: usize, term: u8, out: &mut Vec<(Step, State)>) {
        let leader = state.leader(term);
        let leads = match leader.phase {
            LeaderPhase::Leading => true,
            LeaderPhase::Transferring => self.has(Flaw::GrantsAfterTransferBegan),
            LeaderPhase::None | LeaderPhase::Deposed | LeaderPhase::Gone => false,
        };
        let log = state.voters[usize::from(leader.node)].log;
        let own_term = leads && log.term_at(leader.known) == term;
        if leads && leader.proof > 0 && (own_term || self.has(Flaw::GrantsBeforeOwnTerm)) {
            let mut next = *state;
            let one = &mut next.requests[request];
            (one.stage, one.term, one.old) = (Stage::Proved, term, leader.known < state.watched);
            out.push((Step::ProveAndReadIndex { request, term }, next));
        }
    }

    /// The table learns index and end; then the answer is sent.
    fn record(&self, state: &State, request: usize, out: &mut Vec<(Step, State)>) {
        let mut next = *state;
        let term = next.requests[request].term;
        if self.has(Flaw::RenewalForgetsLeaseBefore) {
            let same = next.requests.iter_mut().filter(|other| other.term == term);
            same.for_each(|other| other.counted = 0);
        }
        next.requests[request].record();
        out.push((Step::Record { request }, next));
    }

    fn receive(&self, state: &State, request: usize, out: &mut Vec<(Step, State)>) {
        let mut next = *state;
        next.requests[request].stage = Stage::Held;
        if self.has(Flaw::CountsFromAnswer) {
            next.requests[request].left = LEASE;
        }
        out.push((Step::Receive { request }, next));
    }

    pub(super) fn judge_steps(&self, state: &State, out: &mut Vec<(Step, State)>) {
        if state.committed && !state.applied {
            let next = State { applied: true, reported: true, ..*state };
            out.push((Step::ReplicaApplies, next));
        }
        out.push((Step::ReplicaRestarts, self.replica_restarted(state)));
        if state.reached {
            return;
        }
        if !state.fixed {
            let step = if state.judge == 0 { self.fall_back(state) } else { self.fix(state) };
            out.extend(step);
        } else if state.waits == 0 || state.reported {
            // The region's other replica has reported: it may apply as soon as any node knows of
            // the commit.
            out.push((Step::Judge, State { reached: true, ..*state }));
        }
    }

    /// It forgets its leases and requests, and its state may go back. Tables that still count its
    /// leases could only delay the judge.
    fn replica_restarted(&self, state: &State) -> State {
        let mut next = State { applied: false, ..*state };
        for request in &mut next.requests {
            if request.stage == Stage::Held || !self.has(Flaw::AnswerOutlivesRestart) {
                *request = Request::default();
            }
        }
        next
    }

    /// An origin without a leader's set applies the entry, and waits for all replicas.
    fn fall_back(&self, state: &State) -> Option<(Step, State)> {
        let waits = if self.has(Flaw::FallbackCountsFromNothing) { 0 } else { LEASE };
        state.committed.then_some((Step::OriginApplies, State { fixed: true, waits, ..*state }))
    }

    /// A leader that has learned of the commit looks into its table, at once or later. Registered
    /// leases count as if their index were zero, as long as a grant from them may run.
    fn fix(&self, state: &State) -> Option<(Step, State)> {
        let (term, leader) = (state.judge, state.leader(state.judge));
        let remembers = leader.leads() || leader.phase == LeaderPhase::Deposed;
        let counted = state
            .requests
            .iter()
            .filter(|one| one.allows_stale_read(term))
            .map(|one| one.counted)
            .max();
        let ticks = leader.inherited.max(counted.unwrap_or(0));
        let waits = if self.has(Flaw::AcknowledgementsAlone) { 0 } else { ticks };
        let step = (Step::FixStaleReaders { term, ticks }, State { fixed: true, waits, ..*state });
        (remembers && leader.known >= state.watched).then_some(step)
    }
}

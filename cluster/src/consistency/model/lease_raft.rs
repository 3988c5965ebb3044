//! The steps of Raft below the leases: appending, acknowledging, committing, voting, restarting.
//!
//! Must never be cleverer than Raft: a message is a step in which sender and receiver act at one
//! time. A later arrival gives the voter a longer silence and gives the leader no longer proof, and
//! an older content is a step taken earlier, so nothing is lost by that. A vote is counted in the
//! step that gives it: a leader that is elected later waits for earlier leases longer. Elections
//! without a winner are left out; they only take followers from a leader.

use super::{
    lease::{Flaw, LEADER_LEASE, Leases, Step},
    lease_state::{Leader, LeaderPhase, State, TERMS, VOTERS},
    request::LEASE,
};

impl Leases {
    pub(super) fn raft_steps(&self, state: &State, out: &mut Vec<(Step, State)>) {
        for (term, leader) in (1_u8..).zip(&state.leaders) {
            match leader.phase {
                LeaderPhase::Leading => {
                    self.lead(state, term, out);
                    learn_commits(state, term, out);
                }
                LeaderPhase::Transferring => learn_commits(state, term, out),
                LeaderPhase::None | LeaderPhase::Deposed | LeaderPhase::Gone => {}
            }
        }
        self.elections(state, out);
        out.extend(
            (0..VOTERS).map(|node| (Step::RestartVoter { node }, self.restarted(state, node))),
        );
    }

    fn elections(&self, state: &State, out: &mut Vec<(Step, State)>) {
        let pairs = (0..VOTERS).flat_map(|node| (0..VOTERS).map(move |with| (node, with)));
        for (node, with) in pairs.filter(|(node, with)| node != with) {
            let Some(term) = next_term(state, node, with) else { continue };
            if term > self.bounds.terms {
                continue;
            }
            if self.may_vote(state, node, true) && self.may_vote(state, with, false) {
                let step = Step::Elect { term, node, with };
                self.elect(state, (term, node, with), step, out);
            } else if state.leader(term - 1).transfer && both_follow(state, term - 1, node, with) {
                let step = Step::ElectByTransfer { term, node, with };
                self.elect(state, (term, node, with), step, out);
            }
        }
    }

    fn may_vote(&self, state: &State, node: usize, for_itself: bool) -> bool {
        let voter = state.voters[node];
        let fresh = for_itself && self.has(Flaw::RestartedVoterStandsAtOnce) && voter.restarted;
        voter.silent == 0 || fresh
    }

    /// A new leader may or may not know, from its time as a follower, its predecessor's commit
    /// index.
    fn elect(
        &self,
        state: &State,
        (term, node, with): (u8, usize, usize),
        step: Step,
        out: &mut Vec<(Step, State)>,
    ) {
        let mut next = *state;
        for voter in [node, with] {
            next.depose(voter, term);
        }
        next.voters[node].log.append(term);
        let waits = !self.has(Flaw::NewLeaderInheritsNothing);
        let heard = if state.committed { vec![0, state.watched] } else { vec![0] };
        for known in heard {
            *next.leader_mut(term) = Leader {
                phase: LeaderPhase::Leading,
                node: u8::try_from(node).expect("few voters"),
                known,
                inherited: if waits { LEADER_LEASE + LEASE } else { 0 },
                ..Leader::default()
            };
            out.push((step, next));
        }
    }

    /// Log and vote are kept. Its leadership, its table and the leader lease that it granted are
    /// lost.
    fn restarted(&self, state: &State, node: usize) -> State {
        let mut next = *state;
        let at_once = self.has(Flaw::RestartedVoterVotesAtOnce);
        next.voters[node].silent = if at_once { 0 } else { LEADER_LEASE };
        next.voters[node].restarted = self.has(Flaw::RestartedVoterStandsAtOnce);
        for term in (1_u8..).take(TERMS) {
            let leader = next.leader_mut(term);
            if leader.is_alive() && usize::from(leader.node) == node {
                leader.phase = LeaderPhase::Gone;
                next.requests.iter_mut().for_each(|request| request.leader_restarts(term));
            }
        }
        next
    }

    /// Appending, sending and transferring leadership. The last leader has no target for a
    /// transfer.
    fn lead(&self, state: &State, term: u8, out: &mut Vec<(Step, State)>) {
        let node = usize::from(state.leader(term).node);
        if state.voters[node].log.len() < state.watched {
            let mut next = *state;
            next.voters[node].log.append(term);
            out.push((Step::Append { term }, next));
        }
        for to in (0..VOTERS).filter(|to| *to != node && state.voters[*to].term <= term) {
            send(state, (term, node), to, out);
        }
        if term < self.bounds.terms {
            let mut next = *state;
            let leader = next.leader_mut(term);
            (leader.phase, leader.transfer) = (LeaderPhase::Transferring, true);
            out.push((Step::BeginTransfer { term }, next));
        }
    }
}

/// A heartbeat, or the whole log. With three voters, one acknowledgement beside its own is a
/// majority.
fn send(state: &State, (term, node): (u8, usize), to: usize, out: &mut Vec<(Step, State)>) {
    let mut next = *state;
    next.depose(to, term);
    next.voters[to].silent = LEADER_LEASE;
    next.voters[to].restarted = false;
    next.leader_mut(term).proof = LEADER_LEASE;
    out.push((Step::Heartbeat { term, to }, next));
    let log = state.voters[node].log;
    next.voters[to].log = log;
    let leader = next.leader_mut(term);
    leader.matched = leader.matched.max(log.len());
    out.push((Step::Replicate { term, to }, next));
}

/// A leader counts acknowledgements only for entries of its own term.
fn learn_commits(state: &State, term: u8, out: &mut Vec<(Step, State)>) {
    let leader = state.leader(term);
    let log = state.voters[usize::from(leader.node)].log;
    if leader.known >= state.watched && log.term_at(leader.known) == term {
        return;
    }
    for index in (leader.known + 1..=leader.matched).filter(|index| log.term_at(*index) == term) {
        let mut next = *state;
        next.leader_mut(term).known = index;
        next.committed |= index >= state.watched;
        out.push((Step::LeaderLearnsCommit { term, index }, next));
    }
}

/// The term in which `node` could be elected with the vote of `with`, by term and log.
fn next_term(state: &State, node: usize, with: usize) -> Option<u8> {
    let (candidate, voter) = (state.voters[node], state.voters[with]);
    let term = candidate.term.max(voter.term) + 1;
    let leads =
        state.leaders.iter().any(|leader| leader.leads() && usize::from(leader.node) == node);
    let possible = !leads && !candidate.log.is_full();
    (possible && candidate.log.rank() >= voter.log.rank()).then_some(term)
}

fn both_follow(state: &State, term: u8, node: usize, with: usize) -> bool {
    state.voters[node].term == term && state.voters[with].term == term
}

impl State {
    /// A voter learns of a higher term, and no longer leads in a lower one.
    fn depose(&mut self, node: usize, term: u8) {
        self.voters[node].term = term;
        for leader in &mut self.leaders[..usize::from(term) - 1] {
            if leader.leads() && usize::from(leader.node) == node {
                leader.phase = LeaderPhase::Deposed;
            }
        }
    }
}

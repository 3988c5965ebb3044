//! The state of the lease model: voters, leaders, lease requests and a judge.
//!
//! Must never hold more than decides the possible steps: the model drops the rest after each step
//! (`lease.rs`), and leaves out what could only delay the judge.

use super::{
    bits::{Bits, Packed},
    request::Request,
};

/// Voters of the group.
pub(super) const VOTERS: usize = 3;
/// Terms that a state has room for, each with at most one leader.
pub(super) const TERMS: usize = 3;
/// Entries that a log has room for, no-ops of new leaders included.
pub(super) const ENTRIES: usize = 3;
/// Requests for a lease that a state has room for.
pub(super) const REQUESTS: usize = 2;

/// A log: the term of every entry, zero where there is none. Index 0 is an entry of term 1 that
/// every replica has applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Log(pub(super) [u8; ENTRIES]);

impl Log {
    pub(super) fn len(self) -> u8 {
        self.0.iter().map(|term| u8::from(*term != 0)).sum()
    }

    pub(super) fn term_at(self, index: u8) -> u8 {
        if index == 0 { 1 } else { self.0[usize::from(index) - 1] }
    }

    /// The order of logs in elections.
    pub(super) fn rank(self) -> (u8, u8) {
        (self.term_at(self.len()), self.len())
    }

    pub(super) fn is_full(self) -> bool {
        usize::from(self.len()) == ENTRIES
    }

    pub(super) fn append(&mut self, term: u8) {
        self.0[usize::from(self.len())] = term;
    }
}

/// A voter; what it loses at a restart is in [`Leader`] and `silent`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Voter {
    pub(super) term: u8,
    pub(super) log: Log,
    /// Ticks for which it votes for no candidate: it has a leader, or has restarted.
    pub(super) silent: u8,
    /// Whether it has restarted and found no leader since; kept only where a flaw needs it.
    pub(super) restarted: bool,
}

/// The phase of a term's leader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LeaderPhase {
    /// No leader was elected yet.
    #[default]
    None,
    /// It believes that it leads.
    Leading,
    /// It has begun to transfer leadership.
    Transferring,
    /// It knows of a higher term; its tables are still in memory.
    Deposed,
    /// It has restarted, or sends nothing any more.
    Gone,
}

impl LeaderPhase {
    const ALL: [Self; 5] =
        [Self::None, Self::Leading, Self::Transferring, Self::Deposed, Self::Gone];
}

/// The leader of a term: the state that it alone has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leader {
    pub(super) phase: LeaderPhase,
    /// Whether it ever began a transfer: the message may still arrive.
    pub(super) transfer: bool,
    pub(super) node: u8,
    /// The commit index that it knows.
    pub(super) known: u8,
    /// The index up to which a majority has acknowledged its log, which it may not know yet.
    pub(super) matched: u8,
    /// Ticks for which the acknowledgements of a majority prove that it leads.
    pub(super) proof: u8,
    /// Ticks for which every replica counts as holding a lease of an earlier leader.
    pub(super) inherited: u8,
}

/// The group, the watched replica and the judges of the watched entry.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) voters: [Voter; VOTERS],
    pub(super) leaders: [Leader; TERMS],
    pub(super) requests: [Request; REQUESTS],
    /// The index of the watched entry.
    pub(super) watched: u8,
    /// Whether any leader ever knew that the watched entry is committed: messages with that commit
    /// index may arrive at any later time.
    pub(super) committed: bool,
    /// Whether the watched replica has applied the watched entry, and whether it has reported it.
    pub(super) applied: bool,
    pub(super) reported: bool,
    /// The judge: one that has the set of the leader of this term, or zero, an origin that has none
    /// and falls back. Judges do not interact: one at a time is enough.
    pub(super) judge: u8,
    /// Whether the judge knows for how long to wait for the watched replica.
    pub(super) fixed: bool,
    /// Ticks for which it waits.
    pub(super) waits: u8,
    /// Whether a judge has decided that the entry has reached the region.
    pub(super) reached: bool,
}

impl Packed for State {
    fn fields(&mut self, bits: &mut Bits) {
        for voter in &mut self.voters {
            bits.number(&mut voter.term, 2);
            voter.log.0.iter_mut().for_each(|term| bits.number(term, 2));
            bits.number(&mut voter.silent, 2);
            bits.flag(&mut voter.restarted);
        }
        self.leaders.iter_mut().for_each(|leader| leader.fields(bits));
        self.requests.iter_mut().for_each(|request| request.fields(bits));
        bits.number(&mut self.watched, 2);
        bits.flag(&mut self.committed);
        bits.number(&mut self.judge, 2);
        bits.number(&mut self.waits, 3);
        bits.flag(&mut self.applied);
        bits.flag(&mut self.reported);
        bits.flag(&mut self.fixed);
        bits.flag(&mut self.reached);
    }
}

impl Leader {
    fn fields(&mut self, bits: &mut Bits) {
        bits.choice(&mut self.phase, &LeaderPhase::ALL);
        bits.flag(&mut self.transfer);
        for number in [&mut self.node, &mut self.known, &mut self.matched, &mut self.proof] {
            bits.number(number, 2);
        }
        bits.number(&mut self.inherited, 3);
    }
}

impl State {
    /// Whether the judge still waits for this leader's set.
    pub(super) fn asks(&self, term: u8) -> bool {
        self.judge == term && !self.fixed && !self.reached
    }

    pub(super) fn tidy_leader(&self, leader: &mut Leader, term: u8) {
        let log = self.voters[usize::from(leader.node)].log;
        let knows_own = leader.known >= self.watched && log.term_at(leader.known) == term;
        if knows_own || !leader.leads() {
            leader.matched = 0;
        }
        if !self.asks(term) {
            leader.inherited = 0;
        }
        // The followers of this leader have voted for the next: the message comes too late.
        let next = self.leaders.get(usize::from(term));
        leader.transfer &= next.is_none_or(|next| next.phase == LeaderPhase::None);
        let may_fix = self.asks(term) && leader.known >= self.watched;
        if leader.phase == LeaderPhase::Deposed && !may_fix {
            leader.phase = LeaderPhase::Gone;
        }
        if leader.phase == LeaderPhase::Gone {
            let (phase, transfer) = (LeaderPhase::Gone, leader.transfer);
            *leader = Leader { phase, transfer, ..Leader::default() };
        }
    }

    /// Voters differ only by what they know and lead: states that differ only in the voters' names
    /// are merged. Traces then change names on the way.
    pub(super) fn sort_voters(&mut self) {
        let roles = |node: u8| {
            let leads = |leader: &Leader| leader.node == node && leader.is_alive();
            self.leaders.each_ref().map(leads)
        };
        let mut order = [0, 1, 2];
        order.sort_by_key(|node| (roles(*node), self.voters[usize::from(*node)]));
        self.voters = order.map(|node| self.voters[usize::from(node)]);
        for leader in self.leaders.iter_mut().filter(|leader| leader.is_alive()) {
            let place = (0..).zip(order).find(|(_, node)| *node == leader.node);
            leader.node = place.map_or(leader.node, |(place, _)| place);
        }
    }

    /// After the last election the voters' own terms, logs and silences decide nothing.
    pub(super) fn forget_votes(&mut self, last: u8) {
        if self.leader(last).phase == LeaderPhase::None {
            return;
        }
        let leaders = &self.leaders;
        for (node, voter) in (0_u8..).zip(&mut self.voters) {
            let leads = leaders.iter().any(|leader| leader.leads() && leader.node == node);
            let log = if leads { voter.log } else { Log::default() };
            *voter = Voter { term: last, log, ..Voter::default() };
        }
    }

    /// Without this the promise cannot be broken any more: the judge's leader has stopped and has
    /// left no set.
    pub(super) fn may_be_judged(&self) -> bool {
        let gone = |term| self.leader(term).phase == LeaderPhase::Gone;
        self.reached || self.judge == 0 || self.fixed || !gone(self.judge)
    }

    pub(super) fn leader(&self, term: u8) -> &Leader {
        &self.leaders[usize::from(term) - 1]
    }

    pub(super) fn leader_mut(&mut self, term: u8) -> &mut Leader {
        &mut self.leaders[usize::from(term) - 1]
    }
}

impl Leader {
    /// Whether it believes that it leads, transferring or not.
    pub(super) fn leads(&self) -> bool {
        matches!(self.phase, LeaderPhase::Leading | LeaderPhase::Transferring)
    }

    /// Whether its process still runs.
    pub(super) fn is_alive(&self) -> bool {
        self.leads() || self.phase == LeaderPhase::Deposed
    }
}

//! What the lease model keeps: voters, leaders, requests for leases and a judge.
//!
//! Must never hold more than decides what can happen: [`State::tidy`] forgets the rest, and only
//! what would do no more than keep a judge waiting.

use super::{
    bits::{Bits, Packed},
    lease::{Flaw, Leases},
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
/// everybody has applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Log(pub(super) [u8; ENTRIES]);

impl Log {
    pub(super) fn len(self) -> u8 {
        self.0.iter().map(|term| u8::from(*term != 0)).sum()
    }

    pub(super) fn term_at(self, index: u8) -> u8 {
        if index == 0 { 1 } else { self.0[usize::from(index) - 1] }
    }

    /// What an up-to-date log is measured by.
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
    /// Ticks for which it votes for nobody: it heard of a leader, or has restarted.
    pub(super) silent: u8,
    /// Whether it has restarted and heard of no leader since; kept only where a flaw needs it.
    pub(super) restarted: bool,
}

/// What became of the leader of a term.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody was elected yet.
    #[default]
    None,
    /// It believes that it leads.
    Leading,
    /// It has begun to hand leadership over.
    Transferring,
    /// It knows of a higher term; its tables are still in memory.
    Deposed,
    /// It has restarted, or has nothing more to say.
    Gone,
}

impl Standing {
    const ALL: [Self; 5] =
        [Self::None, Self::Leading, Self::Transferring, Self::Deposed, Self::Gone];
}

/// The leader of a term: what it alone knows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leader {
    pub(super) standing: Standing,
    /// Whether it ever began to hand over: the message may still be under way.
    pub(super) transfer: bool,
    pub(super) node: u8,
    /// The commit index that it knows.
    pub(super) known: u8,
    /// How far a majority has acknowledged its log, which it may not have noticed yet.
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
    /// Whether any leader ever knew that the watched entry is committed: messages that say so may
    /// arrive for ever.
    pub(super) committed: bool,
    /// Whether the watched replica has applied the watched entry, and whether it said so.
    pub(super) applied: bool,
    pub(super) reported: bool,
    /// Who judges: one with the danger set of the leader of this term, or zero, an origin that has
    /// none and falls back. Judges do not disturb one another: one at a time is enough.
    pub(super) judge: u8,
    /// Whether the judge knows for how long to wait for the watched replica.
    pub(super) fixed: bool,
    /// Ticks for which it waits.
    pub(super) waits: u8,
    /// Whether somebody judged that the entry has reached the region.
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
        bits.choice(&mut self.standing, &Standing::ALL);
        bits.flag(&mut self.transfer);
        for number in [&mut self.node, &mut self.known, &mut self.matched, &mut self.proof] {
            bits.number(number, 2);
        }
        bits.number(&mut self.inherited, 3);
    }
}

impl State {
    /// Forgets what can no longer matter, so that states that behave alike are one.
    pub(super) fn tidy(&mut self, model: &Leases) {
        if self.reached {
            (self.reported, self.fixed, self.waits, self.judge) = (false, false, 0, 0);
        }
        for term in (1_u8..).take(TERMS) {
            let mut leader = *self.leader(term);
            self.tidy_leader(&mut leader, term);
            if leader.standing == Standing::Transferring
                && !model.has(Flaw::GrantsAfterTransferBegan)
            {
                leader.proof = 0;
            }
            *self.leader_mut(term) = leader;
            let counts = self.asks(term) && leader.standing != Standing::Gone;
            for request in self.requests.iter_mut().filter(|request| request.term == term) {
                request.tidy(leader.leads());
                request.counted = if counts { request.counted } else { 0 };
            }
        }
        self.requests.sort_unstable();
        self.forget_votes(model.bounds.terms);
        if model.bounds.nameless {
            self.sort_voters();
        }
    }

    /// Whether the judge still waits for the danger set of this leader.
    fn asks(&self, term: u8) -> bool {
        self.judge == term && !self.fixed && !self.reached
    }

    fn tidy_leader(&self, leader: &mut Leader, term: u8) {
        let log = self.voters[usize::from(leader.node)].log;
        let knows_own = leader.known >= self.watched && log.term_at(leader.known) == term;
        if knows_own || !leader.leads() {
            leader.matched = 0;
        }
        if !self.asks(term) {
            leader.inherited = 0;
        }
        // Whoever followed this leader has voted for the next: the message comes too late.
        let next = self.leaders.get(usize::from(term));
        leader.transfer &= next.is_none_or(|next| next.standing == Standing::None);
        let may_fix = self.asks(term) && leader.known >= self.watched;
        if leader.standing == Standing::Deposed && !may_fix {
            leader.standing = Standing::Gone;
        }
        if leader.standing == Standing::Gone {
            let (standing, transfer) = (Standing::Gone, leader.transfer);
            *leader = Leader { standing, transfer, ..Leader::default() };
        }
    }

    /// Voters differ by nothing but what they know and what they lead: states that differ by
    /// their names only are one. Traces would then change names on the way.
    fn sort_voters(&mut self) {
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
    fn forget_votes(&mut self, last: u8) {
        if self.leader(last).standing == Standing::None {
            return;
        }
        let leaders = &self.leaders;
        for (node, voter) in (0_u8..).zip(&mut self.voters) {
            let leads = leaders.iter().any(|leader| leader.leads() && leader.node == node);
            let log = if leads { voter.log } else { Log::default() };
            *voter = Voter { term: last, log, ..Voter::default() };
        }
    }

    /// Without this the promise cannot be broken any more: the judge's leader is gone and has left
    /// no danger set.
    pub(super) fn may_be_judged(&self) -> bool {
        let gone = |term| self.leader(term).standing == Standing::Gone;
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
    /// Whether it believes that it leads, handing over or not.
    pub(super) fn leads(&self) -> bool {
        matches!(self.standing, Standing::Leading | Standing::Transferring)
    }

    /// Whether its process still runs.
    pub(super) fn is_alive(&self) -> bool {
        self.leads() || self.standing == Standing::Deposed
    }
}

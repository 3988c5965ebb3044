//! A lease request in transit, and the lease that it becomes, as the models of one group share
//! them.
//!
//! Must never merge the two ends of a lease: the holder's count and the leader's count begin at
//! different times.

use super::{bits::Bits, search::down};

/// Length of a lease, in ticks.
pub(super) const LEASE: u8 = 2;

/// The stage of a lease request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    #[default]
    Free,
    /// On its way to a leader.
    Sent,
    /// Seen by a leader that has not written it down yet; only where a rule is left out.
    Seen,
    /// In the leader's table.
    Registered,
    /// Leadership is proved and the index read; the table does not know yet.
    Proved,
    /// The table knows, the answer is on its way.
    Granted,
    /// The replica has the answer.
    Held,
}

/// A request for a lease, and the lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Request {
    pub(super) stage: Stage,
    /// The term of the leader that has it.
    pub(super) term: u8,
    /// Ticks until the replica's own time of asking plus the length.
    pub(super) left: u8,
    /// Ticks for which the leader's table counts it.
    pub(super) counted: u8,
    /// Whether its index is below the watched entry.
    pub(super) old: bool,
}

impl Request {
    /// One that is sent now.
    pub(super) fn sent() -> Self {
        Self { stage: Stage::Sent, left: LEASE, ..Self::default() }
    }

    pub(super) fn fields(&mut self, bits: &mut Bits) {
        const STAGES: [Stage; 7] = [
            Stage::Free,
            Stage::Sent,
            Stage::Seen,
            Stage::Registered,
            Stage::Proved,
            Stage::Granted,
            Stage::Held,
        ];
        bits.choice(&mut self.stage, &STAGES);
        bits.number(&mut self.term, 2);
        bits.number(&mut self.left, 2);
        bits.number(&mut self.counted, 2);
        bits.flag(&mut self.old);
    }

    /// A tick passes for the table, and for the holder if its lease has begun. An expired lease is
    /// dropped: a table that counts it could only delay a judge.
    pub(super) fn tick(&mut self, runs: bool) {
        down(&mut self.counted);
        if runs {
            down(&mut self.left);
        }
        if self.left == 0 {
            *self = Self::default();
        }
    }

    /// Whether the leader of this term counts it as a lease that may be below the watched entry.
    /// One that is registered and not recorded counts as if its index were zero, as long as a grant
    /// from it may be valid.
    pub(super) fn allows_stale_read(&self, term: u8) -> bool {
        let unrecorded = matches!(self.stage, Stage::Registered | Stage::Proved);
        self.term == term && (unrecorded || (self.stage >= Stage::Granted && self.old))
    }

    /// Registers it in the table of the leader of this term.
    pub(super) fn register(&mut self, term: u8) {
        (self.stage, self.term, self.counted) = (Stage::Registered, term, LEASE);
    }

    /// The table learns its index and counts from now, after the proof.
    pub(super) fn record(&mut self) {
        (self.stage, self.counted) = (Stage::Granted, LEASE);
    }

    /// Drops a request that no leader will answer, or whose index is not below the watched entry.
    pub(super) fn tidy(&mut self, leads: bool) {
        let unprovable = matches!(self.stage, Stage::Seen | Stage::Registered) && !leads;
        let harmless = self.stage >= Stage::Granted && !self.old;
        if unprovable || harmless {
            *self = Self::default();
        }
    }

    /// The leader that has it restarts: without an answer on its way there will be none.
    pub(super) fn leader_restarts(&mut self, term: u8) {
        if self.term == term
            && matches!(self.stage, Stage::Seen | Stage::Registered | Stage::Proved)
        {
            *self = Self::default();
        }
    }
}

//! What a checker counted of a history that it accepted. It never says whether that is enough.

use std::fmt;

/// The number of checked operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Writes, each with all its attempts.
    pub writes: usize,
    /// Of them, those with a known position.
    pub committed: usize,
    /// Refused at a place in the order.
    pub refused: usize,
    /// Neither known to have happened nor not.
    pub unknown: usize,
    /// Attempts of all writes.
    pub attempts: usize,
    /// Reads that were answered.
    pub reads: usize,
    /// Of them, those that claim to be fresh.
    pub unmarked: usize,
    /// Of these, those that some promise applied to.
    pub bound: usize,
    /// Answers about writes that were asked for by their ids.
    pub questions: usize,
}

impl Summary {
    /// Counts another history too.
    pub const fn add(&mut self, other: &Self) {
        let Self { writes, committed, refused, unknown, attempts, .. } = *other;
        let Self { reads, unmarked, bound, questions, .. } = *other;
        self.writes += writes;
        self.committed += committed;
        self.refused += refused;
        self.unknown += unknown;
        self.attempts += attempts;
        self.reads += reads;
        self.unmarked += unmarked;
        self.bound += bound;
        self.questions += questions;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writes, committed, refused, unknown, attempts, reads, unmarked, .. } = self;
        let Self { bound, questions, .. } = self;
        write!(f, "{writes} writes in {attempts} attempts: {committed} committed, ")?;
        write!(f, "{refused} refused, {unknown} unknown; {reads} reads: {unmarked} unmarked, ")?;
        write!(f, "{bound} of them under a promise; {questions} answers about writes")
    }
}

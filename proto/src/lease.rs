//! Read leases: a replica's right to answer reads unmarked for a while, and what a leader says of
//! who may hold one.
//!
//! The rules are in `concordat-cluster`'s `consistency`; here are only the words. Every span is
//! counted by the clock of whoever holds it: nothing here is a point in time, for two nodes share no
//! clock.

use std::time::Duration;

use crate::{
    id::{GroupId, NodeId},
    log::{LogIndex, Term},
    region::Region,
};

/// How long leases are, and how far clocks may run apart: one setting for the cluster, carried into
/// each group by an entry of its own log, so that a new leader knows what those before it granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    /// The length for replicas in the group's home region. A node of it that dies or hangs costs
    /// the writes there this much, once.
    pub home: Duration,
    /// The length for all others; it must be well above the round trip to the leader.
    pub away: Duration,
    /// By how many per cent the monotonic clocks of two nodes may run apart.
    pub drift_percent: u32,
}

impl LeaseTerms {
    /// What holds until an operator says otherwise.
    pub const DEFAULT: Self = Self {
        home: Duration::from_millis(500),
        away: Duration::from_millis(1500),
        drift_percent: 1,
    };

    /// The longer of the two lengths.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.home.max(self.away)
    }
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A group's lease terms, and the most that ever held in it: what a new leader must wait out, for
/// those before it may have granted under any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRecord {
    /// What holds now.
    pub terms: LeaseTerms,
    /// The longest lease ever granted in the group.
    pub longest: Duration,
    /// The greatest drift ever assumed.
    pub drift_percent: u32,
}

impl LeaseRecord {
    /// A span of another node's clock, made long enough to be counted on one's own: twice the drift,
    /// for either clock may be the fast one.
    #[must_use]
    pub fn stretched(&self, span: Duration) -> Duration {
        span.saturating_add(span.saturating_mul(self.drift_percent.saturating_mul(2)) / 100)
    }

    /// The record after new terms came into force.
    #[must_use]
    pub fn followed_by(&self, terms: LeaseTerms) -> Self {
        Self {
            terms,
            longest: self.longest.max(terms.longest()),
            drift_percent: self.drift_percent.max(terms.drift_percent),
        }
    }
}

impl Default for LeaseRecord {
    fn default() -> Self {
        let terms = LeaseTerms::DEFAULT;
        Self { terms, longest: terms.longest(), drift_percent: terms.drift_percent }
    }
}

/// What a replica may do in its group, beside what its membership says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaMark {
    /// It has caught up once: it may hold leases, and its region counts for `all_regions`.
    Serving,
    /// It is granted no lease any more, so that it can be removed when its last one is over.
    Leaving,
}

/// A lease, as its leader grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseGrant {
    /// In which group.
    pub group: GroupId,
    /// In which term.
    pub term: Term,
    /// What its holder must have applied before it may answer unmarked.
    pub covers: LogIndex,
    /// How long it lasts, counted from when its holder *asked*.
    pub length: Duration,
}

/// Who may hold a lease that was granted before an entry was committed, as the group's leader knew
/// at a moment after the commit. Such a replica may answer without the entry; nobody else can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DangerSet {
    /// Every region of the membership in force, in order of name.
    pub regions: Vec<RegionDanger>,
}

/// One region's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionDanger {
    /// The region.
    pub region: Region,
    /// Whether it has a serving replica: only then `all_regions` asks for one that has applied.
    pub counts: bool,
    /// All its replicas.
    pub replicas: Vec<ReplicaDanger>,
}

/// One replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaDanger {
    /// Who.
    pub node: NodeId,
    /// For how long yet it may hold such a lease; zero when it cannot.
    pub left: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_what_those_before_may_have_granted() {
        let short = LeaseTerms { home: Duration::from_millis(100), ..LeaseTerms::DEFAULT };
        let long = LeaseTerms { away: Duration::from_secs(4), drift_percent: 3, ..short };
        let record = LeaseRecord::default().followed_by(long).followed_by(short);
        assert_eq!(record.terms, short);
        assert_eq!((record.longest, record.drift_percent), (Duration::from_secs(4), 3));
    }

    #[test]
    fn a_span_is_stretched_by_twice_the_drift() {
        let record = LeaseRecord::default();
        assert_eq!(record.stretched(Duration::from_secs(1)), Duration::from_millis(1020));
        assert_eq!(record.stretched(Duration::MAX), Duration::MAX);
    }
}

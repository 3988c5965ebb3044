//! Read leases: a replica's right to answer fresh reads for a limited time, and the leader's list
//! of replicas that may hold one.
//!
//! The rules are in `concordat-cluster`'s `consistency`; this file has only the types. Every
//! duration is measured on the holder's own clock. Nothing here is a point in time, because two
//! nodes share no clock.

use std::time::Duration;

use crate::base::{
    id::{GroupId, NodeId},
    log::{LogIndex, Term},
    region::Region,
};

/// The length of leases, and the assumed drift of clocks: one setting for the cluster, written into
/// each group's own log, so that a new leader knows what earlier leaders granted.
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
    /// The values until an operator sets others.
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

/// A group's lease terms, and the longest that ever applied in it: a new leader must wait that
/// long, because earlier leaders may have granted under any of them.
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

/// A replica's role for leases, beside its role in the membership.
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
    /// The index that its holder must have applied before it may answer fresh reads.
    pub covers: LogIndex,
    /// Its length, counted from when its holder *asked*.
    pub length: Duration,
}

/// The replicas that may hold a lease from before an entry was committed, as the group's leader
/// knew them at a moment after the commit. Only such a replica may answer reads without the entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaleReaderSet {
    /// Every region of the membership in force, in order of name.
    pub regions: Vec<RegionStaleReaders>,
}

/// One region's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionStaleReaders {
    /// The region.
    pub region: Region,
    /// Whether the region has a serving replica: only then `all_regions` requires one that has
    /// applied.
    pub counts: bool,
    /// All its replicas.
    pub replicas: Vec<StaleReader>,
}

/// One replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleReader {
    /// The node.
    pub node: NodeId,
    /// The remaining time for which it may hold such a lease; zero when it cannot.
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

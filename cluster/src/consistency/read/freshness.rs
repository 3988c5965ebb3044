//! Whether a replica's state may be read unmarked, and as of when it is.
//!
//! It must never call a state current that no lease covers.

use concordat_proto::time::LogTime;

/// Whether this node's replica of a group may answer reads unmarked: it holds a lease, and has
/// applied what the lease covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It is.
    Current,
    /// It may not.
    Stale {
        /// As of when its state is at least.
        as_of: AsOf,
    },
}

/// As of when a state is, that is not proved to be current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// Nothing is here: no entry of the group that has a time has been applied.
    Nothing,
    /// The log time of the newest entry that was applied. This process has never been current with
    /// the group, so it cannot know how much is missing: what is not in the state may be in the
    /// cluster since long.
    Applied(LogTime),
    /// The process has been current with the group: its own wall time when it asked for the newest
    /// lease whose index it has applied, or a log time beyond that. What is not in the state was not
    /// in the cluster then.
    Proven(LogTime),
}

impl AsOf {
    /// Of two states that an answer is computed from: the earlier moment, and the weaker proof.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::Proven(one), Self::Proven(two)) => Self::Proven(one.min(two)),
            (Self::Applied(one) | Self::Proven(one), Self::Applied(two) | Self::Proven(two)) => {
                Self::Applied(one.min(two))
            }
        }
    }

    /// The moment; none where nothing is here.
    #[must_use]
    pub const fn time(self) -> Option<LogTime> {
        match self {
            Self::Nothing => None,
            Self::Applied(time) | Self::Proven(time) => Some(time),
        }
    }
}

impl Freshness {
    /// Whether it may be said that something is not there: the state is current, or this process has
    /// been current with it.
    #[must_use]
    pub const fn knows_absence(self) -> bool {
        matches!(self, Self::Current | Self::Stale { as_of: AsOf::Proven(_) })
    }
}

impl Freshness {
    /// The freshness of a replica's state. `is_current`: its lease covers the state now. If it does
    /// not, `proven` is the newest moment that the state is proven to include, and `applied` the
    /// log time of its newest entry.
    #[must_use]
    pub fn of(
        is_current: bool,
        proven: impl FnOnce() -> Option<LogTime>,
        applied: impl FnOnce() -> LogTime,
    ) -> Self {
        if is_current {
            return Self::Current;
        }
        let as_of = proven().map(AsOf::Proven);
        Self::Stale { as_of: as_of.unwrap_or_else(|| AsOf::applied(applied())) }
    }
}

impl AsOf {
    /// How far a state is by its own record.
    #[must_use]
    pub const fn applied(log_time: LogTime) -> Self {
        // A log's first entries are the library's own, and have no time.
        match log_time {
            LogTime(0) => Self::Nothing,
            time => Self::Applied(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_current_by_a_lease_and_else_as_old_as_can_be_shown() {
        let of = |is_current, proven: Option<u64>, applied| {
            Freshness::of(is_current, || proven.map(LogTime), || LogTime(applied))
        };
        let stale = |as_of| Freshness::Stale { as_of };
        assert_eq!(of(true, None, 0), Freshness::Current);
        assert_eq!(of(false, Some(7), 9), stale(AsOf::Proven(LogTime(7))));
        assert_eq!(of(false, None, 9), stale(AsOf::Applied(LogTime(9))));
        assert_eq!(of(false, None, 0), stale(AsOf::Nothing));
        let knows =
            [of(true, None, 0), of(false, Some(7), 9), of(false, None, 9), of(false, None, 0)];
        assert_eq!(knows.map(Freshness::knows_absence), [true, true, false, false]);
    }

    #[test]
    fn of_two_states_the_earlier_moment_and_the_weaker_proof_counts() {
        let (proven, applied) = (|at| AsOf::Proven(LogTime(at)), |at| AsOf::Applied(LogTime(at)));
        for (one, other, both) in [
            (proven(3), proven(5), proven(3)),
            (proven(3), applied(5), applied(3)),
            (applied(2), applied(5), applied(2)),
            (AsOf::Nothing, proven(5), AsOf::Nothing),
        ] {
            assert_eq!((one.earlier(other), other.earlier(one)), (both, both));
        }
    }
}

//! Whether a replica keeps pace: how long it takes until it has synced and reported the entries
//! that it shows.
//!
//! A replica that shows entries and cannot report them (its disk hangs, its reports are lost, its
//! process stalls) delays every write for as long as it holds read leases: each write finds a lease
//! from before it. So such a replica must hold none: it costs one lease, once.
//!
//! Both sides check. The replica itself stops asking for leases when its own disk is late; the
//! leader refuses them to a replica whose reports are late, for any reason. Neither can do harm:
//! fewer leases only mean more stale reads.
//!
//! # The rule
//! A replica is late by the time for which the checking node has shown the oldest entry that the
//! replica has not reported. It falls behind when that exceeds a limit, a part of the lease. It
//! keeps pace again when it has been late by at most half the limit throughout a cooldown. The
//! first cooldown is zero: one stall has no consequence once it is over. A replica that falls
//! behind again soon afterwards has a cooldown of one lease, and twice as long each further time: a
//! disk that hangs repeatedly costs ever fewer leases.
//!
//! Nothing here reads a clock. It must never judge a replica that has nothing to report: in an idle
//! cluster no replica is late.

use std::time::Duration;

use crate::planted;

/// The part of its lease that a replica's own disk may be late by: three syncs that are that slow
/// still fit into a lease.
const DISK_PART: u32 = 3;
/// A lease may be short; a disk that takes this long under load is an ordinary one.
pub const DISK_LATE_MIN: Duration = Duration::from_millis(50);
/// The part of its lease that a replica's reports may be late by: beside its disk there is a round
/// trip between it and the leader.
const REPORT_PART: u32 = 2;
/// A lost report is followed by the next one to every node, a quarter of a second later.
pub const REPORT_LATE_MIN: Duration = Duration::from_millis(300);
/// Falling behind again within this after it kept pace makes the next rest longer.
const RELAPSE: Duration = Duration::from_secs(10);
/// No rest is longer: a disk that is good again serves unmarked reads soon.
const REST_MAX: Duration = Duration::from_secs(10);

/// The limit for a replica's own disk, under leases of this length.
#[must_use]
pub fn disk_limit(lease: Duration) -> Duration {
    (lease / DISK_PART).max(DISK_LATE_MIN)
}

/// The limit for a replica's reports at its leader, under leases of this length.
#[must_use]
pub fn report_limit(lease: Duration) -> Duration {
    (lease / REPORT_PART).max(REPORT_LATE_MIN)
}

/// The limits that a replica is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// By how much it may be late.
    pub limit: Duration,
    /// The length of its lease.
    pub lease: Duration,
}

impl Terms {
    /// For a replica's look at its own disk.
    #[must_use]
    pub fn of_disk(lease: Duration) -> Self {
        Self { limit: disk_limit(lease), lease }
    }

    /// For a leader's look at a replica's reports.
    #[must_use]
    pub fn of_reports(lease: Duration) -> Self {
        Self { limit: report_limit(lease), lease }
    }
}

/// The history of one replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    /// The limits that were applied last; none before it has asked for a lease.
    terms: Option<Terms>,
    /// Since when it has been behind.
    behind_since: Option<Duration>,
    /// While it is: since when it has been prompt again.
    prompt_since: Option<Duration>,
    /// For how long it has to be prompt before it counts as keeping pace.
    rest: Duration,
    /// When it last recovered.
    recovered: Option<Duration>,
}

impl Pace {
    /// A lease is wanted, and it is late by so much now: whether it keeps pace.
    pub fn look(&mut self, late: Duration, terms: &Terms, now: Duration) -> bool {
        self.terms = Some(*terms);
        match self.behind_since {
            None if late > terms.limit => self.fall_behind(terms, now),
            None => {}
            Some(_) if late > terms.limit / 2 => self.prompt_since = None,
            Some(_) => {
                let since = *self.prompt_since.get_or_insert(now);
                if now.saturating_sub(since) >= self.rest {
                    (self.behind_since, self.prompt_since) = (None, None);
                    self.recovered = Some(now);
                }
            }
        }
        self.keeps()
    }

    /// Its newest report was late by `late`: it may have been behind between two checks.
    pub fn on_report(&mut self, late: Duration, now: Duration) {
        if let Some(terms) = self.terms.filter(|terms| late > terms.limit / 2) {
            self.look(late, &terms, now);
        }
    }

    fn fall_behind(&mut self, terms: &Terms, now: Duration) {
        let is_relapse = self.recovered.is_some_and(|at| now.saturating_sub(at) < RELAPSE);
        self.rest = match is_relapse {
            true => self.rest.saturating_mul(2).max(terms.lease).min(REST_MAX),
            false => Duration::ZERO,
        };
        (self.behind_since, self.prompt_since) = (Some(now), None);
    }

    /// Whether it kept pace at the last check.
    #[must_use]
    pub fn keeps(&self) -> bool {
        planted::on_pace(self.behind_since.is_none())
    }

    /// For how long it has been behind.
    #[must_use]
    pub fn behind_for(&self, now: Duration) -> Option<Duration> {
        self.behind_since.map(|since| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const LEASE: Duration = Duration::from_millis(500);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn disk() -> Terms {
        Terms::of_disk(LEASE)
    }

    #[test]
    fn limits_are_parts_of_the_lease_and_no_less_than_a_slow_disk_or_a_lost_report() {
        assert_eq!((disk_limit(ms(600)), report_limit(ms(1500))), (ms(200), ms(750)));
        assert_eq!((disk_limit(ms(100)), report_limit(ms(100))), (ms(50), ms(300)));
    }

    #[test]
    fn one_stall_is_forgiven_at_once() {
        let mut pace = Pace::default();
        assert!(pace.look(disk().limit, &disk(), ms(0)), "not more than the limit");
        assert!(!pace.look(disk().limit + ms(1), &disk(), ms(1)));
        assert!(!pace.look(disk().limit, &disk(), ms(400)), "it is late still");
        assert_eq!(pace.behind_for(ms(401)), Some(ms(400)));
        assert!(pace.look(ms(0), &disk(), ms(500)));
        assert_eq!(pace.behind_for(ms(500)), None);
    }

    #[test]
    fn who_falls_behind_again_rests() {
        let (mut pace, mut now) = (Pace::default(), ms(1000));
        for rest in [0, 500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
            assert!(!pace.look(LEASE, &disk(), now));
            now += ms(5);
            if rest > 0 {
                assert!(!pace.look(ms(0), &disk(), now), "{rest}");
                assert!(!pace.look(ms(0), &disk(), now + ms(rest - 1)), "{rest}");
            }
            assert!(pace.look(ms(0), &disk(), now + ms(rest)), "{rest}");
            now += ms(rest + 5);
        }
        // A good while later it is as any other.
        now += RELAPSE;
        assert!(!pace.look(LEASE, &disk(), now) && pace.look(ms(0), &disk(), now));
    }

    #[test]
    fn a_late_report_counts_between_two_looks() {
        let mut pace = Pace::default();
        pace.on_report(LEASE, ms(0));
        assert!(pace.keeps(), "it wants no lease");
        assert!(pace.look(ms(0), &disk(), ms(0)));
        pace.on_report(ms(1), ms(10));
        assert!(pace.keeps());
        pace.on_report(LEASE, ms(600));
        assert!(!pace.keeps());
        pace.on_report(ms(1), ms(601));
        assert!(!pace.keeps(), "one prompt report is no look");
        assert!(pace.look(ms(0), &disk(), ms(602)));
    }

    #[test]
    fn a_rest_begins_again_when_it_is_late_in_it() {
        let mut pace = Pace { rest: LEASE, behind_since: Some(ms(0)), ..Pace::default() };
        assert!(!pace.look(ms(0), &disk(), ms(10)));
        assert!(!pace.look(disk().limit / 2 + ms(1), &disk(), ms(400)));
        assert!(!pace.look(ms(0), &disk(), ms(520)));
        assert!(pace.look(disk().limit / 2, &disk(), ms(1020)));
    }

    proptest! {
        /// A replica that is never later than the limit always keeps pace: a disk that takes 20 ms a sync
        /// does not make reads flap, nor does an idle cluster.
        #[test]
        fn the_prompt_are_left_alone(looks in vec((0_u64..200, 0_u64..=50), 1..200), lease in 100_u64..5000) {
            let (mut pace, mut now) = (Pace::default(), ms(0));
            for (gap, late) in looks {
                now += ms(gap);
                prop_assert!(pace.look(ms(late), &Terms::of_disk(ms(lease)), now));
                prop_assert!(pace.look(ms(6 * late), &Terms::of_reports(ms(lease)), now));
            }
        }

        /// While a replica is late it does not keep pace, whatever was before; and within any
        /// minute it can fall behind and recover only a few times.
        #[test]
        fn the_late_hold_nothing_and_do_not_flap(
            stalls in vec((0_u64..3000, 167_u64..2000), 1..300),
        ) {
            let (mut pace, mut now, mut falls) = (Pace::default(), ms(0), Vec::new());
            for (prompt, late) in stalls {
                let until = now + ms(prompt);
                while now < until {
                    pace.look(ms(0), &disk(), now);
                    now += ms(100);
                }
                if pace.look(ms(late), &disk(), now) {
                    prop_assert!(false, "late by {late} and keeps pace");
                }
                if pace.behind_for(now) == Some(Duration::ZERO) {
                    falls.push(now);
                }
                now += ms(late);
            }
            for (count, from) in falls.iter().enumerate() {
                let within = falls[count..].iter().take_while(|at| **at < *from + ms(60_000));
                prop_assert!(within.count() <= 22, "{falls:?}");
            }
        }
    }
}

//! The time of a group's log, as this node knows it: the newest stamp applied here, advanced by the
//! steady clock since then, and never behind the cluster's median wall clock
//! ([`crate::consistency::clocks`]).
//!
//! It is advanced one per cent more slowly than the steady clock: by no more than has passed, unless that clock is
//! further off. Otherwise a group without entries for a day would get a leader whose clock is fast, and with the next
//! stamp all records of a leader whose clock is slow would expire.
//!
//! Why not the wall clock alone: log time never goes back. If the clocks had once been a day ahead,
//! every proposal with a right clock would be expired for a day, and no write id and no key would
//! expire. Counted from the log's own time, wrong clocks shift stamps, and once make records expire
//! that much too early: that takes half of all clocks. The design asked a leader whose clock is 10
//! s off its voters' to step down. It need not: it does not stamp with that clock alone. Nothing
//! here may wait, and no lease may be counted by it.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use concordat_proto::{id::GroupId, limits, time::LogTime};

use crate::locks::locked;

/// The least time that has passed when a steady clock has advanced by this, if it is right within the least drift that
/// any cluster assumes. One that is further off may still run ahead by the rest.
fn passed(advanced: Duration) -> Duration {
    advanced * (100 - limits::CLOCK_DRIFT_PERCENT_MIN) / 100
}

/// Per group: a log time, and when it was that time by the steady clock.
#[derive(Debug, Default)]
pub(crate) struct GroupTimes(Mutex<BTreeMap<GroupId, (LogTime, Duration)>>);

impl GroupTimes {
    /// A group's log has reached a time.
    pub(crate) fn observed(&self, group: GroupId, time: LogTime, steady: Duration) {
        let mut times = locked(&self.0);
        let known = times.entry(group).or_insert((time, steady));
        if time > known.0.after(passed(steady.saturating_sub(known.1))) {
            *known = (time, steady);
        }
    }

    /// The group's time now; `wall` is the cluster's median wall clock.
    pub(crate) fn now(&self, group: GroupId, wall: LogTime, steady: Duration) -> LogTime {
        let times = locked(&self.0);
        let known = times.get(&group);
        let goes_on = known.map(|(time, at)| time.after(passed(steady.saturating_sub(*at))));
        goes_on.map_or(wall, |time| time.max(wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupId = GroupId(1);

    #[test]
    fn a_group_that_is_ahead_goes_on_at_the_pace_of_time() {
        let times = GroupTimes::default();
        let at = Duration::from_secs;
        assert_eq!(times.now(GROUP, LogTime(5000), at(1)), LogTime(5000), "nothing is known");
        times.observed(GROUP, LogTime(100_000), at(1));
        assert_eq!(times.now(GROUP, LogTime(5000), at(4)), LogTime(102_970));
        assert_eq!(times.now(GROUP, LogTime(900_000), at(4)), LogTime(900_000), "the wall leads");
        // An older stamp does not hold it back, a newer one sets it on.
        times.observed(GROUP, LogTime(101_000), at(4));
        assert_eq!(times.now(GROUP, LogTime(0), at(5)), LogTime(103_960));
        times.observed(GROUP, LogTime(200_000), at(5));
        assert_eq!(times.now(GROUP, LogTime(0), at(6)), LogTime(200_990));
    }

    /// After an idle day its leader was minutes ahead of the wall clocks, and the next leader was not.
    #[test]
    fn a_fast_steady_clock_does_not_carry_an_idle_group_ahead_of_the_wall() {
        let times = GroupTimes::default();
        times.observed(GROUP, LogTime(0), Duration::ZERO);
        let day = Duration::from_hours(24);
        let by_wall = LogTime(0).after(day);
        for percent in [0, 1] {
            let fast = day + day * percent / 100;
            assert_eq!(times.now(GROUP, by_wall, fast), by_wall, "{percent} % fast");
        }
        assert!(times.now(GROUP, LogTime(0), day) > LogTime(0).after(day * 98 / 100), "it goes on");
    }
}

//! The only place that reads the machine's clocks: the wall clock for stamps and ids, never for
//! waits; and the clock that includes suspension, for leases.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use concordat_cluster::raft::{SteadyClock, WallClock};
use concordat_proto::time::LogTime;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> LogTime {
        #[expect(clippy::disallowed_methods, reason = "this is the place that hands it in")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since_epoch.unwrap_or(Duration::ZERO).as_millis();
        LogTime(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

/// The machine's clock since it was booted, sleep included (`CLOCK_BOOTTIME`): a process that was
/// suspended with its machine must find its leases over.
#[derive(Debug, Clone, Copy, Default)]
pub struct BootClock;

impl SteadyClock for BootClock {
    fn now(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}

/// Shows a time as RFC 3339 in UTC, to the millisecond.
#[derive(Debug, Clone, Copy)]
pub struct Stamp(pub LogTime);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0.0).saturating_mul(1_000_000);
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        match time.and_then(|time| time.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => f.write_str("9999-12-31T23:59:59Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_rfc_3339() {
        assert_eq!(Stamp(LogTime(0)).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Stamp(LogTime(1_600_000_000_123)).to_string(), "2020-09-13T12:26:40.123Z");
        assert_eq!(Stamp(LogTime(u64::MAX)).to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn the_steady_clock_goes_forward() {
        let before = BootClock.now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(BootClock.now() >= before + Duration::from_millis(2));
    }

    #[test]
    fn the_clock_is_past_the_day_this_was_written() {
        assert!(SystemClock.now() > LogTime(1_700_000_000_000));
    }
}

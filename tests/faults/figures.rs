//! The parameters of `make faults`, and the times that it prints.
//!
//! Times are printed beside their goals and never judged here: the machines that run this are
//! shared, and a missed goal is to be investigated, not a broken promise.

use std::{fmt, time::Duration};

/// A number from the environment, as `make faults` sets it.
///
/// # Panics
/// When it is no number.
pub(crate) fn asked(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test is no part of the node's environment")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// The duration of the long run, and never less than its rounds.
pub(crate) fn minutes() -> Duration {
    Duration::from_secs(60 * asked("CONCORDAT_FAULTS_MINUTES").unwrap_or(0))
}

/// Times of one thing that was done again and again.
#[derive(Debug, Clone)]
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    pub(crate) fn of(times: &[Duration]) -> Self {
        let mut times = times.to_vec();
        times.sort();
        Self(times)
    }

    /// The time that this percentage does not exceed; of few times, the longest.
    fn percentile(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |percent| self.percentile(percent).as_secs_f64();
        let (count, half, most) = (self.0.len(), seconds(50), seconds(99));
        write!(f, "p50 {half:.2} s, p99 {most:.2} s ({count} times)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_many_and_of_few() {
        let times: Vec<Duration> = (1..=200).rev().map(Duration::from_secs).collect();
        let spread = Spread::of(&times);
        assert_eq!(spread.to_string(), "p50 100.00 s, p99 198.00 s (200 times)");
        let few = Spread::of(&times[..3]);
        assert_eq!(few.percentile(99), Duration::from_secs(200));
        assert_eq!(Spread::of(&[]).percentile(99), Duration::ZERO);
    }
}

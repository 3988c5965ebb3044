//! Histograms of durations. Counted without a lock.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper ends of the buckets, in microseconds.
const ENDS_US: [u64; 17] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    150_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    30_000_000,
    120_000_000,
];

/// Durations counted by bucket.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; ENDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub(crate) fn observe(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = ENDS_US.iter().position(|end| took_us <= *end) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(took_us, Ordering::Relaxed);
    }

    /// Writes it as Prometheus reads it.
    pub(crate) fn write(&self, text: &mut String, name: &str, labels: &str) {
        let mut below = 0;
        for (end, bucket) in ENDS_US.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let end = seconds(*end);
            line(text, &format!("{name}_bucket{{{labels},le=\"{end}\"}} {below}"));
        }
        // Read last: never less than the sum of the buckets.
        let count = self.count.load(Ordering::Relaxed).max(below);
        line(text, &format!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}"));
        let sum = seconds(self.sum_us.load(Ordering::Relaxed));
        line(text, &format!("{name}_sum{{{labels}}} {sum}"));
        line(text, &format!("{name}_count{{{labels}}} {count}"));
    }
}

/// The header of a metric.
pub(crate) fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, &format!("# HELP {name} {help}"));
    line(text, &format!("# TYPE {name} {kind}"));
}

/// A line of text.
pub(crate) fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes all");
}

/// Microseconds in the unit that Prometheus asks for.
pub(crate) fn seconds(us: u64) -> String {
    let (whole, part) = (us / 1_000_000, us % 1_000_000);
    let text = format!("{whole}.{part:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let histogram = Histogram::default();
        for ms in [1, 1, 3, 100_000, 1_000_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let mut text = String::new();
        histogram.write(&mut text, "x_seconds", "a=\"b\"");
        for expected in [
            "x_seconds_bucket{a=\"b\",le=\"0.0005\"} 0",
            "x_seconds_bucket{a=\"b\",le=\"0.001\"} 2",
            "x_seconds_bucket{a=\"b\",le=\"0.005\"} 3",
            "x_seconds_bucket{a=\"b\",le=\"120\"} 4",
            "x_seconds_bucket{a=\"b\",le=\"+Inf\"} 5",
            "x_seconds_sum{a=\"b\"} 1100.005",
            "x_seconds_count{a=\"b\"} 5",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
        }
    }
}

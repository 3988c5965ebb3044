//! The result of a seed, as the runner reads it. It must not judge.

use std::time::Duration;

use serde_json::json;

use crate::trace::Trace;

/// The result of a seed.
#[derive(Debug)]
pub(crate) struct Report {
    pub(super) seed: u64,
    pub(crate) violation: Option<String>,
    pub(super) simulated: Duration,
    /// Beside that, the time that was jumped over.
    pub(super) suspended: Duration,
    pub(super) trace: (u64, u64),
    pub(super) kinds: Vec<(&'static str, u64)>,
    pub(super) summary: String,
    pub(super) counts: [usize; 6],
    pub(super) shape: String,
}

impl Report {
    /// Adds the result of a scene in a cluster of its own, which follows: whether it showed what it is about.
    pub(crate) fn add_scene(
        &mut self,
        kind: &'static str,
        shown: Result<bool, String>,
        trace: &Trace,
    ) {
        match shown {
            Ok(false) => {}
            Ok(true) => self.kinds.push((kind, 1)),
            Err(reason) => self.violation = self.violation.take().or(Some(reason)),
        }
        self.trace = trace.end();
    }

    /// As one line of JSON.
    pub(crate) fn line(&self) -> String {
        let kinds: serde_json::Map<String, serde_json::Value> =
            self.kinds.iter().map(|(kind, count)| ((*kind).to_owned(), json!(count))).collect();
        let [writes, committed, reads, unmarked, bound, questions] = self.counts;
        json!({
            "seed": self.seed, "violation": self.violation, "shape": self.shape,
            "simulated_ms": u64::try_from(self.simulated.as_millis()).unwrap_or(u64::MAX),
            "idle_s": self.suspended.as_secs(),
            "lines": self.trace.0, "trace": format!("{:016x}", self.trace.1),
            "cpu_ms": cpu_ms(), "kinds": kinds, "summary": self.summary,
            "writes": writes, "committed": committed, "reads": reads, "unmarked": unmarked,
            "bound": bound, "questions": questions,
        })
        .to_string()
    }
}

/// Processor time of this process so far, by the kernel's books: the clock is the simulation's.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    10 * ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()
}

//! Seeds as processes, and their reports.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, mpsc},
};

use serde_json::Value;

use crate::kinds::KINDS;

/// From this many seeds on every kind must have been hit, and the speed counts.
const LONG_FROM: usize = 100;
/// Simulated seconds per second of processor time: the goal, reached on an idle machine.
const SPEED_GOAL: u64 = 25;
/// The least speed. A busy machine was five times slower than an idle one: only a loop that is busy for nothing
/// is slower than this.
const SPEED_MIN: u64 = 1;
/// A seed takes seconds; one that takes this many of processor time hangs.
const CPU_LIMIT_S: u32 = 300;

/// The report of a seed's process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) violation: Option<String>,
    pub(crate) trace: String,
    pub(crate) lines: u64,
    simulated_ms: u64,
    idle_s: u64,
    cpu_ms: u64,
    kinds: BTreeMap<String, u64>,
    counts: [u64; 5],
    is_silent: bool,
}

impl Report {
    fn of(seed: u64, line: &str, end: &str) -> Self {
        let Ok(said) = serde_json::from_str::<Value>(line) else {
            let violation = Some(format!("its process ended without a report: {end}"));
            return Self { seed, violation, is_silent: true, ..Self::default() };
        };
        let number = |name: &str| said[name].as_u64().unwrap_or(0);
        let kinds = said["kinds"].as_object().into_iter().flatten();
        Self {
            seed,
            violation: said["violation"].as_str().map(str::to_owned),
            trace: said["trace"].as_str().unwrap_or_default().to_owned(),
            lines: number("lines"),
            simulated_ms: number("simulated_ms"),
            idle_s: number("idle_s"),
            cpu_ms: number("cpu_ms"),
            kinds: kinds.map(|(kind, count)| (kind.clone(), count.as_u64().unwrap_or(0))).collect(),
            counts: ["committed", "reads", "unmarked", "bound", "questions"].map(number),
            is_silent: false,
        }
    }
}

/// Runs seeds.
#[derive(Debug)]
pub(crate) struct Runner {
    program: PathBuf,
    jobs: usize,
}

impl Runner {
    /// With the seeds' program beside this one.
    pub(crate) fn beside_this(jobs: usize) -> io::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("concordat-sim-seed");
        Ok(Self { program, jobs: jobs.max(1) })
    }

    /// Lists the planted bugs of the build.
    pub(crate) fn bugs(&self) -> io::Result<Vec<String>> {
        let listed = Command::new(&self.program).arg("--bugs").output()?;
        Ok(String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect())
    }

    /// Runs them, and passes on each report as it comes; `take` returns whether to continue.
    pub(crate) fn run_while(
        &self,
        seeds: impl Iterator<Item = u64> + Send,
        bug: Option<&str>,
        take: &mut dyn FnMut(Report) -> bool,
    ) {
        let seeds = Mutex::new(seeds);
        let (tx, rx) = mpsc::sync_channel(0);
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                let (tx, seeds) = (tx.clone(), &seeds);
                scope.spawn(move || {
                    loop {
                        let next = seeds.lock().map(|mut seeds| seeds.next());
                        let Ok(Some(seed)) = next else { return };
                        if tx.send(self.one(seed, bug)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(tx);
            for report in &rx {
                if !take(report) {
                    break;
                }
            }
            // The others end with the seed that they are at.
            drop(rx);
        });
    }

    /// Runs them all.
    pub(crate) fn run(
        &self,
        seeds: impl Iterator<Item = u64> + Send,
        bug: Option<&str>,
        take: &mut dyn FnMut(Report),
    ) {
        self.run_while(seeds, bug, &mut |report| {
            take(report);
            true
        });
    }

    /// Runs one.
    pub(crate) fn one(&self, seed: u64, bug: Option<&str>) -> Report {
        // The limit is the kernel's: a seed that hangs is a finding too.
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -t {CPU_LIMIT_S}; exec \"$0\" \"$@\""));
        command.arg(&self.program).args(["--seed", &seed.to_string()]);
        command.args(bug.map(|bug| ["--planted", bug]).into_iter().flatten());
        command.env("RUST_BACKTRACE", "0").stdin(Stdio::null());
        match command.output() {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let last = said.lines().last().unwrap_or_default();
                let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
                let end = format!("{}: {}", output.status, first_chars(&complaint, 600));
                Report::of(seed, last, &end)
            }
            Err(error) => Report::of(seed, "", &error.to_string()),
        }
    }
}

fn first_chars(text: &str, count: usize) -> String {
    text.chars().take(count).collect()
}

/// The result of many seeds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) seeds: usize,
    pub(crate) failed: Vec<(u64, String)>,
    /// Of these, the number that makes the run fail.
    counting: usize,
    pub(crate) simulated_ms: u64,
    /// Idle time that was jumped over, beside the simulated time.
    pub(crate) idle_s: u64,
    pub(crate) silent: usize,
    cpu_ms: u64,
    kinds: BTreeMap<String, (u64, usize)>,
    counts: [u64; 5],
}

impl Tally {
    /// Takes a report in; `counts` says whether a failure makes the run fail.
    pub(crate) fn take(&mut self, report: Report, counts: bool) {
        self.seeds += 1;
        self.silent += usize::from(report.is_silent);
        self.simulated_ms += report.simulated_ms;
        self.idle_s += report.idle_s;
        self.cpu_ms += report.cpu_ms;
        for (kind, count) in report.kinds {
            let known = self.kinds.entry(kind).or_default();
            *known = (known.0 + count, known.1 + 1);
        }
        for (sum, count) in self.counts.iter_mut().zip(report.counts) {
            *sum += count;
        }
        if let Some(violation) = report.violation {
            println!("seed {} fails: {violation}", report.seed);
            println!("  again: make sim SEED={}", report.seed);
            self.counting += usize::from(counts);
            self.failed.push((report.seed, violation));
        }
    }

    /// Whether a seed failed that does not make the run fail.
    pub(crate) fn has_failed_fresh(&self) -> bool {
        self.failed.len() > self.counting
    }

    fn missed(&self) -> Vec<&'static str> {
        KINDS.into_iter().filter(|kind| !self.kinds.contains_key(*kind)).collect()
    }

    pub(crate) fn is_good(&self, wanted: usize) -> bool {
        let is_thorough = self.missed().is_empty() && self.speed() >= SPEED_MIN;
        self.seeds >= wanted && self.counting == 0 && (wanted < LONG_FROM || is_thorough)
    }

    /// Seconds simulated for one of processor time.
    fn speed(&self) -> u64 {
        self.simulated_ms / self.cpu_ms.max(1)
    }

    pub(crate) fn print(&self) {
        println!("{:28} {:>8} {:>6}", "kind of fault", "times", "seeds");
        for kind in KINDS {
            let (count, seeds) = self.kinds.get(kind).copied().unwrap_or_default();
            println!("{kind:28} {count:>8} {seeds:>6}");
        }
        let [committed, reads, unmarked, bound, questions] = self.counts;
        println!(
            "simulation: {committed} writes committed; {reads} reads, {unmarked} unmarked, {bound} \
             of them under a promise; {questions} answers about writes by their ids"
        );
        let (simulated_s, cpu_s) = (self.simulated_ms / 1000, self.cpu_ms / 1000);
        println!(
            "simulation: {} seeds, {} failed; {simulated_s} s simulated in {cpu_s} s of processor \
             time: {} to 1, where {SPEED_GOAL} is the goal and {SPEED_MIN} the least",
            self.seeds,
            self.failed.len(),
            self.speed()
        );
        println!("simulation: {} idle hours were jumped over beside that", self.idle_s / 3600);
        for kind in self.missed() {
            println!("simulation: never hit: {kind}");
        }
        if self.has_failed_fresh() {
            println!(
                "simulation: A FRESH SEED HAS FOUND SOMETHING. This run does not fail by it, since"
            );
            println!(
                "simulation: nobody chose that seed; but it is a fault, here or in the product:"
            );
            for (seed, violation) in &self.failed {
                println!("simulation: make sim SEED={seed}    {violation}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(simulated_ms: u64, kinds: usize) -> Tally {
        let kinds = KINDS[..kinds].iter().map(|kind| ((*kind).to_owned(), (1, 1))).collect();
        Tally { seeds: LONG_FROM, simulated_ms, cpu_ms: 1000, kinds, ..Tally::default() }
    }

    #[test]
    fn a_long_run_is_fast_and_misses_no_kind() {
        let fast = SPEED_MIN * 1000;
        assert!(tally(fast, KINDS.len()).is_good(LONG_FROM));
        assert!(!tally(fast - 1, KINDS.len()).is_good(LONG_FROM), "too slow");
        assert!(!tally(fast, KINDS.len() - 1).is_good(LONG_FROM), "one was never hit");
        assert!(tally(0, 0).is_good(LONG_FROM - 1), "a short one may be and miss what it likes");
        assert!(!tally(fast, KINDS.len()).is_good(LONG_FROM + 1), "seeds are missing");
    }

    #[test]
    fn a_seed_that_nobody_chose_fails_no_gate() {
        let failed = |seed| Report { seed, violation: Some("lost".into()), ..Report::default() };
        let mut gate = Tally::default();
        gate.take(failed(9), false);
        assert!(gate.is_good(1) && gate.has_failed_fresh() && gate.failed.len() == 1);
        gate.take(failed(1), true);
        assert!(!gate.is_good(1), "a fixed one does");
        let mut chosen = Tally::default();
        chosen.take(failed(9), true);
        assert!(!chosen.is_good(1) && !chosen.has_failed_fresh());
    }
}

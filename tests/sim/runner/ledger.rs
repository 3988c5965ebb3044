//! Which seeds were run at which commit, and which have ever failed: two files of the repository.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use crate::seeds::Tally;

/// Seeds that have found something, with the finding.
const FAILED_ONCE: &str = include_str!("../failed_once.tsv");

/// Every seed that ever failed.
pub(crate) fn failed_once() -> Vec<u64> {
    let lines = FAILED_ONCE.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('\t').next()?.parse().ok()).collect()
}

/// Adds a line: commit, first seed, seeds, failed, simulated seconds.
pub(crate) fn note(path: &Path, commit: &str, from: u64, tally: &Tally) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    let failed: Vec<String> = tally.failed.iter().map(|(seed, _)| seed.to_string()).collect();
    let failed = if failed.is_empty() { "-".to_owned() } else { failed.join(",") };
    let (seeds, simulated_s) = (tally.seeds, tally.simulated_ms / 1000);
    writeln!(file, "{commit}\t{from}\t{seeds}\t{failed}\t{simulated_s}")
}

//! Planted bugs: whether each one is found, by how many seeds, and by which rule.
//!
//! The seed that its row in the table names is tried first, wherever it is: some bugs are known by one that
//! is far off.
//!
//! A bug is found by a seed that fails with it and passes without it, in the same build: one that
//! fails either way has found something, but not this.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use crate::seeds::{Report, Runner};

/// The table as it was when this was built.
const TABLE: &str = include_str!("../planted.tsv");

const HEAD: &str = "\
# Planted bugs (`concordat-sim planted --table FILE`): how many of so many seeds found each, the first of
# them, and by which rule of histories or which invariant. Found is one that fails with the bug and passes
# without it, in the same build. Where the second column says 1, the run stopped there. Seeds are the one of
# the bug's row in the table before, and those from 1 on.
# bug\tfound\tseeds\tfirst\tfound by
";

/// The result for one bug.
struct Row<'a> {
    bug: &'a str,
    found: usize,
    seeds: usize,
    /// The seed, and how it found it.
    first: Option<(u64, String)>,
}

/// Seeds that fail without any bug.
#[derive(Default)]
struct Controls(BTreeMap<u64, bool>);

impl Controls {
    fn passes(&mut self, runner: &Runner, seed: u64) -> bool {
        let run = || {
            let violation = runner.one(seed, None).violation;
            if let Some(violation) = &violation {
                println!("seed {seed} fails without any bug: {violation}");
            }
            violation.is_none()
        };
        *self.0.entry(seed).or_insert_with(run)
    }
}

/// Runs each bug's seeds; false when one is never found, or there is none.
pub(crate) fn all(
    runner: &Runner,
    (from, count): (u64, usize),
    stops_at_first: bool,
    table: Option<&Path>,
    only: &[String],
) -> bool {
    let bugs = runner.bugs().unwrap_or_default();
    let bugs: Vec<&String> =
        bugs.iter().filter(|bug| only.is_empty() || only.contains(bug)).collect();
    println!("{:28} {:>5} {:>5}  {:<16} at", "planted bug", "found", "of", "by");
    let mut controls = Controls::default();
    let mut rows = Vec::new();
    for bug in &bugs {
        let mut row = Row { bug, found: 0, seeds: 0, first: None };
        let known = known_seed(bug);
        let others = (from..from + count as u64).filter(|seed| Some(*seed) != known);
        runner.run_while(known.into_iter().chain(others), Some(bug), &mut |report: Report| {
            row.seeds += 1;
            if let Some(violation) = report.violation
                && controls.passes(runner, report.seed)
            {
                row.found += 1;
                row.first.get_or_insert((report.seed, violation));
            }
            !(stops_at_first && row.found > 0)
        });
        row.print();
        rows.push(row);
    }
    if let Some(path) = table
        && let Err(error) = fs::write(path, written(&rows))
    {
        println!("simulation: {}: {error}", path.display());
        return false;
    }
    let missed = rows.iter().filter(|row| row.found == 0).count();
    let broken = controls.0.values().filter(|passes| !**passes).count();
    println!("simulation: {} planted bugs, {missed} not found", rows.len());
    missed == 0 && broken == 0 && !rows.is_empty()
}

/// The seed that has found a bug before.
fn known_seed(bug: &str) -> Option<u64> {
    let mut rows = TABLE.lines().map(|line| line.split('\t'));
    rows.find_map(|mut row| row.next().filter(|it| *it == bug).and(row.nth(2)?.parse().ok()))
}

impl Row<'_> {
    fn print(&self) {
        let Self { bug, found, seeds, first } = self;
        let (at, violation) = first.as_ref().map_or((0, ""), |(at, said)| (*at, said));
        let shown: String =
            violation.lines().next().unwrap_or_default().chars().take(100).collect();
        println!("{bug:28} {found:>5} {seeds:>5}  {:<16} {at}: {shown}", rule(violation));
    }
}

fn written(rows: &[Row<'_>]) -> String {
    let mut table = HEAD.to_owned();
    for Row { bug, found, seeds, first } in rows {
        let (at, violation) = first.as_ref().map_or((0, ""), |(at, said)| (*at, said));
        let rule = rule(violation);
        writeln!(table, "{bug}\t{found}\t{seeds}\t{at}\t{rule}").expect("a string takes all");
    }
    table
}

/// The rule or invariant in a violation.
fn rule(violation: &str) -> &str {
    let named = violation.strip_prefix("history: ").unwrap_or(violation);
    named.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_its_rule() {
        assert_eq!(rule("history: Kept: the last write is not there\n    1.0 s: read"), "Kept");
        assert_eq!(rule("promise: node 1 would answer"), "promise");
        assert_eq!(rule(""), "");
    }

    #[test]
    fn a_bug_is_tried_by_the_seed_of_its_row() {
        assert_eq!(known_seed("admission not asked again"), Some(770_168));
        assert_eq!(known_seed("# bug"), None, "the head");
        assert_eq!(known_seed("no such bug"), None);
    }

    #[test]
    fn a_row_is_written() {
        let first = Some((7, "liveness: it hangs".to_owned()));
        let row = Row { bug: "some bug", found: 1, seeds: 3, first };
        assert_eq!(written(&[row]), format!("{HEAD}some bug\t1\t3\t7\tliveness\n"));
    }
}

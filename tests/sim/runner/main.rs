//! Runs many seeds: each in a process of its own, as many at a time as there are processors. Prints
//! the failed ones and how to replay them, how often each kind of fault was hit, and the speed.
//!
//! It judges nothing itself: a seed's process does. It must never hide a seed that did not answer.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool of the command line")]

#[path = "../kinds.rs"]
mod kinds;
mod ledger;
mod planted;
mod seeds;

use std::{ops::Range, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::seeds::{Runner, Tally};

/// Runs simulations.
#[derive(Debug, Parser)]
struct Args {
    /// How many at a time [default: the processors]
    #[arg(long, global = true)]
    jobs: Option<usize>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Fresh seeds, and every seed that ever failed
    Sweep {
        /// At least this many, beside those that ever failed
        #[arg(long, default_value_t = 200)]
        count: usize,
        /// Half of them are the same ones each time, and only these and those that ever failed make the
        /// run fail: a fresh seed that fails is reported and noted in the ledger
        #[arg(long)]
        gate: bool,
        /// Until this many seconds were simulated in all
        #[arg(long, default_value_t = 0)]
        simulated_s: u64,
        /// The first seed [default: drawn]
        #[arg(long)]
        from: Option<u64>,
        /// Adds a line to this ledger
        #[arg(long)]
        ledger: Option<PathBuf>,
        /// The commit that the ledger's line names
        #[arg(long, default_value = "unknown")]
        commit: String,
    },
    /// Each seed twice: both runs must leave the same trace
    Twice {
        /// How many seeds
        #[arg(long, default_value_t = 20)]
        count: usize,
        /// The first seed [default: drawn]
        #[arg(long)]
        from: Option<u64>,
    },
    /// Each planted bug until it is found; needs a build with the feature `planted`
    Planted {
        /// Seeds for each bug
        #[arg(long, default_value_t = 40)]
        count: usize,
        /// The first seed
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Stop at the first seed that finds it
        #[arg(long)]
        first: bool,
        /// Writes this table
        #[arg(long)]
        table: Option<PathBuf>,
        /// Only these
        bugs: Vec<String>,
    },
}

/// A random first seed; small enough to be typed.
fn drawn() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0 >> 24
}

fn main() -> ExitCode {
    let args = Args::parse();
    let jobs = args.jobs.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
    });
    let runner = match Runner::beside_this(jobs) {
        Ok(runner) => runner,
        Err(error) => {
            eprintln!("concordat-sim: {error}");
            return ExitCode::FAILURE;
        }
    };
    let is_good = match args.what {
        What::Sweep { count, gate, simulated_s, from, ledger, commit } => {
            let from = from.unwrap_or_else(drawn);
            let fixed = if gate { 1..1 + count as u64 / 2 } else { 0..0 };
            let tally = sweep(&runner, (fixed, gate), (from, count), simulated_s);
            // A gate leaves a checkout as it was, unless there is something to keep.
            if let Some(path) = ledger.filter(|_| !gate || tally.has_failed_fresh())
                && let Err(error) = ledger::note(&path, &commit, from, &tally)
            {
                eprintln!("concordat-sim: {}: {error}", path.display());
                return ExitCode::FAILURE;
            }
            tally.print();
            tally.is_good(count)
        }
        What::Twice { count, from } => twice(&runner, from.unwrap_or_else(drawn), count),
        What::Planted { count, from, first, table, bugs } => {
            planted::all(&runner, (from, count), first, table.as_deref(), &bugs)
        }
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn sweep(
    runner: &Runner,
    (fixed, is_gate): (Range<u64>, bool),
    (from, count): (u64, usize),
    simulated_s: u64,
) -> Tally {
    println!("simulation: those that have failed once, {fixed:?}, and seeds from {from}");
    let mut tally = Tally::default();
    let mut left = (count as u64).saturating_sub(fixed.end - fixed.start);
    let fixed = ledger::failed_once().into_iter().chain(fixed);
    runner.run(fixed, None, &mut |report| tally.take(report, true));
    let mut next = from;
    while left > 0 {
        runner.run(next..next + left, None, &mut |report| tally.take(report, !is_gate));
        next += left;
        let missing = (simulated_s * 1000).saturating_sub(tally.simulated_ms);
        // As many again as the average predicts.
        let average = tally.simulated_ms / (tally.seeds as u64).max(1);
        left = missing.div_ceil(average.max(1));
        if tally.silent > 0 {
            break;
        }
    }
    tally
}

fn twice(runner: &Runner, from: u64, count: usize) -> bool {
    println!("simulation: {count} seeds from {from}, each twice");
    let mut traces = [const { Vec::new() }; 2];
    for run in &mut traces {
        runner.run(from..from + count as u64, None, &mut |report| {
            run.push((report.seed, report.trace.clone(), report.lines));
        });
        run.sort();
    }
    let [one, other] = &traces;
    let differ: Vec<_> = one.iter().zip(other).filter(|(one, other)| one != other).collect();
    for (one, other) in &differ {
        println!("seed {} left two traces: {one:?} and {other:?}", one.0);
    }
    let lines: u64 = one.iter().map(|(.., lines)| lines).sum();
    println!("simulation: {} traces, {lines} lines, {} differ", one.len(), differ.len());
    differ.is_empty() && one.len() == count && one.iter().all(|(.., lines)| *lines > 0)
}

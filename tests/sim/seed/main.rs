//! One seed: a cluster is formed, faults are injected, all is repaired, and the whole history is
//! judged. Prints one line of JSON; ends with 0 when there is no violation.
//!
//! Linked with a library that replaces the system's clock and randomness, so that no part of the
//! program, ours or not, depends on anything but the seed. It must never read either another way.
#![allow(clippy::print_stdout, reason = "its result is what it prints")]
#![allow(clippy::panic, reason = "a simulation fails by panicking")]

mod clients;
mod disk;
mod faults;
mod host;
mod invariants;
#[path = "../kinds.rs"]
mod kinds;
#[cfg(test)]
mod late_policies_test;
mod latency;
mod operator;
mod outside;
mod policies_seen;
mod run;
mod shape;
mod trace;
mod world;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
};

use clap::Parser;
use concordat_tests::rng::Rng;
use rand::{SeedableRng, rngs::StdRng};

use crate::trace::Trace;

/// Deep enough for any future of the product.
const STACK_BYTES: usize = 64 << 20;

/// Panics of any task, also of those that are caught.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// One seed in this many plays the scene of a write with two copies.
const TWO_COPIES_ONE_IN: u64 = 12;
/// And one in this many that of more writes than a leader commits.
const BACKLOG_ONE_IN: u64 = 12;

/// Simulates one cluster from a seed.
#[derive(Debug, Parser)]
struct Args {
    /// The seed
    #[arg(long, required_unless_present_any = ["bugs", "latency", "lost_log"], default_value_t = 0)]
    seed: u64,
    /// List the planted bugs of this build, and end
    #[arg(long)]
    bugs: bool,
    /// Measure what a write from far away costs, instead of a seed
    #[arg(long)]
    latency: bool,
    /// Play the scene of writes that only a lost leader had, instead of a seed
    #[arg(long)]
    lost_log: bool,
    /// Play the scene of a write with two copies, one in a lost region and one at its successor
    #[arg(long)]
    two_copies: bool,
    /// Play the scene of more writes than their leader commits
    #[arg(long)]
    backlog: bool,
    /// Write everything that happens to this file
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Print what happens to the cluster and its clients
    #[arg(long)]
    show: bool,
    /// Print the nodes' own log lines of this level and above
    #[arg(long)]
    log: Option<String>,
    /// Switch on a planted bug, by its name
    #[arg(long)]
    planted: Option<String>,
}

/// Runs a seed, and in some of them one or two scenes of their own after it.
fn simulate(seed: u64, trace: &Trace) -> run::Report {
    let mut report = run::seed(seed, trace);
    if Rng::new(seed ^ 0x2c0_5ce2e).below(TWO_COPIES_ONE_IN) == 0 {
        let shown = run::two_copies::play(seed, trace);
        report.add_scene("two copies of a write, one carried out", shown, trace);
    }
    if Rng::new(seed ^ 0xbac_0109).below(BACKLOG_ONE_IN) == 0 {
        let shown = run::backlog::play(seed, trace);
        report.add_scene("leader behind with writes", shown, trace);
    }
    report
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.bugs {
        for bug in planted_bugs() {
            println!("{bug}");
        }
        return ExitCode::SUCCESS;
    }
    plant(args.planted.as_deref());
    if let Some(filter) = &args.log {
        let lines = tracing_subscriber::fmt().without_time().with_ansi(false);
        lines.with_env_filter(filter).init();
    }
    mad_turmoil::rand::set_rng(StdRng::seed_from_u64(args.seed));
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if is_known(&panic.to_string()) {
            return;
        }
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(panic);
    }));
    // A thread's hash maps have keys of their own, drawn when it begins: this one's from the seed.
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let simulated = thread.spawn(move || {
        let trace = Trace::default();
        if let Some(path) = &args.trace {
            trace.to_file(path);
        }
        if args.show {
            trace.show();
        }
        if args.latency {
            return latency::run(&trace).map(|()| None);
        }
        if args.lost_log {
            return run::lost_log::story(&trace).map(|()| None);
        }
        if args.two_copies {
            let is_shown = run::two_copies::play(args.seed, &trace)?;
            println!("a copy was carried out by the successor: {is_shown}");
            return Ok(None);
        }
        if args.backlog {
            let is_shown = run::backlog::play(args.seed, &trace)?;
            println!("writes were waiting to the end: {is_shown}");
            return Ok(None);
        }
        Ok(Some(simulate(args.seed, &trace)))
    });
    let report = simulated.expect("a thread").join();
    match report {
        Ok(Ok(None)) => ExitCode::SUCCESS,
        Ok(Err(reason)) => {
            println!("{reason}");
            ExitCode::FAILURE
        }
        Ok(Ok(Some(mut report))) => {
            let panics = PANICS.load(Ordering::Relaxed);
            if panics > 0 && report.violation.is_none() {
                report.violation = Some(format!("panics: {panics}"));
            }
            println!("{}", report.line());
            if report.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(_) => ExitCode::from(101),
    }
}

/// A check that the Raft library makes in debug builds only, and that is too strict: the remaining
/// entries of a deposed leader may begin behind the end of a log that its successor has truncated.
/// The task ends; in a release build it finds out in the next line that the leader has changed, and
/// ends as well.
fn is_known(panic: &str) -> bool {
    panic.contains("stream_state.rs") && panic.contains("received reversed range")
}

#[cfg(feature = "planted")]
fn plant(bug: Option<&str>) {
    if let Some(bug) = bug {
        assert!(concordat_cluster::planted::switch_on(bug), "there is no bug {bug}");
    }
}

#[cfg(feature = "planted")]
fn planted_bugs() -> Vec<&'static str> {
    concordat_cluster::planted::Bug::ALL.iter().map(|bug| bug.name()).collect()
}

#[cfg(not(feature = "planted"))]
fn planted_bugs() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(not(feature = "planted"))]
fn plant(bug: Option<&str>) {
    assert!(bug.is_none(), "this build has no planted bugs: build it with the feature `planted`");
}

//! The load generator: throughput, latency and cost of writes and reads, as a table.
//!
//! First three `concordatd start` processes in one region, with every write on the disks of a
//! quorum; then nine in three regions, for their idle cost; then the demo, for the cost of
//! distance. On a noisy machine compare CPU time, syncs and ratios rather than milliseconds. Peers
//! measured in the same run are not here yet.

mod compare;
mod load;
mod meter;
mod setup;
mod table;

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Parser;
use tokio::time::Instant;

use crate::{
    load::{Outcome, Work},
    setup::{Cluster, LONGEST_ROUND_TRIP, Target},
    table::{Table, millis},
};

/// Measure a cluster on this machine.
#[derive(Debug, Parser)]
#[command(name = "concordat-bench")]
struct Options {
    /// Seconds that each row is measured.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Numbers of clients that write, one row each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256])]
    clients: Vec<usize>,
    /// Clients that read.
    #[arg(long, default_value_t = 64)]
    readers: usize,
    /// One second a row, and 1 and 64 clients.
    #[arg(long)]
    quick: bool,
    /// Compare with this earlier program, and measure nothing else.
    #[arg(long, value_name = "PROGRAM")]
    before: Option<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::parse();
    if options.quick {
        options.seconds = 1;
        options.clients.retain(|clients| *clients <= 64);
    }
    // One thread: the load shares the machine with what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(before) = &options.before {
            let time = Duration::from_secs(options.seconds);
            return Ok(compare::compare(before, time, &options.clients, options.readers).await?);
        }
        near(&options).await?;
        idle(&options).await?;
        far(&options).await?;
        Ok(())
    })
}

/// After this time nodes that have just been started are idle.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

const LOCAL: Work = Work::Write { everywhere: false };
/// Sets of policies that deny none of the requests: decided by the rights alone, once for each key and
/// credential, once for each source address beside, and for each request anew.
const POLICIES: [(&str, &str); 4] = [
    ("", ""),
    (", policies", r#"forbid (principal, action, resource == Credential::"locked");"#),
    (
        ", by source",
        r#"forbid (principal, action, resource)
        when { context.source_address.isInRange(ip("203.0.113.0/24")) };"#,
    ),
    (
        ", by time",
        r#"forbid (principal, action, resource) when { context.time < datetime("2020-01-01") };"#,
    ),
];
const EVERYWHERE: Work = Work::Write { everywhere: true };

/// Three processes in one region: throughput and cost.
async fn near(options: &Options) -> io::Result<()> {
    say("Three nodes in one region, a process each, fsync on:\n")?;
    let (cluster, target) = setup::three().await;
    let leader = std::slice::from_ref(&cluster.urls[cluster.leader]);
    let mut table = Table::new(&[
        "",
        "per second",
        "p50",
        "p99",
        "CPU µs each",
        "syncs each, per node",
        "failed",
    ]);
    // The first second finds cold caches, empty connections and growing files.
    load::run(&target, leader, LOCAL, 64, Duration::from_secs(1)).await;
    let time = Duration::from_secs(options.seconds);
    for clients in &options.clients {
        let name = format!("writes, {}, at the leader", of_clients(*clients));
        table.row(measured(name, &cluster, &target, leader, (LOCAL, *clients, time)).await?);
    }
    let widest = options.clients.iter().copied().filter(|clients| *clients <= 64).max();
    if let Some(clients) = widest {
        let name = format!("writes, {}, at all nodes", of_clients(clients));
        table.row(measured(name, &cluster, &target, &cluster.urls, (LOCAL, clients, time)).await?);
    }
    let readers = options.readers;
    for (policies, text) in POLICIES.into_iter().chain(POLICIES) {
        cluster.set_policies(text).await;
        let name = format!("reads, {}{policies}", of_clients(readers));
        table.row(measured(name, &cluster, &target, leader, (Work::Read, readers, time)).await?);
    }
    say(&format!("{table}\n"))
}

/// Nine idle processes in three regions: their cost.
async fn idle(options: &Options) -> io::Result<()> {
    say("Nine nodes in three regions, a process each, idle:\n")?;
    let cluster = setup::cluster().await;
    // The rest of the start is not idle time.
    tokio::time::sleep(SETTLED_AFTER).await;
    let (begun, before) = (Instant::now(), meter::cpu_times(&cluster)?);
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let (after, took) = (meter::cpu_times(&cluster)?, begun.elapsed());
    let spent = after.iter().zip(&before).map(|(after, before)| after.saturating_sub(*before));
    let of_a_core: Vec<f64> =
        spent.map(|spent| 100.0 * spent.as_secs_f64() / took.as_secs_f64()).collect();
    let together: f64 = of_a_core.iter().sum();
    let most = of_a_core.iter().copied().fold(0.0, f64::max);
    let each = together / of_a_core.len().max(1) as f64;
    let mut table = Table::new(&["per cent of a core", "together", "each", "the busiest"]);
    let mut row = vec!["idle".to_owned()];
    row.extend([together, each, most].map(|part| format!("{part:.2}")));
    table.row(row);
    say(&format!("{table}\n"))
}

/// The demo, regions apart: what distance costs.
async fn far(options: &Options) -> io::Result<()> {
    let longest = LONGEST_ROUND_TRIP;
    say("The demo, 3 × 3 nodes in one process, round trips of 80, 140 and 100 ms:\n")?;
    let (cluster, target) = setup::demo().await;
    let time = Duration::from_secs(options.seconds);
    let (home, away) = (&cluster.urls[..3], &cluster.urls[6..]);
    let mut table = Table::new(&["", "per second", "p50", "p99", "failed", "aim for the p50"]);
    let aim = format!("{} ms", longest.as_millis() + 15);
    let rows: [(&str, &[String], Work, usize, &str); 4] = [
        ("local_region at home, 1 client", home, LOCAL, 1, "10 ms"),
        ("all_regions at home, 1 client", home, EVERYWHERE, 1, &aim),
        ("all_regions at home, 64 clients", home, EVERYWHERE, 64, &aim),
        ("all_regions from the furthest, 1 client", away, EVERYWHERE, 1, "200 ms"),
    ];
    for (name, urls, work, clients, aim) in rows {
        let outcome = load::run(&target, urls, work, clients, time).await;
        let mut cells = vec![name.to_owned()];
        cells.extend(in_common(&outcome));
        cells.extend([outcome.failures.to_string(), aim.to_owned()]);
        table.row(cells);
    }
    say(&format!("{table}\n"))
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn of_clients(clients: usize) -> String {
    if clients == 1 { "1 client".into() } else { format!("{clients} clients") }
}

fn in_common(outcome: &Outcome) -> [String; 3] {
    let rate = format!("{:.0}", outcome.per_second());
    [rate, millis(outcome.permille(500)), millis(outcome.permille(990))]
}

/// A row: a run and the resources that the nodes used.
async fn measured(
    name: String,
    cluster: &Cluster,
    target: &Target,
    urls: &[String],
    (work, clients, time): (Work, usize, Duration),
) -> io::Result<Vec<String>> {
    let before = meter::read(cluster).await?;
    let outcome = load::run(target, urls, work, clients, time).await;
    let spent = meter::read(cluster).await? - before;
    let each = outcome.count().max(1) as f64;
    let cpu = format!("{:.0}", spent.cpu.as_secs_f64() * 1e6 / each);
    let fsyncs = match spent.fsyncs {
        _ if work == Work::Read => String::new(),
        Some(fsyncs) => format!("{:.4}", fsyncs as f64 / each / cluster.urls.len() as f64),
        None => "not told".into(),
    };
    let mut cells = vec![name];
    cells.extend(in_common(&outcome));
    cells.extend([cpu, fsyncs, outcome.failures.to_string()]);
    Ok(cells)
}

//! Two programs in one run, in turn: what a change of the code costs.
//!
//! On a noisy machine a figure of one run says little, and that of two runs at different times less. Here both
//! clusters stand side by side, each row is measured of one, then of the other, several times over, and the
//! medians are compared. Must never compare figures of different runs.

use std::{io, time::Duration};

use crate::{
    load::{self, Outcome, Work},
    meter, of_clients, say,
    setup::{self, Cluster, Target},
    table::Table,
};

/// Times that each program is measured, one row long.
const ROUNDS: usize = 5;

/// What is compared of a row.
struct Measured {
    per_second: f64,
    p50_ms: f64,
    cpu_us: f64,
}

/// Three nodes in one region, of an earlier program and of this one.
pub(crate) async fn compare(
    before: &str,
    time: Duration,
    clients: &[usize],
    readers: usize,
) -> io::Result<()> {
    say(&format!(
        "Three nodes in one region, a process each, fsync on; medians of {ROUNDS} turns of {} s, now / before:\n",
        time.as_secs()
    ))?;
    let earlier = setup::three_of(before).await;
    let now = setup::three().await;
    let mut table = Table::new(&[
        "",
        "per second",
        "before",
        "ratio",
        "p50 ms",
        "before",
        "ratio",
        "CPU µs each",
        "before",
        "ratio",
    ]);
    let local = Work::Write { everywhere: false };
    for side in [&earlier, &now] {
        let leader = std::slice::from_ref(&side.0.urls[side.0.leader]);
        load::run(&side.1, leader, local, 64, Duration::from_secs(1)).await;
    }
    let writes = clients.iter().map(|clients| (local, *clients));
    for (work, clients) in writes.chain([(Work::Read, readers)]) {
        let (mut of_now, mut of_earlier) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_earlier.push(measured(&earlier, work, clients, time).await?);
            of_now.push(measured(&now, work, clients, time).await?);
        }
        let what = if work == Work::Read { "reads" } else { "writes" };
        let mut cells = vec![format!("{what}, {}", of_clients(clients))];
        for (of, digits) in [
            ((|row: &Measured| row.per_second) as fn(&Measured) -> f64, 0),
            (|row| row.p50_ms, 2),
            (|row| row.cpu_us, 0),
        ] {
            let (now, before) = (median(&of_now, of), median(&of_earlier, of));
            cells.extend([now, before].map(|figure| format!("{figure:.digits$}")));
            cells.push(format!("{:.2}", now / before));
        }
        table.row(cells);
    }
    say(&format!("{table}\n"))
}

async fn measured(
    (cluster, target): &(Cluster, Target),
    work: Work,
    clients: usize,
    time: Duration,
) -> io::Result<Measured> {
    let leader = std::slice::from_ref(&cluster.urls[cluster.leader]);
    let before = meter::read(cluster).await?;
    let outcome: Outcome = load::run(target, leader, work, clients, time).await;
    let spent = meter::read(cluster).await? - before;
    if outcome.failures > 0 {
        return Err(io::Error::other(format!("{} of {work:?} have failed", outcome.failures)));
    }
    let p50 = outcome.permille(500).unwrap_or_default();
    Ok(Measured {
        per_second: outcome.per_second(),
        p50_ms: p50.as_secs_f64() * 1000.0,
        cpu_us: spent.cpu.as_secs_f64() * 1e6 / outcome.count().max(1) as f64,
    })
}

fn median(rows: &[Measured], of: fn(&Measured) -> f64) -> f64 {
    let mut figures: Vec<f64> = rows.iter().map(of).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_turn_does_not_count() {
        let rows =
            [3.0, 900.0, 2.0].map(|cpu_us| Measured { per_second: 1.0, p50_ms: 1.0, cpu_us });
        assert!((median(&rows, |row| row.cpu_us) - 3.0).abs() < f64::EPSILON);
        assert!(median(&[], |row| row.cpu_us).abs() < f64::EPSILON);
    }
}

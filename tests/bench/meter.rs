//! The resources that the nodes used: CPU time from `/proc/PID/stat`, syncs of the Raft log from
//! `/metrics`.

use std::{fs, io, ops::Sub, time::Duration};

use concordat_tests::connection::{Connection, request};

use crate::setup::Cluster;

/// Linux counts the CPU time of processes in hundredths of a second, whatever its own tick is.
const TICK: Duration = Duration::from_millis(10);
/// The counter of the syncs of the Raft log.
const FSYNCS: &str = "concordat_log_fsyncs_total";

/// Spent since the nodes' start, over all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spent {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Syncs of the Raft log, if the nodes report them.
    pub(crate) fsyncs: Option<u64>,
}

impl Sub for Spent {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        let fsyncs = self.fsyncs.zip(before.fsyncs);
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            fsyncs: fsyncs.map(|(after, before)| after.saturating_sub(before)),
        }
    }
}

/// Reads the resources that all nodes have used.
pub(crate) async fn read(cluster: &Cluster) -> io::Result<Spent> {
    let cpu = cpu_times(cluster)?.into_iter().sum();
    let mut fsyncs = Some(0);
    for url in &cluster.urls {
        fsyncs = fsyncs.zip(fsyncs_of(url).await?).map(|(sum, one)| sum + one);
    }
    Ok(Spent { cpu, fsyncs })
}

/// The CPU time of each process.
pub(crate) fn cpu_times(cluster: &Cluster) -> io::Result<Vec<Duration>> {
    cluster.pids.iter().map(|pid| cpu_time(*pid)).collect()
}

fn cpu_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; user and system time are fields 14 and 15.
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = after_name.split_ascii_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(TICK * ticks)
}

async fn fsyncs_of(url: &str) -> io::Result<Option<u64>> {
    let mut connection = Connection::open(url).await?;
    let answer = connection.exchange(&request("GET", "/metrics", &[], None)).await?;
    let text = String::from_utf8_lossy(answer.body);
    let values = text.lines().filter(|line| line.starts_with(FSYNCS));
    let values = values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    let values: Vec<f64> = values.collect();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter")]
    Ok((!values.is_empty()).then(|| values.iter().sum::<f64>() as u64))
}

//! More writes at one node than their leader commits: what the node needs of that leader beside them must not
//! wait behind them. Leases do: without them its reads are marked as stale.
//!
//! No other client writes meanwhile. It must not touch the leader itself: nothing but the number of writes may be
//! a reason for a mark.

use std::time::Duration;

use super::Run;
use crate::{clients::Client, faults::scenes::leads_a_region, trace::Trace};

/// Far more than a link of the simulated network takes on one channel.
const WRITES: usize = 1500;
/// The disks of the leader's voters take up to this long to sync: each commit waits for one of them.
const SYNC_MS: u64 = 600;
const FAST_SYNC_MS: u64 = 3;
/// Reads at the node, one after the other, and the time between two.
const READS: usize = 40;
const BETWEEN: Duration = Duration::from_millis(100);
/// Reads that may be marked: the first ones, until the leases that disks made late are renewed.
const MARKED_MAX: usize = 4;

/// The scene, in a cluster of its own; whether writes waited for as long as half of the reads took.
///
/// # Errors
/// When the node's reads are marked, or what was said of any write does not hold.
pub(crate) fn play(seed: u64, trace: &Trace) -> Result<bool, String> {
    let mut run = Run::alone(seed, seed ^ 0xbac_0109, trace)?;
    run.hold()?;
    let home = run.world.shape.regions[0].clone();
    let Some(node) = run.world.hosts.iter().position(|host| host.region != home) else {
        return Err("it takes two regions".into());
    };
    let new_client = |run: &Run, number| {
        let _here = run.world.clients().enter();
        Client::new(&run.work(), number)
    };
    let mut first = new_client(&run, 9100);
    run.world.ask(async move { first.must_write((0, 0)).await })?;
    for number in 0..run.world.hosts.len() {
        if run.world.hosts[number].region == home && !leads_a_region(&run.world, number) {
            run.world.hosts[number].sync_ms = SYNC_MS;
        }
    }
    let mut crowd = Vec::new();
    for number in 0..WRITES {
        let client = new_client(&run, 10_000 + number);
        let _here = run.world.clients().enter();
        crowd.push(tokio::spawn(client.joins_a_crowd(0, node)));
    }
    let (mut marked, mut left, mut reader) = (0, 0, new_client(&run, 9101));
    for number in 0..READS {
        run.run(BETWEEN)?;
        let (seen, again) = run.world.ask(async move {
            let seen = reader.read((0, 0), node).await;
            (seen, reader)
        });
        reader = again;
        marked += usize::from(!seen.is_unmarked());
        if number == READS / 2 {
            left = crowd.iter().filter(|write| !write.is_finished()).count();
        }
    }
    run.world
        .trace
        .line(format_args!("{left} of {WRITES} writes waited; {marked} reads were marked"));
    if marked > MARKED_MAX {
        return Err(format!("leases: {marked} of {READS} reads were marked behind writes"));
    }
    for host in &mut run.world.hosts {
        host.sync_ms = FAST_SYNC_MS;
    }
    run.finish()?;
    let history = run.work().recorder.history();
    run.judged(&history)?;
    Ok(left > 0)
}

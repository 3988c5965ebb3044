//! Faults of nodes and links: each is begun at once, and mended when its time has come. A node has
//! one at a time, links have any number. A node that ends by itself without a fault of its disk
//! fails the run; nothing else is judged here.

use std::process::ExitStatus;

use concordat_tests::{
    demo::REGIONS,
    disk::{Syncs, Tampered},
    links::Way,
};
use tokio::time::Instant;

use super::{
    act::NotNow,
    broken::{Broken, How, Trouble},
    driver::Driver,
};
use crate::{
    fleet::NODES,
    soak::kinds::{FAULT, SMALL_DISKS, STOP_LIMIT, all, nodes_of, one_way},
};

/// This many nodes may have a fault of their own, but when all are killed.
const BROKEN_MAX: usize = 3;
/// How many times as many clients a storm has.
const STORM: usize = 4;
/// Crowds at once, beside the usual one.
const STORMS_MAX: usize = 1;

impl Driver<'_> {
    /// A node without a fault of its own.
    fn whole_node(&mut self) -> Result<usize, NotNow> {
        if self.broken.len() >= BROKEN_MAX {
            return Err(NotNow::Busy);
        }
        let whole: Vec<usize> = (0..NODES).filter(|node| !self.broken.contains_key(node)).collect();
        Ok(whole[self.rng.place(whole.len())])
    }

    fn breaks(&mut self, node: usize, how: How, (least, most): (u64, u64)) {
        let until = Instant::now() + self.ms(least, most);
        self.broken.insert(node, Broken { until, how });
    }

    pub(super) async fn kill(&mut self) -> Result<String, NotNow> {
        let node = self.whole_node()?;
        self.fleet.cluster.kill(node).await;
        self.breaks(node, How::Down, (0, 6000));
        Ok(format!("{node}"))
    }

    /// The leader of any group, as any node without a fault names it.
    pub(super) async fn kill_leader(&mut self) -> Result<String, NotNow> {
        let via = self.whole_node()?;
        let Ok(status) = self.fleet.inspect(via, "/v1/cluster").await else {
            return Err(NotNow::Busy);
        };
        let groups = status["groups"].as_array().cloned().unwrap_or_default();
        if groups.is_empty() {
            return Err(NotNow::Busy);
        }
        let group = &groups[self.rng.place(groups.len())];
        let leader = (0..NODES).find(|node| {
            self.fleet.cluster.node_id(*node).is_some_and(|id| group["leader"] == *id)
        });
        let Some(leader) = leader.filter(|node| !self.broken.contains_key(node)) else {
            return Err(NotNow::Busy);
        };
        self.fleet.cluster.kill(leader).await;
        self.breaks(leader, How::Down, (0, 6000));
        Ok(format!("{leader}, of group {}", group["group"]))
    }

    pub(super) async fn kill_all(&mut self) -> String {
        let all: Vec<usize> = (0..NODES).filter(|node| !self.broken.contains_key(node)).collect();
        for node in &all {
            self.fleet.cluster.kill(*node).await;
            self.breaks(*node, How::Down, (0, 3000));
        }
        format!("{all:?}")
    }

    pub(super) async fn stop(&mut self) -> Result<String, NotNow> {
        let node = self.whole_node()?;
        // A process that is only starting has no order yet in which it could stop.
        if self.fleet.inspect(node, "/v1/cluster").await.is_err() {
            return Err(NotNow::Busy);
        }
        self.fleet.cluster.stop(node, STOP_LIMIT).await;
        self.breaks(node, How::Down, (0, 4000));
        Ok(format!("{node}"))
    }

    pub(super) fn pause(&mut self) -> Result<String, NotNow> {
        let node = self.whole_node()?;
        self.fleet.cluster.pause(node);
        self.breaks(node, How::Paused, (300, 8000));
        Ok(format!("{node}"))
    }

    pub(super) fn fill_disk(&mut self) -> Result<String, NotNow> {
        if self.broken.len() >= BROKEN_MAX {
            return Err(NotNow::Busy);
        }
        let node = SMALL_DISKS[self.rng.place(SMALL_DISKS.len())].0;
        let Some(disk) = self.fleet.cluster.disk(node) else {
            return Err(NotNow::LeftOut("this process may not mount a file system"));
        };
        if self.broken.contains_key(&node) {
            return Err(NotNow::Busy);
        }
        disk.fill();
        self.breaks(node, How::FullDisk, (4000, 12_000));
        Ok(format!("of {node}"))
    }

    async fn tamper(&mut self, syncs: Syncs) -> Result<(usize, Tampered), NotNow> {
        let node = self.whole_node()?;
        let process = self.fleet.cluster.id(node).ok_or(NotNow::Busy)?;
        match Tampered::attach(process, syncs).await {
            Some(tampered) => Ok((node, tampered)),
            None => Err(NotNow::LeftOut("strace is not there, or may not trace")),
        }
    }

    pub(super) async fn fail_syncs(&mut self) -> Result<String, NotNow> {
        let (node, tampered) = self.tamper(Syncs::Fail).await?;
        self.breaks(node, How::FailingSyncs(tampered), (4000, 12_000));
        Ok(format!("of {node}"))
    }

    pub(super) async fn slow_syncs(&mut self) -> Result<String, NotNow> {
        let delay = self.ms(20, 220);
        let (node, tampered) = self.tamper(Syncs::Crawl(delay)).await?;
        self.breaks(node, How::SlowSyncs(tampered), (1000, 6000));
        Ok(format!("of {node}, by {delay:?} each"))
    }

    pub(super) fn storm(&mut self) -> Result<String, NotNow> {
        if self.storms.len() >= STORMS_MAX {
            return Err(NotNow::Busy);
        }
        let until = Instant::now() + self.ms(2000, 6000);
        let crowd = self.gather(STORM);
        self.storms.push((until, crowd));
        Ok(format!("{STORM} times as many"))
    }

    pub(super) fn cut_one_way(&mut self) -> String {
        let (from, to) = one_way(self.rng);
        let what = format!("from {from:?} to {to:?}");
        self.trouble(vec![(from, to, Way::CUT)], (500, 8000));
        what
    }

    pub(super) fn cut_region(&mut self) -> String {
        let region = self.rng.place(3);
        let inside = nodes_of(region);
        let outside: Vec<usize> = all().into_iter().filter(|node| !inside.contains(node)).collect();
        let ways = vec![(inside.clone(), outside.clone(), Way::CUT), (outside, inside, Way::CUT)];
        self.trouble(ways, (1000, 9000));
        REGIONS[region].to_owned()
    }

    /// Every way between regions by another delay.
    pub(super) fn slow_links(&mut self) -> String {
        let mut ways = Vec::new();
        for from in 0..3 {
            for to in (0..3).filter(|to| *to != from) {
                let delay = self.ms(20, 250);
                ways.push((nodes_of(from), nodes_of(to), Way::slow(delay)));
            }
        }
        self.trouble(ways, (1000, 6000));
        "20 to 250 ms each way".to_owned()
    }

    fn trouble(&mut self, ways: Vec<(Vec<usize>, Vec<usize>, Way)>, (least, most): (u64, u64)) {
        let until = Instant::now() + self.ms(least, most);
        self.links.push(Trouble { until, ways });
        self.set_links();
    }

    /// Slow ones first: what is cut is cut, whatever else is wrong with it.
    fn set_links(&self) {
        let links = self.fleet.cluster.links();
        links.heal();
        for is_cut in [false, true] {
            for (from, to, way) in self.links.iter().flat_map(|trouble| &trouble.ways) {
                if way.is_cut == is_cut {
                    links.set(from, to, *way);
                }
            }
        }
    }

    /// A node whose disk fails ends with a reason, and no other one ends.
    pub(super) fn look(&mut self) {
        for node in 0..NODES {
            if !self.fleet.cluster.is_running(node) {
                continue;
            }
            let Some(status) = self.fleet.cluster.ended(node) else { continue };
            let broken = self.broken.get_mut(&node);
            let is_due = broken.is_some_and(|broken| {
                let is_due = matches!(broken.how, How::FullDisk | How::FailingSyncs(_));
                if is_due {
                    broken.until = Instant::now();
                }
                is_due
            });
            self.judge_end(node, status, is_due);
        }
        self.commands.look();
    }

    fn judge_end(&self, node: usize, status: ExitStatus, is_due: bool) {
        let log = self.fleet.cluster.log(node);
        let last: Vec<&str> = log.lines().rev().take(30).collect();
        assert!(is_due, "node {node} ended, {status}, without a fault of its own: {last:#?}");
        self.fleet.judge_end(node, status, &[FAULT]);
    }

    /// Mends what has been broken for long enough.
    pub(super) async fn mend_due(&mut self) {
        self.mend_until(Instant::now()).await;
    }

    pub(super) async fn mend_all(&mut self) {
        let now = Instant::now();
        for drained in &mut self.drained {
            drained.0 = now;
        }
        for broken in self.broken.values_mut() {
            broken.until = now;
        }
        for trouble in &mut self.links {
            trouble.until = now;
        }
        for storm in &mut self.storms {
            storm.0 = now;
        }
        self.mend_until(now).await;
    }

    async fn mend_until(&mut self, now: Instant) {
        let due: Vec<usize> = self
            .broken
            .iter()
            .filter(|(_, broken)| broken.until <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in due {
            let Some(broken) = self.broken.remove(&node) else { continue };
            self.mend(node, broken.how).await;
        }
        let before = self.links.len();
        self.links.retain(|trouble| trouble.until > now);
        if self.links.len() < before {
            self.set_links();
        }
        self.undrain_due(now);
        let (over, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.storms).into_iter().partition(|(until, _)| *until <= now);
        self.storms = left;
        for (_, crowd) in over {
            self.leaving.spawn(crowd.disperse());
        }
    }

    async fn mend(&mut self, node: usize, how: How) {
        match how {
            How::Down => {}
            How::Paused => self.fleet.cluster.resume(node),
            How::FullDisk => {
                // It may have had nothing to write.
                if let Some(status) = self.fleet.cluster.ended(node) {
                    self.judge_end(node, status, true);
                }
                self.fleet.cluster.kill(node).await;
                self.fleet.cluster.disk(node).expect("it has one").free();
            }
            How::FailingSyncs(tampered) => {
                tampered.release();
                if let Some(status) = self.fleet.cluster.ended(node) {
                    self.judge_end(node, status, true);
                }
                // A process that has met a failing sync may be about to end, and must not be believed
                // to have ended without a reason.
                self.fleet.cluster.kill(node).await;
            }
            How::SlowSyncs(tampered) => tampered.release(),
        }
        self.fleet.cluster.restart(node).await;
    }
}

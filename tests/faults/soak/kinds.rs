//! The kinds of faults of the long run: each is injected into a cluster under load, kept for a
//! while, and repaired. Random choices come from the run's seed.
//!
//! Each returns only when all nodes are ready again. None judges what clients saw; a node's
//! reaction to its own fault (continue, or end with a reason and exit code 1) is judged here.

use std::{fmt, sync::Arc, time::Duration};

use concordat_tests::{
    demo::REGIONS,
    disk::{Syncs, Tampered},
    history::Required,
    links::Way,
    rng::Rng,
    wait::within,
};
use tokio::time::{Instant, sleep};

use crate::{
    clients::{self, Crowd, Shared},
    crashes::damage,
    fleet::{Fleet, LIMIT, NODES},
};

/// The exit code of a node whose disk cannot be written.
pub(super) const FAULT: i32 = 1;
/// For a node to notice its broken disk: it must be written to.
const NOTICE_LIMIT: Duration = Duration::from_secs(120);
/// For a node to end when it is asked to.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(60);
/// For a cluster that heals to take a write for all regions.
const HEAL_LIMIT: Duration = Duration::from_secs(90);
/// How many times as many clients a storm has.
const STORM: usize = 10;
/// Numbers that one fault's own clients may take.
const CLIENTS_EACH: usize = 10_000;
/// Nodes of the cluster whose disks are small.
pub(crate) const SMALL_DISKS: [(usize, u64); 2] = [(1, 256), (5, 256)];

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    NodeKilled,
    LeaderKilled,
    AllKilled,
    Paused,
    RollingRestart,
    OneWayCut,
    RegionCutOff,
    SlowLinks,
    FullDisk,
    SyncError,
    SlowSyncs,
    Damage,
    Storm,
}

impl Kind {
    pub(crate) const ALL: [Self; 13] = [
        Self::NodeKilled,
        Self::LeaderKilled,
        Self::AllKilled,
        Self::Paused,
        Self::RollingRestart,
        Self::OneWayCut,
        Self::RegionCutOff,
        Self::SlowLinks,
        Self::FullDisk,
        Self::SyncError,
        Self::SlowSyncs,
        Self::Damage,
        Self::Storm,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NodeKilled => "a node killed",
            Self::LeaderKilled => "a leader killed",
            Self::AllKilled => "all nodes killed",
            Self::Paused => "a node paused",
            Self::RollingRestart => "a rolling restart",
            Self::OneWayCut => "a one-way cut",
            Self::RegionCutOff => "a region cut off",
            Self::SlowLinks => "slow links",
            Self::FullDisk => "a full disk",
            Self::SyncError => "failing syncs",
            Self::SlowSyncs => "slow syncs",
            Self::Damage => "a damaged file",
            Self::Storm => "a storm of clients",
        })
    }
}

/// The result of a fault.
#[derive(Debug)]
pub(crate) enum Done {
    /// It was injected; the remark for the report.
    Hit(String),
    /// The same, and the time until the cluster worked again.
    Recovered(String, Duration),
    /// This machine does not allow it.
    LeftOut(&'static str),
}

/// The cluster that faults are injected into.
pub(crate) struct Scene<'a> {
    pub(crate) fleet: &'a mut Fleet,
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) rng: &'a mut Rng,
    /// Counts the faults of this history.
    pub(crate) number: usize,
}

impl Scene<'_> {
    pub(crate) async fn act(&mut self, kind: Kind) -> Done {
        let done = match kind {
            Kind::NodeKilled => self.kill_node().await,
            Kind::LeaderKilled => self.kill_leader().await,
            Kind::AllKilled => self.kill_all().await,
            Kind::Paused => self.pause().await,
            Kind::RollingRestart => self.restart_each().await,
            Kind::OneWayCut => self.cut_one_way().await,
            Kind::RegionCutOff => self.cut_region_off().await,
            Kind::SlowLinks => self.slow_links().await,
            Kind::FullDisk => self.fill_disk().await,
            Kind::SyncError => self.fail_syncs().await,
            Kind::SlowSyncs => self.slow_syncs().await,
            Kind::Damage => self.damage().await,
            Kind::Storm => self.storm().await,
        };
        self.fleet.cluster.ready().await;
        done
    }

    async fn hold(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        let time = Duration::from_millis(least_ms + self.rng.below(most_ms - least_ms));
        sleep(time).await;
        time
    }

    /// Sometimes trouble on the links comes on top of another fault.
    fn trouble_links(&mut self) -> &'static str {
        match self.rng.below(3) {
            0 => {
                self.slow_down();
                ", over slow links"
            }
            1 => {
                let node = self.rng.place(NODES);
                self.fleet.cluster.links().set(&[node], &all(), Way::CUT);
                ", while another node could not be heard"
            }
            _ => "",
        }
    }

    async fn kill_node(&mut self) -> Done {
        let node = self.rng.place(NODES);
        let trouble = self.trouble_links();
        self.fleet.cluster.kill(node).await;
        let away = self.hold(0, 3000).await;
        self.fleet.cluster.restart(node).await;
        self.fleet.cluster.links().heal();
        Done::Hit(format!("node {node}, away for {away:?}{trouble}"))
    }

    async fn kill_leader(&mut self) -> Done {
        let of = self.rng.place(2);
        let leader = self.fleet.leader_of(2 * of).await;
        self.fleet.cluster.kill(leader).await;
        let killed = self.shared.recorder.now();
        let gap = self.achieved(of, Required::LocalRegion, killed, LIMIT).await;
        self.fleet.cluster.restart(leader).await;
        Done::Recovered(format!("node {leader} of {}", REGIONS[2 * of]), gap)
    }

    /// The time until an organization's write that began after `since` was answered 2xx.
    async fn achieved(
        &self,
        org: usize,
        required: Required,
        since: Duration,
        limit: Duration,
    ) -> Duration {
        let id = &self.shared.orgs[org].id;
        within("a write succeeds again", limit, async || {
            let first = self.shared.recorder.achieved_since(id, required, since);
            first.map(|at| at - since).ok_or_else(|| format!("none of organization {org} does"))
        })
        .await
    }

    async fn kill_all(&mut self) -> Done {
        let trouble = self.trouble_links();
        self.fleet.cluster.kill_all().await;
        let killed = self.shared.recorder.now();
        self.fleet.cluster.restart_all().await;
        self.hold(0, 3000).await;
        self.fleet.cluster.links().heal();
        let gap = self.achieved(0, Required::LocalRegion, killed, HEAL_LIMIT).await;
        Done::Recovered(format!("killed and started{trouble}"), gap)
    }

    async fn pause(&mut self) -> Done {
        let node = self.rng.place(NODES);
        let trouble = self.trouble_links();
        let time = Duration::from_millis(500 + self.rng.below(5000));
        let first = (self.number + 1) * CLIENTS_EACH;
        clients::pause(self.fleet, self.shared, node, first, time).await;
        self.fleet.cluster.links().heal();
        Done::Hit(format!("node {node} for {time:?}{trouble}"))
    }

    async fn restart_each(&mut self) -> Done {
        let began = Instant::now();
        for node in 0..NODES {
            self.fleet.cluster.stop(node, STOP_LIMIT).await;
            self.fleet.cluster.restart(node).await;
            self.fleet.cluster.ready().await;
        }
        Done::Hit(format!("all {NODES} nodes, one after another, in {:?}", began.elapsed()))
    }

    async fn cut_one_way(&mut self) -> Done {
        let (from, to) = one_way(self.rng);
        self.fleet.cluster.links().set(&from, &to, Way::CUT);
        let time = self.hold(1000, 8000).await;
        self.fleet.cluster.links().heal();
        Done::Hit(format!("from {from:?} to {to:?} for {time:?}"))
    }

    async fn cut_region_off(&mut self) -> Done {
        let region = self.rng.place(3);
        let inside = nodes_of(region);
        let outside: Vec<usize> = all().into_iter().filter(|node| !inside.contains(node)).collect();
        let links = self.fleet.cluster.links();
        links.set(&inside, &outside, Way::CUT);
        links.set(&outside, &inside, Way::CUT);
        let time = self.hold(2000, 9000).await;
        self.fleet.cluster.links().heal();
        let healed = self.shared.recorder.now();
        let gap = self.achieved(0, Required::AllRegions, healed, HEAL_LIMIT).await;
        Done::Recovered(format!("{} for {time:?}", REGIONS[region]), gap)
    }

    /// Every way between regions by another delay.
    fn slow_down(&mut self) {
        for from in 0..3 {
            for to in (0..3).filter(|to| *to != from) {
                let delay = Duration::from_millis(20 + self.rng.below(280));
                let links = self.fleet.cluster.links();
                links.set(&nodes_of(from), &nodes_of(to), Way::slow(delay));
            }
        }
    }

    async fn slow_links(&mut self) -> Done {
        self.slow_down();
        let time = self.hold(3000, 8000).await;
        self.fleet.cluster.links().heal();
        Done::Hit(format!("20 to 300 ms each way for {time:?}"))
    }

    async fn fill_disk(&mut self) -> Done {
        let node = SMALL_DISKS[self.rng.place(SMALL_DISKS.len())].0;
        let Some(disk) = self.fleet.cluster.disk(node) else {
            return Done::LeftOut("this process may not mount a file system");
        };
        disk.fill();
        let began = Instant::now();
        let status = self.fleet.cluster.ends(node, NOTICE_LIMIT).await;
        let noticed = began.elapsed();
        self.fleet.judge_end(node, status, &[FAULT]);
        // It does not come up on a full disk, or it does and ends again; it must not harm itself.
        self.fleet.cluster.restart(node).await;
        self.hold(1000, 3000).await;
        if let Some(status) = self.fleet.cluster.ended(node) {
            self.fleet.judge_end(node, status, &[FAULT]);
        }
        self.fleet.cluster.kill(node).await;
        self.fleet.cluster.disk(node).expect("it has one").free();
        self.fleet.cluster.restart(node).await;
        Done::Hit(format!("of node {node}, which ended after {noticed:?}, and is back with space"))
    }

    async fn fail_syncs(&mut self) -> Done {
        let node = self.rng.place(NODES);
        let process = self.fleet.cluster.id(node).expect("it runs");
        let Some(tampered) = Tampered::attach(process, Syncs::Fail).await else {
            return Done::LeftOut("strace is not there, or may not trace");
        };
        let began = Instant::now();
        let status = self.fleet.cluster.ends(node, NOTICE_LIMIT).await;
        let noticed = began.elapsed();
        tampered.release();
        self.fleet.judge_end(node, status, &[FAULT]);
        self.fleet.cluster.restart(node).await;
        Done::Hit(format!("of node {node}, which ended after {noticed:?}"))
    }

    async fn slow_syncs(&mut self) -> Done {
        let node = self.rng.place(NODES);
        let delay = Duration::from_millis(20 + self.rng.below(200));
        let process = self.fleet.cluster.id(node).expect("it runs");
        let Some(tampered) = Tampered::attach(process, Syncs::Crawl(delay)).await else {
            return Done::LeftOut("strace is not there, or may not trace");
        };
        let time = self.hold(2000, 5000).await;
        tampered.release();
        Done::Hit(format!("of node {node}, by {delay:?} each, for {time:?}"))
    }

    async fn damage(&mut self) -> Done {
        Done::Hit(damage(self.fleet, self.rng).await)
    }

    async fn storm(&mut self) -> Done {
        let first = (self.number + 1) * CLIENTS_EACH;
        let crowd = Crowd::gather(self.shared, first, STORM);
        let time = self.hold(4000, 7000).await;
        crowd.disperse().await;
        Done::Hit(format!("{STORM} times as many for {time:?}"))
    }
}

/// Damages a file of a node that was killed: it refuses to start with a reason, or is right. Then its disk is
/// replaced, and its old self removed.
pub(super) async fn damage(fleet: &mut Fleet, rng: &mut Rng) -> String {
    // Not the first one, which would begin another cluster when it has lost everything.
    let node = 1 + rng.place(NODES - 1);
    let id = fleet.cluster.node_id(node).expect("it has run");
    fleet.cluster.kill(node).await;
    let files = damage::files(&fleet.cluster.data_dir(node));
    let spoilt = damage::Spoilt::choose(&files, rng);
    spoilt.apply();
    fleet.cluster.restart(node).await;
    let came_of_it = match fleet.cluster.settles(node, NOTICE_LIMIT).await {
        Some(status) => {
            fleet.judge_end(node, status, &damage::REFUSALS);
            "it refused to start"
        }
        None => {
            // All of its clients' reads are judged.
            sleep(Duration::from_millis(1000 + rng.below(1000))).await;
            "it started, and was right"
        }
    };
    // In either case this disk is not trusted any more.
    fleet.cluster.kill(node).await;
    fleet.cluster.wipe(node);
    fleet.cluster.restart(node).await;
    fleet.remove((node + 1) % NODES, &id).await;
    format!("of node {node}: {spoilt}: {came_of_it}")
}

/// From which nodes to which: one to all, all to one, or a region to another.
pub(super) fn one_way(rng: &mut Rng) -> (Vec<usize>, Vec<usize>) {
    let node = rng.place(NODES);
    match rng.below(3) {
        0 => (vec![node], all()),
        1 => (all(), vec![node]),
        _ => {
            let region = rng.place(3);
            let other = (region + 1 + rng.place(2)) % 3;
            (nodes_of(region), nodes_of(other))
        }
    }
}

pub(super) fn all() -> Vec<usize> {
    (0..NODES).collect()
}

pub(super) fn nodes_of(region: usize) -> Vec<usize> {
    (3 * region..3 * region + 3).collect()
}

//! Every kind of fault that the long run knows, and how each is done to a cluster at work: begun,
//! kept up for a while, and undone. What chance decides comes from the run's seed.
//!
//! Each comes back only when all nodes are ready again. None judges what clients saw; what a node
//! may do about a fault of its own (go on, or end with a reason and exit code 1) is judged here.

use std::{fmt, sync::Arc, time::Duration};

use concordat_tests::{
    chance::Chance,
    demo::REGIONS,
    disk::{Syncs, Tampered},
    history::Required,
    links::Way,
    wait::within,
};
use tokio::time::{Instant, sleep};

use crate::{
    clients::{self, Crowd, Shared},
    damage,
    fleet::{Fleet, LIMIT, NODES},
};

/// What a disk that cannot be written to must end a node with.
const FAULT: i32 = 1;
/// For a node whose disk is broken to notice: it must be written to.
const NOTICE_LIMIT: Duration = Duration::from_secs(120);
/// For a node to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// For a cluster that heals to take a write for all regions.
const HEAL_LIMIT: Duration = Duration::from_secs(90);
/// How many times as many clients a storm has.
const STORM: usize = 10;
/// Numbers that one fault's own clients may take.
const CLIENTS_EACH: usize = 10_000;
/// Nodes of the cluster whose disks are small.
pub(crate) const SMALL_DISKS: [(usize, u64); 2] = [(1, 256), (5, 256)];

/// See above.
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

/// What came of a fault.
#[derive(Debug)]
pub(crate) enum Done {
    /// It was done; what is worth telling.
    Hit(String),
    /// The same, and how long it took until the cluster did again what was in the way.
    Recovered(String, Duration),
    /// This machine does not grant what it needs.
    LeftOut(&'static str),
}

/// Where faults are done.
pub(crate) struct Scene<'a> {
    pub(crate) fleet: &'a mut Fleet,
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) chance: &'a mut Chance,
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
        self.fleet.nine.ready().await;
        done
    }

    async fn hold(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        let time = Duration::from_millis(least_ms + self.chance.below(most_ms - least_ms));
        sleep(time).await;
        time
    }

    /// Sometimes trouble on the links comes on top of another fault.
    fn trouble_links(&mut self) -> &'static str {
        match self.chance.below(3) {
            0 => {
                self.slow_down();
                ", over slow links"
            }
            1 => {
                let node = self.chance.place(NODES);
                self.fleet.nine.links().set(&[node], &all(), Way::CUT);
                ", while another node could not be heard"
            }
            _ => "",
        }
    }

    async fn kill_node(&mut self) -> Done {
        let node = self.chance.place(NODES);
        let trouble = self.trouble_links();
        self.fleet.nine.kill(node).await;
        let away = self.hold(0, 3000).await;
        self.fleet.nine.restart(node).await;
        self.fleet.nine.links().heal();
        Done::Hit(format!("node {node}, away for {away:?}{trouble}"))
    }

    async fn kill_leader(&mut self) -> Done {
        let of = self.chance.place(2);
        let leader = self.fleet.leader_of(2 * of).await;
        self.fleet.nine.kill(leader).await;
        let killed = self.shared.recorder.now();
        let gap = self.achieved(of, Required::LocalRegion, killed, LIMIT).await;
        self.fleet.nine.restart(leader).await;
        Done::Recovered(format!("node {leader} of {}", REGIONS[2 * of]), gap)
    }

    /// How long it took until a write of an organisation was answered 2xx that began after `since`.
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
            first.map(|at| at - since).ok_or_else(|| format!("none of organisation {org} does"))
        })
        .await
    }

    async fn kill_all(&mut self) -> Done {
        let trouble = self.trouble_links();
        self.fleet.nine.kill_all().await;
        let killed = self.shared.recorder.now();
        self.fleet.nine.restart_all().await;
        self.hold(0, 3000).await;
        self.fleet.nine.links().heal();
        let gap = self.achieved(0, Required::LocalRegion, killed, HEAL_LIMIT).await;
        Done::Recovered(format!("killed and started{trouble}"), gap)
    }

    async fn pause(&mut self) -> Done {
        let node = self.chance.place(NODES);
        let trouble = self.trouble_links();
        let time = Duration::from_millis(500 + self.chance.below(5000));
        let first = (self.number + 1) * CLIENTS_EACH;
        clients::pause(self.fleet, self.shared, node, first, time).await;
        self.fleet.nine.links().heal();
        Done::Hit(format!("node {node} for {time:?}{trouble}"))
    }

    async fn restart_each(&mut self) -> Done {
        let began = Instant::now();
        for node in 0..NODES {
            self.fleet.nine.stop(node, STOP_LIMIT).await;
            self.fleet.nine.restart(node).await;
            self.fleet.nine.ready().await;
        }
        Done::Hit(format!("all {NODES} nodes, one after another, in {:?}", began.elapsed()))
    }

    async fn cut_one_way(&mut self) -> Done {
        let node = self.chance.place(NODES);
        let (from, to) = match self.chance.below(3) {
            0 => (vec![node], all()),
            1 => (all(), vec![node]),
            _ => {
                let region = self.chance.place(3);
                let other = (region + 1 + self.chance.place(2)) % 3;
                (nodes_of(region), nodes_of(other))
            }
        };
        self.fleet.nine.links().set(&from, &to, Way::CUT);
        let time = self.hold(1000, 8000).await;
        self.fleet.nine.links().heal();
        Done::Hit(format!("from {from:?} to {to:?} for {time:?}"))
    }

    async fn cut_region_off(&mut self) -> Done {
        let region = self.chance.place(3);
        let inside = nodes_of(region);
        let outside: Vec<usize> = all().into_iter().filter(|node| !inside.contains(node)).collect();
        let links = self.fleet.nine.links();
        links.set(&inside, &outside, Way::CUT);
        links.set(&outside, &inside, Way::CUT);
        let time = self.hold(2000, 9000).await;
        self.fleet.nine.links().heal();
        let healed = self.shared.recorder.now();
        let gap = self.achieved(0, Required::AllRegions, healed, HEAL_LIMIT).await;
        Done::Recovered(format!("{} for {time:?}", REGIONS[region]), gap)
    }

    /// Every way between regions by another delay.
    fn slow_down(&mut self) {
        for from in 0..3 {
            for to in (0..3).filter(|to| *to != from) {
                let delay = Duration::from_millis(20 + self.chance.below(280));
                let links = self.fleet.nine.links();
                links.set(&nodes_of(from), &nodes_of(to), Way::slow(delay));
            }
        }
    }

    async fn slow_links(&mut self) -> Done {
        self.slow_down();
        let time = self.hold(3000, 8000).await;
        self.fleet.nine.links().heal();
        Done::Hit(format!("20 to 300 ms each way for {time:?}"))
    }

    async fn fill_disk(&mut self) -> Done {
        let node = SMALL_DISKS[self.chance.place(SMALL_DISKS.len())].0;
        let Some(disk) = self.fleet.nine.disk(node) else {
            return Done::LeftOut("this process may not mount a file system");
        };
        disk.fill();
        let began = Instant::now();
        let status = self.fleet.nine.ends(node, NOTICE_LIMIT).await;
        let noticed = began.elapsed();
        self.fleet.judge_end(node, status, &[FAULT]);
        // It does not come up on a full disk, or it does and ends again; it must not harm itself.
        self.fleet.nine.restart(node).await;
        self.hold(1000, 3000).await;
        if let Some(status) = self.fleet.nine.ended(node) {
            self.fleet.judge_end(node, status, &[FAULT]);
        }
        self.fleet.nine.kill(node).await;
        self.fleet.nine.disk(node).expect("it has one").free();
        self.fleet.nine.restart(node).await;
        Done::Hit(format!("of node {node}, which ended after {noticed:?}, and is back with space"))
    }

    async fn fail_syncs(&mut self) -> Done {
        let node = self.chance.place(NODES);
        let process = self.fleet.nine.id(node).expect("it runs");
        let Some(tampered) = Tampered::attach(process, Syncs::Fail).await else {
            return Done::LeftOut("strace is not there, or may not trace");
        };
        let began = Instant::now();
        let status = self.fleet.nine.ends(node, NOTICE_LIMIT).await;
        let noticed = began.elapsed();
        tampered.release();
        self.fleet.judge_end(node, status, &[FAULT]);
        self.fleet.nine.restart(node).await;
        Done::Hit(format!("of node {node}, which ended after {noticed:?}"))
    }

    async fn slow_syncs(&mut self) -> Done {
        let node = self.chance.place(NODES);
        let delay = Duration::from_millis(20 + self.chance.below(200));
        let process = self.fleet.nine.id(node).expect("it runs");
        let Some(tampered) = Tampered::attach(process, Syncs::Crawl(delay)).await else {
            return Done::LeftOut("strace is not there, or may not trace");
        };
        let time = self.hold(2000, 5000).await;
        tampered.release();
        Done::Hit(format!("of node {node}, by {delay:?} each, for {time:?}"))
    }

    async fn damage(&mut self) -> Done {
        // Not the first one, which would begin another cluster when it has lost everything.
        let node = 1 + self.chance.place(NODES - 1);
        let id = self.fleet.nine.node_id(node).expect("it has run");
        self.fleet.nine.kill(node).await;
        let files = damage::files(&self.fleet.nine.data_dir(node));
        let spoilt = damage::Spoilt::choose(&files, self.chance);
        spoilt.apply();
        self.fleet.nine.restart(node).await;
        let came_of_it = match self.fleet.nine.settles(node, NOTICE_LIMIT).await {
            Some(status) => {
                self.fleet.judge_end(node, status, &damage::REFUSALS);
                "it refused to start"
            }
            None => {
                // All of its clients' reads are judged.
                self.hold(1000, 2000).await;
                "it started, and was right"
            }
        };
        // In either case nobody trusts this disk any more.
        self.fleet.nine.kill(node).await;
        self.fleet.nine.wipe(node);
        self.fleet.nine.restart(node).await;
        self.fleet.remove((node + 1) % NODES, &id).await;
        Done::Hit(format!("of node {node}: {spoilt}: {came_of_it}"))
    }

    async fn storm(&mut self) -> Done {
        let first = (self.number + 1) * CLIENTS_EACH;
        let crowd = Crowd::gather(self.shared, first, STORM);
        let time = self.hold(4000, 7000).await;
        crowd.disperse().await;
        Done::Hit(format!("{STORM} times as many for {time:?}"))
    }
}

fn all() -> Vec<usize> {
    (0..NODES).collect()
}

fn nodes_of(region: usize) -> Vec<usize> {
    (3 * region..3 * region + 3).collect()
}

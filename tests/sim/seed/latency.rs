//! The latency of writes where only distance takes time: regions 80, 140 and 100 ms apart, one
//! client, no faults but those that a figure is about. The latency of a write far from its
//! organization's home; the lateness of a 408; the cost of one node that hangs or is dead for a
//! write to all regions.
//!
//! The simulation's clock is not that of a busy machine, so the median write is judged and not the
//! fastest, and a bound is judged by every write. It adds up to 3 ms a sync, and a step of 1 ms for
//! each event. It must never measure by the clock of the machine that it runs on.

use std::time::Duration;

use concordat_cluster::consistency::pace;
use concordat_proto::lease::{LeaseRecord, LeaseTerms};
use concordat_tests::{
    demo::Org,
    recorded::{Asked, Carrier, Told},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    clients::{Walk, credential},
    host::End,
    operator,
    shape::Shape,
    trace::Trace,
    world::{World, at_once},
};

const FORM_LIMIT: Duration = Duration::from_secs(60);
/// Beyond the time that a write is given.
const PATIENCE: Duration = Duration::from_secs(5);
const WRITES: usize = 41;
/// Asked for in the region furthest from home: two round trips in a row would be 280 ms.
const LIMITS: [(&str, Duration); 2] =
    [("local_region", Duration::from_millis(150)), ("all_regions", Duration::from_millis(175))];
/// The limit of a 408's lateness; it is never early.
const LATENESS_MAX: Duration = Duration::from_millis(5);
/// Writes that are answered 408, of each kind and through each node.
const LATE: usize = 8;
/// Writes that show the ordinary latency.
const ORDINARY: usize = 11;
/// For a node to get leases again, and to catch up.
const SETTLE: Duration = Duration::from_secs(4);
/// By what ordinary writes differ.
const SLACK: Duration = Duration::from_millis(10);
const PLACE: &str = "/organizations/sso/oidc/provider-credentials";

/// Measures, prints, and returns what was too slow.
pub(crate) fn run(trace: &Trace) -> Result<(), String> {
    let mut far = Far::new(trace)?;
    let mut wrong = Vec::new();
    for (required, limit) in LIMITS {
        wrong.extend(far.written_afar(required, limit)?);
    }
    wrong.extend(far.late_and_committed()?);
    wrong.extend(far.late_and_unknown()?);
    for place in 0..2 {
        for harm in [Harm::Hangs, Harm::IsDead, Harm::DiskHangs] {
            wrong.extend(far.one_node(place, harm)?);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Prints how long things took; returns the middle one.
fn print(what: &str, mut took: Vec<Duration>) -> Duration {
    took.sort();
    let (least, middle, most) = (took[0], took[took.len() / 2], took[took.len() - 1]);
    println!("simulation: {what}: p50 {middle:?}, {least:?} to {most:?}");
    middle
}

/// The fault of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    Hangs,
    IsDead,
    /// It shows what it receives, and cannot sync it.
    DiskHangs,
}

/// A write's end.
struct Ended {
    status: u16,
    outcome: String,
    took: Duration,
}

/// A cluster of regions that are far apart, and an organization at home in the first.
struct Far {
    world: World,
    org: Org,
    trace: Trace,
    written: u64,
}

impl Far {
    fn new(trace: &Trace) -> Result<Self, String> {
        let mut world = World::of(Shape::far_apart(), 1, trace.clone());
        for number in 0..world.hosts.len() {
            world.start(number);
        }
        world.within(FORM_LIMIT, |world| world.ready())?;
        let home = world.shape.regions[0].clone();
        let org = operator::new_org(&mut world, "Far", &home)?;
        let mut far = Self { world, org, trace: trace.clone(), written: 0 };
        let name = credential(0);
        let body = json!({"client_id": name, "client_secret": "a secret", "provider": "google"});
        let made = far.ask(0, ("POST", PLACE.to_owned(), body), "all_regions", 10)?;
        if made.status == 201 { Ok(far) } else { Err(format!("latency: {}", made.status)) }
    }

    fn ask(
        &mut self,
        node: usize,
        (method, target, body): (&'static str, String, Value),
        required: &str,
        timeout_s: u64,
    ) -> Result<Ended, String> {
        let asked = Asked {
            method,
            target,
            headers: vec![
                ("slashid-orgid", self.org.id.clone()),
                ("slashid-api-key", self.org.api_key.clone()),
                ("slashid-required-consistency", required.to_owned()),
                ("slashid-required-consistency-timeout", timeout_s.to_string()),
            ],
            body: Some(body.to_string()),
        };
        let mut walk = Walk::at_the_door(&self.world.client_network, &self.trace);
        let patience = Duration::from_secs(timeout_s) + PATIENCE;
        self.world.ask(async move {
            let begun = Instant::now();
            match walk.exchange(node, &asked, patience).await {
                Told::Answer { status, body, .. } => {
                    let outcome = body["meta"]["consistency"]["outcome"].as_str();
                    let outcome = outcome.unwrap_or_default().to_owned();
                    Ok(Ended { status, outcome, took: begun.elapsed() })
                }
                Told::Nobody | Told::Nothing => Err("latency: not answered".to_owned()),
            }
        })
    }

    fn write(&mut self, node: usize, required: &str, timeout_s: u64) -> Result<Ended, String> {
        self.written += 1;
        let body = json!({"label": format!("{required} {}", self.written)});
        let target = format!("{PLACE}/{}", credential(0));
        self.ask(node, ("PATCH", target, body), required, timeout_s)
    }

    /// How long a write takes that arrives.
    fn arrives(&mut self, node: usize, required: &str) -> Result<Duration, String> {
        let ended = self.write(node, required, 10)?;
        match ended.status {
            200 => Ok(ended.took),
            status => Err(format!("latency: {required} answered {status}")),
        }
    }

    /// All is repaired: every node is ready, and has leases again.
    fn settle(&mut self) -> Result<(), String> {
        self.world.within(FORM_LIMIT, |world| world.ready())?;
        self.world.run(SETTLE);
        self.arrives(0, "all_regions").map(drop)
    }

    /// The machines of a region.
    fn of_region(&self, place: usize) -> Vec<usize> {
        let region = &self.world.shape.regions[place];
        let hosts = self.world.hosts.iter().filter(|host| host.region == *region);
        hosts.map(|host| host.number).collect()
    }

    /// The machine that leads the organization's group.
    fn leader(&self) -> Result<usize, String> {
        let home = &self.world.shape.regions[0];
        for (number, node) in self.world.nodes() {
            let status = at_once(node.groups().status());
            let groups = status.map(|status| status.groups).unwrap_or_default();
            let group = groups.into_iter().find(|group| group.region.as_ref() == Some(home));
            if group.is_some_and(|group| group.leader == Some(self.world.hosts[number].id)) {
                return Ok(number);
            }
        }
        Err("latency: nobody leads".to_owned())
    }

    /// Writes in the region furthest from home.
    fn written_afar(&mut self, required: &str, limit: Duration) -> Result<Option<String>, String> {
        let node = self.of_region(2).last().copied().unwrap_or(0);
        let took: Result<Vec<_>, _> = (0..WRITES).map(|_| self.arrives(node, required)).collect();
        let middle = print(&format!("{required} written 140 ms from home"), took?);
        let wrong = || format!("latency: {required} takes {middle:?}, more than {limit:?}");
        Ok((middle > limit).then(wrong))
    }

    /// A write that cannot be answered 200 is answered 408 when its time is over: how late.
    fn late(&mut self, node: usize, required: &str, outcome: &str) -> Result<Duration, String> {
        let timeout_s = 1 + self.written % 2;
        let ended = self.write(node, required, timeout_s)?;
        let Ended { status, outcome: told, took } = ended;
        if (status, told.as_str()) != (408, outcome) {
            return Err(format!("latency: {status} {told}, not 408 {outcome}"));
        }
        let given = Duration::from_secs(timeout_s);
        took.checked_sub(given).ok_or_else(|| format!("latency: a 408 {:?} early", given - took))
    }

    fn judge_late(what: &str, late: Vec<Duration>) -> Option<String> {
        let most = late.iter().max().copied().unwrap_or_default();
        print(&format!("a 408 is late, {what}"), late);
        (most > LATENESS_MAX).then(|| format!("latency: a 408, {what}, is {most:?} late"))
    }

    /// With a region cut off, through nodes of the others.
    fn late_and_committed(&mut self) -> Result<Option<String>, String> {
        let region = self.world.shape.regions[2].clone();
        let leader = self.leader()?;
        let follower = self.of_region(0).into_iter().find(|node| *node != leader).unwrap_or(0);
        self.world.network.cut_region(&region);
        let mut late = Vec::new();
        for node in [leader, follower, self.of_region(1)[0]] {
            for _ in 0..LATE {
                late.push(self.late(node, "all_regions", "committed")?);
            }
        }
        self.world.network.heal_region(&region);
        self.settle()?;
        Ok(Self::judge_late("committed, with a region cut off", late))
    }

    /// A request to the leader whose answer cannot come.
    fn late_and_unknown(&mut self) -> Result<Option<String>, String> {
        let [from, to] = [0, 2].map(|place| self.world.shape.regions[place].clone());
        let mut late = Vec::new();
        for node in self.of_region(2) {
            for _ in 0..LATE / 2 {
                self.world.network.cut_link(&from, &to);
                late.push(self.late(node, "local_region", "unknown")?);
                self.world.network.heal_link(&from, &to);
                self.settle()?;
            }
        }
        Ok(Self::judge_late("its outcome unknown, the answer lost", late))
    }

    /// One node of a region is gone, and a write to all regions begins at that moment: it waits for
    /// the reads that the node may still answer. If the node had asked for a lease just before,
    /// that one may cover the first write and not the second: together they wait for one lease, and
    /// then no write waits. A node whose disk hangs notices only when it has been late for a while,
    /// and asks until then: that is added.
    fn one_node(&mut self, place: usize, harm: Harm) -> Result<Option<String>, String> {
        self.settle()?;
        let leader = self.leader()?;
        let harmed = self.of_region(place).into_iter().find(|node| *node != leader).unwrap_or(0);
        let terms = LeaseTerms::DEFAULT;
        let lease = if place == 0 { terms.home } else { terms.away };
        let ordinary: Result<Vec<_>, _> =
            (0..ORDINARY).map(|_| self.arrives(leader, "all_regions")).collect();
        let ordinary = ordinary?.into_iter().max().unwrap_or_default();
        match harm {
            Harm::Hangs => self.world.hosts[harmed].is_paused = true,
            Harm::IsDead => self.world.end(harmed, End::Killed),
            Harm::DiskHangs => self.world.hosts[harmed].is_hung = true,
        }
        let first = self.arrives(leader, "all_regions")?;
        let second = self.arrives(leader, "all_regions")?;
        let third = self.arrives(leader, "all_regions")?;
        match harm {
            Harm::Hangs => {
                let now = self.world.now;
                self.world.hosts[harmed].resume(now);
            }
            Harm::IsDead => self.world.start(harmed),
            Harm::DiskHangs => self.world.hosts[harmed].mend_syncs(),
        }
        let whose = if place == 0 { "at home" } else { "away" };
        let what = match harm {
            Harm::Hangs => format!("a node {whose} hangs"),
            Harm::IsDead => format!("a node {whose} is dead"),
            Harm::DiskHangs => format!("the disk of a node {whose} hangs"),
        };
        let notices = match harm {
            Harm::DiskHangs => pace::disk_limit(lease) + SLACK,
            Harm::Hangs | Harm::IsDead => Duration::ZERO,
        };
        println!(
            "simulation: all_regions, {what}: {first:?}, {second:?}, {third:?}; before {ordinary:?} \
             at most; a lease is {lease:?}"
        );
        let lease = LeaseRecord::default().stretched(lease);
        Ok(if first <= ordinary {
            Some(format!("latency: {what}: it had no lease, and nothing was tested"))
        } else if first > lease + ordinary || first + second > lease + notices + 2 * ordinary {
            Some(format!("latency: {what}: {first:?} and {second:?} are more than one lease"))
        } else if third > ordinary + SLACK {
            Some(format!("latency: {what}: {third:?}, when the lease is over"))
        } else {
            None
        })
    }
}

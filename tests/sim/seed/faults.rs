//! The fault plan: what fails, when, and for how long; drawn from the seed, counted by kind.
//!
//! It injects no fault that the product does not promise to survive: any number of nodes may crash,
//! lose power, be paused or be cut off; but a synced disk is lost on one node at a time, and only
//! while all others of its region are whole.

mod addresses;
pub(crate) mod differ;
mod disks;
pub(crate) mod lost;
pub(crate) mod many_moves;
pub(crate) mod scenes;
mod sick;

use std::{collections::BTreeMap, time::Duration};

use concordat_cluster::log::SimFault;
use concordat_proto::region::Region;
use concordat_tests::rng::Rng;

use crate::{
    host::{End, Host},
    kinds::KINDS,
    operator,
    outside::Conditions,
    world::World,
};

/// The repair of a fault.
#[derive(Debug, Clone)]
enum Repair {
    Start(usize),
    Resume(usize),
    Network,
    Region(Region),
    NetworkFaults,
    Disk(usize),
    Clock(usize),
    Undrain(usize),
}

/// The faults of one run: what is broken now, and when it is repaired.
pub(crate) struct FaultPlan {
    rng: Rng,
    counts: BTreeMap<&'static str, u64>,
    due: Vec<(Duration, Repair)>,
    /// A node that has lost its disk's data, until it is whole again.
    recovering: Option<usize>,
    added: Option<usize>,
    is_removed: bool,
    regions_cut: Vec<Region>,
    pub(crate) orgs: Vec<String>,
    /// The organization whose move was begun last.
    moved: Option<String>,
    weights: [u64; CLASSES.len()],
    /// In a quarter of the seeds a clock that has jumped is set right with all else only.
    is_clock_left_wrong: bool,
}

/// One injection.
type Injection = fn(&mut FaultPlan, &mut World);

/// The injections, and their default weights.
const CLASSES: [(u64, Injection); 23] = [
    (5, FaultPlan::stop_one),
    (2, FaultPlan::pause_one),
    (5, FaultPlan::cut_something),
    (4, FaultPlan::network_faults),
    (6, FaultPlan::break_a_disk),
    (1, FaultPlan::clock),
    (2, FaultPlan::hand_over),
    (4, FaultPlan::move_home),
    (2, FaultPlan::move_back_behind_a_cut),
    (2, FaultPlan::move_on),
    (3, FaultPlan::old_leader),
    (3, FaultPlan::overrule),
    (2, FaultPlan::new_leader),
    (3, FaultPlan::split),
    (3, FaultPlan::change_sides),
    (3, FaultPlan::lose_a_vote),
    (3, FaultPlan::operate),
    (2, FaultPlan::membership),
    (1, FaultPlan::everybody),
    (2, FaultPlan::lose_a_disk),
    (3, FaultPlan::move_addresses),
    (3, FaultPlan::hang_a_disk),
    (2, FaultPlan::deafen_one),
];

/// The factors by which a seed multiplies each weight: a run without some faults has room for more
/// of the others, and bugs that show only without disturbance get their chance (Groce et al.,
/// "Swarm testing", ISSTA 2012).
const FACTORS: [u64; 5] = [0, 1, 1, 1, 3];

impl FaultPlan {
    pub(crate) fn new(seed: u64, orgs: Vec<String>) -> Self {
        let mut rng = Rng::new(seed ^ 0xfa_017);
        let weights = CLASSES.map(|(weight, _)| weight * FACTORS[rng.place(FACTORS.len())]);
        Self {
            rng,
            moved: None,
            weights,
            is_clock_left_wrong: Rng::new(seed ^ 0xc10_cc5).below(4) == 0,
            counts: BTreeMap::new(),
            due: Vec::new(),
            recovering: None,
            added: None,
            is_removed: false,
            regions_cut: Vec::new(),
            orgs,
        }
    }

    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    pub(crate) fn count(&mut self, kind: &'static str, by: u64) {
        debug_assert!(KINDS.contains(&kind), "{kind} is not in the table");
        if by > 0 {
            *self.counts.entry(kind).or_default() += by;
        }
    }

    fn ms(&mut self, least: u64, more: u64) -> Duration {
        Duration::from_millis(least + self.rng.below(more))
    }

    fn later(&mut self, world: &World, in_time: Duration, repair: Repair) {
        self.due.push((world.now + in_time, repair));
    }

    /// Until the next fault.
    pub(crate) fn gap(&mut self) -> Duration {
        self.ms(60, 900)
    }

    /// Repairs everything that is due, and restarts processes that have ended by themselves.
    pub(crate) fn repair(&mut self, world: &mut World) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.due).into_iter().partition(|(when, _)| *when <= world.now);
        self.due = later;
        for (_, repair) in due {
            self.undo(world, repair);
        }
        for number in 0..world.hosts.len() {
            if let Some(fault) = world.hosts[number].fault() {
                world.trace.line(format_args!("{number} gives up: {fault}"));
                let how = [End::Killed, End::PowerLost][self.rng.place(2)];
                world.end(number, how);
                let after = self.ms(200, 2000);
                self.later(world, after, Repair::Start(number));
            }
            if let Some(damage) = world.hosts[number].damaged.clone() {
                world.trace.line(format_args!("{number} is wiped: {damage}"));
                // The operator's reaction to a disk that lost data.
                world.end(number, End::Killed);
                world.wipe(number);
                self.count("wiped node", 1);
                self.recovering = Some(number);
                let after = self.ms(100, 1000);
                self.later(world, after, Repair::Start(number));
            }
        }
        if let Some(number) = self.recovering
            && world.hosts[number].node().is_some_and(|node| node.groups().ready().is_ok())
            && operator::remove_lost(world)
        {
            self.recovering = None;
        }
    }

    fn undo(&mut self, world: &mut World, repair: Repair) {
        world.trace.line(format_args!("mend {repair:?}"));
        let now = world.now;
        match repair {
            Repair::Start(number) => {
                if !world.hosts[number].is_up() && !self.is_gone(number) {
                    world.start(number);
                }
            }
            Repair::Resume(number) => {
                if world.hosts[number].is_paused {
                    world.hosts[number].resume(now);
                }
            }
            Repair::Network => {
                world.network.heal_all();
                for region in &self.regions_cut {
                    world.network.cut_region(region);
                }
            }
            Repair::Region(region) => {
                self.regions_cut.retain(|cut| *cut != region);
                world.network.heal_region(&region);
                world.client_network.cut(self.regions_cut.clone());
            }
            Repair::NetworkFaults => world.network_faults.set(Conditions::default()),
            Repair::Disk(number) => world.hosts[number].mend_syncs(),
            Repair::Clock(number) => world.hosts[number].wall.jump(0),
            Repair::Undrain(number) => {
                operator::drain(world, number, false);
            }
        }
    }

    fn is_gone(&self, number: usize) -> bool {
        self.is_removed && self.added == Some(number)
    }

    /// Mends everything at once.
    pub(crate) fn mend_all(&mut self, world: &mut World) {
        let due = std::mem::take(&mut self.due);
        world.network_faults.set(Conditions::default());
        self.regions_cut.clear();
        world.network.heal_all();
        world.client_network.cut(Vec::new());
        for (_, repair) in due {
            if matches!(repair, Repair::Undrain(_) | Repair::Clock(_) | Repair::Disk(_)) {
                self.undo(world, repair);
            }
        }
        world.all_up();
    }

    /// A removal that was begun is ended, and the machine taken away.
    pub(crate) fn end_removal(&mut self, world: &mut World) -> Result<(), String> {
        let Some(added) = self.added.filter(|_| self.is_removed) else { return Ok(()) };
        // A machine that was wiped meanwhile is another node, which has joined.
        for _ in 0..3 {
            let id = world.hosts[added].id;
            if !operator::remove(world, added, 60) {
                return Err(format!("liveness: {added} cannot be removed"));
            }
            // Its groups still need its vote for the change that removes it: it ends by itself when
            // none does.
            let ended = world.within(Duration::from_secs(90), |world| {
                if world.hosts[added].fault().is_some() || world.hosts[added].id != id {
                    return Ok(());
                }
                // Faults from before the repair may end the others only now.
                let is_ended = |host: &Host| host.fault().is_some() || !host.is_up();
                if world.hosts.iter().any(is_ended) {
                    world.all_up();
                }
                Err(format!("liveness: {added} was removed and goes on"))
            });
            if ended.is_err() {
                world.describe();
            }
            ended?;
            if world.hosts[added].id == id {
                break;
            }
        }
        world.end(added, End::Killed);
        world.take_away(added);
        self.added = None;
        Ok(())
    }

    fn any(&mut self, world: &World, fits: impl Fn(&World, usize) -> bool) -> Option<usize> {
        let fitting: Vec<usize> =
            (0..world.hosts.len()).filter(|number| fits(world, *number)).collect();
        (!fitting.is_empty()).then(|| fitting[self.rng.place(fitting.len())])
    }

    fn running(&mut self, world: &World) -> Option<usize> {
        // Half of the time a leader: there is more to break.
        let leads = |world: &World, number: usize| {
            let groups = world.hosts[number].node().map(|node| node.groups().indexes());
            groups.is_some_and(|groups| groups.iter().any(|(.., leads)| *leads))
        };
        if self.rng.below(2) == 0
            && let Some(leader) = self.any(world, leads)
        {
            return Some(leader);
        }
        self.any(world, |world, number| world.hosts[number].node().is_some())
    }

    /// Whether a node may lose its disk's data: all others of its region are whole, and no group's
    /// membership is under way. A change that is half done needs a quorum of the voters before it too.
    fn may_lose(&self, world: &World, number: usize) -> bool {
        let region = &world.hosts[number].region;
        // One that joins, leaves or is drained has no vote.
        let is_drained = self.due.iter().any(|(_, repair)| matches!(repair, Repair::Undrain(_)));
        let others = world.hosts.iter().filter(|it| {
            it.region == *region && it.number != number && Some(it.number) != self.added
        });
        self.recovering.is_none()
            && !is_drained
            && others.count() >= 2
            && world
                .hosts
                .iter()
                .filter(|it| it.number != number)
                .all(|it| it.node().is_some_and(|node| node.groups().ready().is_ok()))
            && !is_changing(&world.hosts[number])
    }

    fn region(&mut self, world: &World) -> Region {
        world.shape.regions[self.rng.place(world.shape.regions.len())].clone()
    }

    /// Lets one thing go wrong.
    pub(crate) fn inject(&mut self, world: &mut World) {
        let mut drawn = self.rng.below(self.weights.iter().sum::<u64>().max(1));
        for (weight, (_, stroke)) in self.weights.into_iter().zip(CLASSES) {
            if drawn < weight {
                return stroke(self, world);
            }
            drawn -= weight;
        }
    }

    fn stop_one(&mut self, world: &mut World) {
        let Some(number) = self.running(world) else { return };
        let (how, kind) =
            [(End::Killed, "crash"), (End::PowerLost, "power loss")][self.rng.place(2)];
        self.count(kind, 1);
        if self.rng.below(3) == 0 {
            // A machine that is gone sends nothing.
            let id = world.hosts[number].id;
            world.network.cut_node(id);
            let after = self.ms(500, 2000);
            self.later(world, after, Repair::Network);
        }
        world.end(number, how);
        let after = self.ms(100, 4000);
        self.later(world, after, Repair::Start(number));
    }

    fn pause_one(&mut self, world: &mut World) {
        let Some(number) = self.running(world) else { return };
        self.pause(world, number);
        self.count("pause", 1);
    }

    fn pause(&mut self, world: &mut World, number: usize) {
        world.trace.line(format_args!("pause of {number}"));
        world.hosts[number].is_paused = true;
        let after = self.ms(100, 4000);
        self.later(world, after, Repair::Resume(number));
    }

    fn cut_something(&mut self, world: &mut World) {
        let after = self.ms(200, 3500);
        let (Some(one), Some(other)) = (self.running(world), self.any(world, |_, _| true)) else {
            return;
        };
        let (from, to) = (world.hosts[one].id, world.hosts[other].id);
        let (region, elsewhere) = (self.region(world), self.region(world));
        let kind = self.rng.below(5);
        world.trace.line(format_args!("cut {kind}: {one}, {other}, {region}, {elsewhere}"));
        match kind {
            0 => {
                world.network.cut_link(from, to);
                self.count("one-way cut", 1);
            }
            1 => {
                world.network.cut_link(&region, &elsewhere);
                self.count("one-way cut", 1);
            }
            2 => {
                world.network.cut_node(from);
                self.count("node cut off", 1);
            }
            3 => {
                world.network.cut_region(&region);
                self.regions_cut.push(region.clone());
                world.client_network.cut(self.regions_cut.clone());
                self.count("region cut off", 1);
                return self.later(world, after, Repair::Region(region));
            }
            _ => {
                let by = self.ms(20, 900);
                world.network.slow_link(&region, &elsewhere, by);
                self.count("slow link", 1);
            }
        }
        self.later(world, after, Repair::Network);
    }

    fn network_faults(&mut self, world: &mut World) {
        let mut conditions = Conditions::default();
        match self.rng.below(4) {
            0 => {
                conditions.lost = 5 + self.rng.below(150);
            }
            1 => {
                conditions.answers_lost = 5 + self.rng.below(150);
                self.count("answers lost", 1);
            }
            2 => conditions.doubled = 20 + self.rng.below(400),
            _ => {
                conditions.late = 20 + self.rng.below(400);
                conditions.late_ms = 5 + self.rng.below(600);
            }
        }
        world.trace.line(format_args!("{conditions:?}"));
        world.network_faults.set(conditions);
        let after = self.ms(500, 4000);
        self.later(world, after, Repair::NetworkFaults);
    }

    fn break_a_disk(&mut self, world: &mut World) {
        let Some(number) = self.running(world) else { return };
        let after = self.rng.below(40);
        let kind = self.rng.below(8);
        world.trace.line(format_args!("disk {kind} of {number}, after {after}"));
        let files = world.hosts[number].files.clone();
        match kind {
            0 => files.inject(SimFault::PowerOff { after }),
            1 => files.inject(SimFault::SyncError { after }),
            2 => files.inject(SimFault::ReadError { after }),
            3 => files.inject(SimFault::Full { bytes: 64 * after }),
            4 => world.hosts[number].fail_state(),
            5 => files.inject(SimFault::WriteError { after }),
            _ => {
                world.hosts[number].sync_ms = 20 + self.rng.below(600);
                self.count("slow disk", 1);
                let after = self.ms(500, 4000);
                self.later(world, after, Repair::Disk(number));
            }
        }
    }

    /// Counts the disk faults that have occurred: a restart clears pending ones.
    pub(crate) fn count_disks(&mut self, world: &World) {
        let hosts = world.hosts.iter().chain(&world.taken_away);
        for (files, store) in hosts.flat_map(Host::disks) {
            let hits = files.hits();
            self.count("power failing in a write", hits.powers_off);
            self.count("sync error", hits.sync_errors);
            self.count("read error", hits.read_errors);
            self.count("disk full", hits.full);
            self.count("write error", hits.write_errors);
            self.count("state write error", store.failures());
        }
    }

    /// One clock at a time: the time that the cluster agrees upon takes most of them.
    fn clock(&mut self, world: &mut World) {
        if self.due.iter().any(|(_, repair)| matches!(repair, Repair::Clock(_))) {
            return;
        }
        let Some(number) = self.running(world) else { return };
        // Up to three days ahead: longer than anything is remembered.
        let by = 1000 * i64::try_from(self.rng.below(300_000)).unwrap_or(0) - 50_000_000;
        world.trace.line(format_args!("clock of {number} jumps by {by} ms"));
        world.hosts[number].wall.jump(by);
        self.count("clock jump", 1);
        let after = self.ms(500, 5000);
        if self.is_clock_left_wrong {
            self.count("clock that stays wrong", 1);
            return self.later(world, world.shape.fault_plan, Repair::Clock(number));
        }
        self.later(world, after, Repair::Clock(number));
    }

    /// A process that is stopped in order transfers its leadership.
    fn hand_over(&mut self, world: &mut World) {
        let Some(number) = self.running(world) else { return };
        let Some((handle, node)) = world.hosts[number].door() else { return };
        world.trace.line(format_args!("{number} is asked to end"));
        let leads = node.groups().indexes().iter().any(|(.., leads)| *leads);
        self.count("leader handed over", u64::from(leads));
        drop(handle.spawn(async move { node.groups().shutdown().await }));
        world.run(Duration::from_millis(1500));
        world.end(number, End::Killed);
        let after = self.ms(100, 1500);
        self.later(world, after, Repair::Start(number));
    }

    fn move_home(&mut self, world: &mut World) {
        if self.orgs.is_empty() {
            return;
        }
        let again = self.moved.take().filter(|_| self.rng.below(2) == 0);
        let is_again = again.is_some();
        let org = again.unwrap_or_else(|| self.orgs[self.rng.place(self.orgs.len())].clone());
        let to = self.region(world);
        let is_begun = operator::move_home(world, &org, &to);
        self.count("home move", u64::from(is_begun));
        self.count("moved on", u64::from(is_begun && is_again));
        self.moved = is_begun.then(|| org.clone());
        if is_begun && self.rng.below(3) == 0 {
            let wait = self.ms(1, 400);
            world.run(wait);
            let is_back = operator::move_back(world, &org);
            self.count("move taken back", u64::from(is_back));
        }
    }

    fn operate(&mut self, world: &mut World) {
        match self.rng.below(4) {
            0 => {
                let is_done = operator::lease_terms(world, 1500 + self.rng.below(3000));
                self.count("lease terms", u64::from(is_done));
            }
            1 => {
                let survive = ["region", "node"][self.rng.place(2)];
                let is_done = operator::set(world, "survival_goal", survive);
                self.count("survive setting", u64::from(is_done));
            }
            2 => {
                let when = ["fence", "serve", "serve"][self.rng.place(3)];
                let is_done = operator::set(world, "partition_policy", when);
                self.count("fence setting", u64::from(is_done));
            }
            _ => {
                let Some(number) = self.running(world) else { return };
                // Refused or not answered, it may come true.
                let is_done = operator::drain(world, number, true);
                self.count("drain", u64::from(is_done));
                let after = self.ms(1000, 4000);
                self.later(world, after, Repair::Undrain(number));
            }
        }
    }

    fn membership(&mut self, world: &mut World) {
        match self.added {
            None => {
                let region = self.region(world);
                let number = world.add_host(&region);
                world.start(number);
                self.added = Some(number);
                self.count("add node", 1);
                // States go back to before it came, and logs do not.
                let wait = self.ms(300, 4000);
                match self.rng.below(3) {
                    0 => {
                        world.run(wait);
                        self.all_down(world, End::PowerLost);
                    }
                    1 => {
                        world.run(wait);
                        self.go_back(world);
                    }
                    _ => {}
                }
            }
            Some(number) => {
                // Whether or not it was answered, it may take effect.
                self.is_removed = true;
                let is_done = operator::remove(world, number, 1);
                self.count("remove node", u64::from(is_done));
            }
        }
    }

    fn everybody(&mut self, world: &mut World) {
        let how = [End::Killed, End::PowerLost][self.rng.place(2)];
        if self.rng.below(2) == 0 {
            return self.all_down(world, how);
        }
        let region = self.region(world);
        for number in 0..world.hosts.len() {
            if world.hosts[number].region == region && world.hosts[number].node().is_some() {
                self.pause(world, number);
            }
        }
        self.count("region paused", 1);
    }

    fn all_down(&mut self, world: &mut World, how: End) {
        for number in 0..world.hosts.len() {
            if world.hosts[number].is_up() {
                world.end(number, how);
                let after = self.ms(100, 1500);
                self.later(world, after, Repair::Start(number));
            }
        }
        self.count("all nodes down", 1);
    }
}

/// Whether a group that this machine leads has a change of membership before it or under way: only its
/// leader knows of that.
fn is_changing(host: &Host) -> bool {
    let health = host.node().map(|node| node.groups().health());
    health.is_some_and(|health| health.replicas.iter().any(|replica| replica.change.is_some()))
}

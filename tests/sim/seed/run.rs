//! The phases of one run: form, work, faults, perhaps the loss of a region, repair, judge.

pub(crate) mod backlog;
mod dialects;
mod idle;
pub(crate) mod lost_log;
mod misspelt;
mod no_seeds;
mod odd;
mod organizations;
mod overdue;
mod policies;
mod put_back;
mod report;
mod rest;
pub(crate) mod two_copies;

use std::{sync::Arc, time::Duration};

use concordat_proto::region::Region;
use concordat_tests::{
    checker,
    demo::Org,
    history::{History, Operation, Outcome, Recorder},
    recorded::Place,
    rng::Rng,
};
use tokio::{sync::watch, task::JoinHandle};

pub(crate) use self::report::Report;
use crate::{
    clients::{CREDENTIALS, Client, Gate, MANY_MOVES, Work, has_dialects},
    faults::{FaultPlan, differ, lost},
    host::End,
    invariants::{Watch, features, frozen::Frozen, logs, secrets},
    operator,
    shape::Shape,
    trace::Trace,
    world::World,
};
use concordat_cluster::locks::locked;

const READERS: usize = 4;
const WRITERS: usize = 5;
/// For a cluster to form.
const FORM_LIMIT: Duration = Duration::from_secs(60);
/// For everything to be whole again, once nothing is in the way any more: elections, snapshots,
/// changes of membership one by one.
const MEND_LIMIT: Duration = Duration::from_secs(120);
/// For many organizations to move: some at a time, each for a lease at its longest.
const MOVES_LIMIT: Duration = Duration::from_secs(90);
/// Writes of unknown outcome that are looked up at the end, and one in this many of the others.
const UNKNOWN_ASKED: usize = 40;
const ASKED_ONE_IN: usize = 16;
/// For clients to complete their requests.
const HOLD_LIMIT: Duration = Duration::from_secs(30);

/// Runs a seed.
pub(crate) fn seed(seed: u64, trace: &Trace) -> Report {
    let mut run = Run::of(seed, World::new(seed, trace.clone()));
    let mut violation = run.run_phases().err();
    let mut counts = [0; 6];
    let mut summary = String::new();
    if let Some(work) = &run.work {
        let history = work.recorder.history();
        let policies = run.policy_history(work, &history);
        match checker::check_under(&policies, &history, &run.final_reads) {
            Ok(found) => {
                let checker::Summary { writes, committed, reads, unmarked, .. } = found;
                counts = [writes, committed, reads, unmarked, found.bound, found.questions];
                summary = found.to_string();
            }
            Err(broken) => {
                violation = violation.or_else(|| Some(format!("history: {broken}")));
            }
        }
    }
    run.count_all();
    let regions: Vec<String> = run.world.shape.nodes.iter().map(Region::to_string).collect();
    Report {
        seed,
        violation,
        simulated: run.world.now - run.world.suspended,
        suspended: run.world.suspended,
        trace: trace.end(),
        kinds: run.fault_plan.counts().iter().map(|(kind, count)| (*kind, *count)).collect(),
        summary,
        counts,
        shape: regions.join(" "),
    }
}

/// The last actions of a region's leader before it is lost.
#[derive(Debug, Clone, Copy)]
enum Last {
    /// Everything has arrived elsewhere.
    Quiet,
    /// It accepts writes that no other node gets.
    LostLog,
    /// Its successor decides its writes otherwise, and one survivor has the first copy.
    TwoCopies,
}

/// Clients that wait on.
type Waiting = Vec<JoinHandle<()>>;

struct Run {
    seed: u64,
    world: World,
    watch: Watch,
    fault_plan: FaultPlan,
    work: Option<Arc<Work>>,
    clients: Vec<JoinHandle<()>>,
    final_reads: Vec<Operation>,
    rng: Rng,
    /// For scenes of their own: no other draw depends on them.
    scenes: Rng,
}

impl Run {
    fn of(seed: u64, world: World) -> Self {
        Self {
            seed,
            world,
            watch: Watch::default(),
            fault_plan: FaultPlan::new(seed, Vec::new()),
            work: None,
            clients: Vec::new(),
            final_reads: Vec::new(),
            rng: Rng::new(seed ^ 0x0c0_75e),
            scenes: Rng::new(seed ^ 0x5ce_2e5),
        }
    }

    /// A cluster of three far regions with clients at work, and no fault, for a scene of its own.
    fn alone(seed: u64, world_seed: u64, trace: &Trace) -> Result<Self, String> {
        let shape = Shape { tick: Duration::from_millis(2), orgs: 3, ..Shape::far_apart() };
        let mut run = Self::of(seed, World::of(shape, world_seed, trace.clone()));
        run.form()?;
        run.populate()?;
        run.run(Duration::from_secs(2))?;
        Ok(run)
    }

    /// Whether the history of a scene holds.
    fn judged(&self, history: &History) -> Result<(), String> {
        let policies = self.policy_history(&self.work(), history);
        let judged = checker::check_under(&policies, history, &self.final_reads);
        judged.map(drop).map_err(|broken| format!("history: {broken}"))
    }

    fn run_phases(&mut self) -> Result<(), String> {
        self.form()?;
        self.populate()?;
        self.fault_plan()?;
        self.repair("after the trouble")?;
        self.upgrade()?;
        self.put_back()?;
        if self.seed.is_multiple_of(MANY_MOVES) {
            self.move_many()?;
        }
        if self.rng.below(4) == 0 && self.world.shape.regions.len() >= 3 {
            let waiting = self.lose_a_region()?;
            self.repair("after a failover")?;
            if let Some((lost, waiting)) = waiting {
                self.forget_and_ask(&lost, waiting)?;
            }
        }
        let mut rng = Rng::new(self.seed ^ 0x3155_be17);
        if rng.below(3) == 0 {
            self.misspell_a_region(&mut rng)?;
        }
        self.idle()?;
        self.hold()?;
        self.finish()?;
        if self.scenes.below(4) == 0 {
            let answered = differ::play(self.seed, &self.world.trace)?;
            self.fault_plan.count("survivors that differ", u64::from(answered));
        }
        Ok(())
    }

    fn form(&mut self) -> Result<(), String> {
        for number in 0..self.world.hosts.len() {
            self.world.start(number);
        }
        if self.scenes.below(3) == 0 {
            lost::write_while_forming(&self.world, &mut self.scenes);
            self.fault_plan.count("organization made while forming", 1);
        }
        let mut is_unnamed = false;
        if self.rng.below(4) == 0 {
            // A cluster that an earlier release has begun has no names of regions. Once it is upgraded,
            // those that had not joined by then have to be named.
            is_unnamed = self.world.shape.feature_level < self.world.shape.upgraded_to;
            // A node's knowledge of the others may go back, its votes and entries may not.
            let wait = Duration::from_millis(200 + self.rng.below(5000));
            self.run(wait)?;
            for number in 0..self.world.hosts.len() {
                self.world.end(number, End::PowerLost);
                let wait = Duration::from_millis(self.rng.below(300));
                self.run(wait)?;
                self.world.start(number);
            }
            self.fault_plan.count("power lost while forming", 1);
        }
        let formed = self.world.within(FORM_LIMIT, |world| {
            let ready = world.ready();
            if ready.is_err() && is_unnamed {
                let regions = world.shape.regions.clone();
                let _all = regions.iter().all(|region| operator::add_region(world, region));
            }
            ready
        });
        formed.map_err(|reason| format!("liveness: the cluster does not form: {reason}"))?;
        self.lose_power_without_seeds()?;
        self.world.client_network.receipts_are_whole()
    }

    fn populate(&mut self) -> Result<(), String> {
        if let Some(home_ms) = self.world.shape.lease_ms {
            let is_done = operator::lease_terms(&mut self.world, home_ms);
            self.fault_plan.count("lease terms", u64::from(is_done));
        }
        if self.world.shape.serves_isolated {
            let is_done = operator::set(&mut self.world, "partition_policy", "serve");
            self.fault_plan.count("fence setting", u64::from(is_done));
        }
        let mut orgs: Vec<Org> = Vec::new();
        for number in 0..self.world.shape.orgs {
            let regions = &self.world.shape.regions;
            let home = regions[number % regions.len()].clone();
            orgs.push(operator::new_org(&mut self.world, &format!("Org {number}"), &home)?);
        }
        operator::no_nil_org(&mut self.world)?;
        self.world.network_faults.must_not_carry(secrets::of(&self.world.operator_key, &orgs));
        self.fault_plan.orgs = orgs.iter().map(|org| org.id.clone()).collect();
        let places = self
            .world
            .shape
            .nodes
            .iter()
            .map(|region| Place { url: String::new(), region: region.to_string() });
        let places: Arc<[Place]> = places.collect();
        let has_domains = self.give_domains(&orgs);
        let _here = self.world.clients().enter();
        let work = Arc::new(Work {
            recorder: Arc::new(Recorder::default()),
            places,
            orgs,
            client_network: self.world.client_network.clone(),
            trace: self.world.trace.clone(),
            seed: self.seed,
            has_domains,
            named: std::sync::Mutex::default(),
            waited: std::sync::Mutex::default(),
            policies: std::sync::Mutex::default(),
            made: std::sync::Mutex::default(),
            gate: watch::Sender::new(Gate::Open),
            waiting: watch::Sender::new(0),
        });
        for number in 0..READERS {
            self.clients.push(tokio::spawn(Client::new(&work, number).reads()));
        }
        for number in 0..WRITERS {
            self.clients.push(tokio::spawn(Client::new(&work, READERS + number).writes()));
        }
        self.begin_policies(&work);
        self.begin_organizations(&work);
        self.begin_odd_client(&work);
        self.work = Some(work);
        Ok(())
    }

    fn look(&mut self) -> Result<(), String> {
        for client in &self.clients {
            if client.is_finished() {
                return Err("clients: one has met what no server may answer".to_owned());
            }
        }
        self.world.client_network.receipts_are_whole()?;
        self.watch.look(&self.world)
    }

    fn run(&mut self, time: Duration) -> Result<(), String> {
        self.world.run(time);
        self.look()
    }

    fn fault_plan(&mut self) -> Result<(), String> {
        self.run(Duration::from_secs(2))?;
        let until = self.world.now + self.world.shape.fault_plan;
        while self.world.now < until {
            let gap = self.fault_plan.gap();
            self.run(gap)?;
            self.fault_plan.repair(&mut self.world);
            self.fault_plan.inject(&mut self.world);
        }
        Ok(())
    }

    /// Many organizations move at once while nothing is in the way.
    fn move_many(&mut self) -> Result<(), String> {
        let mut rng = Rng::new(self.seed ^ 0x303e5);
        let moves = self.fault_plan.many_moves(&mut self.world, &mut rng)?;
        let until = self.world.now + MOVES_LIMIT;
        let mut frozen = Frozen::default();
        while !moves.have_arrived(&self.world) {
            if self.world.now >= until {
                self.world.describe();
                return Err("liveness: organizations that were asked to move have not".to_owned());
            }
            self.run(Duration::from_millis(50))?;
            frozen.look(&self.world)?;
        }
        let longest = frozen.longest();
        self.world
            .trace
            .line(format_args!("all have moved; the longest was frozen for {longest:?}"));
        Ok(())
    }

    /// Nothing is in the way any more: everything must become whole by itself.
    fn repair(&mut self, when: &str) -> Result<(), String> {
        self.world.trace.line(format_args!("all is mended"));
        self.fault_plan.mend_all(&mut self.world);
        self.fault_plan.end_removal(&mut self.world)?;
        let until = self.world.now + MEND_LIMIT;
        loop {
            self.run(Duration::from_millis(250))?;
            let Err(reason) = self.whole() else { return self.run(Duration::from_secs(1)) };
            if self.world.now >= until {
                self.world.describe();
                return Err(format!("liveness: {when}: {reason}"));
            }
            // Faults from before the repair may show only now.
            for number in 0..self.world.hosts.len() {
                let host = &self.world.hosts[number];
                if host.fault().is_some() || host.damaged.is_some() || !host.is_up() {
                    self.world.all_up();
                }
            }
        }
    }

    /// Nodes of an earlier release are upgraded, one at a time; then the level rises.
    fn upgrade(&mut self) -> Result<(), String> {
        let is_old = |world: &World, number: usize| {
            world.hosts[number].feature_level < world.shape.upgraded_to
        };
        let old: Vec<usize> =
            (0..self.world.hosts.len()).filter(|number| is_old(&self.world, *number)).collect();
        self.fault_plan.count("upgraded", old.len() as u64);
        for number in old {
            self.world.end(number, End::Killed);
            self.world.start(number);
            self.run(Duration::from_millis(500))?;
        }
        let raised = self.world.within(MEND_LIMIT, |world| {
            world.ready()?;
            features::raised(world)
        });
        raised.map_err(|reason| format!("liveness: {reason}"))
    }

    /// Every node is a full member, and lost ones have been removed.
    fn whole(&mut self) -> Result<(), String> {
        // Before all are ready: at the first feature level a wiped node is let in at its predecessor's
        // address only when that one has been removed.
        let is_removed = operator::remove_lost(&mut self.world);
        self.world.ready()?;
        match is_removed {
            true => Ok(()),
            false => Err(format!("{:?} are not removed yet", self.world.lost)),
        }
    }

    fn work(&self) -> Arc<Work> {
        Arc::clone(self.work.as_ref().expect("there are clients"))
    }

    /// Lets every client complete its request, and pauses them.
    fn hold(&mut self) -> Result<(), String> {
        let work = self.work();
        work.gate.send_replace(Gate::Held);
        let all = self.clients.len();
        let waiting = work.waiting.subscribe();
        let held = self.world.within(HOLD_LIMIT, |_| {
            let count = *waiting.borrow();
            if count == all { Ok(()) } else { Err(format!("{count} of {all} clients hold")) }
        });
        held.map_err(|reason| format!("liveness: {reason}"))
    }

    /// All replicas of all groups are at one index.
    fn agree(&mut self) -> Result<(), String> {
        let agreed = self.world.within(MEND_LIMIT, |world| {
            let mut furthest = std::collections::BTreeMap::new();
            for (number, node) in world.nodes() {
                for (group, _, applied, last, _) in node.groups().indexes() {
                    let known = *furthest.entry(group).or_insert(applied);
                    if known != applied || last != applied {
                        return Err(format!(
                            "{number} has applied {applied} of {last} of {group}, another {known}"
                        ));
                    }
                }
            }
            Ok(())
        });
        if agreed.is_err() {
            self.world.describe();
        }
        agreed.map_err(|reason| format!("liveness: replicas do not agree: {reason}"))
    }

    /// A region is lost when everything in it has been replicated elsewhere, except perhaps its
    /// leader's last entries, and returns much later. Clients may still wait.
    fn lose_a_region(&mut self) -> Result<Option<(Region, Waiting)>, String> {
        let regions = self.world.shape.regions.clone();
        let lost = regions[self.rng.place(regions.len())].clone();
        let others: Vec<&Region> = regions.iter().filter(|region| **region != lost).collect();
        let to = others[self.rng.place(others.len())].clone();
        let last = [Last::Quiet, Last::LostLog, Last::TwoCopies][self.rng.place(3)];
        self.lose(lost, to, last)
    }

    /// Loses a region, and fails it over.
    fn lose(
        &mut self,
        lost: Region,
        to: Region,
        last: Last,
    ) -> Result<Option<(Region, Waiting)>, String> {
        self.hold()?;
        self.agree()?;
        self.watch.groups_may_close();
        let of_lost: Vec<usize> = (0..self.world.hosts.len())
            .filter(|number| self.world.hosts[*number].region == lost)
            .collect();
        let how = [End::Killed, End::PowerLost][self.rng.place(2)];
        let waiting = match last {
            Last::Quiet => None,
            Last::LostLog => self.write_into_a_lost_log(&lost, &of_lost)?,
            Last::TwoCopies => self.write_two_copies(&of_lost)?.then(Vec::new),
        };
        for number in &of_lost {
            self.world.end(*number, how);
        }
        self.world.trace.line(format_args!("{lost} is lost, and failed over to {to}"));
        self.work().gate.send_replace(Gate::Open);
        self.run(Duration::from_secs(2))?;
        // The third region is cut off before it has anything of the successor: it counts all the same.
        if self.scenes.below(2) == 0 && lost::cut_a_third(&mut self.world, &lost, &to) {
            self.fault_plan.count("third region cut off after a failover", 1);
        }
        // Where the system group or the voter region had its quorum in the lost region, no node can
        // answer.
        match operator::fail_over(&mut self.world, &lost, &to) {
            Ok(()) => self.fault_plan.count("region failed over", 1),
            Err(reason) => self.world.trace.line(format_args!("not failed over: {reason}")),
        }
        self.run(Duration::from_secs(6))?;
        // It may resume alone first: it does not learn that its group was closed.
        let is_alone = self.rng.below(2) == 0;
        if is_alone {
            self.world.network.cut_region(&lost);
            self.world.client_network.cut(vec![lost.clone()]);
        }
        for number in of_lost {
            self.world.start(number);
        }
        self.run(Duration::from_secs(5))?;
        if is_alone {
            self.world.network.heal_region(&lost);
            self.world.client_network.cut(Vec::new());
            self.run(Duration::from_secs(2))?;
        }
        Ok(waiting.map(|waiting| (lost, waiting)))
    }

    /// The end: everything is read at every node, and no secret is on a disk.
    fn finish(&mut self) -> Result<(), String> {
        self.agree()?;
        self.rest()?;
        let bounded = self.world.within(MEND_LIMIT, |world| {
            logs::bounded(world)?;
            overdue::no_spare_state(world)
        });
        bounded.map_err(|reason| format!("growth: {reason}"))?;
        self.lift_policies()?;
        self.judge_organizations()?;
        let work = self.work();
        let new_client = |number| {
            let _here = self.world.clients().enter();
            Client::new(&work, number)
        };
        let (mut writer, mut client) = (new_client(9998), new_client(9999));
        let asker = new_client(9997);
        let orgs = work.orgs.len();
        let written = self.world.ask(async move {
            for org in 0..orgs {
                writer.must_write((org, 0)).await?;
            }
            Ok(())
        });
        written.map_err(|reason: String| format!("liveness: {reason}"))?;
        self.ask_for_writes(asker)?;
        let before = work.recorder.history().operations.len();
        let reading = {
            let work = Arc::clone(&work);
            async move {
                for node in 0..work.places.len() {
                    for org in 0..work.orgs.len() {
                        for credential in 0..CREDENTIALS {
                            let mut left = 100;
                            while !client.read((org, credential), node).await.is_unmarked() {
                                left -= 1;
                                if left == 0 {
                                    return Err(format!("node {node} gives only marked reads"));
                                }
                                tokio::time::sleep(Duration::from_millis(200)).await;
                            }
                        }
                    }
                    if has_dialects(work.seed) {
                        client.reads_all_bound(node).await?;
                    }
                }
                Ok(())
            }
        };
        let read = self.world.ask(reading);
        read.map_err(|reason| format!("liveness: {reason}"))?;
        let mut operations = work.recorder.history().operations.split_off(before);
        operations.retain(|it| it.outcome.is_unmarked());
        self.final_reads = operations;
        self.speak_dialects()?;
        work.gate.send_replace(Gate::Over);
        let search = secrets::of(&self.world.operator_key, &work.orgs);
        secrets::none_written(&self.world, &search)
    }

    /// Looks some writes up by their ids: every node knows the outcome of each; those with an
    /// unknown outcome come first.
    fn ask_for_writes(&mut self, mut client: Client) -> Result<(), String> {
        let work = self.work();
        let mut named = locked(&work.named).clone();
        let (unknown, others): (Vec<_>, Vec<_>) =
            named.drain(..).partition(|(_, named)| named.attempt.outcome == Outcome::Unknown);
        let others = others.into_iter().step_by(ASKED_ONE_IN);
        let asked: Vec<_> = unknown.into_iter().take(UNKNOWN_ASKED).chain(others).collect();
        let asking = async move {
            for (number, named) in asked.iter().enumerate() {
                let nodes = work.places.len();
                // At two of them.
                for node in [number % nodes, (number + 1 + number / nodes) % nodes] {
                    let mut left = 100;
                    while !client.ask(named, node, None).await {
                        left -= 1;
                        if left == 0 {
                            return Err(format!("node {node} gives only marked answers"));
                        }
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
            }
            Ok(())
        };
        self.world.ask(asking).map_err(|reason| format!("liveness: {reason}"))
    }

    /// What the seed has hit, as far as only others know.
    fn count_all(&mut self) {
        let (network_faults, met) =
            (self.world.network_faults.counts(), self.world.client_network.met());
        self.fault_plan.count_disks(&self.world);
        self.count_policies();
        self.count_dialects();
        self.count_organizations();
        self.count_odd_client();
        self.fault_plan.count("lost messages", network_faults.lost);
        self.fault_plan.count("requests doubled", network_faults.doubled);
        self.fault_plan.count("late messages", network_faults.late);
        self.fault_plan.count("client hangs up", met.hung_up);
        self.fault_plan.count("retry in another region", met.elsewhere);
        self.fault_plan.count("process dies with requests", met.died);
        self.fault_plan.count("snapshot installed", self.watch.snapshots());
        let drifting = self.world.shape.drift.iter().filter(|drift| **drift != 0.0).count();
        self.fault_plan.count("clock drift", drifting as u64);
    }
}

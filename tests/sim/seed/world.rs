//! The whole simulation: machines, the network between them, clients, and the only clock that
//! counts.
//!
//! It runs every process for one step after another, on one thread, in an order that the seed
//! draws; all events are in steps. It knows no fault, and only those invariants that are checked in
//! each step.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use concordat_cluster::{
    locks::locked,
    raft::in_process::{DelayMatrix, InProcessNetwork},
};
use concordat_node::embedded::EmbeddedNode;
use concordat_proto::{id::NodeId, region::Region};
use concordat_tests::rng::Rng;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{Instant, sleep_until},
};

use crate::{
    clients::ClientNetwork,
    host::{Common, End, Host, beginning},
    invariants::{late::Late, leaders::Leaders, promise::Promise},
    outside::{SimNetworkFaults, SimWall, TrueTime},
    policies_seen::PoliciesSeen,
    shape::Shape,
    trace::Trace,
};

/// Requests of one node on one channel that another has not answered: so few that a backlog shows.
const REQUESTS_MAX: usize = 64;

/// The clients' runtime: with a right clock.
struct Clients {
    runtime: Runtime,
    base: Instant,
}

/// The simulation.
pub(crate) struct World {
    pub(crate) shape: Shape,
    pub(crate) hosts: Vec<Host>,
    /// Machines that were removed for good.
    pub(crate) taken_away: Vec<Host>,
    /// The machines whose addresses the settings name as seeds.
    pub(crate) seeds: Vec<usize>,
    /// Nodes whose disks are gone, until an operator has removed them.
    pub(crate) lost: Vec<NodeId>,
    pub(crate) network: InProcessNetwork,
    pub(crate) network_faults: Arc<SimNetworkFaults>,
    pub(crate) client_network: ClientNetwork,
    pub(crate) promise: Promise,
    pub(crate) leaders: Leaders,
    pub(crate) late: Late,
    pub(crate) policies: PoliciesSeen,
    pub(crate) trace: Trace,
    /// The regions that the settings or the operator have named.
    pub(crate) named: BTreeSet<Region>,
    pub(crate) operator_key: String,
    pub(crate) now: Duration,
    /// The part of it in which all machines were suspended.
    pub(crate) suspended: Duration,
    common: Common,
    clients: Clients,
    time: TrueTime,
    rng: Rng,
}

impl World {
    /// Machines that are off, as the seed has them.
    pub(crate) fn new(seed: u64, trace: Trace) -> Self {
        Self::of(Shape::draw(seed), seed, trace)
    }

    /// Machines of this shape, that are off.
    pub(crate) fn of(shape: Shape, seed: u64, trace: Trace) -> Self {
        let mut delays = DelayMatrix::new().within(shape.within);
        for (one, other, round_trip) in &shape.between {
            delays = delays.between(&shape.regions[*one], &shape.regions[*other], *round_trip);
        }
        let network_faults = Arc::new(SimNetworkFaults::new(seed ^ 0x3ea7, &trace));
        let network = InProcessNetwork::with_weather(delays, network_faults.clone(), REQUESTS_MAX);
        let (operator_key, bootstrap, keyring) = beginning(seed ^ 0xbe91);
        // One of each region, as an operator would name them.
        let first_of = |region| shape.nodes.iter().position(|of| of == region);
        let seeds: Vec<usize> = shape.regions.iter().filter_map(first_of).collect();
        let common = Common {
            seed,
            network: network.clone(),
            keyring,
            bootstrap,
            seeds: seeds.iter().map(|number| format!("place-{number}")).collect(),
            shape: shape.clone(),
        };
        let time = TrueTime::default();
        let host = |(number, region): (usize, &Region)| {
            Host::new(number, region.clone(), SimWall::new(&time), &common)
        };
        let hosts: Vec<Host> = shape.nodes.iter().enumerate().map(host).collect();
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let base = runtime.block_on(async { Instant::now() });
        let promise = Promise::default();
        Self {
            client_network: ClientNetwork::new(seed ^ 0xd0025, &shape, promise.told()),
            promise,
            leaders: Leaders::default(),
            late: Late::default(),
            policies: PoliciesSeen::default(),
            hosts,
            taken_away: Vec::new(),
            seeds,
            lost: Vec::new(),
            network,
            network_faults,
            trace,
            named: shape.regions.iter().cloned().collect(),
            operator_key,
            now: Duration::ZERO,
            suspended: Duration::ZERO,
            common,
            clients: Clients { runtime, base },
            time,
            rng: Rng::new(seed ^ 0x71c4),
            shape,
        }
    }

    /// One more machine, off.
    pub(crate) fn add_host(&mut self, region: &Region) -> usize {
        let number = self.hosts.len();
        let wall = SimWall::new(&self.time);
        // Not the ids again of one with its number that was taken away.
        let mut common = self.common.clone();
        common.seed ^= (self.taken_away.len() as u64) << 20;
        let mut host = Host::new(number, region.clone(), wall, &common);
        // Another one may have come to the address that a machine of this number has.
        while self.hosts.iter().any(|other| other.address == host.address) {
            host.address.push_str("-b");
        }
        host.feature_level = self.shape.upgraded_to;
        self.hosts.push(host);
        self.client_network.add(number, region);
        self.name_seeds();
        number
    }

    /// Removes the machines from this one on.
    pub(crate) fn take_away(&mut self, from: usize) {
        self.taken_away.extend(self.hosts.drain(from..));
    }

    /// Where clients' tasks go.
    pub(crate) fn clients(&self) -> &Handle {
        self.clients.runtime.handle()
    }

    /// One step of every machine.
    pub(crate) fn step(&mut self) {
        self.now += self.shape.tick;
        self.time.set(self.now);
        self.trace.set_time(self.now);
        let count = self.hosts.len();
        let first = self.rng.place(count);
        for place in 0..count {
            self.hosts[(first + place) % count].run_until(self.now);
        }
        for host in &self.hosts {
            self.client_network.set(host.number, host.door());
        }
        let until = self.clients.base + self.now;
        self.clients.runtime.block_on(async move { sleep_until(until).await });
        self.promise.look(&self.hosts, self.now);
        self.leaders.look(&self.hosts, &self.network, self.now);
        self.late.look(&self.hosts, self.now);
        self.policies.look(&self.hosts, self.now);
    }

    /// Continues for this long.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step();
        }
    }

    /// Suspends all machines at this moment, and resumes them after this long: their clocks, wall and steady,
    /// jump together.
    pub(crate) fn suspend_all(&mut self, time: Duration) {
        self.trace.line(format_args!("all are suspended for {time:?}"));
        self.now += time;
        self.suspended += time;
        self.time.set(self.now);
        self.trace.set_time(self.now);
        for host in &mut self.hosts {
            host.resume(self.now);
        }
        self.step();
    }

    /// Continues until a condition holds; returns the obstacle when it did not in time.
    pub(crate) fn within(
        &mut self,
        limit: Duration,
        mut holds: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let until = self.now + limit;
        loop {
            match holds(self) {
                Ok(()) => return Ok(()),
                Err(reason) if self.now >= until => return Err(reason),
                Err(_) => self.run(Duration::from_millis(50)),
            }
        }
    }

    /// Runs a task on the clients' runtime, and continues until it is done.
    pub(crate) fn ask<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let slot = Arc::new(Mutex::new(None));
        let filled = Arc::clone(&slot);
        let work = async move {
            let done = work.await;
            *locked(&filled) = Some(done);
        };
        drop(self.clients().spawn(work));
        loop {
            self.step();
            if let Some(done) = locked(&slot).take() {
                return done;
            }
        }
    }

    /// The nodes that run, with their machines' numbers.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (usize, &EmbeddedNode)> {
        self.hosts.iter().filter_map(|host| Some((host.number, host.node()?)))
    }

    /// Starts a machine's process.
    pub(crate) fn start(&mut self, number: usize) {
        self.trace.line(format_args!("start of {number}"));
        self.hosts[number].start(self.now);
        if let Some(damage) = &self.hosts[number].damaged {
            self.trace.line(format_args!("{number} does not start: {damage}"));
        }
    }

    /// Ends a machine's process.
    pub(crate) fn end(&mut self, number: usize, how: End) {
        self.trace.line(format_args!("end of {number}: {how:?}"));
        self.hosts[number].end(how);
        self.client_network.set(number, None);
    }

    /// Sets every machine's seeds; a running process keeps those of its start.
    pub(crate) fn name_seeds(&mut self) {
        let seeds = self.seeds.iter().filter_map(|number| self.hosts.get(*number));
        let seeds: Vec<String> = seeds.map(|host| host.address.clone()).collect();
        for host in &mut self.hosts {
            host.set_seeds(&seeds);
        }
    }

    /// Empties the disk of a machine that is off: what runs there next is another node.
    pub(crate) fn wipe(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        self.lost.push(host.id);
        host.wipe();
    }

    /// Every machine that is off or paused continues.
    pub(crate) fn all_up(&mut self) {
        for number in 0..self.hosts.len() {
            let now = self.now;
            let host = &mut self.hosts[number];
            host.mend_disk();
            if host.is_paused {
                host.resume(now);
            }
            // An operator gives one that waits for seeds that have moved its new settings.
            if host.fault().is_some() || host.waits_for_old_seeds() || self.is_out_of_sight(number)
            {
                self.end(number, End::Killed);
            }
            if let Some(damage) = self.hosts[number].damaged.clone() {
                self.trace.line(format_args!("{number} is wiped: {damage}"));
                self.end(number, End::Killed);
                self.wipe(number);
            }
            if !self.hosts[number].is_up() {
                self.start(number);
            }
        }
    }

    /// Whether no settings lead from a process to another one, or from another one to it: its seeds have all
    /// moved since its start, and no process has it for a seed. Where its state is as old, none can find it.
    fn is_out_of_sight(&self, number: usize) -> bool {
        let in_use = |seed: &String| self.hosts.iter().any(|host| host.address == *seed);
        let host = &self.hosts[number];
        let is_seed = |other: &Host| other.is_up() && other.started_with().contains(&host.address);
        host.is_up() && !host.started_with().iter().any(in_use) && !self.hosts.iter().any(is_seed)
    }

    /// Every process that runs is a full member of the cluster.
    pub(crate) fn ready(&self) -> Result<(), String> {
        for host in &self.hosts {
            if let Some(fault) = host.fault() {
                return Err(format!("{} has stopped: {fault}", host.address));
            }
            let node = host.node().ok_or_else(|| format!("{} does not run", host.address))?;
            node.groups().ready().map_err(|reason| format!("{}: {reason}", host.address))?;
        }
        Ok(())
    }

    /// The cluster as every running node sees it, for debugging.
    pub(crate) fn describe(&self) {
        for (number, node) in self.nodes() {
            let id = self.hosts[number].id;
            let Some(status) = at_once(node.groups().status()) else { continue };
            let ready = node.groups().ready().map_err(|reason| reason.to_string());
            self.trace.line(format_args!("{number} is {id}, ready: {ready:?}"));
            for node in &status.nodes {
                self.trace.line(format_args!(
                    "  {} of {}, live {}, heard {:?} ms ago",
                    node.id, node.region, node.live, node.last_heard_ms
                ));
            }
            for group in &status.groups {
                self.trace.line(format_args!(
                    "  group {}: {:?} leads term {}, applied {}, voters {:x?}, learners {:x?}",
                    group.group,
                    group.leader,
                    group.term,
                    group.applied.0,
                    group.voters,
                    group.learners
                ));
            }
        }
    }

    /// A draw of the world's own.
    pub(crate) fn drawn(&mut self, below: u64) -> u64 {
        self.rng.below(below)
    }
}

/// The result of what never waits.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

//! Writes that only the dead leader of a lost region has, whose clients wait; and their reported
//! outcome once the region is back and everything that can expire has expired.
//!
//! No other client writes meanwhile. It must not judge: the reports are in the history.

use std::time::Duration;

use concordat_proto::region::Region;
use concordat_tests::history::Outcome;

use super::{Last, Run, Waiting};
use crate::{
    clients::{Client, WRITTEN_TWICE},
    faults::scenes::leads_a_region,
    host::End,
    operator,
    trace::Trace,
    world::World,
};
use concordat_cluster::locks::locked;

/// By so much all clocks are put forward: beyond all that a write without a key is remembered for.
const FORWARD_MS: i64 = 400_000;
/// For clients that wait on to be answered.
const ANSWER_LIMIT: Duration = Duration::from_secs(80);
/// While the clocks are forward, every client continues to write: each entry removes some expired
/// records.
const FORGET_TIME: Duration = Duration::from_secs(8);

/// Versions that were read last, which are asked for.
const VERSIONS_ASKED: usize = 60;

/// The scenario alone, without other faults: a write that was answered is never called lost, and a
/// lost one is called so, for good, when neither is remembered any more.
pub(crate) fn story(trace: &Trace) -> Result<(), String> {
    let mut run = Run::alone(1, 1, trace)?;
    let regions = run.world.shape.regions.clone();
    let [lost, to, _] = &regions[..] else { return Err("it takes three regions".into()) };
    let waiting = run.lose(lost.clone(), to.clone(), Last::LostLog)?;
    run.repair("after a failover")?;
    let (_, waiting) = waiting.ok_or("nobody could be lost")?;
    run.forget_and_ask(lost, waiting)?;
    run.hold()?;
    let work = run.work();
    let waited = locked(&work.waited).clone();
    let is_done = |it: &Outcome| matches!(it, Outcome::Committed { achieved: true, .. });
    // The first organization is at home in the region that was lost.
    if !waited.iter().any(|(org, named)| *org == 0 && is_done(&named.attempt.outcome)) {
        return Err(format!("who waited was not answered: {waited:?}"));
    }
    let left = operator::left_behind(&mut run.world, lost);
    if left.is_empty() {
        return Err("nothing is left behind, so nothing is shown".into());
    }
    run.are_lost(&left)?;
    // That was reported, so it holds without the nodes that can prove it.
    let down = run.take_down(lost);
    run.are_lost(&left)?;
    run.bring_back(down)?;
    run.finish()?;
    let history = work.recorder.history();
    run.judged(&history)
}

impl Run {
    /// The leader of a region that is about to be lost accepts writes into its log that it can send
    /// to no node. The others of its region are down by then.
    pub(super) fn write_into_a_lost_log(
        &mut self,
        lost: &Region,
        of_lost: &[usize],
    ) -> Result<Option<Waiting>, String> {
        let leader = of_lost.iter().find(|number| leads_a_region(&self.world, **number)).copied();
        // A machine that was added has no place that clients know.
        let others: Vec<usize> =
            (0..self.work().places.len()).filter(|number| !of_lost.contains(number)).collect();
        // With fewer voters the leader may commit alone, and a stale read of a void entry shows the
        // write under its first name.
        let (Some(leader), [_, _, _, ..]) = (leader, of_lost) else { return Ok(None) };
        for number in of_lost.iter().filter(|number| **number != leader) {
            self.world.end(*number, End::Killed);
        }
        self.say_nothing(leader);
        self.world.trace.line(format_args!("{leader} of {lost} hears, and says nothing"));
        let work = self.work();
        let mut waiting = Vec::new();
        {
            let _here = self.world.clients().enter();
            for org in 0..work.orgs.len() {
                let node = others[self.rng.place(others.len())];
                let client = Client::new(&work, 9000 + org);
                waiting.push(tokio::spawn(client.waits_on(org, node)));
            }
        }
        let time = Duration::from_millis(300 + self.rng.below(900));
        self.run(time)?;
        self.world.end(leader, End::Killed);
        self.world.network.heal_all();
        self.fault_plan.count("writes into a lost log", 1);
        Ok(Some(waiting))
    }

    fn say_nothing(&self, number: usize) {
        let World { hosts, network, .. } = &self.world;
        for host in hosts.iter().filter(|host| host.number != number) {
            network.cut_link(hosts[number].id, host.id);
        }
    }

    /// The reported outcomes for operators.
    fn are_lost(&mut self, writes: &[String]) -> Result<(), String> {
        for write in writes {
            let told = operator::outcome(&mut self.world, write);
            if told.as_deref() != Some("lost") {
                return Err(format!("{write} was lost, and is called {told:?}"));
            }
        }
        Ok(())
    }

    /// Stops the machines of a region, which have entries that no other node has.
    fn take_down(&mut self, lost: &Region) -> Vec<usize> {
        let hosts = self.world.hosts.iter();
        let down: Vec<usize> = hosts.filter(|it| it.region == *lost).map(|it| it.number).collect();
        for number in &down {
            self.world.end(*number, End::Killed);
        }
        self.world.trace.line(format_args!("{lost} is down once more"));
        down
    }

    fn bring_back(&mut self, down: Vec<usize>) -> Result<(), String> {
        for number in down {
            self.world.start(number);
        }
        self.repair("after a region was down once more")
    }

    /// Lets all that can be forgotten be forgotten, and asks every node for the writes of those who
    /// waited on; and asks again while those who have such a write are down.
    pub(super) fn forget_and_ask(&mut self, lost: &Region, waiting: Waiting) -> Result<(), String> {
        let answered = self.world.within(ANSWER_LIMIT, |_| {
            let open = waiting.iter().filter(|client| !client.is_finished()).count();
            if open == 0 { Ok(()) } else { Err(format!("{open} clients wait on")) }
        });
        answered.map_err(|reason| format!("liveness: {reason}"))?;
        self.world.trace.line(format_args!("all clocks go forward"));
        for host in &self.world.hosts {
            host.wall.jump(FORWARD_MS);
        }
        let work = self.work();
        {
            let _here = self.world.clients().enter();
            work.recorder.forget();
        }
        self.run(FORGET_TIME)?;
        self.fault_plan.count("records forgotten", 1);
        self.ask_everywhere(9996);
        self.ask_for_versions()?;
        let down = self.take_down(lost);
        self.run(Duration::from_secs(2))?;
        self.ask_everywhere(9995);
        self.bring_back(down)
    }

    fn ask_everywhere(&mut self, number: usize) {
        let work = self.work();
        let client = {
            let _here = self.world.clients().enter();
            Client::new(&work, number)
        };
        self.world.ask(client.asks_everywhere());
    }

    /// A value that a client has read was written, and is never called lost: especially a write
    /// with two copies, of which the lost region has one that is void.
    fn ask_for_versions(&mut self) -> Result<(), String> {
        let history = self.work().recorder.history();
        let read = history.operations.iter().rev().filter_map(|read| {
            let Outcome::Seen { found, unmarked: true } = &read.outcome else { return None };
            found.as_ref()
        });
        let (twice, others): (Vec<_>, Vec<_>) =
            read.partition(|found| found.value.ends_with(WRITTEN_TWICE));
        let mut versions = Vec::new();
        for found in twice.into_iter().chain(others) {
            if !versions.contains(&found.version) && versions.len() < VERSIONS_ASKED {
                versions.push(found.version.clone());
            }
        }
        for version in versions {
            if operator::outcome(&mut self.world, &version).as_deref() == Some("lost") {
                return Err(format!("told: {version} was read, and is called lost"));
            }
        }
        Ok(())
    }
}

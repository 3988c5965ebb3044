//! One write twice in the logs of a lost group: its first copy, from a leader that was deposed, is
//! with one survivor only; the second one, from the next leader, is behind another write and is
//! decided otherwise, in the lost region alone. The survivor's log is kept, and the first copy is
//! executed (Raft's figure 8, seen by a client).
//!
//! No other client writes meanwhile. It must not judge: the reports are in the history.

use std::time::Duration;

use concordat_tests::history::{Operation, Outcome};

use super::{Last, Run};
use crate::{
    clients::{Client, WRITTEN_TWICE},
    faults::scenes::leads_a_region,
    host::End,
    trace::Trace,
    world::World,
};

/// For this long a leader that its voters cannot hear is not deposed yet.
const BEFORE_ELECTION: Duration = Duration::from_millis(180);

/// The scenario alone, in a cluster of its own; whether the successor has carried out a copy of a write of
/// which the lost region has another one.
///
/// # Errors
/// When what was said of any write does not hold.
pub(crate) fn play(seed: u64, trace: &Trace) -> Result<bool, String> {
    let mut run = Run::alone(seed, seed ^ 0x2c0_b1e5, trace)?;
    let regions = run.world.shape.regions.clone();
    let [lost, to, _] = &regions[..] else { return Err("it takes three regions".into()) };
    let waiting = run.lose(lost.clone(), to.clone(), Last::TwoCopies)?;
    run.repair("after a failover")?;
    let Some((_, waiting)) = waiting else { return Ok(false) };
    run.forget_and_ask(lost, waiting)?;
    run.hold()?;
    run.finish()?;
    let work = run.work();
    let history = work.recorder.history();
    run.judged(&history)?;
    // The first organization is at home in the region that was lost.
    let home = &work.orgs[0].id;
    let is_twice = |it: &Operation| match &it.outcome {
        Outcome::Seen { found: Some(found), unmarked: true } => {
            it.org == *home && found.value.ends_with(WRITTEN_TWICE)
        }
        Outcome::Seen { .. }
        | Outcome::Committed { .. }
        | Outcome::Refused { .. }
        | Outcome::Unknown
        | Outcome::Failed => false,
    };
    Ok(history.operations.iter().any(is_twice))
}

impl Run {
    /// Whether it could be done.
    pub(super) fn write_two_copies(&mut self, of_lost: &[usize]) -> Result<bool, String> {
        let leader = of_lost.iter().find(|number| leads_a_region(&self.world, **number)).copied();
        let Some(leader) = leader else { return Ok(false) };
        // Clients know no place of a machine that was added.
        if of_lost.iter().any(|number| *number >= self.work().places.len()) {
            return Ok(false);
        }
        let voters: Vec<usize> = of_lost.iter().copied().filter(|it| *it != leader).collect();
        let far: Vec<usize> =
            (0..self.work().places.len()).filter(|number| !of_lost.contains(number)).collect();
        let (&[one, other], Some(survivor)) = (&voters[..], far.first().copied()) else {
            return Ok(false);
        };
        let work = self.work();
        let new_client = |run: &Self, number| {
            let _here = run.world.clients().enter();
            Client::new(&work, number)
        };
        let mut first = new_client(self, 9100);
        let orgs = work.orgs.len();
        let written = self.world.ask(async move {
            for org in 0..orgs {
                first.must_write((org, 0)).await?;
            }
            Ok(())
        });
        written.map_err(|reason: String| format!("liveness: {reason}"))?;
        self.agree()?;
        // The leader reaches one of its voters, and only the survivor receives from the leader.
        let world = &self.world;
        world.trace.line(format_args!("only {survivor} hears {leader}, who hears only {one}"));
        let rest: Vec<usize> = far.iter().copied().filter(|it| *it != survivor).collect();
        cut(world, leader, &voters);
        cut(world, leader, &rest);
        for voter in &voters {
            cut(world, *voter, &far);
            far.iter().for_each(|far| cut(world, *far, &[*voter]));
        }
        cut(world, other, &[leader]);
        for org in 0..orgs {
            let client = new_client(self, 9200 + org);
            let _here = self.world.clients().enter();
            drop(tokio::spawn(client.waits_on_a_version(org, one)));
        }
        self.run(BEFORE_ELECTION)?;
        cut(&self.world, one, &[leader]);
        cut(&self.world, leader, &[survivor]);
        // The write before its repeat, if it is quicker.
        for org in 0..orgs {
            let client = new_client(self, 9300 + org);
            let _here = self.world.clients().enter();
            drop(tokio::spawn(client.comes_between(org, other)));
        }
        let time = Duration::from_millis(2500 + self.rng.below(2500));
        self.run(time)?;
        for number in of_lost {
            self.world.end(*number, End::Killed);
        }
        self.world.network.heal_all();
        self.fault_plan.count("two copies of a write", 1);
        Ok(true)
    }
}

/// Nothing gets from one to these.
fn cut(world: &World, from: usize, to: &[usize]) {
    for number in to {
        world.network.cut_link(world.hosts[from].id, world.hosts[*number].id);
    }
}

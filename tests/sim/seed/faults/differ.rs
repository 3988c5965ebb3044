//! A region that is lost at the worst moment: Raft's figure 8, with the two survivors of a region
//! whose logs differ in term and length. A cluster of its own, without any other fault.
//!
//! 1. A leader of term 1 sends a write to one survivor and to none of its voters.
//! 2. A leader of term 2 sends its first entry to the other survivor and to none of its voters.
//! 3. The first leader leads again, in term 3, and commits the write by an entry of its own, which
//!    the first survivor's slow disk does not have yet, though its state has the write.
//! 4. As soon as the write is answered as having reached all regions, its region is lost, and the
//!    first survivor loses its power. The second one's log ends in the later term, and lacks the
//!    write.
//!
//! In every case, a write that was answered 2xx is there after the failover.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use concordat_proto::id::GroupId;
use concordat_tests::{
    demo::Org,
    recorded::{Asked, Carrier, Told},
};
use serde_json::{Value, json};

use super::scenes::cut_apart;
use crate::{clients::Walk, host::End, operator, shape::Shape, trace::Trace, world::World};
use concordat_cluster::locks::locked;

const FORM_LIMIT: Duration = Duration::from_secs(60);
const STEP_LIMIT: Duration = Duration::from_secs(20);
/// For the write that everything is about.
const WRITE_S: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(WRITE_S + 5);
/// For the successor to be read from.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// At the most, of the survivors that have the write.
const SLOW_SYNC_MS: u64 = 6000;
/// Between the voters while they elect the second leader: its first entry is cut off on its way.
const VOTES_TAKE: Duration = Duration::from_millis(60);
const PLACE: &str = "/organizations/sso/oidc/provider-credentials";
/// One of each other region; the others there are off.
const GIVEN: [usize; 2] = [3, 6];
/// Beside the first of those.
const OTHER: usize = 5;
const OFF: [usize; 3] = [4, 7, 8];
const HOME: [usize; 3] = [0, 1, 2];

struct Scene {
    world: World,
    org: Org,
    group: GroupId,
    trace: Trace,
}

/// The result of a request.
type Answer = Arc<Mutex<Option<Told>>>;

/// Plays it; whether the write was answered before the region was lost.
///
/// # Errors
/// When it was, and is not there afterwards.
pub(crate) fn play(seed: u64, trace: &Trace) -> Result<bool, String> {
    let mut scene = Scene::new(seed, trace)?;
    let answered = scene.until_answered().unwrap_or_else(|reason| {
        scene.trace.line(format_args!("survivors do not differ: {reason}"));
        false
    });
    if !answered || scene.lose().is_err() {
        return Ok(false);
    }
    scene.is_there().map(|()| true)
}

impl Scene {
    fn new(seed: u64, trace: &Trace) -> Result<Self, String> {
        let mut world = World::of(Shape::far_apart(), seed ^ 0x8f16, trace.clone());
        for number in 0..world.hosts.len() {
            world.start(number);
        }
        world.within(FORM_LIMIT, |world| world.ready())?;
        operator::set(&mut world, "partition_policy", "serve");
        let home = world.shape.regions[0].clone();
        let org = operator::new_org(&mut world, "Differ", &home)?;
        let (_, node) = world.nodes().next().ok_or("nobody runs")?;
        let found = node.groups().home_groups().into_iter().find(|(_, region)| *region == home);
        let (group, _) = found.ok_or("the region has no group")?;
        let mut scene = Self { world, org, group, trace: trace.clone() };
        let body = json!({"client_id": "web", "client_secret": "a secret", "provider": "google"});
        let made = scene.begin(0, ("POST", PLACE.to_owned(), Some(body)));
        scene.world.within(STEP_LIMIT, |_| match status(&made) {
            Some(201) => Ok(()),
            other => Err(format!("making a credential: {other:?}")),
        })?;
        Ok(scene)
    }

    /// Sends a request for all regions to a node, while the world continues.
    fn begin(
        &self,
        node: usize,
        (method, target, body): (&'static str, String, Option<Value>),
    ) -> Answer {
        let headers = vec![
            ("slashid-orgid", self.org.id.clone()),
            ("slashid-api-key", self.org.api_key.clone()),
            ("slashid-required-consistency", "all_regions".to_owned()),
            ("slashid-required-consistency-timeout", WRITE_S.to_string()),
        ];
        let asked = Asked { method, target, headers, body: body.map(|body| body.to_string()) };
        let mut walk = Walk::at_the_door(&self.world.client_network, &self.trace);
        let answer = Answer::default();
        let given = Arc::clone(&answer);
        drop(self.world.clients().spawn(async move {
            let told = walk.exchange(node, &asked, PATIENCE).await;
            *locked(&given) = Some(told);
        }));
        answer
    }

    /// The term and the last entry of a node's log of the group, and whether it leads.
    fn log_of(&self, number: usize) -> Option<(u64, u64, bool)> {
        let groups = self.world.hosts[number].node()?.groups().indexes();
        let of = groups.into_iter().find(|(group, ..)| *group == self.group)?;
        Some((of.1, of.3, of.4))
    }

    fn leads(&self, number: usize) -> bool {
        self.log_of(number).is_some_and(|(.., leads)| leads)
    }

    /// Continues step by step until a condition holds.
    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), String> {
        let until = self.world.now + STEP_LIMIT;
        while !holds(self) {
            if self.world.now >= until {
                return Err(what.to_owned());
            }
            self.world.step();
        }
        Ok(())
    }

    fn heal_between(&self, one: usize, other: usize) {
        let [one, other] = [one, other].map(|number| self.world.hosts[number].id);
        self.world.network.heal_link(one, other);
        self.world.network.heal_link(other, one);
    }

    /// Whether the write was answered 2xx.
    fn until_answered(&mut self) -> Result<bool, String> {
        let first = HOME.into_iter().find(|it| self.leads(*it)).ok_or("nobody leads at home")?;
        let voters: Vec<usize> = HOME.into_iter().filter(|it| *it != first).collect();
        for number in OFF {
            self.world.end(number, End::Killed);
        }
        cut_apart(&self.world, &[first], &voters);
        cut_apart(&self.world, &voters[..1], &voters[1..]);
        cut_apart(&self.world, &voters, &GIVEN);
        cut_apart(&self.world, &[first], &[OTHER]);
        let before = self.log_of(first).map_or(0, |(_, last, _)| last);
        let body = Some(json!({"label": "kept"}));
        let answer = self.begin(first, ("PATCH", format!("{PLACE}/web"), body));
        let has = |it: &Self, number| it.log_of(number).is_some_and(|(_, last, _)| last > before);
        self.until("the write is given away", |it| GIVEN.iter().all(|number| has(it, *number)))?;
        self.world.run(Duration::from_millis(500));

        let [one, other] = [voters[0], voters[1]].map(|number| self.world.hosts[number].id);
        self.world.network.slow_link(one, other, VOTES_TAKE);
        self.heal_between(voters[0], voters[1]);
        self.until("a second leader", |it| voters.iter().any(|number| it.leads(*number)))?;
        cut_apart(&self.world, &voters[..1], &voters[1..]);
        let second = if self.leads(voters[0]) { voters[0] } else { voters[1] };
        let follower = voters[0] + voters[1] - second;
        if has(self, follower) {
            return Err("the second leader's entry has arrived".to_owned());
        }
        self.until("the other survivor has the second leader's entry", |it| has(it, OTHER))?;
        self.world.run(Duration::from_millis(200));
        self.world.end(second, End::Killed);
        cut_apart(&self.world, &[follower], &[OTHER]);

        for number in GIVEN {
            self.world.hosts[number].sync_ms = SLOW_SYNC_MS;
        }
        self.heal_between(first, follower);
        let limit = Duration::from_secs(WRITE_S);
        let until = self.world.now + limit;
        while status(&answer).is_none() && self.world.now < until {
            self.world.step();
        }
        Ok(status(&answer) == Some(200))
    }

    /// The region is lost, those that were given the write lose their power, and all others are there.
    fn lose(&mut self) -> Result<(), String> {
        for number in HOME {
            self.world.end(number, End::Killed);
        }
        for number in GIVEN {
            self.world.end(number, End::PowerLost);
            self.world.hosts[number].sync_ms = 3;
        }
        self.world.network.heal_all();
        for number in GIVEN.into_iter().chain(OFF) {
            self.world.start(number);
        }
        self.world.run(Duration::from_secs(3));
        let [lost, to] = [0, 1].map(|place| self.world.shape.regions[place].clone());
        let failed_over = operator::fail_over(&mut self.world, &lost, &to);
        if let Err(reason) = &failed_over {
            self.trace.line(format_args!("not failed over: {reason}"));
        }
        failed_over
    }

    /// A write that was answered as having reached all regions is read after the failover.
    fn is_there(&mut self) -> Result<(), String> {
        let until = self.world.now + READ_LIMIT;
        while self.world.now < until {
            let answer = self.begin(OTHER, ("GET", format!("{PLACE}/web"), None));
            self.world.run(Duration::from_secs(1));
            let told = locked(&answer).take();
            if let Some(Told::Answer { status: 200, unmarked: true, body, .. }) = told {
                let label = body["result"]["label"].as_str().unwrap_or_default();
                return match label {
                    "kept" => Ok(()),
                    _ => {
                        Err("kept: a write had reached all regions, and a failover lost it".into())
                    }
                };
            }
        }
        Err("liveness: nobody answers unmarked after a failover of survivors that differ".into())
    }
}

fn status(answer: &Answer) -> Option<u16> {
    match &*locked(answer) {
        Some(Told::Answer { status, .. }) => Some(*status),
        Some(Told::Nobody | Told::Nothing) => Some(0),
        None => None,
    }
}

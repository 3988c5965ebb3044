//! Faults of all kinds and an operator's commands at once, on nine processes under load: several
//! things are broken at any time, and commands are given meanwhile, the mistyped ones too. What is
//! done next is drawn from a seed.
//!
//! In `long_run` each fault is over before the next one begins. Here nothing waits for anything, but
//! for the scenes in which a disk or a region is lost for good: they need a cluster that could
//! afford it. It must not judge what clients saw: the checkers do.

mod act;
mod broken;
mod commands;
mod driver;
mod nodes;
mod orders;
mod scenes;

use std::time::Duration;

use concordat_tests::{
    demo::REGIONS,
    rng::{self, Rng},
};
use tokio::time::{Instant, sleep};

use self::{
    act::{Act, Command, Fault, NotNow, Scene},
    driver::{Driver, Tally},
};
use super::{breakable, judged};
use crate::{
    clients::Shared,
    figures::minutes,
    fleet::{self, Fleet},
};

/// Of things happening at once, before and after a scene.
const DISORDER: Duration = Duration::from_secs(25);
/// Between one act and the next.
const GAP_MS: (u64, u64) = (50, 900);
/// How often an act is tried in a cluster that is whole, before the run fails for want of it.
const ATTEMPTS: usize = 5;
/// Fewer reads under a promise in a round than this prove nothing.
const BOUND_MIN: usize = 500;

impl Driver<'_> {
    /// Begins something; what it is about.
    async fn act(&mut self, act: Act) -> Result<String, NotNow> {
        match act {
            Act::Fault(fault) => self.fault(fault).await,
            Act::Command(command) => self.command(command),
            Act::Scene(scene) => Ok(self.play(scene).await),
        }
    }

    async fn fault(&mut self, fault: Fault) -> Result<String, NotNow> {
        match fault {
            Fault::Kill => self.kill().await,
            Fault::KillLeader => self.kill_leader().await,
            Fault::KillAll => Ok(self.kill_all().await),
            Fault::Stop => self.stop().await,
            Fault::Pause => self.pause(),
            Fault::OneWayCut => Ok(self.cut_one_way()),
            Fault::RegionCut => Ok(self.cut_region()),
            Fault::SlowLinks => Ok(self.slow_links()),
            Fault::FullDisk => self.fill_disk(),
            Fault::FailingSyncs => self.fail_syncs().await,
            Fault::SlowSyncs => self.slow_syncs().await,
            Fault::Storm => self.storm(),
        }
    }

    async fn play(&mut self, scene: Scene) -> String {
        match scene {
            Scene::Damage => self.damage().await,
            Scene::DiskLost => self.lose_disk().await,
            Scene::RegionLost => self.lose_region().await,
        }
    }

    async fn try_to(&mut self, act: Act) {
        match self.act(act).await {
            Ok(what) => {
                *self.tally.done.entry(act).or_default() += 1;
                self.say(&format!("{act}: {what}"));
            }
            Err(NotNow::Busy) => {}
            Err(NotNow::LeftOut(why)) => drop(self.tally.left_out.insert(act, why)),
        }
    }

    /// Something new all the time, while what is broken is mended when its time has come.
    async fn disorder(&mut self) {
        let until = Instant::now() + DISORDER;
        while Instant::now() < until {
            if self.deck.is_empty() {
                self.deck = Act::beside_others();
            }
            let act = self.deck.swap_remove(self.rng.place(self.deck.len()));
            self.try_to(act).await;
            self.look();
            sleep(self.ms(GAP_MS.0, GAP_MS.1)).await;
            self.mend_due().await;
        }
    }

    /// Mends everything, and waits until every node is ready and every command is answered.
    async fn calm_down(&mut self) {
        self.mend_all().await;
        self.commands.settle().await;
        self.leave_storms();
        while let Some(left) = self.leaving.join_next().await {
            left.expect("a client panicked");
        }
        self.fleet.cluster.ready().await;
        self.undrain_all().await;
        self.fleet.cluster.ready().await;
    }

    /// Does what chance left out so far, each act in a cluster that is whole: whether a run has had all
    /// of them must not depend on its seed.
    async fn do_the_rest(&mut self) {
        for act in Act::beside_others() {
            for _ in 0..ATTEMPTS {
                if self.tally.is_known(act) {
                    break;
                }
                self.prepare(act).await;
                self.try_to(act).await;
                self.look();
                self.calm_down().await;
            }
        }
    }

    /// Makes what an act ends, if nothing is known to be there.
    async fn prepare(&mut self, act: Act) {
        let made = match act {
            Act::Command(Command::EndOrganization) if self.commands.org(0).is_none() => {
                Command::MakeOrganization
            }
            Act::Command(Command::RevokeKey) if self.commands.key().is_none() => Command::IssueKey,
            Act::Fault(_) | Act::Command(_) | Act::Scene(_) => return,
        };
        self.try_to(Act::Command(made)).await;
        self.commands.settle().await;
    }

    fn leave_storms(&mut self) {
        for (_, crowd) in std::mem::take(&mut self.storms) {
            self.leaving.spawn(crowd.disperse());
        }
    }
}

async fn round(fleet: &mut Fleet, rng: &mut Rng, number: u64, tally: &mut Tally) {
    let orgs = [
        fleet.cluster.new_org_at(REGIONS[0], &format!("Near {number}")).await,
        fleet.cluster.new_org_at(REGIONS[2], &format!("Far {number}")).await,
    ];
    let seed = rng.next();
    let shared = Shared::new(fleet.places(), orgs, &format!("round-{number}"), seed);
    // Each is played, before chance begins to choose.
    let by_chance = Scene::ALL[rng.place(Scene::ALL.len())];
    let first = usize::try_from(number - 1).ok().and_then(|round| Scene::ALL.get(round));
    let scene = Act::Scene(first.copied().unwrap_or(by_chance));
    let mut driver = Driver::new(fleet, &shared, rng, tally);
    driver.disorder().await;
    driver.calm_down().await;
    driver.try_to(scene).await;
    driver.disorder().await;
    driver.calm_down().await;
    driver.do_the_rest().await;
    driver.organizations_are_as_answered().await;
    if let Some(crowd) = driver.crowd.take() {
        crowd.disperse().await;
    }
    drop(driver);
    let summary = judged(fleet, &shared, "at once").await;
    println!("at once: round {number}: {summary}");
    assert!(summary.bound >= BOUND_MIN, "too few reads to prove anything");
    tally.judged.add(&summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_all_happens_at_once() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("at once: CONCORDAT_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut fleet = breakable().await;
    let (began, time) = (Instant::now(), minutes());
    let mut tally = Tally::default();
    for number in 1.. {
        round(&mut fleet, &mut rng, number, &mut tally).await;
        if began.elapsed() >= time {
            break;
        }
    }
    tally.print(seed, began.elapsed());
    for act in Act::beside_others() {
        assert!(tally.is_known(act), "{act} was never done");
    }
}

//! Faults of every kind, one after another in an order drawn from a seed, on nine processes whose
//! links go through proxies of ours, while recorded clients write and read everywhere.
//!
//! The run is one round: organizations of its own, every kind of fault once, then rest, and the
//! clients' history is checked. A kind that was neither injected nor skipped for a reason fails the
//! run, and so does one violation. Long runs are those of `at_once`.

use std::{collections::BTreeMap, time::Duration};

use concordat_tests::{
    checker::Summary,
    demo::REGIONS,
    rng::{self, Rng},
    wait::within,
};
use tokio::time::{Instant, sleep};

use crate::{
    clients::{Crowd, Shared},
    figures::Spread,
    fleet::{self, Fleet, LIMIT},
    soak::{
        breakable, judged,
        kinds::{Done, Kind, Scene},
    },
};

/// Between faults.
const CALM: Duration = Duration::from_secs(1);
/// Fewer reads under a promise in a round than this prove nothing.
const BOUND_MIN: usize = 2000;

/// The result of a run.
#[derive(Debug, Default)]
struct Tally {
    done: BTreeMap<Kind, u64>,
    left_out: BTreeMap<Kind, &'static str>,
    recovered: BTreeMap<Kind, Vec<Duration>>,
    judged: Summary,
}

impl Tally {
    fn count(&mut self, kind: Kind, done: Done) -> String {
        if !matches!(done, Done::LeftOut(_)) {
            *self.done.entry(kind).or_default() += 1;
        }
        match done {
            Done::Hit(what) => what,
            Done::Recovered(what, after) => {
                self.recovered.entry(kind).or_default().push(after);
                format!("{what}; again after {after:?}")
            }
            Done::LeftOut(why) => {
                self.left_out.insert(kind, why);
                format!("left out: {why}")
            }
        }
    }

    fn print(&self, seed: u64, took: Duration) {
        println!("faults: {took:?}, CONCORDAT_SEED={seed}");
        for kind in Kind::ALL {
            let times = self.done.get(&kind).copied().unwrap_or(0);
            let more = match (self.recovered.get(&kind), self.left_out.get(&kind)) {
                (Some(times), _) => format!("writes again after {}", Spread::of(times)),
                (None, Some(why)) => format!("left out: {why}"),
                (None, None) => String::new(),
            };
            println!("faults: {kind:20} {times:4} ×  {more}");
        }
        println!("faults: {}", self.judged);
        println!("faults: 0 violations, 0 acknowledged writes lost");
    }
}

/// Every kind, in an order of chance.
fn deck(rng: &mut Rng) -> Vec<Kind> {
    let mut left = Kind::ALL.to_vec();
    std::iter::from_fn(|| (!left.is_empty()).then(|| left.remove(rng.place(left.len())))).collect()
}

async fn round(fleet: &mut Fleet, rng: &mut Rng, tally: &mut Tally) {
    let orgs = [
        fleet.cluster.new_org_at(REGIONS[0], "Near").await,
        fleet.cluster.new_org_at(REGIONS[2], "Far").await,
    ];
    let seed = rng.next();
    let shared = Shared::new(fleet.places(), orgs, "round", seed);
    let crowd = Crowd::gather(&shared, 0, 1);
    for (place, kind) in deck(rng).into_iter().enumerate() {
        println!("faults: {:?}: {kind}", shared.recorder.now());
        let mut scene = Scene { fleet, shared: &shared, rng, number: place };
        let done = scene.act(kind).await;
        let what = tally.count(kind, done);
        println!("faults: {:?}: {kind}: {what}", shared.recorder.now());
        sleep(CALM).await;
    }
    crowd.disperse().await;
    let summary = judged(fleet, &shared, "faults").await;
    println!("faults: {summary}");
    assert!(summary.bound >= BOUND_MIN, "too few reads to prove anything");
    tally.judged.add(&summary);
}

/// Between each two regions something has gone through our proxies, both ways.
async fn links_are_used(fleet: &Fleet) {
    let links = fleet.cluster.links();
    within("regions talk over the links", LIMIT, async || {
        for from in [0, 3, 6] {
            for to in [0, 3, 6].into_iter().filter(|to| *to != from) {
                let pairs =
                    (from..from + 3).flat_map(|from| (to..to + 3).map(move |to| (from, to)));
                if pairs.map(|(from, to)| links.made(from, to)).sum::<u64>() == 0 {
                    return Err(format!("{from} and {to} do not"));
                }
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_whatever_breaks() {
    let _turn = fleet::turn().await;
    let seed = rng::seed();
    println!("faults: CONCORDAT_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut fleet = breakable().await;
    links_are_used(&fleet).await;
    let began = Instant::now();
    let mut tally = Tally::default();
    round(&mut fleet, &mut rng, &mut tally).await;
    tally.print(seed, began.elapsed());
    for kind in Kind::ALL {
        let is_known = tally.done.contains_key(&kind) || tally.left_out.contains_key(&kind);
        assert!(is_known, "{kind} was never done");
    }
}

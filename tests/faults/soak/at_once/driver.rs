//! One round: the cluster, its clients, what is broken now, and how often each act was done. It must not
//! choose what is done.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use concordat_tests::{checker::Summary, rng::Rng};
use tokio::{task::JoinSet, time::Instant};

use super::{
    act::Act,
    broken::{Broken, Trouble},
    orders::Commands,
};
use crate::{
    clients::{Crowd, Shared},
    fleet::Fleet,
};

/// How often each act was done, and why one was not.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) done: BTreeMap<Act, u64>,
    pub(super) left_out: BTreeMap<Act, &'static str>,
    pub(super) judged: Summary,
}

impl Tally {
    /// Whether the act was done, or it is known why it cannot be.
    pub(super) fn is_known(&self, act: Act) -> bool {
        self.done.contains_key(&act) || self.left_out.contains_key(&act)
    }

    pub(super) fn print(&self, seed: u64, took: Duration) {
        println!("at once: {took:?}, CONCORDAT_SEED={seed}");
        for act in Act::all() {
            let times = self.done.get(&act).copied().unwrap_or(0);
            let more = self.left_out.get(&act).copied().unwrap_or_default();
            println!("at once: {act:24} {times:4} ×  {more}");
        }
        println!("at once: {}", self.judged);
        println!("at once: 0 violations, 0 acknowledged writes lost");
    }
}

/// One round: the cluster, its clients, and what is broken now.
pub(super) struct Driver<'a> {
    pub(super) fleet: &'a mut Fleet,
    pub(super) shared: &'a Arc<Shared>,
    pub(super) rng: &'a mut Rng,
    pub(super) tally: &'a mut Tally,
    /// The acts that are to be done before one is done again.
    pub(super) deck: Vec<Act>,
    /// Nodes with a fault of their own.
    pub(super) broken: BTreeMap<usize, Broken>,
    /// Links that are cut or slow, and until when.
    pub(super) links: Vec<Trouble>,
    /// Nodes that are drained, by their ids, and until when.
    pub(super) drained: Vec<(Instant, String)>,
    pub(super) crowd: Option<Crowd>,
    pub(super) storms: Vec<(Instant, Crowd)>,
    /// Clients on their way home.
    pub(super) leaving: JoinSet<()>,
    /// The number of the next client.
    pub(super) client: usize,
    pub(super) commands: Commands,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        fleet: &'a mut Fleet,
        shared: &'a Arc<Shared>,
        rng: &'a mut Rng,
        tally: &'a mut Tally,
    ) -> Self {
        let mut driver = Self {
            commands: Commands::default(),
            fleet,
            shared,
            rng,
            tally,
            deck: Vec::new(),
            broken: BTreeMap::new(),
            links: Vec::new(),
            drained: Vec::new(),
            crowd: None,
            storms: Vec::new(),
            leaving: JoinSet::new(),
            client: 0,
        };
        driver.crowd = Some(driver.gather(1));
        driver
    }

    /// This many times the usual clients.
    pub(super) fn gather(&mut self, times: usize) -> Crowd {
        let first = self.client;
        self.client += times * 100;
        Crowd::gather(self.shared, first, times)
    }

    pub(super) fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.rng.below(most - least))
    }

    pub(super) fn say(&self, what: &str) {
        println!("at once: {:?}: {what}", self.shared.recorder.now());
    }
}

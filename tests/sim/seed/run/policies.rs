//! Seeds with policies: a third of them. Two clients change sets beside the others, everything is lifted before
//! the end, and the history is judged under the sets that were in force.
//!
//! In the other seeds nothing draws, asks or looks differently.

use std::sync::Arc;

use concordat_tests::{
    history::{History, Outcome},
    policies::PolicyHistory,
    rng::Rng,
};

use super::Run;
use crate::clients::{Client, Owner, Work};
use concordat_cluster::locks::locked;

/// The numbers of the clients that change the organizations' own sets and the cluster-wide one.
const NUMBERS: [usize; 2] = [20, 21];
/// Of the one that lifts them.
const LIFTS: usize = 9996;
/// Where these seeds are drawn from.
const DRAW: u64 = 0xced_a7b2;

fn has_policies(seed: u64) -> bool {
    Rng::new(seed ^ DRAW).below(3) == 0
}

impl Run {
    pub(super) fn begin_policies(&mut self, work: &Arc<Work>) {
        if !has_policies(self.seed) {
            return;
        }
        let keys = [None, Some(self.world.operator_key.clone())];
        for (number, key) in NUMBERS.into_iter().zip(keys) {
            let client = Client::new(work, number).changes_policies(key);
            self.clients.push(tokio::spawn(client));
        }
        self.world.policies.begin();
    }

    pub(super) fn lift_policies(&mut self) -> Result<(), String> {
        if !has_policies(self.seed) {
            return Ok(());
        }
        let work = self.work();
        let owners = (0..work.orgs.len()).map(Owner::Organization);
        let owners: Vec<Owner> =
            owners.chain([Owner::Cluster(self.world.operator_key.clone())]).collect();
        let mut client = {
            let _here = self.world.clients().enter();
            Client::new(&work, LIFTS)
        };
        let lifted = self.world.ask(async move {
            for owner in &owners {
                client.lifts_policies(owner).await?;
            }
            Ok(())
        });
        lifted.map_err(|reason: String| format!("liveness: {reason}"))
    }

    /// The policies of the run, for its judge.
    pub(super) fn policy_history(&self, work: &Work, history: &History) -> PolicyHistory {
        let mut changes = locked(&work.policies).clone();
        for forgotten in &history.forgotten {
            // A repeat may have been carried out once more: there are two places then, and one is not known.
            for change in &mut changes {
                if change.invoked <= *forgotten && *forgotten <= change.completed {
                    change.outcome = Outcome::Unknown;
                }
            }
        }
        self.world.policies.seen(changes)
    }

    pub(super) fn count_policies(&mut self) {
        let Some(work) = &self.work else { return };
        let is_done = |it: &Outcome| matches!(it, Outcome::Committed { .. });
        let (own, of_cluster): (Vec<_>, Vec<_>) = locked(&work.policies)
            .iter()
            .filter(|it| is_done(&it.outcome) && !it.bans.is_empty())
            .cloned()
            .partition(|it| it.org.is_some());
        let denied = work.recorder.history().policy_denials.len();
        self.fault_plan.count("own policies forbid", own.len() as u64);
        self.fault_plan.count("cluster-wide policies forbid", of_cluster.len() as u64);
        self.fault_plan.count("denied by policies", denied as u64);
    }
}

//! Clients that change policies while others write: an operator the cluster-wide set, and another client the
//! organizations' own ones. A set forbids something for a while and is lifted, now and then within one round
//! trip.
//!
//! The first credential is never among what they forbid, except for its deletion: scenarios and the last writes
//! use it.

use std::{sync::Arc, time::Duration};

use concordat_proto::region::Region;
use concordat_tests::{
    history::{Outcome, Required},
    policies::{Ban, PolicyChange},
    recorded::{self, Asked, Carrier, Patience, Subject, Told},
};
use serde_json::json;

use super::{
    client::{Client, READ_PATIENCE, credential},
    network::Walk,
};
use concordat_cluster::locks::locked;

/// Attempts of a change before it is left in the unknown.
const ATTEMPTS: usize = 3;
/// Beyond a change's consistency timeout.
const PATIENCE: Duration = Duration::from_secs(2);
/// Changes that lift a set at the end: nothing is in their way.
const LIFT_ATTEMPTS: usize = 60;

/// Whose set it is.
#[derive(Debug, Clone)]
pub(crate) enum Owner {
    /// The cluster's, by this operator key.
    Cluster(String),
    /// That of the organization with this number.
    Organization(usize),
}

impl Client {
    /// Changes sets until the work is over: the cluster-wide one, or those of all organizations.
    pub(crate) async fn changes_policies(mut self, operator_key: Option<String>) {
        for count in 1_u64.. {
            if !self.may_go_on().await {
                return;
            }
            let owner = match &operator_key {
                Some(key) => Owner::Cluster(key.clone()),
                None => Owner::Organization(self.rng.place(self.work.orgs.len())),
            };
            let bans = self.drawn_bans(&owner);
            let required = [Required::LocalRegion, Required::AllRegions][self.rng.place(2)];
            let timeout_s = 1 + self.rng.below(4);
            let asked = (required, timeout_s);
            let outcome = self.set_policies(&owner, count, bans.clone(), asked).await;
            self.read_after(&owner, &bans, &outcome).await;
            // Some are lifted before all nodes know them.
            match self.rng.below(3) {
                0 => self.pause(0, 200).await,
                _ => self.pause(200, 1800).await,
            }
        }
    }

    /// Reads what an organization's new set forbids, at a node that may have to wait for the set.
    async fn read_after(&mut self, owner: &Owner, bans: &[Ban], outcome: &Outcome) {
        let (Owner::Organization(org), Outcome::Committed { position, .. }) = (owner, outcome)
        else {
            return;
        };
        let Some(Ban::Reads(read)) = bans.first() else { return };
        let work = Arc::clone(&self.work);
        let subject = Subject { org: &work.orgs[*org], credential: read };
        let node = self.rng.place(work.places.len());
        self.caller.read_at_least(subject, node, Some(*position), READ_PATIENCE).await;
    }

    fn drawn_bans(&mut self, owner: &Owner) -> Vec<Ban> {
        if self.rng.below(2) == 0 {
            return Vec::new();
        }
        match (owner, self.rng.below(3)) {
            (_, 0) => vec![Ban::Deletions],
            (Owner::Cluster(_), _) => vec![Ban::Changes(credential(2))],
            (Owner::Organization(_), 1) => vec![Ban::Changes(credential(1))],
            (Owner::Organization(_), _) => {
                vec![Ban::Reads(credential(2)), Ban::Changes(credential(1))]
            }
        }
    }

    /// Asks for one set, through one node after the other until there is an answer.
    async fn set_policies(
        &mut self,
        owner: &Owner,
        count: u64,
        bans: Vec<Ban>,
        (required, timeout_s): (Required, u64),
    ) -> Outcome {
        let name = format!("policies-{}-{count}", self.number);
        let rules: Vec<String> = bans.iter().map(Ban::text).collect();
        let is_lifted = bans.is_empty() && matches!(owner, Owner::Organization(_));
        // That of the whole cluster is like no other, by its name. An organization's is empty when it is lifted.
        let text =
            if is_lifted { String::new() } else { format!("// {name}\n{}", rules.join("\n")) };
        let asked = self.policies_request(owner, &name, &text, (required, timeout_s));
        let patience = Patience { timeout_s, cut: Duration::from_secs(timeout_s) + PATIENCE };
        let invoked = self.work.recorder.now();
        let (mut outcome, mut node) = (Outcome::Failed, self.near());
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.pause(20, 200).await;
                node = self.rng.place(self.work.places.len());
            }
            let answered = self.policies_answer(node, &asked, patience.cut).await;
            // A failure is certain of this attempt only.
            if !matches!(answered, Outcome::Failed) {
                outcome = answered;
            }
            if !outcome.is_open() {
                break;
            }
        }
        let org = match owner {
            Owner::Cluster(_) => None,
            Owner::Organization(org) => Some(self.work.orgs[*org].id.clone()),
        };
        let (region, completed) = (self.work.places[node].region.clone(), self.work.recorder.now());
        let change = PolicyChange {
            org,
            bans,
            text,
            required,
            region,
            invoked,
            completed,
            outcome: outcome.clone(),
        };
        self.work.trace.line(format_args!("{name}: {change}"));
        locked(&self.work.policies).push(change);
        outcome
    }

    fn policies_request(
        &self,
        owner: &Owner,
        name: &str,
        text: &str,
        (required, timeout_s): (Required, u64),
    ) -> Asked {
        let (target, mut headers) = match owner {
            Owner::Cluster(key) => ("/v1/policies", vec![("slashid-api-key", key.clone())]),
            Owner::Organization(org) => {
                let org = &self.work.orgs[*org];
                let identity = vec![
                    ("slashid-orgid", org.id.clone()),
                    ("slashid-api-key", org.api_key.clone()),
                ];
                ("/organizations/policies", identity)
            }
        };
        headers.push(("slashid-required-consistency", required.as_str().to_owned()));
        headers.push(("slashid-required-consistency-timeout", timeout_s.to_string()));
        headers.push(("idempotency-key", name.to_owned()));
        let body = Some(json!({"policies": text}).to_string());
        Asked { method: "PUT", target: target.to_owned(), headers, body }
    }

    async fn policies_answer(&self, node: usize, asked: &Asked, patience: Duration) -> Outcome {
        let from = Region::new(self.region.as_str()).ok();
        let mut walk = Walk::new(&self.work.client_network, from, &self.work.trace);
        match walk.exchange(node, asked, patience).await {
            Told::Nobody => Outcome::Failed,
            Told::Nothing => Outcome::Unknown,
            Told::Answer { status, unmarked, body, receipt, .. } => {
                recorded::judge(status, unmarked, &receipt)
                    .unwrap_or_else(|| panic!("{}: {status}, {unmarked}: {body}", asked.target))
            }
        }
    }

    /// Nothing is forbidden from here on, in all regions.
    pub(crate) async fn lifts_policies(&mut self, owner: &Owner) -> Result<(), String> {
        let mut last = Outcome::Failed;
        let first = 1000 * self.number as u64;
        for count in (first..).take(LIFT_ATTEMPTS) {
            let asked = (Required::AllRegions, 4);
            last = self.set_policies(owner, count, Vec::new(), asked).await;
            if matches!(last, Outcome::Committed { achieved: true, .. }) {
                return Ok(());
            }
            self.pause(200, 300).await;
        }
        Err(format!("policies cannot be lifted: {last}"))
    }
}

//! A client that does what the others do not, in a third of the seeds: it asks for reads from a position on,
//! uses a key again for another request, asks for another organization's write, mistypes an operator's
//! commands, moves the voters of groups, and sets leases of very unlike lengths.
//!
//! It must not judge histories: an answer that no server may give to one of these ends it. The draws are from
//! a generator of their own.

use std::{sync::Arc, time::Duration};

use concordat_cluster::locks::locked;
use concordat_proto::region::Region;
use concordat_tests::{
    demo::Org,
    history::{Change, Named, Outcome, Required, Write},
    recorded::{Asked, Carrier, Patience, Subject, Told},
    rng::Rng,
};
use serde_json::{Value, json};

use super::{
    client::{CREDENTIALS, Client, READ_PATIENCE, credential},
    network::{ODD, Walk},
};

/// Where the seeds with such a client are drawn from.
const DRAW: u64 = 0x0dd_c11e;
const PATIENCE: Duration = Duration::from_secs(6);
/// In one seed of this many a lot of organizations move at once.
pub(crate) const MANY_MOVES: u64 = 4;
/// No organization and no node has this id.
const UNKNOWN: &str = "00000000-0000-4000-8000-00000000dead";
/// Lengths at home and away that lie far apart, or are the shortest or the longest.
const LEASES_MS: [(u64, u64); 4] = [(100, 5000), (5000, 5000), (100, 1500), (500, 1500)];

/// Whether a seed has such a client.
pub(crate) fn has_odd_client(seed: u64) -> bool {
    Rng::new(seed ^ DRAW).below(3) == 0
}

/// Whether an answer leaves it open what the next one will say.
const fn is_no_answer(status: u16) -> bool {
    matches!(status, 408 | 429 | 503)
}

impl Client {
    /// Does one of these after the other until the work is over.
    pub(crate) async fn does_what_is_odd(mut self, operator_key: String) {
        self.rng = Rng::new((self.work.seed ^ DRAW).wrapping_mul(991));
        for count in 1_u64.. {
            if !self.may_go_on().await {
                return;
            }
            let kind = self.rng.place(ODD.len());
            let is_done = match kind {
                0 => self.reads_from_a_position().await,
                1 => self.uses_a_key_again(count).await,
                2 => self.asks_for_anothers_write().await,
                3 => self.mistypes(&operator_key).await,
                4 => self.sets_leases(&operator_key).await,
                _ => self.moves_voters(&operator_key).await,
            };
            self.work.client_network.with(|state| state.met.odd[kind] += u64::from(is_done));
            self.pause(50, 700).await;
        }
    }

    /// A write whose position a client has got.
    fn known_write(&mut self) -> Option<(usize, Named)> {
        let named = locked(&self.work.named);
        let place = self.rng.place(named.len());
        let (org, named) = named.get(place)?.clone();
        matches!(named.attempt.outcome, Outcome::Committed { .. }).then_some((org, named))
    }

    async fn reads_from_a_position(&mut self) -> bool {
        let Some((org, named)) = self.known_write() else { return false };
        let Outcome::Committed { position, .. } = named.attempt.outcome else { return false };
        // What other dialects are bound to has its value elsewhere.
        if !(0..CREDENTIALS).any(|it| credential(it) == named.attempt.credential) {
            return false;
        }
        let work = Arc::clone(&self.work);
        let subject = Subject { org: &work.orgs[org], credential: &named.attempt.credential };
        let node = self.rng.place(work.places.len());
        let seen = self.caller.read_at_least(subject, node, Some(position), READ_PATIENCE).await;
        matches!(seen, Outcome::Seen { .. })
    }

    /// A key names one request: another one under it changes nothing.
    async fn uses_a_key_again(&mut self, count: u64) -> bool {
        let work = Arc::clone(&self.work);
        let org = self.rng.place(work.orgs.len());
        let credential = credential(self.rng.place(2));
        let subject = Subject { org: &work.orgs[org], credential: &credential };
        let key = format!("odd-{count}");
        let write = Write {
            change: Change::Patch(key.clone()),
            if_match: None,
            key: Some(key.clone()),
            required: Required::LocalRegion,
        };
        let node = self.near();
        let first = self.caller.write(subject, node, &write, Patience::seconds(2)).await;
        if !matches!(first, Outcome::Committed { .. }) {
            return false;
        }
        let mut headers = identity(&work.orgs[org]);
        headers.push(("idempotency-key", key));
        headers.push(("slashid-required-consistency-timeout", "2".to_owned()));
        let target = format!("/organizations/sso/oidc/provider-credentials/{credential}");
        let body = Some(json!({"label": format!("never-{count}")}).to_string());
        let asked = Asked { method: "PATCH", target, headers, body };
        let node = self.rng.place(work.places.len());
        match self.told(node, &asked).await {
            Some((422, _, _)) => true,
            Some((status, is_current, body)) => {
                // Policies are asked before the log, and a node may not know the organization.
                let may_be = is_no_answer(status)
                    || status == 403
                    || (!is_current && matches!(status, 401 | 404));
                assert!(may_be, "a key of another request: {status}, {is_current}: {body}");
                false
            }
            None => false,
        }
    }

    async fn asks_for_anothers_write(&mut self) -> bool {
        let Some((org, named)) = self.known_write() else { return false };
        let work = Arc::clone(&self.work);
        let other = (org + 1) % work.orgs.len();
        let target = format!("/v1/writes/{}", named.write_id);
        let headers = identity(&work.orgs[other]);
        let asked = Asked { method: "GET", target, headers, body: None };
        let node = self.rng.place(work.places.len());
        match self.told(node, &asked).await {
            Some((404, ..)) => other != org,
            Some((status, is_current, body)) => {
                let may_be = other == org || is_no_answer(status) || (!is_current && status == 401);
                assert!(may_be, "another organization's write: {status}, {is_current}: {body}");
                false
            }
            None => false,
        }
    }

    async fn mistypes(&mut self, operator_key: &str) -> bool {
        let region = self.region.clone();
        let cluster = "/v1/cluster".to_owned();
        let org = self.work.orgs[0].id.clone();
        let (method, target, body) = match self.rng.below(8) {
            0 => {
                let body = json!({"home_region": "us-iowo"});
                ("POST", format!("/v1/organizations/{org}/move"), body)
            }
            1 => ("PATCH", cluster, json!({"lease": {"local_ms": 1, "remote_ms": 1}})),
            2 => ("PATCH", cluster, json!({"survival_goal": "planet"})),
            3 => {
                let body = json!({"state": "draining"});
                ("PATCH", format!("/v1/cluster/nodes/{UNKNOWN}"), body)
            }
            4 => ("DELETE", format!("/v1/cluster/nodes/{UNKNOWN}"), Value::Null),
            5 => ("DELETE", format!("/v1/organizations/{UNKNOWN}"), Value::Null),
            6 => {
                let body = json!({"to": region, "confirm_fenced": true});
                ("POST", "/v1/cluster/regions/us-iowo/failover".to_owned(), body)
            }
            _ => {
                let body = json!({"to": region});
                ("POST", format!("/v1/cluster/regions/{region}/failover"), body)
            }
        };
        let body = (!body.is_null()).then(|| body.to_string());
        let headers = vec![("slashid-api-key", operator_key.to_owned())];
        let asked = Asked { method, target, headers, body };
        let node = self.rng.place(self.work.places.len());
        let Some((status, is_current, body)) = self.told(node, &asked).await else { return false };
        let is_refused = matches!(status, 400 | 404 | 409 | 422);
        let may_be = is_refused || is_no_answer(status) || (!is_current && status == 401);
        assert!(may_be, "{method} {}: {status}, {is_current}: {body}", asked.target);
        is_refused
    }

    async fn sets_leases(&mut self, operator_key: &str) -> bool {
        let (local, remote) = LEASES_MS[self.rng.place(LEASES_MS.len())];
        let body = json!({"lease": {"local_ms": local, "remote_ms": remote}}).to_string();
        let headers = vec![("slashid-api-key", operator_key.to_owned())];
        let target = "/v1/cluster".to_owned();
        let asked = Asked { method: "PATCH", target, headers, body: Some(body) };
        let node = self.rng.place(self.work.places.len());
        let told = self.told(node, &asked).await;
        told.is_some_and(|(status, ..)| status == 200 && local * 3 <= remote)
    }

    /// The voters of a region's group go to another region, or home again. Not where it is judged how long a
    /// move takes without a change of leaders.
    async fn moves_voters(&mut self, operator_key: &str) -> bool {
        if self.work.seed.is_multiple_of(MANY_MOVES) {
            return false;
        }
        let regions: Vec<String> = {
            let places = self.work.places.iter().map(|place| place.region.clone());
            places.collect()
        };
        let of = self.rng.place(regions.len());
        let to = if self.rng.below(2) == 0 { of } else { self.rng.place(regions.len()) };
        let body = json!({"voter_region": regions[to]}).to_string();
        let target = format!("/v1/cluster/regions/{}", regions[of]);
        let headers = vec![("slashid-api-key", operator_key.to_owned())];
        let asked = Asked { method: "PATCH", target, headers, body: Some(body) };
        let node = self.rng.place(self.work.places.len());
        let told = self.told(node, &asked).await;
        told.is_some_and(|(status, ..)| status == 200 && regions[of] != regions[to])
    }

    /// Status, whether it is current, and body, if there is an answer.
    async fn told(&self, node: usize, asked: &Asked) -> Option<(u16, bool, Value)> {
        let from = Region::new(self.region.as_str()).ok();
        let mut walk = Walk::new(&self.work.client_network, from, &self.work.trace);
        match walk.exchange(node, asked, PATIENCE).await {
            Told::Answer { status, unmarked, body, .. } => Some((status, unmarked, body)),
            Told::Nobody | Told::Nothing => None,
        }
    }
}

fn identity(org: &Org) -> Vec<(&'static str, String)> {
    vec![("slashid-orgid", org.id.clone()), ("slashid-api-key", org.api_key.clone())]
}

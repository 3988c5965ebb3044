//! A client that makes organizations and suborganizations, fills them, moves them and ends them, while others
//! write and faults happen. In a third of the seeds; what it does is drawn from a generator of its own.
//!
//! It never ends an organization of the other clients. What it knows of each is kept for the judge of the end
//! (`run/organizations.rs`).

use std::{sync::Arc, time::Duration};

use concordat_cluster::locks::locked;
use concordat_proto::region::Region;
use concordat_tests::{
    demo::Org,
    recorded::{Asked, CLIENT_SECRET, Carrier, Told},
    rng::Rng,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    network::Walk,
    work::{Life, Made, Work},
};

/// Where the seeds with such a client are drawn from.
const DRAW: u64 = 0x00e9_d0f5;
/// The greatest number that is made.
const MADE_MAX: usize = 10;
const ATTEMPTS: usize = 4;
const TIMEOUT_S: &str = "3";
const PATIENCE: Duration = Duration::from_secs(6);

/// Whether organizations are made and ended beside the faults.
pub(crate) fn has_ends(seed: u64) -> bool {
    Rng::new(seed ^ DRAW).below(3) == 0
}

/// The result of a request with its repeats.
enum Answered {
    /// This status and body.
    With(u16, Value),
    /// Certainly nothing was done.
    Refused,
    Unknown,
}

/// The client.
pub(crate) struct Founder {
    work: Arc<Work>,
    walk: Walk,
    rng: Rng,
    operator_key: String,
    regions: Vec<Region>,
    asked: u64,
}

impl Founder {
    pub(crate) fn new(work: &Arc<Work>, operator_key: &str, regions: &[Region]) -> Self {
        Self {
            walk: Walk::new(&work.client_network, None, &work.trace),
            rng: Rng::new((work.seed ^ DRAW).wrapping_mul(991)),
            operator_key: operator_key.to_owned(),
            regions: regions.to_vec(),
            work: Arc::clone(work),
            asked: 0,
        }
    }

    /// Makes, fills, moves and ends until the work is over.
    pub(crate) async fn works(mut self) {
        while self.work.may_go_on().await {
            match self.rng.below(8) {
                0..=2 if self.made_so_far() < MADE_MAX => self.makes_a_suborganization().await,
                3 if self.made_so_far() < MADE_MAX => self.makes_one().await,
                4 => self.moves_one().await,
                5..=6 => self.ends_one().await,
                _ => self.fills_one().await,
            }
            self.looks_at_an_ended_one().await;
            sleep(Duration::from_millis(100 + self.rng.below(900))).await;
        }
    }

    fn made_so_far(&self) -> usize {
        locked(&self.work.made).len()
    }

    /// One of those that live.
    fn living(&mut self) -> Option<(usize, Made)> {
        let made = locked(&self.work.made).clone();
        let living = made.into_iter().enumerate().filter(|(_, made)| made.life == Life::Lives);
        let mut living: Vec<_> = living.collect();
        let place = self.rng.place(living.len());
        (!living.is_empty()).then(|| living.swap_remove(place))
    }

    /// Under an organization of the other clients, which faults move, or under one of its own.
    async fn makes_a_suborganization(&mut self) {
        let under_own = self.rng.below(3) == 0;
        let parent = match self.living() {
            Some((_, made)) if under_own => made.org,
            Some(_) | None => self.work.orgs[self.rng.place(self.work.orgs.len())].clone(),
        };
        let body = json!({"sub_org_name": format!("Part {}", self.asked), "admins": []});
        let asked = self.own(&parent, "POST", "/organizations/suborganizations", Some(&body));
        if let Answered::With(200, body) = self.ask(&asked).await {
            self.note_made(&body, Some(parent.id));
        }
    }

    async fn makes_one(&mut self) {
        let home = self.regions[self.rng.place(self.regions.len())].clone();
        let id = format!("00000000-0000-4000-a000-{:012x}", 1 + self.rng.below(1 << 40));
        let name = format!("Made {}", self.asked);
        let body = json!({"org_name": name, "home_region": home.as_str(), "id": id});
        let asked = self.operators("POST", "/v1/organizations", Some(&body));
        if let Answered::With(201, body) = self.ask(&asked).await {
            self.note_made(&body, None);
        }
    }

    fn note_made(&self, body: &Value, parent: Option<String>) {
        let made = Made { org: Org::of(&body["result"]), parent, life: Life::Lives };
        self.work.trace.line(format_args!("{made:?} is made"));
        locked(&self.work.made).push(made);
        self.work.client_network.with(|state| state.met.made += 1);
    }

    /// A credential and a key, which its end must end too.
    async fn fills_one(&mut self) {
        let Some((_, Made { org, .. })) = self.living() else { return };
        let body = json!({
            "client_id": format!("filled-{}", self.asked), "client_secret": CLIENT_SECRET,
            "provider": "google",
        });
        let target = "/organizations/sso/oidc/provider-credentials";
        let credential = self.own(&org, "POST", target, Some(&body));
        self.ask(&credential).await;
        let body = json!({"rights": ["read"], "label": "more"});
        let key = self.own(&org, "POST", "/organizations/api-keys", Some(&body));
        self.ask(&key).await;
    }

    async fn moves_one(&mut self) {
        let Some((_, Made { org, parent: None, .. })) = self.living() else { return };
        let to = self.regions[self.rng.place(self.regions.len())].clone();
        let body = json!({"home_region": to.as_str()});
        let target = format!("/v1/organizations/{}/move", org.id);
        let asked = self.operators("POST", &target, Some(&body));
        self.ask(&asked).await;
    }

    /// By its own key, or by an operator.
    async fn ends_one(&mut self) {
        let Some((place, Made { org, .. })) = self.living() else { return };
        let asked = if self.rng.below(2) == 0 {
            self.own(&org, "DELETE", "/organizations", None)
        } else {
            self.operators("DELETE", &format!("/v1/organizations/{}", org.id), None)
        };
        self.note(place, Life::MayHaveEnded);
        match self.ask(&asked).await {
            Answered::With(200 | 204, _) => {
                self.note(place, Life::Ended);
                self.work.client_network.with(|state| state.met.ended += 1);
            }
            Answered::Refused => self.note(place, Life::Lives),
            Answered::With(..) | Answered::Unknown => {}
        }
    }

    fn note(&self, place: usize, life: Life) {
        let mut all = locked(&self.work.made);
        let Some(made) = all.get_mut(place) else { return };
        made.life = life;
        self.work.trace.line(format_args!("{}: {life:?}", made.org.id));
    }

    /// No node gives a fresh answer to the key of an organization that has ended in all regions.
    async fn looks_at_an_ended_one(&mut self) {
        let made = locked(&self.work.made).clone();
        let ended: Vec<&Made> = made.iter().filter(|made| made.life == Life::Ended).collect();
        let place = self.rng.place(ended.len());
        let Some(ended) = ended.get(place) else { return };
        let asked = self.own(&ended.org, "GET", "/organizations", None);
        let node = self.rng.place(self.work.places.len());
        let told = self.walk.exchange(node, &asked, PATIENCE).await;
        if let Told::Answer { status: 200, unmarked: true, body, .. } = told {
            panic!("ends: {} has ended everywhere, and opens node {node}: {body}", ended.org.id);
        }
    }

    fn own(
        &mut self,
        org: &Org,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
    ) -> Asked {
        let headers =
            vec![("slashid-orgid", org.id.clone()), ("slashid-api-key", org.api_key.clone())];
        self.request(headers, method, target, body)
    }

    fn operators(&mut self, method: &'static str, target: &str, body: Option<&Value>) -> Asked {
        let headers = vec![("slashid-api-key", self.operator_key.clone())];
        self.request(headers, method, target, body)
    }

    fn request(
        &mut self,
        mut headers: Vec<(&'static str, String)>,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
    ) -> Asked {
        self.asked += 1;
        if method != "GET" {
            headers.push(("slashid-required-consistency", "all_regions".to_owned()));
            headers.push(("slashid-required-consistency-timeout", TIMEOUT_S.to_owned()));
            headers.push(("idempotency-key", format!("founder-{}", self.asked)));
        }
        Asked { method, target: target.to_owned(), headers, body: body.map(Value::to_string) }
    }

    /// Asks one node after the other, under one key.
    async fn ask(&mut self, asked: &Asked) -> Answered {
        let mut is_certain = true;
        for _ in 0..ATTEMPTS {
            let node = self.rng.place(self.work.places.len());
            match self.walk.exchange(node, asked, PATIENCE).await {
                Told::Nobody | Told::Answer { status: 429 | 503, .. } => {}
                Told::Nothing
                | Told::Answer { status: 408, .. }
                | Told::Answer { unmarked: false, status: 401 | 404, .. } => is_certain = false,
                Told::Answer { status: 409, .. } if is_certain => return Answered::Refused,
                Told::Answer { status, body, .. } => return Answered::With(status, body),
            }
            sleep(Duration::from_millis(20 + self.rng.below(300))).await;
        }
        if is_certain { Answered::Refused } else { Answered::Unknown }
    }
}

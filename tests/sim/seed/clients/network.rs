//! The network between clients and nodes, and one client's way over it: requests take time, regions are cut
//! off, clients hang up. It counts what clients met, and judges receipts and positions as they pass.
//!
//! A request enters a node as a task on its runtime, and dies with it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use concordat_cluster::locks::locked;
use concordat_node::embedded::EmbeddedNode;
use concordat_proto::{consistency::Position, header, region::Region};
use concordat_tests::{
    recorded::{self, Asked, Carrier, Told},
    rng::Rng,
};
use http::{Request, Response};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::speaker::KINDS;
use crate::{
    invariants::promise::{self, Reached},
    shape::Shape,
    trace::Trace,
};

/// What a client does that the others do not, by the names in the table of kinds.
pub(crate) const ODD: [&str; 6] = [
    "read from a position on",
    "key of another request",
    "another organization's write",
    "mistyped command",
    "lease terms far apart",
    "voters moved",
];

pub(crate) type Door = (Handle, EmbeddedNode);

pub(super) struct State {
    client_network: Vec<Option<Door>>,
    regions: Vec<Region>,
    cut: Vec<Region>,
    rng: Rng,
    pub(super) met: Met,
    /// The first receipt that named no region.
    empty_receipt: Option<String>,
}

/// Counters of the clients' experience.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Met {
    pub(crate) hung_up: u64,
    pub(crate) elsewhere: u64,
    pub(crate) died: u64,
    /// Operations in each further dialect that were answered.
    pub(crate) spoken: [u64; KINDS.len()],
    /// Organizations that were made, and ended.
    pub(crate) made: u64,
    pub(crate) ended: u64,
    /// What the odd client did, and was answered.
    pub(crate) odd: [u64; ODD.len()],
}

/// The way into every node. Clones are the same.
#[derive(Clone)]
pub(crate) struct ClientNetwork {
    state: Arc<Mutex<State>>,
    told: promise::Told,
}

impl ClientNetwork {
    pub(crate) fn new(seed: u64, shape: &Shape, told: &promise::Told) -> Self {
        let client_network = shape.nodes.iter().map(|_| None).collect();
        let regions = shape.nodes.clone();
        let rng = Rng::new(seed);
        let (cut, met, empty_receipt) = (Vec::new(), Met::default(), None);
        let state = State { client_network, regions, cut, rng, met, empty_receipt };
        Self { state: Arc::new(Mutex::new(state)), told: told.clone() }
    }

    /// The door of a machine that is new, under its number.
    pub(crate) fn add(&self, number: usize, region: &Region) {
        self.with(|state| {
            // Another machine with that number may have been taken away.
            state.client_network.truncate(number);
            state.regions.truncate(number);
            state.client_network.push(None);
            state.regions.push(region.clone());
        });
    }

    pub(crate) fn set(&self, number: usize, door: Option<Door>) {
        self.with(|state| state.client_network[number] = door);
    }

    /// Regions whose nodes only clients of their own reach.
    pub(crate) fn cut(&self, regions: Vec<Region>) {
        self.with(|state| state.cut = regions);
    }

    pub(crate) fn met(&self) -> Met {
        self.with(|state| state.met)
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut locked(&self.state))
    }

    /// Whether every receipt had some region, for whichever caller.
    pub(crate) fn receipts_are_whole(&self) -> Result<(), String> {
        self.with(|state| state.empty_receipt.clone()).map_or(Ok(()), Err)
    }

    /// Notes a receipt that names no region.
    fn look_at_receipt(&self, asked: &Asked, node: usize, told: &Told) {
        let Told::Answer { status, receipt, .. } = told else { return };
        let lines = &receipt["regions"];
        if lines.as_array().is_some_and(Vec::is_empty) {
            let (method, target) = (asked.method, &asked.target);
            let said = format!("receipts: {method} {target} at {node}: {status} names no region");
            self.with(|state| _ = state.empty_receipt.get_or_insert(said));
        }
    }

    /// Records a client's newest knowledge of a write's progress.
    fn heard(&self, asked: &Asked, node: usize, position: Option<&str>, told: &Told) {
        let Some(position) = position.and_then(|position| position.parse().ok()) else { return };
        let Told::Answer { status: 200..300, receipt, .. } = told else { return };
        if asked.method == "GET" || asked.target.ends_with("/_search") {
            return;
        }
        let header = |name: &str| {
            asked.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, it)| it)
        };
        let is_all = header("slashid-required-consistency")
            .is_some_and(|required| required == "all_regions");
        let region = (!is_all).then(|| self.with(|state| state.regions[node].clone()));
        // In a header, or in the path of an operator's request.
        let in_path = || asked.target.strip_prefix("/v1/organizations/")?.split('/').next();
        let org = header("slashid-orgid").map(String::as_str).or_else(in_path);
        let org = org.and_then(|id| id.parse().ok());
        let applied = match header("idempotency-key") {
            None => recorded::applied(receipt),
            Some(_) => Vec::new(),
        };
        let applied = applied.iter().filter_map(|region| Region::new(region.as_str()).ok());
        self.told.add(Reached { org, position, region, applied: applied.collect() });
    }

    /// The way into a node from a region, and how long it takes.
    fn way(&self, from: Option<&Region>, node: usize) -> Option<(Door, Duration)> {
        self.with(|state| {
            let to = &state.regions[node];
            let is_near = from.is_none_or(|from| from == to);
            let is_cut = state.cut.contains(to) || from.is_some_and(|it| state.cut.contains(it));
            let ms = if is_near { 1 } else { 15 } + state.rng.below(4);
            let door = state.client_network.get(node)?.clone()?;
            (is_near || !is_cut).then_some((door, Duration::from_millis(ms)))
        })
    }
}

/// Carries one client's requests.
pub(crate) struct Walk {
    client_network: ClientNetwork,
    from: Option<Region>,
    /// Stands at the node: its requests take no time to get there.
    is_there: bool,
    trace: Trace,
}

impl Walk {
    /// From a region, or from beside each node.
    pub(crate) fn new(client_network: &ClientNetwork, from: Option<Region>, trace: &Trace) -> Self {
        Self { client_network: client_network.clone(), from, is_there: false, trace: trace.clone() }
    }

    /// From where each node is.
    pub(crate) fn at_the_door(client_network: &ClientNetwork, trace: &Trace) -> Self {
        Self { is_there: true, ..Self::new(client_network, None, trace) }
    }
}

fn request(asked: &Asked) -> Request<Bytes> {
    let mut request = Request::builder().method(asked.method).uri(asked.target.as_str());
    for (name, value) in &asked.headers {
        request = request.header(*name, value);
    }
    if asked.body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = asked.body.clone().map(Bytes::from).unwrap_or_default();
    request.body(body).expect("a request")
}

/// Whether the node that has just given a stale answer has been current with what a negative answer
/// needs: with the group that it names, or with all groups where it says that a key is not valid.
/// The time that it names otherwise is one of its log, and proves nothing about missing objects.
fn knows_absence(node: &EmbeddedNode, answer: &Response<Bytes>) -> bool {
    let position = answer.headers().get(header::POSITION).and_then(|it| it.to_str().ok());
    let position: Option<Position> = position.and_then(|position| position.parse().ok());
    match (answer.status().as_u16(), position) {
        (401, _) => node.knows_absence(None),
        (_, Some(position)) => node.knows_absence(Some(position.group)),
        (_, None) => true,
    }
}

impl Carrier for Walk {
    async fn exchange(&mut self, node: usize, asked: &Asked, patience: Duration) -> Told {
        let Some(((handle, door), delay)) = self.client_network.way(self.from.as_ref(), node)
        else {
            sleep(Duration::from_millis(20)).await;
            return Told::Nobody;
        };
        let delay = if self.is_there { Duration::ZERO } else { delay };
        sleep(delay).await;
        let request = request(asked);
        let task = handle.spawn(async move {
            let answer = door.call(request).await;
            let knows = knows_absence(&door, &answer);
            (answer, knows)
        });
        let hang_up = task.abort_handle();
        let told = match timeout(patience, task).await {
            Ok(Ok((answer, knows))) => {
                sleep(delay).await;
                let header = |name: &str| answer.headers().get(name)?.to_str().ok();
                let owned = |name: &str| header(name).map(str::to_owned);
                let mut told = Told::answer(answer.status().as_u16(), owned, answer.body());
                if let Told::Answer { is_dated, unmarked: false, .. } = &mut told {
                    *is_dated &= knows;
                }
                self.client_network.look_at_receipt(asked, node, &told);
                self.client_network.heard(asked, node, header(header::POSITION), &told);
                told
            }
            // The node has died with the request.
            Ok(Err(error)) => {
                assert!(error.is_cancelled(), "a request panicked: {error}");
                self.client_network.with(|state| state.met.died += 1);
                sleep(delay).await;
                Told::Nothing
            }
            Err(_) => {
                hang_up.abort();
                self.client_network.with(|state| state.met.hung_up += 1);
                Told::Nothing
            }
        };
        let status = match &told {
            Told::Nobody => 0,
            Told::Nothing => 1,
            Told::Answer { status, .. } => *status,
        };
        self.trace.line(format_args!("{} {} at {node}: {status}", asked.method, asked.target));
        told
    }
}

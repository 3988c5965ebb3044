//! The operator's requests: over the API, at any node that answers.
//!
//! A refusal is an answer; whether it was the right one is not judged here.

use std::time::Duration;

use concordat_cluster::raft::NodeView;
use concordat_proto::{id::NodeId, org::NodeState, region::Region};
use concordat_tests::{
    demo::Org,
    recorded::{Asked, Carrier, Told},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{clients::Walk, host, world::World};

const PATIENCE: Duration = Duration::from_secs(6);
/// Organizations that are made until one is answered.
const NEW_ORG_ATTEMPTS: usize = 3;

/// Asks one node after the other until one gives an answer that is no 408, 429 or 503.
fn ask(
    world: &mut World,
    method: &'static str,
    target: &str,
    body: Option<&Value>,
    rounds: usize,
) -> Option<(u16, Value)> {
    let all: Vec<usize> = (0..world.hosts.len()).collect();
    ask_some(world, &all, (method, target, body), rounds)
}

/// Asks some of the nodes.
fn ask_some(
    world: &mut World,
    nodes: &[usize],
    (method, target, body): (&'static str, &str, Option<&Value>),
    rounds: usize,
) -> Option<(u16, Value)> {
    let first = usize::try_from(world.drawn(nodes.len() as u64)).unwrap_or(0);
    ask_from(world, nodes, first, (method, target, body), rounds)
}

/// Asks some of the nodes, this one first.
fn ask_from(
    world: &mut World,
    nodes: &[usize],
    first: usize,
    (method, target, body): (&'static str, &str, Option<&Value>),
    rounds: usize,
) -> Option<(u16, Value)> {
    let nodes = nodes.to_vec();
    let mut walk = Walk::new(&world.client_network, None, &world.trace);
    let asked = asked(world, method, target, body);
    world.ask(async move {
        for round in 0..rounds {
            match walk.exchange(nodes[(first + round) % nodes.len()], &asked, PATIENCE).await {
                Told::Answer { status: 408 | 429 | 503, .. } | Told::Nobody | Told::Nothing => {
                    sleep(Duration::from_millis(100)).await;
                }
                Told::Answer { status, body, .. } => return Some((status, body)),
            }
        }
        None
    })
}

fn asked(world: &World, method: &'static str, target: &str, body: Option<&Value>) -> Asked {
    let headers = vec![
        ("slashid-api-key", world.operator_key.clone()),
        ("slashid-required-consistency", "all_regions".to_owned()),
        ("slashid-required-consistency-timeout", "3".to_owned()),
    ];
    Asked { method, target: target.to_owned(), headers, body: body.map(Value::to_string) }
}

/// Repeats a request, at one node after the other, while the world continues, until one answers
/// that it is done or was done before.
fn ask_beside(world: &World, asked: Asked, rounds: usize) {
    let mut walk = Walk::new(&world.client_network, None, &world.trace);
    let nodes = world.hosts.len();
    drop(world.clients().spawn(async move {
        for round in 0..rounds {
            let told = walk.exchange(round % nodes, &asked, PATIENCE).await;
            let Told::Answer { status, body, .. } = told else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            if (200..300).contains(&status) || body.to_string().contains("already") {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }));
}

fn is_done(answer: Option<&(u16, Value)>) -> bool {
    answer.is_some_and(|(status, _)| (200..300).contains(status))
}

/// Makes an organization.
pub(crate) fn new_org(world: &mut World, name: &str, home: &Region) -> Result<Org, String> {
    let mut last = None;
    for _ in 0..NEW_ORG_ATTEMPTS {
        // Asked again under an id of its own, it is made once.
        let id = format!("00000000-0000-4000-8000-{:012x}", 1 + world.drawn(1 << 40));
        let body = json!({"org_name": name, "home_region": home.as_str(), "id": id});
        match ask(world, "POST", "/v1/organizations", Some(&body), 30) {
            Some((201, body)) => return Ok(Org::of(&body["result"])),
            // It was made without an answer, and with a key that was lost with it.
            Some((409, body)) => last = Some((409, body)),
            other => return Err(format!("making an organization: {other:?}")),
        }
    }
    Err(format!("making an organization: {last:?}"))
}

/// Gives an organization an enterprise domain. Draws nothing.
pub(crate) fn set_domain(world: &mut World, org: &str, domain: &str) -> bool {
    let all: Vec<usize> = (0..world.hosts.len()).collect();
    let (target, body) = (format!("/v1/organizations/{org}"), json!({"enterprise_domain": domain}));
    is_done(ask_from(world, &all, 0, ("PATCH", &target, Some(&body)), 30).as_ref())
}

/// Tries to create an organization under the id that the store uses for records without an
/// organization.
pub(crate) fn no_nil_org(world: &mut World) -> Result<(), String> {
    let body = json!({"org_name": "Nobody", "id": "00000000-0000-0000-0000-000000000000"});
    match ask(world, "POST", "/v1/organizations", Some(&body), 4) {
        Some((400, _)) | None => Ok(()),
        other => Err(format!("sentinels: an organization under the nil id: {other:?}")),
    }
}

/// Creates an organization while the world continues, if any node can.
pub(crate) fn new_org_beside(world: &World, id: u64, home: &Region) {
    let id = format!("00000000-0000-4000-9000-{id:012x}");
    let body = json!({"org_name": "Early", "home_region": home.as_str(), "id": id});
    ask_beside(world, asked(world, "POST", "/v1/organizations", Some(&body)), 1000);
}

/// Begins to move an organization's home.
pub(crate) fn move_home(world: &mut World, org: &str, to: &Region) -> bool {
    let body = json!({"home_region": to.as_str()});
    let target = format!("/v1/organizations/{org}/move");
    let answer = ask(world, "POST", &target, Some(&body), 2);
    answer.is_some_and(|(status, _)| status == 202)
}

/// Takes a move back, as long as that can be.
pub(crate) fn move_back(world: &mut World, org: &str) -> bool {
    let target = format!("/v1/organizations/{org}/move");
    let answer = ask(world, "POST", &target, Some(&json!({"cancel": true})), 2);
    answer.is_some_and(|(status, _)| (200..300).contains(&status))
}

/// Cancels a move at the nodes of the old home, which may reach no other node. The result is
/// unknown: a change that must reach all regions is not reported to have done so.
pub(crate) fn move_back_at(world: &mut World, org: &str, nodes: &[usize]) {
    let target = format!("/v1/organizations/{org}/move");
    drop(ask_some(world, nodes, ("POST", &target, Some(&json!({"cancel": true}))), 1));
}

/// Sets the leases' length.
pub(crate) fn lease_terms(world: &mut World, home_ms: u64) -> bool {
    let body = json!({"lease": {"local_ms": home_ms, "remote_ms": 2 * home_ms}});
    is_done(ask(world, "PATCH", "/v1/cluster", Some(&body), 2).as_ref())
}

/// Sets something of the cluster.
pub(crate) fn set(world: &mut World, what: &str, to: &str) -> bool {
    let body = json!({what: to});
    is_done(ask(world, "PATCH", "/v1/cluster", Some(&body), 2).as_ref())
}

/// Adds a region's name.
pub(crate) fn add_region(world: &mut World, region: &Region) -> bool {
    let body = json!({"region": region.as_str()});
    is_done(ask(world, "POST", "/v1/cluster/regions", Some(&body), 4).as_ref())
}

/// Puts a cluster-wide set of policies in force.
#[cfg(test)]
pub(crate) fn set_policies(world: &mut World, text: &str) -> bool {
    let body = json!({"policies": text});
    is_done(ask(world, "PUT", "/v1/policies", Some(&body), 4).as_ref())
}

/// Drains a node, or takes it back; whether that was done.
pub(crate) fn drain(world: &mut World, number: usize, is_drained: bool) -> bool {
    let id = host::shown(world.hosts[number].id);
    let body = json!({"state": if is_drained { "draining" } else { "member" }});
    let rounds = if is_drained { 4 } else { 12 };
    is_done(ask(world, "PATCH", &format!("/v1/cluster/nodes/{id}"), Some(&body), rounds).as_ref())
}

/// Drains a node and removes it, as many times over as that is refused or not answered.
pub(crate) fn remove(world: &mut World, number: usize, times: usize) -> bool {
    drain(world, number, true);
    let id = host::shown(world.hosts[number].id);
    for _ in 0..times {
        let answer = ask(world, "DELETE", &format!("/v1/cluster/nodes/{id}"), None, 2);
        if is_done(answer.as_ref()) {
            return true;
        }
        world.run(Duration::from_millis(500));
    }
    false
}

/// Removes the nodes whose disks are gone: only an operator can know that they never return.
/// Returns whether all of them have left every group.
pub(crate) fn remove_lost(world: &mut World) -> bool {
    for id in world.lost.clone() {
        if has_left(world, id) {
            world.lost.retain(|lost| *lost != id);
            continue;
        }
        let target = format!("/v1/cluster/nodes/{}", host::shown(id));
        let answer = ask(world, "DELETE", &target, None, 2);
        world.trace.line(format_args!("{id} is lost and to be removed: {answer:?}"));
    }
    world.lost.is_empty()
}

fn has_left(world: &World, id: NodeId) -> bool {
    let left =
        |view: &NodeView| view.record.state == NodeState::Removed && view.replicas.is_empty();
    // One that was wiped before any node knew it is nowhere.
    world.nodes().all(|(_, node)| node.groups().node_view(id).is_none_or(|it| left(&it)))
}

/// Fails a region over while the world continues.
pub(crate) fn fail_over_beside(world: &World, lost: &Region, to: &Region) {
    let (target, body) = failover(lost, to);
    ask_beside(world, asked(world, "POST", &target, Some(&body)), 200);
}

fn failover(lost: &Region, to: &Region) -> (String, Value) {
    let body = json!({"to": to.as_str(), "confirm_fenced": true});
    (format!("/v1/cluster/regions/{lost}/failover"), body)
}

/// Fails a region over.
pub(crate) fn fail_over(world: &mut World, lost: &Region, to: &Region) -> Result<(), String> {
    let (target, body) = failover(lost, to);
    let mut last = None;
    for _ in 0..60 {
        last = ask(world, "POST", &target, Some(&body), 4);
        // The first time it was not answered in time, and the group is hosted there already.
        let hosted = format!("already hosted in region {to}");
        let is_repeat = last.as_ref().is_some_and(|(_, body)| body.to_string().contains(&hosted));
        if is_done(last.as_ref()) || is_repeat {
            return Ok(());
        }
        world.run(Duration::from_millis(500));
    }
    Err(format!("failing {lost} over: {last:?}"))
}

/// A lost region's lost writes, as the operator gets them.
pub(crate) fn left_behind(world: &mut World, region: &Region) -> Vec<String> {
    let target = format!("/v1/cluster/regions/{region}/divergence");
    let Some((200, body)) = ask(world, "GET", &target, None, 10) else { return Vec::new() };
    let nodes = body["result"]["nodes"].as_array().cloned().unwrap_or_default();
    let writes = nodes.iter().filter_map(|node| node["writes"].as_array()).flatten();
    writes.filter_map(|write| write["write_id"].as_str()).map(str::to_owned).collect()
}

/// A write's outcome.
pub(crate) fn outcome(world: &mut World, write: &str) -> Option<String> {
    let (status, body) = ask(world, "GET", &format!("/v1/writes/{write}"), None, 10)?;
    let outcome = body["result"]["outcome"].as_str().map(str::to_owned);
    outcome.or_else(|| Some(format!("status {status}")))
}

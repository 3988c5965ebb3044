//! `concordat node …`, `concordat region …`, `concordat cluster set …`

use std::time::Duration;

use concordat_client::{
    Client, ClientError, DivergedWrite, Divergence, Member, MemberRegion, Operate, Write, Written,
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    args::{Gone, Node, RegionVerb},
    failure::Failure,
    invocation::Course,
    print::{self, Shown, or_dash, table},
    values::Setting,
};

/// Between two looks whether something is gone.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn node(client: &Client, verb: Node, course: &Course) -> Result<Shown, Failure> {
    let nodes = client.nodes();
    match verb {
        Node::List => {
            let nodes = nodes.list().await?;
            let rows: Vec<_> = nodes.iter().map(node_row).collect();
            let head = ["NODE", "REGION", "STATE", "LIVE", "VOTES", "LEADS", "REPLICAS", "URL"];
            Ok(Shown::new(json!(nodes), table(head, &rows)))
        }
        Node::Drain { id } => done(nodes.drain(&id), course).await,
        Node::Undrain { id } => done(nodes.undrain(&id), course).await,
        Node::Remove { id, gone } => {
            let written = send(nodes.remove(&id), course).await?;
            if gone.wait.is_zero() {
                return Ok(print::written(&written));
            }
            let left = wait(&gone, async || {
                let found = nodes.list().await?.into_iter().find(|node| node.node_id == id);
                Ok(found.map(|node| node_left(&node)))
            });
            gone_or(&written, left.await?)
        }
    }
}

pub(super) async fn region(
    client: &Client,
    verb: RegionVerb,
    course: &Course,
) -> Result<Shown, Failure> {
    let regions = client.regions();
    match verb {
        RegionVerb::List => {
            let regions = regions.list().await?;
            let rows: Vec<_> = regions.iter().map(region_row).collect();
            let head = ["REGION", "STATE", "SEAT", "GROUP", "LEADER", "VOTERS", "NODES"];
            Ok(Shown::new(json!(regions), table(head, &rows)))
        }
        RegionVerb::Add { region } => done(regions.add(&region), course).await,
        RegionVerb::Keep { region } => done(regions.keep(&region), course).await,
        RegionVerb::Seat { region, seat } => done(regions.seat(&region, &seat), course).await,
        RegionVerb::Failover { region, to, fenced, without, gone } => {
            let written = send(regions.failover(&region, &to, fenced, &without), course).await?;
            if gone.wait.is_zero() {
                return Ok(print::written(&written));
            }
            let left = wait(&gone, async || {
                let mut found = regions.list().await?.into_iter();
                let found = found.find(|it| it.region == region.as_str());
                Ok(found.and_then(|found| not_there_yet(&found, to.as_str())))
            });
            match left.await? {
                Some(left) => {
                    let message = format!("{left}; the failover goes on by itself");
                    Err(Failure::NotGone(print::printable(&message)))
                }
                None => Ok(print::written(&written)),
            }
        }
        RegionVerb::Divergence { region } => Ok(diverged(&regions.divergence(&region).await?)),
        RegionVerb::Found { region, node, fenced: _ } => {
            done(regions.found(&region, &node), course).await
        }
        RegionVerb::Remove { region, gone } => {
            let written = send(regions.remove(&region), course).await?;
            if gone.wait.is_zero() {
                return Ok(print::written(&written));
            }
            let left = wait(&gone, async || {
                let found = regions.list().await?.into_iter();
                let found = found.map(|it| (it.region, it.state));
                let found = found.into_iter().find(|(name, _)| name == region.as_str());
                Ok(found.map(|(name, state)| format!("region {name} is still {state}")))
            });
            gone_or(&written, left.await?)
        }
    }
}

pub(super) async fn set(
    client: &Client,
    setting: Setting,
    course: &Course,
) -> Result<Shown, Failure> {
    match setting {
        Setting::Survive(survive) => done(client.set_survive(survive), course).await,
        Setting::Lease(terms) => done(client.set_leases(terms), course).await,
        Setting::Isolation(when) => done(client.set_isolation(when), course).await,
    }
}

async fn send(write: Write<'_, Operate>, course: &Course) -> Result<Written, Failure> {
    let written = write.idempotency_key(course.key()).send().await;
    let written = written.map_err(Failure::OperatorCall)?;
    course.on_done(written.write_id);
    Ok(written)
}

async fn done(write: Write<'_, Operate>, course: &Course) -> Result<Shown, Failure> {
    Ok(print::written(&send(write, course).await?))
}

/// Waits until nothing is left; what is, when the time is over.
async fn wait(
    gone: &Gone,
    mut left: impl AsyncFnMut() -> Result<Option<String>, ClientError>,
) -> Result<Option<String>, Failure> {
    let deadline = Instant::now() + gone.wait;
    loop {
        // An answer that fails says nothing about how far it is.
        let known = left().await;
        if let Ok(None) = known {
            return Ok(None);
        }
        if Instant::now() >= deadline {
            return Ok(known?);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What was written, and that it is gone; a failure that says what is still to be done.
fn gone_or(written: &Written, left: Option<String>) -> Result<Shown, Failure> {
    if let Some(left) = left {
        let message = format!("{left}; the removal goes on by itself");
        return Err(Failure::NotGone(print::printable(&message)));
    }
    let Shown { json: shown, text, .. } = print::written(written);
    Ok(Shown::new(json!({ "written": shown, "gone": true }), format!("{text}gone\n")))
}

/// What is still missing until a region's group stands and is led in its new seat.
fn not_there_yet(region: &MemberRegion, seat: &str) -> Option<String> {
    let name = &region.region;
    if region.state == "failing_over" || region.seat != seat {
        return Some(format!("the group of {name} is closed, and has no successor yet"));
    }
    let leads = region
        .voters
        .iter()
        .any(|voter| voter.region == seat && Some(&voter.node_id) == region.leader.as_ref());
    (!leads).then(|| format!("the group of {name} is not led in {seat} yet"))
}

fn diverged(found: &Divergence) -> Shown {
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for node in &found.nodes {
        rows.extend(node.writes.iter().map(|write| diverged_row(&node.node_id, write)));
        if node.unlisted > 0 {
            let (id, unlisted) = (&node.node_id, node.unlisted);
            notes.push(format!("{unlisted} more on node {id} that it cannot list"));
        }
    }
    if !found.silent.is_empty() {
        notes.push(format!("no answer from {}", found.silent.join(", ")));
    }
    let head =
        ["NODE", "WRITE", "INDEX", "AT_MS", "ORGANIZATION", "OPERATION", "CLIENT_ID", "COMMITTED"];
    let mut text = table(head, &rows);
    for note in notes {
        text.push_str(&print::printable(&note));
        text.push('\n');
    }
    Shown::new(json!(found), text)
}

fn diverged_row(node: &str, write: &DivergedWrite) -> [String; 8] {
    [
        node.to_owned(),
        write.write_id.clone(),
        write.index.to_string(),
        write.at_ms.to_string(),
        or_dash(write.organization_id.as_ref()),
        write.operation.clone(),
        or_dash(write.oauth_client_id.as_ref()),
        if write.committed { "yes" } else { "no" }.to_owned(),
    ]
}

fn node_left(node: &Member) -> String {
    format!("node {} is {}, votes in [{}]", node.node_id, node.state, groups(&node.votes))
}

fn groups(groups: &[u32]) -> String {
    groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn node_row(node: &Member) -> [String; 8] {
    let live = if node.live { "yes" } else { "no" };
    [
        node.node_id.clone(),
        node.region.clone(),
        node.state.clone(),
        live.to_owned(),
        groups(&node.votes),
        groups(&node.leads),
        groups(&node.replicas),
        node.url.clone(),
    ]
}

fn region_row(region: &MemberRegion) -> [String; 7] {
    let voters = region.voters.iter().map(|voter| format!("{}@{}", voter.node_id, voter.region));
    [
        region.region.clone(),
        region.state.clone(),
        region.seat.clone(),
        or_dash(region.group.map(|group| group.to_string()).as_ref()),
        or_dash(region.leader.as_ref()),
        voters.collect::<Vec<_>>().join(" "),
        region.nodes.len().to_string(),
    ]
}

//! `concordat node …`, `concordat region …`, `concordat cluster set …`

use std::time::Duration;

use concordat_client::{
    AdminWrite, Client, ClientError, DivergedWrite, GroupId, LostWrites, MemberRegion, Node,
    NodeId, Region, RegionLife, Write, Written,
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    args::{NodeVerb, RegionVerb},
    failure::Failure,
    invocation::Course,
    print::{self, Shown, or_dash, table},
    values::Setting,
};

/// Between two looks whether something is gone.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn node(
    client: &Client,
    verb: NodeVerb,
    course: &Course,
) -> Result<Shown, Failure> {
    let nodes = client.nodes();
    match verb {
        NodeVerb::List => {
            let nodes = nodes.list().await?;
            let rows: Vec<_> = nodes.iter().map(node_row).collect();
            let head = ["NODE", "REGION", "STATE", "LIVE", "VOTES", "LEADS", "REPLICAS", "URL"];
            Ok(Shown::new(json!(nodes), table(head, &rows)))
        }
        NodeVerb::Drain { id } => done(nodes.drain(id), course).await,
        NodeVerb::Undrain { id } => done(nodes.undrain(id), course).await,
        NodeVerb::Remove { id, removal } => {
            let written = send(nodes.remove(id), course).await?;
            if removal.wait.is_zero() {
                return Ok(print::written(&written));
            }
            let left = wait(removal.wait, async || {
                let found = nodes.list().await?.into_iter().find(|node| node.node_id == id);
                Ok(found.map(|node| node_left(&node)))
            });
            removed_or(&written, left.await?)
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
            let head = ["REGION", "STATE", "VOTER_REGION", "GROUP", "LEADER", "VOTERS", "NODES"];
            Ok(Shown::new(json!(regions), table(head, &rows)))
        }
        RegionVerb::Add { region } => done(regions.add(&region), course).await,
        RegionVerb::Relocate { region, to } => done(regions.relocate(&region, &to), course).await,
        RegionVerb::Failover { region, to, confirm_fenced, skip_nodes, completion } => {
            let write = regions.failover(&region, &to, confirm_fenced, &skip_nodes);
            let written = send(write, course).await?;
            if completion.wait.is_zero() {
                return Ok(print::written(&written));
            }
            let left = wait(completion.wait, async || {
                let mut found = regions.list().await?.into_iter();
                let found = found.find(|it| it.region == region);
                Ok(found.and_then(|found| not_there_yet(&found, &to)))
            });
            match left.await? {
                Some(left) => {
                    let message = format!("{left}; the failover continues");
                    Err(Failure::RemovalTimedOut(print::printable(&message)))
                }
                None => Ok(print::written(&written)),
            }
        }
        RegionVerb::LostWrites { region } => Ok(diverged(&regions.lost_writes(&region).await?)),
        RegionVerb::RecreateGroup { region, on_node, confirm_fenced: _ } => {
            done(regions.recreate_group(&region, on_node), course).await
        }
        RegionVerb::Remove { region, cancel: true, .. } => {
            done(regions.cancel_removal(&region), course).await
        }
        RegionVerb::Remove { region, cancel: false, removal } => {
            let written = send(regions.remove(&region), course).await?;
            if removal.wait.is_zero() {
                return Ok(print::written(&written));
            }
            let left = wait(removal.wait, async || {
                let found = regions.list().await?.into_iter().find(|it| it.region == region);
                Ok(found.map(|it| format!("region {region} is still {}", it.state)))
            });
            removed_or(&written, left.await?)
        }
    }
}

pub(super) async fn set(
    client: &Client,
    setting: Setting,
    course: &Course,
) -> Result<Shown, Failure> {
    match setting {
        Setting::SurvivalGoal(survive) => done(client.set_survival_goal(survive), course).await,
        Setting::Lease(terms) => done(client.set_leases(terms), course).await,
        Setting::PartitionPolicy(when) => done(client.set_partition_policy(when), course).await,
    }
}

async fn send(write: Write<'_, AdminWrite>, course: &Course) -> Result<Written, Failure> {
    let written = write.idempotency_key(course.key()).send().await;
    let written = written.map_err(Failure::OperatorCall)?;
    course.on_done(written.write_id);
    Ok(written)
}

async fn done(write: Write<'_, AdminWrite>, course: &Course) -> Result<Shown, Failure> {
    Ok(print::written(&send(write, course).await?))
}

/// Waits until nothing is left; returns the rest when the time is over.
async fn wait(
    limit: Duration,
    mut left: impl AsyncFnMut() -> Result<Option<String>, ClientError>,
) -> Result<Option<String>, Failure> {
    let deadline = Instant::now() + limit;
    loop {
        // A failed answer says nothing about the progress.
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

/// The written change, and that its object is removed; a failure that says what is still to be
/// done.
fn removed_or(written: &Written, left: Option<String>) -> Result<Shown, Failure> {
    if let Some(left) = left {
        let message = format!("{left}; the removal continues");
        return Err(Failure::RemovalTimedOut(print::printable(&message)));
    }
    let Shown { json: shown, text, .. } = print::written(written);
    Ok(Shown::new(json!({ "written": shown, "removed": true }), format!("{text}removed\n")))
}

/// What is still missing until a region's group has a leader in its new voter region.
fn not_there_yet(region: &MemberRegion, voter_region: &Region) -> Option<String> {
    let name = &region.region;
    if region.state == RegionLife::FailingOver || region.voter_region != *voter_region {
        return Some(format!("the group of {name} is closed and has no successor yet"));
    }
    let leads = region
        .voters
        .iter()
        .any(|voter| voter.region == *voter_region && Some(voter.node_id) == region.leader);
    (!leads).then(|| format!("the group of {name} has no leader in {voter_region} yet"))
}

fn diverged(found: &LostWrites) -> Shown {
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for node in &found.nodes {
        rows.extend(node.writes.iter().map(|write| diverged_row(node.node_id, write)));
        if node.unlisted > 0 {
            let (id, unlisted) = (node.node_id, node.unlisted);
            notes.push(format!("{unlisted} more on node {id} that it cannot list"));
        }
    }
    if !found.silent.is_empty() {
        let silent: Vec<_> = found.silent.iter().map(NodeId::to_string).collect();
        notes.push(format!("no answer from {}", silent.join(", ")));
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

fn diverged_row(node: NodeId, write: &DivergedWrite) -> [String; 8] {
    [
        node.to_string(),
        write.write_id.to_string(),
        write.index.to_string(),
        write.at_ms.0.to_string(),
        or_dash(write.organization_id.as_ref()),
        write.operation.clone(),
        or_dash(write.oauth_client_id.as_ref()),
        if write.committed { "yes" } else { "no" }.to_owned(),
    ]
}

fn node_left(node: &Node) -> String {
    format!("node {} is {}, votes in [{}]", node.node_id, node.state, groups(&node.votes))
}

fn groups(groups: &[GroupId]) -> String {
    groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn node_row(node: &Node) -> [String; 8] {
    let live = if node.live { "yes" } else { "no" };
    [
        node.node_id.to_string(),
        node.region.to_string(),
        node.state.to_string(),
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
        region.region.to_string(),
        region.state.to_string(),
        region.voter_region.to_string(),
        or_dash(region.group),
        or_dash(region.leader),
        voters.collect::<Vec<_>>().join(" "),
        region.nodes.len().to_string(),
    ]
}

//! `concordat node …`, `concordat region …`, `concordat cluster set …`

use std::time::Duration;

use concordat_client::{Client, ClientError, Member, MemberRegion, Operate, Write, Written};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    args::{Gone, Node, RegionVerb, Setting},
    failure::Failure,
    print::{self, Shown, or_dash, table},
};

/// Between two looks whether something is gone.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn node(client: &Client, verb: Node) -> Result<Shown, Failure> {
    let nodes = client.nodes();
    match verb {
        Node::List => {
            let nodes = nodes.list().await?;
            let rows: Vec<_> = nodes.iter().map(node_row).collect();
            let head = ["NODE", "REGION", "STATE", "LIVE", "VOTES", "LEADS", "REPLICAS", "URL"];
            Ok(Shown::new(json!(nodes), table(head, &rows)))
        }
        Node::Drain { id } => done(nodes.drain(&id)).await,
        Node::Undrain { id } => done(nodes.undrain(&id)).await,
        Node::Remove { id, gone } => {
            let written = send(nodes.remove(&id)).await?;
            if gone.wait == 0 {
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

pub(super) async fn region(client: &Client, verb: RegionVerb) -> Result<Shown, Failure> {
    let regions = client.regions();
    match verb {
        RegionVerb::List => {
            let regions = regions.list().await?;
            let rows: Vec<_> = regions.iter().map(region_row).collect();
            let head = ["REGION", "STATE", "GROUP", "LEADER", "VOTERS", "NODES"];
            Ok(Shown::new(json!(regions), table(head, &rows)))
        }
        RegionVerb::Keep { region } => done(regions.keep(&region)).await,
        RegionVerb::Found { region, node, fenced: _ } => done(regions.found(&region, &node)).await,
        RegionVerb::Remove { region, gone } => {
            let written = send(regions.remove(&region)).await?;
            if gone.wait == 0 {
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

pub(super) async fn set(client: &Client, setting: Setting) -> Result<Shown, Failure> {
    match setting {
        Setting::Survive(survive) => done(client.set_survive(survive)).await,
        Setting::Lease(terms) => done(client.set_leases(terms)).await,
    }
}

async fn send(write: Write<'_, Operate>) -> Result<Written, Failure> {
    write.send().await.map_err(Failure::OperatorCall)
}

async fn done(write: Write<'_, Operate>) -> Result<Shown, Failure> {
    Ok(print::written(&send(write).await?))
}

/// Waits until nothing is left; what is, when the time is over.
async fn wait(
    gone: &Gone,
    mut left: impl AsyncFnMut() -> Result<Option<String>, ClientError>,
) -> Result<Option<String>, Failure> {
    let deadline = Instant::now() + Duration::from_secs(gone.wait);
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

fn region_row(region: &MemberRegion) -> [String; 6] {
    let voters = region.voters.iter().map(|voter| format!("{}@{}", voter.node_id, voter.region));
    [
        region.region.clone(),
        region.state.clone(),
        region.group.to_string(),
        or_dash(region.leader.as_ref()),
        voters.collect::<Vec<_>>().join(" "),
        region.nodes.len().to_string(),
    ]
}

//! `concordat status`: whether a write of each level would succeed now and what blocks it, then
//! nodes, groups, and each region's progress in each group.

use concordat_client::{
    Client, ClusterStatus, Forecast, GroupStatus, NodeStatus, Region, RegionLag, RegionStatus,
    WriteAvailable,
};
use serde_json::json;

use crate::{
    failure::Failure,
    print::{Shown, or_dash, printable, table},
};

/// The exit code for a cluster that is not whole.
const DEGRADED: u8 = 7;

pub(super) async fn show(client: &Client) -> Result<Shown, Failure> {
    let status = client.cluster_status().await?;
    let exit_code = if is_degraded(&status) { DEGRADED } else { 0 };
    Ok(Shown { exit_code, ..Shown::new(json!(status), describe(&status)) })
}

/// Whether the operator should look: a write of some level would not succeed, a node is down, or a
/// group has no leader.
fn is_degraded(status: &ClusterStatus) -> bool {
    let writes = &status.write_available;
    let mut nodes = status.regions.iter().flat_map(|region| &region.nodes);
    !writes.local_region.ok
        || !writes.all_regions.ok
        || nodes.any(|node| !node.live)
        || status.groups.iter().any(|group| group.leader.is_none())
}

fn describe(status: &ClusterStatus) -> String {
    let mut text = format!("cluster {}\n", or_dash(status.cluster_id));
    let all = &status.write_available;
    text.push_str(&outlook("a local_region", &all.local_region, status, |of| &of.local_region));
    text.push_str(&outlook("an all_regions", &all.all_regions, status, |of| &of.all_regions));
    let nodes: Vec<_> = status
        .regions
        .iter()
        .flat_map(|region| region.nodes.iter().map(|node| node_row(region, node)))
        .collect();
    text.push('\n');
    text.push_str(&table(["REGION", "NODE", "URL", "LIVE", "HEARD", "REPLICAS"], &nodes));
    let groups: Vec<_> = status.groups.iter().map(group_row).collect();
    text.push('\n');
    text.push_str(&table(["GROUP", "HOME", "LEADER", "TERM", "APPLIED"], &groups));
    let lags: Vec<_> = status
        .groups
        .iter()
        .flat_map(|group| group.regions.iter().map(|lag| lag_row(group, lag)))
        .collect();
    text.push('\n');
    text.push_str(&table(["GROUP", "REGION", "APPLIED", "BEHIND", "FOR", "REPORTED"], &lags));
    text
}

/// One level's verdict, and a line for each blocked group. The verdict covers organizations of any
/// home region: some may be well while another region is lost.
fn outlook(
    write: &str,
    verdict: &Forecast,
    status: &ClusterStatus,
    of: impl Fn(&WriteAvailable) -> &Forecast,
) -> String {
    let obstacles: Vec<_> = status
        .groups
        .iter()
        .filter_map(|group| obstacle(group, of(&group.write_available)))
        .collect();
    let homes = status.groups.iter().filter(|group| of(&group.write_available).ok);
    let mut homes: Vec<_> =
        homes.filter_map(|group| group.region.as_ref()).map(Region::as_str).collect();
    homes.sort_unstable();
    let mut text = format!("{write} write now: ");
    text.push_str(&match &verdict.reason {
        _ if verdict.ok => "would succeed".to_owned(),
        _ if !homes.is_empty() => format!("would succeed at home in {} only", homes.join(", ")),
        Some(reason) if obstacles.is_empty() => format!("would not succeed: {}", printable(reason)),
        Some(_) | None => "would not succeed".to_owned(),
    });
    text.push('\n');
    text.extend(obstacles);
    text
}

fn node_row(region: &RegionStatus, node: &NodeStatus) -> [String; 6] {
    let replicas = node.groups.iter().map(|replica| {
        let late = replica.late_ms.map_or_else(String::new, |ms| format!(" (late by {ms} ms)"));
        format!("{}:{}@{}{late}", replica.group, replica.role, or_dash(replica.applied))
    });
    [
        region.region.to_string(),
        node.node_id.to_string(),
        node.url.clone(),
        if node.live { "yes" } else { "no" }.to_owned(),
        node.last_heard_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms ago")),
        replicas.collect::<Vec<_>>().join(" "),
    ]
}

fn obstacle(group: &GroupStatus, forecast: &Forecast) -> Option<String> {
    let reason = printable(forecast.reason.as_ref()?);
    Some(format!("  group {} ({}): {reason}\n", group.group, home(group)))
}

fn home(group: &GroupStatus) -> String {
    group.region.as_ref().map_or_else(|| "system".to_owned(), Region::to_string)
}

fn group_row(group: &GroupStatus) -> [String; 5] {
    [
        group.group.to_string(),
        home(group),
        or_dash(group.leader),
        or_dash(group.term),
        or_dash(group.applied),
    ]
}

fn lag_row(group: &GroupStatus, lag: &RegionLag) -> [String; 6] {
    let ms = |ms: Option<u64>, after: &str| or_dash(ms.map(|ms| format!("{ms} ms{after}")));
    [
        group.group.to_string(),
        lag.region.to_string(),
        or_dash(lag.applied),
        or_dash(lag.lag_entries),
        ms(lag.lag_ms, ""),
        ms(lag.age_ms, " ago"),
    ]
}

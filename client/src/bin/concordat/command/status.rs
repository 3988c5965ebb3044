//! `concordat status`: whether a write of each level would succeed now and who is in its way, then
//! nodes, groups, and how far each region is with each group.

use concordat_client::{
    Client, ClusterStatus, Forecast, GroupStatus, NodeStatus, RegionLag, RegionStatus, WouldSucceed,
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

/// Whether something needs an operator's look: a write of some level would not succeed, a node is down,
/// or a group has no leader.
fn is_degraded(status: &ClusterStatus) -> bool {
    let writes = &status.would_succeed;
    let mut nodes = status.regions.iter().flat_map(|region| &region.nodes);
    !writes.local_region.ok
        || !writes.all_regions.ok
        || nodes.any(|node| !node.live)
        || status.groups.iter().any(|group| group.leader.is_none())
}

fn describe(status: &ClusterStatus) -> String {
    let mut text = format!("cluster {}\n", printable(&status.cluster_id));
    let all = &status.would_succeed;
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
    text.push_str(&table(["GROUP", "REGION", "APPLIED", "BEHIND", "FOR", "TOLD"], &lags));
    text
}

/// One level's verdict, and a line for each group in which something stands in its way. The verdict
/// is about organisations at home anywhere: some may be well while another region is lost.
fn outlook(
    write: &str,
    verdict: &Forecast,
    status: &ClusterStatus,
    of: impl Fn(&WouldSucceed) -> &Forecast,
) -> String {
    let obstacles: Vec<_> = status
        .groups
        .iter()
        .filter_map(|group| obstacle(group, of(&group.would_succeed)))
        .collect();
    let homes = status.groups.iter().filter(|group| of(&group.would_succeed).ok);
    let mut homes: Vec<_> =
        homes.filter_map(|group| group.region.as_deref()).map(printable).collect();
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
        region.region.clone(),
        node.node_id.clone(),
        node.url.clone(),
        if node.live { "yes" } else { "no" }.to_owned(),
        node.heard_ms_ago.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms ago")),
        replicas.collect::<Vec<_>>().join(" "),
    ]
}

fn obstacle(group: &GroupStatus, forecast: &Forecast) -> Option<String> {
    let reason = printable(forecast.reason.as_ref()?);
    Some(format!("  group {} ({}): {reason}\n", group.group, printable(&home(group))))
}

fn home(group: &GroupStatus) -> String {
    group.region.clone().unwrap_or_else(|| "system".to_owned())
}

fn group_row(group: &GroupStatus) -> [String; 5] {
    [
        group.group.to_string(),
        home(group),
        or_dash(group.leader.as_ref()),
        or_dash(group.term),
        or_dash(group.applied),
    ]
}

fn lag_row(group: &GroupStatus, lag: &RegionLag) -> [String; 6] {
    let ms = |ms: Option<u64>, after: &str| or_dash(ms.map(|ms| format!("{ms} ms{after}")));
    [
        group.group.to_string(),
        lag.region.clone(),
        or_dash(lag.applied),
        or_dash(lag.lag_entries),
        ms(lag.lag_ms, ""),
        ms(lag.age_ms, " ago"),
    ]
}

//! `concordat status`

use std::fmt::Write;

use concordat_client::{
    Client, ClusterStatus, Forecast, GroupStatus, NodeStatus, RegionLag, RegionStatus,
};
use serde_json::json;

use crate::{
    failure::Failure,
    print::{Shown, or_dash, printable, table},
};

pub(super) async fn show(client: &Client) -> Result<Shown, Failure> {
    let status = client.cluster_status().await?;
    Ok(Shown::new(json!(status), describe(&status)))
}

fn describe(status: &ClusterStatus) -> String {
    let mut text = format!("cluster {}\n", printable(&status.cluster_id));
    let forecasts = &status.would_succeed;
    for (name, forecast) in
        [("local_region", &forecasts.local_region), ("all_regions", &forecasts.all_regions)]
    {
        let _ = writeln!(text, "a {name} write now: {}", verdict(forecast));
    }
    let nodes: Vec<_> = status
        .regions
        .iter()
        .flat_map(|region| region.nodes.iter().map(|node| node_row(region, node)))
        .collect();
    text.push('\n');
    text.push_str(&table(["REGION", "NODE", "URL", "LIVE", "HEARD", "REPLICAS"], &nodes));
    let groups: Vec<_> = status.groups.iter().map(group_row).collect();
    text.push('\n');
    text.push_str(&table(["GROUP", "HOME", "LEADER", "TERM", "APPLIED", "BEHIND"], &groups));
    text
}

fn verdict(forecast: &Forecast) -> String {
    if forecast.ok {
        return "would succeed".to_owned();
    }
    match &forecast.reason {
        Some(reason) => format!("would not succeed: {}", printable(reason)),
        None => "would not succeed".to_owned(),
    }
}

fn node_row(region: &RegionStatus, node: &NodeStatus) -> [String; 6] {
    let replicas = node
        .groups
        .iter()
        .map(|replica| format!("{}:{}@{}", replica.group, replica.role, or_dash(replica.applied)));
    [
        region.region.clone(),
        node.node_id.clone(),
        node.url.clone(),
        if node.live { "yes" } else { "no" }.to_owned(),
        node.heard_ms_ago.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms ago")),
        replicas.collect::<Vec<_>>().join(" "),
    ]
}

fn group_row(group: &GroupStatus) -> [String; 6] {
    let behind = group.regions.iter().map(lag).collect::<Vec<_>>();
    [
        group.group.to_string(),
        group.region.clone().unwrap_or_else(|| "(system)".to_owned()),
        or_dash(group.leader.as_ref()),
        or_dash(group.term),
        or_dash(group.applied),
        behind.join(", "),
    ]
}

fn lag(lag: &RegionLag) -> String {
    let age = lag.age_ms.map(|ms| format!(" ({ms} ms ago)")).unwrap_or_default();
    format!("{} {}{age}", lag.region, or_dash(lag.lag_entries))
}

//! What operators are shown: the cluster as this node sees it, whether a write would succeed now,
//! and the state's digests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use concordat_cluster::raft::{
    ClusterStatus, GroupStatus, NodeHealth, NodeStatus, Obstacle, Purpose,
};
use concordat_proto::{id::GroupId, lease::LeaseTerms, region::Region};
use serde::Serialize;

use crate::{
    api::outcome::{Answer, Document, Outcome, Value},
    node::Node,
    request::{freshness, unavailable::broken},
};

#[derive(Serialize)]
struct Cluster {
    cluster_id: Option<String>,
    feature_level: u32,
    survive: &'static str,
    lease: LeaseShown,
    regions: Vec<RegionShown>,
    groups: Vec<GroupShown>,
    would_succeed: WouldSucceed,
    this_node: PartsShown,
}

/// The node that tells this.
#[derive(Serialize)]
struct PartsShown {
    node_id: String,
    ready_for_reads: Forecast,
    ready_for_writes: Forecast,
    disk: DiskShown,
    /// The longest within the last minute.
    runtime_stall_ms: u64,
    clock_ahead_ms: i64,
}

#[derive(Serialize)]
struct DiskShown {
    ok: bool,
    unsynced_ms: u64,
}

fn parts(health: &NodeHealth) -> PartsShown {
    PartsShown {
        node_id: health.node.to_string(),
        ready_for_reads: Forecast::without(health.obstacles(Purpose::Reads)),
        ready_for_writes: Forecast::without(health.obstacles(Purpose::Writes)),
        disk: DiskShown { ok: !health.is_disk_late, unsynced_ms: ms(health.unsynced) },
        runtime_stall_ms: ms(health.stall),
        clock_ahead_ms: health.clock_ahead_ms,
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct RegionShown {
    region: String,
    nodes: Vec<NodeShown>,
}

#[derive(Serialize)]
struct NodeShown {
    node_id: String,
    url: String,
    live: bool,
    heard_ms_ago: Option<u64>,
    groups: Vec<ReplicaShown>,
}

#[derive(Serialize)]
struct ReplicaShown {
    group: u32,
    role: &'static str,
    applied: u64,
    /// For how long the node that tells this has shown what this replica has not reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_ms: Option<u64>,
}

#[derive(Serialize)]
struct GroupShown {
    group: u32,
    region: Option<String>,
    leader: Option<String>,
    term: u64,
    applied: u64,
    voters: Vec<String>,
    learners: Vec<String>,
    regions: Vec<LagShown>,
    would_succeed: WouldSucceed,
    /// Replicas that the node that tells this, as the leader, grants no lease, for they are late.
    leases_refused: Vec<String>,
}

#[derive(Serialize)]
struct LagShown {
    region: String,
    applied: u64,
    lag_entries: u64,
    lag_ms: u64,
    age_ms: Option<u64>,
}

#[derive(Serialize)]
struct LeaseShown {
    home_ms: u64,
    away_ms: u64,
    clock_drift_percent: u32,
}

fn lease(terms: &LeaseTerms) -> LeaseShown {
    LeaseShown {
        home_ms: ms(terms.home),
        away_ms: ms(terms.away),
        clock_drift_percent: terms.drift_percent,
    }
}

#[derive(Serialize)]
struct WouldSucceed {
    local_region: Forecast,
    all_regions: Forecast,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Forecast {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// `GET /v1/cluster`.
pub(super) async fn status(node: &Arc<Node>) -> Answer {
    let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
    let status = node.groups.status().await;
    let shown = Cluster {
        cluster_id: status.cluster.map(|id| id.to_string()),
        feature_level: node.groups.feature_level(),
        survive: node.groups.survive().as_str(),
        lease: lease(&node.groups.lease_terms()),
        regions: regions(&status),
        groups: status.groups.iter().map(group).collect(),
        would_succeed: WouldSucceed {
            local_region: forecast(&status, |group| &group.local_region),
            all_regions: forecast(&status, |group| &group.all_regions),
        },
        this_node: parts(&status.health),
    };
    freshness::mark(Outcome::Found(Value::Document(Document::of(&shown))), fresh)
}

fn regions(status: &ClusterStatus) -> Vec<RegionShown> {
    let mut by_region: BTreeMap<&Region, Vec<NodeShown>> = BTreeMap::new();
    for node in &status.nodes {
        by_region.entry(&node.region).or_default().push(shown(node, &status.groups));
    }
    let shown = |(region, nodes): (&Region, _)| RegionShown { region: region.to_string(), nodes };
    by_region.into_iter().map(shown).collect()
}

fn shown(node: &NodeStatus, groups: &[GroupStatus]) -> NodeShown {
    let late = |group: GroupId| {
        let of = groups.iter().find(|it| it.group == group)?;
        let (_, late) = of.late.iter().find(|(late, _)| *late == node.id)?;
        Some(ms(*late))
    };
    let replica = |(group, role, applied): &(GroupId, concordat_cluster::raft::Role, _)| {
        let applied: &concordat_proto::log::LogIndex = applied;
        let late_ms = late(*group);
        ReplicaShown { group: group.0, role: role.as_str(), applied: applied.0, late_ms }
    };
    NodeShown {
        node_id: node.id.to_string(),
        url: node.api_url.clone(),
        live: node.live,
        heard_ms_ago: node.heard_ms_ago,
        groups: node.groups.iter().map(replica).collect(),
    }
}

fn group(group: &GroupStatus) -> GroupShown {
    let lag = |lag: &concordat_cluster::raft::RegionLag| LagShown {
        region: lag.region.to_string(),
        applied: lag.applied.0,
        lag_entries: lag.lag_entries,
        lag_ms: lag.lag_ms,
        age_ms: lag.age_ms,
    };
    GroupShown {
        group: group.group.0,
        region: group.region.as_ref().map(ToString::to_string),
        leader: group.leader.map(|id| id.to_string()),
        term: group.term,
        applied: group.applied.0,
        voters: group.voters.iter().map(ToString::to_string).collect(),
        learners: group.learners.iter().map(ToString::to_string).collect(),
        regions: group.regions.iter().map(lag).collect(),
        would_succeed: WouldSucceed {
            local_region: Forecast::without(told(&group.local_region)),
            all_regions: Forecast::without(told(&group.all_regions)),
        },
        leases_refused: group.refused.iter().map(|(node, _)| node.to_string()).collect(),
    }
}

fn told(obstacles: &[Obstacle]) -> Vec<String> {
    obstacles.iter().map(ToString::to_string).collect()
}

impl Forecast {
    fn without(obstacles: Vec<String>) -> Self {
        let reason = (!obstacles.is_empty()).then(|| obstacles.join("; "));
        Self { ok: reason.is_none(), reason }
    }
}

/// Whether a write made here now, at home in any region, would succeed.
fn forecast(status: &ClusterStatus, of: impl Fn(&GroupStatus) -> &[Obstacle]) -> Forecast {
    let homes = || status.groups.iter().filter(|group| group.region.is_some());
    let mut obstacles = Vec::new();
    if homes().next().is_none() {
        obstacles.push("the cluster has no home group yet".to_owned());
    }
    for group in homes() {
        obstacles.extend(told(of(group)).iter().map(|it| format!("group {}: {it}", group.group)));
    }
    Forecast::without(obstacles)
}

#[derive(Serialize)]
struct Digests {
    node_id: String,
    groups: Vec<DigestShown>,
}

#[derive(Serialize)]
struct DigestShown {
    group: u32,
    applied: u64,
    digest: String,
}

/// `GET /v1/cluster/digest`: equal on two nodes at the same index, or one of them is broken.
pub(super) async fn digest(node: &Arc<Node>) -> Answer {
    let fresh = freshness::staler(freshness::of_all(node), node.groups.freshness(GroupId::SYSTEM));
    let mut groups = Vec::new();
    for group in [GroupId::SYSTEM].into_iter().chain(node.home_groups()) {
        match node.groups.digest(group).await {
            Ok((applied, digest)) => groups.push(DigestShown {
                group: group.0,
                applied: applied.0,
                digest: format!("{digest:032x}"),
            }),
            Err(error) => return broken("computing the state's digest", &error),
        }
    }
    let digests = Digests { node_id: node.groups.node().to_string(), groups };
    freshness::mark(Outcome::Found(Value::Document(Document::of(&digests))), fresh)
}

#[cfg(test)]
mod tests {
    use concordat_proto::id::NodeId;

    use super::*;

    fn status(obstacles: Vec<Obstacle>) -> ClusterStatus {
        let group = GroupStatus {
            group: GroupId(1),
            region: Some(Region::new("here").unwrap()),
            leader: None,
            term: 1,
            applied: concordat_proto::log::LogIndex(1),
            voters: Vec::new(),
            learners: Vec::new(),
            regions: Vec::new(),
            local_region: Vec::new(),
            all_regions: obstacles,
            late: Vec::new(),
            refused: Vec::new(),
        };
        let health = NodeHealth::unknown(NodeId(1));
        ClusterStatus { cluster: None, nodes: Vec::new(), groups: vec![group], health }
    }

    #[test]
    fn the_forecast_names_what_is_in_the_way() {
        let there = Region::new("there").unwrap();
        let status = status(vec![Obstacle::NoLeader(None), Obstacle::Behind(there, 2000)]);
        let good = Forecast { ok: true, reason: None };
        assert_eq!(forecast(&status, |group| &group.local_region), good);
        let reason = "group 1: it has no leader; group 1: there is 2000 entries behind";
        let bad = Forecast { ok: false, reason: Some(reason.to_owned()) };
        assert_eq!(forecast(&status, |group| &group.all_regions), bad);
    }
}

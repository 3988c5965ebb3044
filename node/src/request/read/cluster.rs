//! The operator's view: the cluster as this node sees it, whether a write would succeed now, and
//! the state's digests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use concordat_cluster::raft::{
    ClusterStatus, GroupStatus, NodeHealth, NodeStatus, Purpose, RegionLag, Role, WriteBlocker,
};
use concordat_proto::{
    api::cluster::{
        self as document, DiskStatus, Forecast, ReplicaStatus, ThisNode, WriteAvailable,
    },
    id::GroupId,
    log::{LogIndex, Term},
    region::Region,
};

use crate::{
    api::outcome::{Answer, Document, Outcome, Value},
    node::Node,
    request::{freshness, unavailable::broken},
};

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// `GET /v1/cluster`.
pub(super) async fn status(node: &Arc<Node>) -> Answer {
    let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
    let status = node.groups.status().await;
    let shown = document::ClusterStatus {
        cluster_id: status.cluster,
        feature_level: node.groups.feature_level(),
        survival_goal: node.groups.survival_goal().into(),
        lease: Some(node.groups.lease_terms().into()),
        regions: regions(&status),
        groups: status.groups.iter().map(group).collect(),
        write_available: WriteAvailable {
            local_region: forecast(&status, |group| &group.local_region),
            all_regions: forecast(&status, |group| &group.all_regions),
        },
        this_node: Some(this_node(&status.health)),
    };
    freshness::mark(Outcome::Found(Value::Document(Document::of(&shown))), fresh)
}

fn this_node(health: &NodeHealth) -> ThisNode {
    ThisNode {
        node_id: health.node,
        ready_for_reads: without(&health.blockers(Purpose::Reads)),
        ready_for_writes: without(&health.blockers(Purpose::Writes)),
        disk: DiskStatus { ok: !health.is_disk_late, unsynced_ms: ms(health.unsynced) },
        runtime_stall_ms: ms(health.stall),
        clock_ahead_ms: health.clock_ahead_ms,
    }
}

fn regions(status: &ClusterStatus) -> Vec<document::RegionStatus> {
    let mut by_region: BTreeMap<&Region, Vec<document::NodeStatus>> = BTreeMap::new();
    for node in &status.nodes {
        by_region.entry(&node.region).or_default().push(shown(node, &status.groups));
    }
    let shown =
        |(region, nodes): (&Region, _)| document::RegionStatus { region: region.clone(), nodes };
    by_region.into_iter().map(shown).collect()
}

fn shown(node: &NodeStatus, groups: &[GroupStatus]) -> document::NodeStatus {
    let late = |group: GroupId| {
        let of = groups.iter().find(|it| it.group == group)?;
        let (_, late) = of.late.iter().find(|(late, _)| *late == node.id)?;
        Some(ms(*late))
    };
    let replica = |(group, role, applied): &(GroupId, Role, LogIndex)| ReplicaStatus {
        group: *group,
        role: (*role).into(),
        applied: Some(*applied),
        late_ms: late(*group),
    };
    document::NodeStatus {
        node_id: node.id,
        url: node.api_url.clone(),
        live: node.live,
        last_heard_ms: node.last_heard_ms,
        groups: node.groups.iter().map(replica).collect(),
    }
}

fn group(group: &GroupStatus) -> document::GroupStatus {
    let lag = |lag: &RegionLag| document::RegionLag {
        region: lag.region.clone(),
        applied: Some(lag.applied),
        lag_entries: Some(lag.lag_entries),
        lag_ms: Some(lag.lag_ms),
        age_ms: lag.age_ms,
    };
    document::GroupStatus {
        group: group.group,
        region: group.region.clone(),
        leader: group.leader,
        term: Some(Term(group.term)),
        applied: Some(group.applied),
        voters: group.voters.clone(),
        learners: group.learners.clone(),
        regions: group.regions.iter().map(lag).collect(),
        write_available: WriteAvailable {
            local_region: without(&texts(&group.local_region)),
            all_regions: without(&texts(&group.all_regions)),
        },
        leases_refused: group.refused.iter().map(|(node, _)| *node).collect(),
    }
}

fn texts(blockers: &[impl ToString]) -> Vec<String> {
    blockers.iter().map(ToString::to_string).collect()
}

/// Yes, unless something is in the way.
fn without(blockers: &[impl ToString]) -> Forecast {
    let reason = (!blockers.is_empty()).then(|| texts(blockers).join("; "));
    Forecast { ok: reason.is_none(), reason }
}

/// Whether a write at this node, for a home in any region, would succeed now.
fn forecast(status: &ClusterStatus, of: impl Fn(&GroupStatus) -> &[WriteBlocker]) -> Forecast {
    let homes = || status.groups.iter().filter(|group| group.region.is_some());
    let mut blockers = Vec::new();
    if homes().next().is_none() {
        blockers.push("the cluster has no home group yet".to_owned());
    }
    for group in homes() {
        blockers.extend(texts(of(group)).iter().map(|it| format!("group {}: {it}", group.group)));
    }
    without(&blockers)
}

/// `GET /v1/cluster/digest`: equal on two nodes at the same index, or one of them is broken.
pub(super) async fn digest(node: &Arc<Node>) -> Answer {
    let fresh = freshness::staler(freshness::of_all(node), node.groups.freshness(GroupId::SYSTEM));
    let mut groups = Vec::new();
    for group in [GroupId::SYSTEM].into_iter().chain(node.home_groups()) {
        match node.groups.digest(group).await {
            Ok((applied, digest)) => groups.push(document::GroupDigest {
                group,
                applied,
                digest: format!("{digest:032x}"),
            }),
            Err(error) => return broken("computing the state's digest", &error),
        }
    }
    let digests = document::Digests { node_id: node.groups.node(), groups };
    freshness::mark(Outcome::Found(Value::Document(Document::of(&digests))), fresh)
}

#[cfg(test)]
mod tests {
    use concordat_proto::id::NodeId;

    use super::*;

    fn status(blockers: Vec<WriteBlocker>) -> ClusterStatus {
        let group = GroupStatus {
            group: GroupId(1),
            region: Some(Region::new("here").unwrap()),
            leader: None,
            term: 1,
            applied: LogIndex(1),
            voters: Vec::new(),
            learners: Vec::new(),
            regions: Vec::new(),
            local_region: Vec::new(),
            all_regions: blockers,
            late: Vec::new(),
            refused: Vec::new(),
        };
        let health = NodeHealth::unknown(NodeId(1));
        ClusterStatus { cluster: None, nodes: Vec::new(), groups: vec![group], health }
    }

    #[test]
    fn the_forecast_names_what_is_in_the_way() {
        let there = Region::new("there").unwrap();
        let status = status(vec![WriteBlocker::NoLeader(None), WriteBlocker::Behind(there, 2000)]);
        let good = Forecast { ok: true, reason: None };
        assert_eq!(forecast(&status, |group| &group.local_region), good);
        let reason = "group 1: no leader; group 1: region there is 2000 entries behind";
        let bad = Forecast { ok: false, reason: Some(reason.to_owned()) };
        assert_eq!(forecast(&status, |group| &group.all_regions), bad);
    }
}

//! Placement's view of a group: its members, its leader, each member's progress, and the live
//! nodes.
//!
//! A snapshot of one moment; no step may use it without the membership that it was taken from.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{id::NodeId, log::LogIndex};

use crate::{
    machine::SystemView,
    placement::{GroupView, has_left},
    raft::{
        core::Core,
        engine::types::{RaftLogId, StoredMembership},
        replica::Replica,
    },
};

/// Placement's view of a group that this node leads; nothing when it has lost its leadership.
pub(crate) fn view(core: &Core, system: &SystemView, replica: &Replica) -> Option<GroupView> {
    planned(core, system, replica).map(|(view, _)| view)
}

/// Placement's view, and the membership entry that it was made from.
pub(crate) fn planned(
    core: &Core,
    system: &SystemView,
    replica: &Replica,
) -> Option<(GroupView, Option<RaftLogId>)> {
    let metrics = replica.metrics();
    let replication = metrics.replication?;
    let matched = replication
        .iter()
        .map(|(id, matched)| (NodeId(*id), LogIndex(matched.map_or(0, |id| id.index))))
        .collect();
    let membership = metrics.membership_config;
    let view = GroupView {
        leader: core.node(),
        last_index: LogIndex(metrics.last_log_index.unwrap_or(0)),
        matched,
        ..seen(core, system, replica, &membership)
    };
    Some((view, *membership.log_id()))
}

/// The view of a node that does not lead the group: its members, and the live nodes.
pub(crate) fn observed(core: &Core, system: &SystemView, replica: &Replica) -> GroupView {
    seen(core, system, replica, &replica.metrics().membership_config)
}

fn seen(
    core: &Core,
    system: &SystemView,
    replica: &Replica,
    membership: &StoredMembership,
) -> GroupView {
    let mut configs = membership.get_joint_config().iter().map(node_ids);
    let voters = configs.next().unwrap_or_default();
    let next = configs.next();
    let (voters, outgoing_voters) = match next {
        Some(next) => (next, Some(voters)),
        None => (voters, None),
    };
    let all: BTreeSet<NodeId> = membership.nodes().map(|(id, _)| NodeId(*id)).collect();
    let outgoing = outgoing_voters.clone().unwrap_or_default();
    let learners = all.iter().filter(|id| !voters.contains(id) && !outgoing.contains(id)).copied();
    // One that has left may still run for a moment; its messages do not count any more.
    let mut live = core.tracker().live(core.node());
    live.retain(|node| !has_left(&system.nodes, *node));
    GroupView {
        group: replica.group,
        home: system.voter_region_of(replica.group),
        survival_goal: system.survival_goal(),
        leaving: system.leaving(),
        learners: learners.collect(),
        voters,
        outgoing_voters,
        leader: replica.leader().unwrap_or_else(|| core.node()),
        last_index: LogIndex(0),
        matched: BTreeMap::new(),
        live,
    }
}

pub(crate) fn node_ids(ids: &BTreeSet<u64>) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

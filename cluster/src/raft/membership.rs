//! Carries out [`crate::placement`] for the groups that this node leads: one safe step at a time,
//! each conditional on the membership it was planned from.
//!
//! It plans nothing itself, and never gives the library a change that could overwrite a member's
//! record.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use concordat_proto::{id::NodeId, log::LogIndex};
use openraft::{ChangeMembers, raft::Precondition};

use super::{
    group::Replica,
    groups::{Groups, SystemView},
    types::{Member, RaftLogId, RaftTypes},
};
use crate::placement::{self, GroupView, Step};

/// Between looks at the groups this node leads.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a step that failed.
const FAILED_PAUSE: Duration = Duration::from_millis(500);
/// For one step to be committed.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// Takes steps until the node stops.
pub(crate) async fn run(groups: Groups) {
    loop {
        let mut failed = false;
        let system = groups.system();
        for replica in groups.replicas() {
            if replica.leader() == Some(groups.node()) {
                failed |= !look(&groups, &system, &replica).await;
            }
        }
        tokio::time::sleep(if failed { FAILED_PAUSE } else { LOOK_EVERY }).await;
    }
}

/// What placement sees of a group that this node leads; nothing when it has lost the lead.
pub(crate) fn view(groups: &Groups, system: &SystemView, replica: &Replica) -> Option<GroupView> {
    planned(groups, system, replica).map(|(view, _)| view)
}

/// What placement sees, and the membership entry that it is seen from.
fn planned(
    groups: &Groups,
    system: &SystemView,
    replica: &Replica,
) -> Option<(GroupView, Option<RaftLogId>)> {
    let metrics = replica.metrics();
    let replication = metrics.replication?;
    let membership = metrics.membership_config;
    let mut configs = membership.get_joint_config().iter().map(node_ids);
    let voters = configs.next()?;
    let next = configs.next();
    let (voters, outgoing_voters) = match next {
        Some(next) => (next, Some(voters)),
        None => (voters, None),
    };
    let all: BTreeSet<NodeId> = membership.nodes().map(|(id, _)| NodeId(*id)).collect();
    let outgoing = outgoing_voters.clone().unwrap_or_default();
    let learners = all.iter().filter(|id| !voters.contains(id) && !outgoing.contains(id)).copied();
    let matched = replication
        .iter()
        .map(|(id, matched)| (NodeId(*id), LogIndex(matched.map_or(0, |id| id.index))))
        .collect();
    let view = GroupView {
        group: replica.group,
        home: system.home_of(replica.group),
        learners: learners.collect(),
        voters,
        outgoing_voters,
        leader: groups.node(),
        last_index: LogIndex(metrics.last_log_index.unwrap_or(0)),
        matched,
        live: groups.tracker().live(groups.node()),
    };
    Some((view, *membership.log_id()))
}

fn node_ids(ids: &BTreeSet<u64>) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// Takes the next step of one group, if there is one; false when it failed.
async fn look(groups: &Groups, system: &SystemView, replica: &Arc<Replica>) -> bool {
    let Some((view, planned_from)) = planned(groups, system, replica) else { return true };
    let Some(step) = placement::next_step(&view, &system.nodes) else { return true };
    tracing::info!(group = %replica.group, ?step, "changing the membership");
    match tokio::time::timeout(STEP_LIMIT, take(system, replica, step, planned_from)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(group = %replica.group, error, "a change of membership failed");
            false
        }
        Err(_) => {
            tracing::warn!(group = %replica.group, "a change of membership takes long");
            false
        }
    }
}

async fn take(
    system: &SystemView,
    replica: &Replica,
    step: Step,
    planned_from: Option<RaftLogId>,
) -> Result<(), String> {
    let (change, retain) = match step {
        Step::AddLearners(nodes) => (ChangeMembers::AddNodes(members(system, &nodes)), true),
        // A removed voter stays as a learner first; it is removed as such by a step of its own.
        Step::ChangeVoters(nodes) => (ChangeMembers::ReplaceAllVoters(raw(&nodes)), true),
        Step::RemoveLearners(nodes) => (ChangeMembers::RemoveNodes(raw(&nodes)), true),
        Step::TransferLeader(to) => {
            let transfer = replica.raft.trigger().transfer_leader(to.0).await;
            return transfer.map_err(|error| error.to_string());
        }
    };
    let condition =
        Precondition::<RaftTypes>::LastMembershipLogId { last_membership_log_id: planned_from };
    let changed = replica.raft.change_membership_if(change, retain, [condition]).await;
    changed.map(drop).map_err(|error| error.to_string())
}

fn raw(nodes: &BTreeSet<NodeId>) -> BTreeSet<u64> {
    nodes.iter().map(|node| node.0).collect()
}

fn members(system: &SystemView, nodes: &BTreeSet<NodeId>) -> BTreeMap<u64, Member> {
    let region = |node| system.nodes.get(node).map(|record| record.region.to_string());
    nodes.iter().filter_map(|node| Some((node.0, Member { region: region(node)? }))).collect()
}

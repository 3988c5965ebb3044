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

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
};
use openraft::{ChangeMembers, raft::Precondition};

use super::{
    group::Replica,
    groups::{Groups, SystemView},
    operate, retime,
    retire::Retiring,
    transfer,
    types::{Member, RaftLogId, RaftTypes, StoredMembership},
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
    let mut retiring = Retiring::default();
    loop {
        let mut failed = false;
        let system = groups.system();
        for replica in groups.replicas() {
            if replica.leader() == Some(groups.node()) {
                failed |= !look(&groups, &system, &replica).await;
            }
        }
        if groups.leader_of(GroupId::SYSTEM) == Some(groups.node()) {
            retiring.look(&groups, &system).await;
        } else {
            retiring.clear();
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
    let matched = replication
        .iter()
        .map(|(id, matched)| (NodeId(*id), LogIndex(matched.map_or(0, |id| id.index))))
        .collect();
    let membership = metrics.membership_config;
    let view = GroupView {
        leader: groups.node(),
        last_index: LogIndex(metrics.last_log_index.unwrap_or(0)),
        matched,
        ..seen(groups, system, replica, &membership)
    };
    Some((view, *membership.log_id()))
}

/// What can be seen of a group by a node that does not lead it: its members, and who lives.
pub(crate) fn observed(groups: &Groups, system: &SystemView, replica: &Replica) -> GroupView {
    seen(groups, system, replica, &replica.metrics().membership_config)
}

fn seen(
    groups: &Groups,
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
    // One that has left may still run for a moment; its word counts no more.
    let mut live = groups.tracker().live(groups.node());
    live.retain(|node| system.nodes.get(node).is_none_or(|record| record.is_there()));
    GroupView {
        group: replica.group,
        home: system.home_of(replica.group),
        survive: system.survive(),
        leaving: operate::leaving(system),
        learners: learners.collect(),
        voters,
        outgoing_voters,
        leader: replica.leader().unwrap_or_else(|| groups.node()),
        last_index: LogIndex(0),
        matched: BTreeMap::new(),
        live,
    }
}

fn node_ids(ids: &BTreeSet<u64>) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// Takes the next step of one group, if there is one; false when it failed.
async fn look(groups: &Groups, system: &SystemView, replica: &Arc<Replica>) -> bool {
    let Some((view, planned_from)) = planned(groups, system, replica) else { return true };
    if view.voters.is_empty() || !replica_is_of(system, replica) {
        return true; // Not founded yet, or of a region that is no more.
    }
    let step = placement::next_step(&view, &system.nodes);
    if let Some(step) = &step {
        tracing::info!(group = %replica.group, ?step, "changing the membership");
    }
    let taken = async {
        match step {
            Some(step) => take(groups, system, replica, &view, step, planned_from).await,
            None => retime::go_back(groups, system, replica, &view).await,
        }
    };
    match tokio::time::timeout(STEP_LIMIT, taken).await {
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

/// Without the state's word that the group belongs to somebody there is nothing to aim at.
fn replica_is_of(system: &SystemView, replica: &Replica) -> bool {
    replica.group == GroupId::SYSTEM || system.home_of(replica.group).is_some()
}

/// Whether a replica may be taken out of its group: not while it may still answer reads unmarked.
pub(crate) fn may_remove(_groups: &Groups, _replica: &Replica, _node: NodeId) -> bool {
    true
}

async fn take(
    groups: &Groups,
    system: &SystemView,
    replica: &Replica,
    view: &GroupView,
    step: Step,
    planned_from: Option<RaftLogId>,
) -> Result<(), String> {
    let (change, retain) = match step {
        Step::AddLearners(nodes) => (ChangeMembers::AddNodes(members(system, &nodes)), true),
        // A removed voter stays as a learner first; it is removed as such by a step of its own.
        Step::ChangeVoters(nodes) => {
            if !retime::is_ready_for(groups, system, replica, view, &nodes).await? {
                return Ok(());
            }
            (ChangeMembers::ReplaceAllVoters(raw(&nodes)), true)
        }
        Step::RemoveLearners(mut nodes) => {
            nodes.retain(|node| may_remove(groups, replica, *node));
            if nodes.is_empty() {
                return Ok(());
            }
            (ChangeMembers::RemoveNodes(raw(&nodes)), true)
        }
        Step::TransferLeader(to) => return transfer::to(replica, groups.node(), to).await,
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

//! Carries out [`crate::placement`] for the groups that this node leads: one safe step at a time,
//! each conditional on the membership it was planned from.
//!
//! It plans nothing itself, and never gives the library a change that could overwrite a member's
//! record. Beside memberships it keeps what a group's own log says of its replicas: who serves, who
//! is leaving, and the lease terms.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use concordat_proto::{
    command::{Command, Proposal},
    id::NodeId,
    lease::ReplicaMark,
    limits,
    log::LogIndex,
    org::NodeRecord,
    wire::peer::ProposeReply,
};
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

pub(crate) fn node_ids(ids: &BTreeSet<u64>) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// Takes the next step of one group, if there is one; false when it failed.
async fn look(groups: &Groups, system: &SystemView, replica: &Arc<Replica>) -> bool {
    let Some((view, planned_from)) = planned(groups, system, replica) else { return true };
    if let Some(command) = due_note(groups, system, &view) {
        return note(groups, replica, command).await;
    }
    let Some(step) = placement::next_step(&view, &system.nodes) else { return true };
    let Some(step) = removable(groups, replica, step) else { return true };
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

/// What the group's log is to say of its replicas and does not say yet: that some serve, for they
/// have caught up; that some are leaving; other lease terms, for an operator has set them.
fn due_note(groups: &Groups, system: &SystemView, view: &GroupView) -> Option<Command> {
    let facts = groups.tracker().facts(view.group);
    let is_gone = |node: &NodeId| {
        system.nodes.get(node).is_none_or(|record: &NodeRecord| record.replaced_by.is_some())
    };
    let members = facts.members.values().flat_map(|members| &members.nodes).copied();
    let mark = |node: NodeId| {
        let mark = if is_gone(&node) { ReplicaMark::Leaving } else { ReplicaMark::Serving };
        let is_due = facts.marks.get(&node) < Some(&mark);
        let may = mark == ReplicaMark::Leaving || has_caught_up(groups, view, node);
        (is_due && may).then_some((node, mark))
    };
    // Before the system group's state has arrived here everybody would look gone.
    if system.nodes.contains_key(&groups.node()) {
        let marks: Vec<(NodeId, ReplicaMark)> = members.filter_map(mark).collect();
        if !marks.is_empty() {
            return Some(Command::MarkReplicas { marks });
        }
    }
    let wanted = groups.tracker().facts(concordat_proto::id::GroupId::SYSTEM).leases.terms;
    (facts.leases.terms != wanted).then_some(Command::SetLeases(wanted))
}

/// Whether a replica is near enough to the leader to serve: it will have to show all that the
/// leader has committed by then before it answers anything unmarked.
fn has_caught_up(groups: &Groups, view: &GroupView, node: NodeId) -> bool {
    if node == view.leader {
        return true;
    }
    let LogIndex(own) = groups.applied(view.group);
    let applied = groups.tracker().applied_of(view.group, node);
    view.live.contains(&node)
        && applied.is_some_and(|applied| applied.0 + placement::CAUGHT_UP_ENTRIES >= own)
}

/// Writes a note into the group's own log; false when it failed.
async fn note(groups: &Groups, replica: &Replica, command: Command) -> bool {
    tracing::info!(group = %replica.group, ?command, "noting");
    let now = groups.environment().clock.now();
    let proposal = Proposal {
        write_id: groups.internal_write_id(),
        stamped: now,
        not_after: now.after(limits::NOT_AFTER),
        origin: groups.node(),
        idempotency: None,
        authorised_by: None,
        command,
    };
    let proposed = groups.propose_here(replica.group, proposal);
    matches!(
        tokio::time::timeout(STEP_LIMIT, proposed).await,
        Ok(ProposeReply::Done { .. } | ProposeReply::Committed(_))
    )
}

/// A removal waits until those who leave can hold no lease any more: they were marked as leaving,
/// and their last one is over.
fn removable(groups: &Groups, replica: &Replica, step: Step) -> Option<Step> {
    let Step::RemoveLearners(nodes) = step else { return Some(step) };
    let facts = groups.tracker().facts(replica.group);
    let now = groups.environment().steady.now();
    let may = |node: &NodeId| {
        facts.marks.get(node) == Some(&ReplicaMark::Leaving)
            && replica.leasing.left_of_any(*node, now).is_zero()
    };
    let over: BTreeSet<NodeId> = nodes.into_iter().filter(may).collect();
    (!over.is_empty()).then_some(Step::RemoveLearners(over))
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

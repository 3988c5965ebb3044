//! Carries out [`crate::placement`] for the groups that this node leads: one safe step at a time,
//! each conditional on the membership it was planned from.
//!
//! It plans nothing itself, and never gives the library a change that could overwrite a member's
//! record. Beside memberships it maintains the settings in a group's own log: which replicas serve
//! or leave, the lease terms, the partition policy and the feature level.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId},
    wire::peer::ProposeReply,
};
use openraft::{ChangeMembers, raft::Precondition};

use crate::{
    machine::SystemView,
    placement::{self, GroupView, NoteView, Step},
    raft::{
        core::Core,
        engine::types::{Member, RaftLogId, RaftTypes},
        membership::{
            decommission::Decommissioning, feature_level::Raising, step_error::StepError, transfer,
            view::planned,
        },
        planted,
        replica::{Replica, timing_profile},
    },
};

/// Between looks at the groups this node leads.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a step that failed.
const FAILED_PAUSE: Duration = Duration::from_millis(500);
/// For one step to be committed.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// Takes steps until the node stops.
pub(crate) async fn run(core: Core) {
    let mut retiring = Decommissioning::default();
    let mut raising = Raising::default();
    loop {
        let mut failed = false;
        let system = core.system();
        for replica in core.replicas() {
            if replica.leader() == Some(core.node()) {
                failed |= !look(&core, &system, &replica).await;
            }
        }
        if core.leader_of(GroupId::SYSTEM) == Some(core.node()) {
            retiring.look(&core, &system).await;
            raising.look(&core, &system).await;
        } else {
            retiring.clear();
        }
        tokio::time::sleep(if failed { FAILED_PAUSE } else { LOOK_EVERY }).await;
    }
}

/// Takes the next step of one group, if there is one; false when it failed.
async fn look(core: &Core, system: &SystemView, replica: &Arc<Replica>) -> bool {
    let Some((view, planned_from)) = planned(core, system, replica) else { return true };
    if view.voters.is_empty() || !replica_is_of(system, replica) {
        return true; // Not founded yet, or of a region that is no more.
    }
    if let Some(command) = due_note(core, system, &view) {
        return note(core, replica, command).await;
    }
    let step = placement::next_step(&view, &system.nodes);
    if let Some(step) = &step {
        tracing::info!(group = %replica.group, ?step, "changing the membership");
    }
    let taken = async {
        match step {
            Some(step) => take(core, system, replica, &view, step, planned_from).await,
            None => timing_profile::go_back(core, system, replica, &view).await,
        }
    };
    match tokio::time::timeout(STEP_LIMIT, taken).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(group = %replica.group, %error, "a membership change failed");
            false
        }
        Err(_) => {
            tracing::warn!(group = %replica.group, "a membership change is slow");
            false
        }
    }
}

/// What the group's log is to say of its replicas and does not say yet.
fn due_note(core: &Core, system: &SystemView, view: &GroupView) -> Option<Command> {
    let facts = core.tracker().group_config(view.group);
    let of_system = core.tracker().group_config(GroupId::SYSTEM);
    NoteView {
        group: view,
        nodes: &system.nodes,
        facts: &facts,
        applied: core.applied(view.group),
        reported: core.tracker().applied(view.group),
        leases: of_system.leases.terms,
        partition_policy: system.cluster.as_ref().map(|cluster| cluster.partition_policy),
        feature_level: core.feature_level(),
        policy_revision: of_system.policy_revision,
    }
    .due()
}

/// Writes a note into the group's own log; false when it failed.
async fn note(core: &Core, replica: &Replica, command: Command) -> bool {
    tracing::info!(group = %replica.group, ?command, "noting");
    let id = core.internal_write_id();
    let proposal = core.own_proposal(replica.group, id, command);
    let proposed = core.propose_here(replica.group, proposal);
    matches!(
        tokio::time::timeout(STEP_LIMIT, proposed).await,
        Ok(ProposeReply::Done { .. } | ProposeReply::Committed(_))
    )
}

/// Without the system group's record of the group there is no desired membership.
fn replica_is_of(system: &SystemView, replica: &Replica) -> bool {
    replica.group == GroupId::SYSTEM || system.home_of(replica.group).is_some()
}

/// Whether a replica may be removed from a group that this node leads: it was marked as leaving,
/// and its last lease has expired.
pub(crate) fn may_remove(core: &Core, replica: &Replica, node: NodeId) -> bool {
    let facts = core.tracker().group_config(replica.group);
    let left = replica.leasing.left_of_any(node, &facts, core.environment().steady.now());
    planted::on_removal(placement::may_remove(&facts, node, left))
}

async fn take(
    core: &Core,
    system: &SystemView,
    replica: &Replica,
    view: &GroupView,
    step: Step,
    planned_from: Option<RaftLogId>,
) -> Result<(), StepError> {
    let (change, retain) = match step {
        Step::AddLearners(nodes) => (ChangeMembers::AddNodes(members(system, &nodes)), true),
        // A removed voter stays as a learner first; it is removed as such by a step of its own.
        Step::ChangeVoters(nodes) => {
            if !timing_profile::is_ready_for(core, system, replica, view, &nodes).await? {
                return Ok(());
            }
            (ChangeMembers::ReplaceAllVoters(raw(&nodes)), true)
        }
        Step::RemoveLearners(mut nodes) => {
            nodes.retain(|node| may_remove(core, replica, *node));
            if nodes.is_empty() {
                return Ok(());
            }
            (ChangeMembers::RemoveNodes(raw(&nodes)), true)
        }
        Step::TransferLeader(to) => {
            timing_profile::prepare(core, system, replica, to).await?;
            return transfer::to(replica, core.node(), to).await;
        }
    };
    let condition =
        Precondition::<RaftTypes>::LastMembershipLogId { last_membership_log_id: planned_from };
    let changed = replica.raft.change_membership_if(change, retain, [condition]).await;
    changed.map(drop).map_err(StepError::library)
}

fn raw(nodes: &BTreeSet<NodeId>) -> BTreeSet<u64> {
    nodes.iter().map(|node| node.0).collect()
}

fn members(system: &SystemView, nodes: &BTreeSet<NodeId>) -> BTreeMap<u64, Member> {
    let region = |node| system.nodes.get(node).map(|record| record.region.to_string());
    nodes.iter().filter_map(|node| Some((node.0, Member { region: region(node)? }))).collect()
}

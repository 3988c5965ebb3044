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
    command::Command,
    id::{GroupId, NodeId},
    lease::ReplicaMark,
    log::LogIndex,
    org::{NodeRecord, NodeState},
    wire::peer::ProposeReply,
};
use openraft::{ChangeMembers, raft::Precondition};

use super::{
    features::{self, Raising},
    group::Replica,
    groups::{Groups, SystemView},
    lease::Facts,
    operate, retime,
    retire::Retiring,
    transfer,
    types::{Member, RaftLogId, RaftTypes, StoredMembership},
};
use crate::placement::{self, GroupView, Step};
use crate::planted::{self, Bug};

/// Between looks at the groups this node leads.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a step that failed.
const FAILED_PAUSE: Duration = Duration::from_millis(500);
/// For one step to be committed.
const STEP_LIMIT: Duration = Duration::from_secs(30);

/// Takes steps until the node stops.
pub(crate) async fn run(groups: Groups) {
    let mut retiring = Retiring::default();
    let mut raising = Raising::default();
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
            raising.look(&groups, &system).await;
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
    live.retain(|node| !has_left(&system.nodes, *node));
    GroupView {
        group: replica.group,
        home: system.seat_of(replica.group),
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

pub(crate) fn node_ids(ids: &BTreeSet<u64>) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// Takes the next step of one group, if there is one; false when it failed.
async fn look(groups: &Groups, system: &SystemView, replica: &Arc<Replica>) -> bool {
    let Some((view, planned_from)) = planned(groups, system, replica) else { return true };
    if view.voters.is_empty() || !replica_is_of(system, replica) {
        return true; // Not founded yet, or of a region that is no more.
    }
    if let Some(command) = due_note(groups, system, &view) {
        return note(groups, replica, command).await;
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

/// What the group's log is to say of its replicas and does not say yet: that some serve, for they
/// have caught up; that some are leaving; other lease terms, or another word on isolation, for an
/// operator has set them; the cluster's feature level.
fn due_note(groups: &Groups, system: &SystemView, view: &GroupView) -> Option<Command> {
    let facts = groups.tracker().facts(view.group);
    let members = facts.members.values().flat_map(|members| &members.nodes).copied();
    let mark = |node: NodeId| {
        let mark =
            if has_left(&system.nodes, node) { ReplicaMark::Leaving } else { ReplicaMark::Serving };
        let is_due = facts.marks.get(&node) < Some(&mark);
        let may = match mark {
            ReplicaMark::Serving => has_caught_up(groups, view, node),
            ReplicaMark::Leaving => may_leave(&system.nodes, &facts, node),
        };
        (is_due && may).then_some((node, mark))
    };
    if system.nodes.contains_key(&groups.node()) {
        let marks: Vec<(NodeId, ReplicaMark)> = members.filter_map(mark).collect();
        if !marks.is_empty() {
            return Some(Command::MarkReplicas { marks });
        }
    }
    let wanted = groups.tracker().facts(GroupId::SYSTEM).leases.terms;
    if facts.leases.terms != wanted {
        return Some(Command::SetLeases(wanted));
    }
    let isolation = system.cluster.as_ref().map(|cluster| cluster.isolation)?;
    let is_due = view.group != GroupId::SYSTEM && facts.isolation.generation < isolation.generation;
    if is_due {
        return Some(Command::NoteIsolation(isolation));
    }
    features::due(groups, view.group, facts.feature_level)
}

/// Whether a node was removed or replaced, which is for ever. One that is not known has not left: a
/// power failure may take this node's state of the system group back to before that one joined, and
/// a mark as leaving is never taken back.
fn has_left(nodes: &BTreeMap<NodeId, NodeRecord>, node: NodeId) -> bool {
    nodes.get(&node).is_some_and(|record| !record.is_there())
}

/// Whether a replica of a node that has left may be marked so. It goes on making its region count where
/// nobody else does yet: when a node was replaced, its region would otherwise leave `all_regions` until
/// the new one serves. Only an operator takes a region away, by removing it or its nodes.
fn may_leave(nodes: &BTreeMap<NodeId, NodeRecord>, facts: &Facts, node: NodeId) -> bool {
    let Some(record) = nodes.get(&node) else { return false };
    let stays = |it: &NodeRecord| it.region == record.region && it.is_there();
    record.state == NodeState::Removed
        || !facts.is_serving(node)
        || facts.is_served_beside(node)
        || !nodes.values().any(stays)
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
    let id = groups.internal_write_id();
    let proposal = groups.own_proposal(replica.group, id, command);
    let proposed = groups.propose_here(replica.group, proposal);
    matches!(
        tokio::time::timeout(STEP_LIMIT, proposed).await,
        Ok(ProposeReply::Done { .. } | ProposeReply::Committed(_))
    )
}

/// Without the state's word that the group belongs to somebody there is nothing to aim at.
fn replica_is_of(system: &SystemView, replica: &Replica) -> bool {
    replica.group == GroupId::SYSTEM || system.home_of(replica.group).is_some()
}

/// Whether a replica may be taken out of a group that this node leads: it was marked as leaving, and
/// its last lease is over.
pub(crate) fn may_remove(groups: &Groups, replica: &Replica, node: NodeId) -> bool {
    if planted::is(Bug::HolderRemoved) {
        return true;
    }
    let facts = groups.tracker().facts(replica.group);
    let now = groups.environment().steady.now();
    facts.marks.get(&node) == Some(&ReplicaMark::Leaving)
        && replica.leasing.left_of_any(node, &facts, now).is_zero()
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
        Step::TransferLeader(to) => {
            retime::prepare(groups, system, replica, to).await?;
            return transfer::to(replica, groups.node(), to).await;
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

#[cfg(test)]
mod tests {
    use concordat_proto::region::Region;

    use super::*;
    use crate::consistency::RegionMembers;

    fn record(state: NodeState, replaced_by: Option<NodeId>) -> NodeRecord {
        NodeRecord {
            id: NodeId(1),
            region: Region::new("east").unwrap(),
            peer_address: "127.0.0.1:1".into(),
            api_url: String::new(),
            state,
            replaced_by,
        }
    }

    #[test]
    fn a_node_that_is_not_known_yet_has_not_left() {
        let left = |record: Option<NodeRecord>| {
            let nodes = record.into_iter().map(|record| (NodeId(1), record)).collect();
            has_left(&nodes, NodeId(1))
        };
        assert!(!left(None) && !left(Some(record(NodeState::Draining, None))));
        assert!(left(Some(record(NodeState::Removed, None))));
        assert!(left(Some(record(NodeState::Member, Some(NodeId(2))))));
    }

    #[test]
    fn a_replaced_node_makes_its_region_count_until_another_one_serves() {
        let (old, new) = (NodeId(1), NodeId(2));
        let serving = |nodes: &[NodeId]| Facts {
            members: [(
                Region::new("east").unwrap(),
                RegionMembers { counts: true, nodes: vec![old, new] },
            )]
            .into(),
            marks: nodes.iter().map(|node| (*node, ReplicaMark::Serving)).collect(),
            ..Facts::default()
        };
        let replaced = record(NodeState::Member, Some(new));
        let removed = record(NodeState::Removed, None);
        let by = |state| NodeRecord { id: new, ..record(state, None) };
        let may = |one: &NodeRecord, other: NodeState, marked: &[NodeId]| {
            let nodes = [(old, one.clone()), (new, by(other))].into();
            may_leave(&nodes, &serving(marked), old)
        };
        assert!(!may(&replaced, NodeState::Member, &[old]), "the region would not count any more");
        assert!(may(&replaced, NodeState::Member, &[old, new]));
        assert!(may(&replaced, NodeState::Member, &[]), "it did not make the region count");
        assert!(may(&removed, NodeState::Member, &[old]), "an operator's word");
        assert!(may(&replaced, NodeState::Removed, &[old]), "nobody of the region is left");
    }
}

//! Changes of the cluster, its nodes and its regions, for operators.
//!
//! A change is one entry of the system group, answered when that has reached the required
//! consistency; the groups then reconcile toward it, one safe step at a time. A change that would
//! lose a quorum, or remove a home region with organizations, is refused first, with the reason.

use concordat_cluster::{machine::policy, store::StoreError};
use concordat_proto::{
    api::{
        cluster::ClusterPatch,
        region::{Failover, RegionPatch},
    },
    command::Command,
    failover::FailoverBasis,
    id::{GroupId, KeyId, NodeId},
    org::{NodeState, RegionState},
    refusal::Refusal,
    region::Region,
};

use super::commit::{
    Home, WriteRequest, finish, followed, proposal, propose, refused_here, repeated,
};
use crate::{
    api::{
        operation::ClusterWrite,
        outcome::{Answer, Blocked, Outcome, Unavailable},
    },
    node::Node,
    request::{condition, freshness, unavailable::broken},
};

/// Changes the cluster, a node or a region.
pub(super) async fn change(
    node: &Node,
    key: KeyId,
    write: ClusterWrite,
    request: &WriteRequest,
) -> Answer {
    let is_failover = matches!(write, ClusterWrite::Failover(..));
    let answered = |answer| if is_failover { followed(answer) } else { answer };
    let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
    match repeated(node, GroupId::SYSTEM, None, request) {
        Ok(Some(first)) => return answered(finish(node, Home::SYSTEM, first, request).await),
        Ok(None) => {}
        Err(answer) => return answer,
    }
    let command = match command(node, write, request).await {
        Ok(command) => command,
        Err(outcome) => return refused_here(outcome, fresh, request),
    };
    let change = proposal(node, request, Some(key), command);
    match propose(node, GroupId::SYSTEM, change, request).await {
        Ok(applied) => answered(finish(node, Home::SYSTEM, applied, request).await),
        Err(not) => not.answer(node, GroupId::SYSTEM, request).await,
    }
}

/// The command to propose, unless something prevents it.
async fn command(
    node: &Node,
    write: ClusterWrite,
    request: &WriteRequest,
) -> Result<Command, Outcome> {
    match write {
        ClusterWrite::Policies(text) => set_policies(node, text, request),
        ClusterWrite::Setting(ClusterPatch::SurvivalGoal(goal)) => {
            Ok(Command::SetSurvivalGoal(goal))
        }
        ClusterWrite::Setting(ClusterPatch::Lease(lease)) => Ok(Command::SetLeases(lease.into())),
        ClusterWrite::Setting(ClusterPatch::PartitionPolicy(policy)) => {
            Ok(Command::SetPartitionPolicy(policy))
        }
        ClusterWrite::Node(id, patch) => node_state(node, id, patch.state),
        ClusterWrite::NodeRemove(id) => {
            let present = node.groups.node_view(id).map(|view| view.record.state);
            // A repeat after the end is answered as done.
            let is_removed = present == Some(NodeState::Removed);
            let state = if is_removed { NodeState::Removed } else { NodeState::Leaving };
            node_state(node, id, state)
        }
        ClusterWrite::Region(region, RegionPatch::CancelRemoval) => {
            Ok(Command::SetRegionState { region, state: RegionState::Open })
        }
        ClusterWrite::Region(region, RegionPatch::RecreateGroup(founder)) => {
            refuse_if(node.groups.recreate_blocker(&region))?;
            Ok(Command::RefoundRegion { region, founder })
        }
        ClusterWrite::Region(region, RegionPatch::Relocate(voter_region)) => {
            Ok(Command::SetVoterRegion { region, voter_region })
        }
        ClusterWrite::RegionAdd(add) => add_region(node, add.region),
        ClusterWrite::Failover(region, request) => failover(node, region, request),
        ClusterWrite::RegionRemove(region) => {
            let blocker = node.groups.region_blocker(&region).await;
            refuse_if(blocker.map_err(|e| broken("looking at a region", &e).outcome)?)?;
            Ok(Command::SetRegionState { region, state: RegionState::Leaving })
        }
    }
}

/// Replaces the cluster-wide set of policies, once every member knows policies.
fn set_policies(node: &Node, text: String, request: &WriteRequest) -> Result<Command, Outcome> {
    let current = || Ok(policy::set(node.state())?.map(|set| set.version));
    let precondition = condition::of_credential(&request.terms, current)
        .map_err(|error: StoreError| broken("reading policies", &error).outcome)?;
    let command = Command::SetPolicies { text, precondition };
    if node.groups.feature_level() < command.feature_level() {
        return Err(Outcome::Unavailable(Unavailable::FeatureLevel));
    }
    Ok(command)
}

/// Names a region. Below the feature level of names the nodes of any region join.
fn add_region(node: &Node, region: Region) -> Result<Command, Outcome> {
    let (level, command) = (node.groups.feature_level(), Command::AddRegion(region));
    let needed = command.feature_level();
    refuse_if((level < needed).then_some(Blocked::NoNamesYet { level, needed }))?;
    Ok(command)
}

/// The command that closes a lost region's group. Its basis is that the operator confirms the fencing, or
/// that the group's leaders fence themselves.
fn failover(node: &Node, region: Region, request: Failover) -> Result<Command, Outcome> {
    let Failover { to, confirm_fenced, skip_nodes } = request;
    refuse_if(node.groups.failover_blocker(&region, &to, &skip_nodes))?;
    let basis = match node.groups.fences_itself(&region) {
        _ if confirm_fenced => FailoverBasis::Fenced,
        Some(generation) => FailoverBasis::SelfFencing { generation },
        None => return Err(Outcome::refused(Refusal::NotFenced)),
    };
    Ok(Command::CloseGroup { region, to, basis, absent: skip_nodes })
}

fn node_state(node: &Node, id: NodeId, state: NodeState) -> Result<Command, Outcome> {
    let present = node.groups.node_view(id).map(|view| view.record.state);
    if present != Some(state) {
        refuse_if(node.groups.node_blocker(id, state))?;
    }
    Ok(Command::SetNodeState { node: id, state })
}

fn refuse_if(blocker: Option<impl Into<Blocked>>) -> Result<(), Outcome> {
    match blocker {
        None => Ok(()),
        Some(reason) => Err(Outcome::Blocked(reason.into())),
    }
}

//! Changes of the cluster, its nodes and its regions, for operators.
//!
//! A change is one entry of the system group, answered when that is replicated as far as was asked; the
//! groups then follow it by themselves, one safe step at a time. What would lose a quorum, or a region
//! that organizations are at home in, is refused first, with the reason.

use concordat_proto::{
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
        draft::{ClusterSetting, FailoverDraft, RegionPatch},
        operation::ClusterWrite,
        outcome::{Answer, Outcome},
    },
    node::Node,
    request::{freshness, unavailable::broken},
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
    let command = match command(node, write).await {
        Ok(command) => command,
        Err(outcome) => return refused_here(outcome, fresh, request),
    };
    let change = proposal(node, request, Some(key), command);
    match propose(node, GroupId::SYSTEM, change, request).await {
        Ok(applied) => answered(finish(node, Home::SYSTEM, applied, request).await),
        Err(not) => not.answer(node, GroupId::SYSTEM, request).await,
    }
}

/// What is to be proposed, unless something stands in its way.
async fn command(node: &Node, write: ClusterWrite) -> Result<Command, Outcome> {
    match write {
        ClusterWrite::Setting(ClusterSetting::Survive(survive)) => Ok(Command::SetSurvive(survive)),
        ClusterWrite::Setting(ClusterSetting::Leases(terms)) => Ok(Command::SetLeases(terms)),
        ClusterWrite::Setting(ClusterSetting::Isolation(when)) => Ok(Command::SetIsolation(when)),
        ClusterWrite::Node(id, state) => node_state(node, id, state),
        ClusterWrite::NodeRemove(id) => {
            let present = node.groups.node_standing(id).map(|standing| standing.record.state);
            // A repeat after the end is answered as done.
            let is_removed = present == Some(NodeState::Removed);
            let state = if is_removed { NodeState::Removed } else { NodeState::Leaving };
            node_state(node, id, state)
        }
        ClusterWrite::Region(region, RegionPatch::Open) => {
            Ok(Command::SetRegionState { region, state: RegionState::Open })
        }
        ClusterWrite::Region(region, RegionPatch::Found(founder)) => {
            refuse_if(node.groups.founding_obstacle(&region))?;
            Ok(Command::RefoundRegion { region, founder })
        }
        ClusterWrite::Region(region, RegionPatch::Seat(seat)) => {
            Ok(Command::SetSeat { region, seat })
        }
        ClusterWrite::RegionAdd(region) => add_region(node, region),
        ClusterWrite::Failover(region, draft) => failover(node, region, draft),
        ClusterWrite::RegionRemove(region) => {
            let obstacle = node.groups.region_obstacle(&region).await;
            refuse_if(obstacle.map_err(|e| broken("looking at a region", &e).outcome)?)?;
            Ok(Command::SetRegionState { region, state: RegionState::Leaving })
        }
    }
}

/// Names a region. Below the feature level of names the nodes of any region join.
fn add_region(node: &Node, region: Region) -> Result<Command, Outcome> {
    let (level, command) = (node.groups.feature_level(), Command::AddRegion(region));
    let needed = command.feature_level();
    let too_early = format!(
        "the cluster is at feature level {level}: until every node is upgraded and it has come to level \
         {needed}, a node of any region joins without this"
    );
    refuse_if((level < needed).then_some(too_early))?;
    Ok(command)
}

/// The command that closes a lost region's group. Its basis is that the operator confirms the fencing, or
/// that the group's leaders fence themselves.
fn failover(node: &Node, region: Region, draft: FailoverDraft) -> Result<Command, Outcome> {
    let FailoverDraft { to, fenced, without } = draft;
    refuse_if(node.groups.failover_obstacle(&region, &to, &without))?;
    let basis = match node.groups.fences_itself(&region) {
        _ if fenced => FailoverBasis::Fenced,
        Some(generation) => FailoverBasis::Isolation { generation },
        None => return Err(Outcome::refused(Refusal::NotFenced)),
    };
    Ok(Command::CloseGroup { region, to, basis, absent: without })
}

fn node_state(node: &Node, id: NodeId, state: NodeState) -> Result<Command, Outcome> {
    let present = node.groups.node_standing(id).map(|standing| standing.record.state);
    if present != Some(state) {
        refuse_if(node.groups.node_obstacle(id, state))?;
    }
    Ok(Command::SetNodeState { node: id, state })
}

fn refuse_if(obstacle: Option<String>) -> Result<(), Outcome> {
    match obstacle {
        None => Ok(()),
        Some(reason) => Err(Outcome::Blocked(reason)),
    }
}

//! Nodes and regions, for operators: lists of them, and the words that change them.
//!
//! A change is one entry of the system group, answered when that has travelled as far as was asked;
//! the groups then follow it by themselves, one safe step at a time. What would lose a quorum, or a
//! region that organisations are at home in, is refused first, with the reason.

use concordat_cluster::raft::{Divergence, NodeStanding, RegionStanding};
use concordat_proto::{
    command::Command,
    failover::{DivergedWrite, FailoverBasis},
    id::{GroupId, KeyId, NodeId},
    org::{NodeState, RegionState},
    refusal::Refusal,
    region::Region,
};
use serde::Serialize;

use crate::{
    dialect::{
        Action, Answer, ClusterSetting, FailoverDraft, Operation, RegionPatch, Rejection,
        slashid::render,
    },
    freshness,
    http::status,
    node::Node,
    refuse,
    write::{self, Asked, Home},
};

#[derive(Serialize)]
struct NodeShown {
    node_id: String,
    region: String,
    url: String,
    peer_address: String,
    state: &'static str,
    live: bool,
    votes: Vec<u32>,
    leads: Vec<u32>,
    replicas: Vec<u32>,
}

#[derive(Serialize)]
struct RegionShown {
    region: String,
    state: &'static str,
    /// Where the group's voters belong.
    seat: String,
    /// A region that nodes may join in and none has is without a group, and its first node founds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    founder: Option<String>,
    leader: Option<String>,
    nodes: Vec<String>,
    voters: Vec<VoterShown>,
}

impl RegionShown {
    /// Of a region that was named, and has no node yet.
    fn without_nodes(region: &Region) -> Self {
        Self {
            region: region.to_string(),
            state: "empty",
            seat: region.to_string(),
            group: None,
            founder: None,
            leader: None,
            nodes: Vec::new(),
            voters: Vec::new(),
        }
    }
}

#[derive(Serialize)]
struct VoterShown {
    node_id: String,
    region: String,
}

fn numbers(groups: &[GroupId]) -> Vec<u32> {
    groups.iter().map(|group| group.0).collect()
}

/// `GET /v1/cluster/nodes`.
pub(crate) fn nodes(node: &Node) -> Answer {
    let shown = |standing: NodeStanding| NodeShown {
        node_id: standing.record.id.to_string(),
        region: standing.record.region.to_string(),
        state: match standing.record.replaced_by {
            Some(_) => "replaced",
            None => standing.record.state.as_str(),
        },
        url: standing.record.api_url,
        peer_address: standing.record.peer_address,
        live: standing.live,
        votes: numbers(&standing.votes),
        leads: numbers(&standing.leads),
        replicas: numbers(&standing.replicas),
    };
    render::result(&node.groups.nodes().into_iter().map(shown).collect::<Vec<_>>())
}

/// `GET /v1/cluster/regions`.
pub(crate) fn regions(node: &Node) -> Answer {
    let voter = |(id, region): (NodeId, Region)| VoterShown {
        node_id: id.to_string(),
        region: region.to_string(),
    };
    let shown = |standing: RegionStanding| RegionShown {
        region: standing.record.region.to_string(),
        state: if standing.is_closed { "failing_over" } else { standing.record.state.as_str() },
        seat: standing.record.seat.to_string(),
        group: Some(standing.record.group.0),
        founder: Some(standing.record.founder.to_string()),
        leader: standing.leader.map(|id| id.to_string()),
        nodes: standing.nodes.iter().map(ToString::to_string).collect(),
        voters: standing.voters.into_iter().map(voter).collect(),
    };
    let mut regions: Vec<RegionShown> = node.groups.regions().into_iter().map(shown).collect();
    regions.extend(node.groups.empty_regions().iter().map(RegionShown::without_nodes));
    regions.sort_by(|one, other| one.region.cmp(&other.region));
    render::result(&regions)
}

/// An operator's word on the cluster, a node or a region.
pub(crate) async fn change(
    node: &Node,
    key: KeyId,
    operation: Operation,
    action: Action,
    asked: &Asked,
) -> Answer {
    let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
    match write::repeated(node, GroupId::SYSTEM, None, asked) {
        Ok(Some(first)) => return write::told(node, operation, Home::SYSTEM, first, asked).await,
        Ok(None) => {}
        Err(answer) => return answer,
    }
    let command = match command(node, action).await {
        Ok(command) => command,
        Err(answer) => return write::refused_here(answer, fresh, asked),
    };
    let proposal = write::proposal(node, asked, Some(key), command);
    match write::propose(node, GroupId::SYSTEM, proposal, asked).await {
        Ok(applied) => write::told(node, operation, Home::SYSTEM, applied, asked).await,
        Err(not) => not.answer(node, GroupId::SYSTEM, asked).await,
    }
}

/// What is to be proposed, unless something stands in its way.
async fn command(node: &Node, action: Action) -> Result<Command, Answer> {
    match action {
        Action::ClusterPatch(ClusterSetting::Survive(survive)) => Ok(Command::SetSurvive(survive)),
        Action::ClusterPatch(ClusterSetting::Leases(terms)) => Ok(Command::SetLeases(terms)),
        Action::ClusterPatch(ClusterSetting::Isolation(when)) => Ok(Command::SetIsolation(when)),
        Action::NodePatch(id, state) => node_state(node, id, state),
        Action::NodeDelete(id) => {
            let present = node.groups.node_standing(id).map(|standing| standing.record.state);
            // A repeat after the end is answered as done.
            let is_removed = present == Some(NodeState::Removed);
            let state = if is_removed { NodeState::Removed } else { NodeState::Leaving };
            node_state(node, id, state)
        }
        Action::RegionPatch(region, RegionPatch::Open) => {
            Ok(Command::SetRegionState { region, state: RegionState::Open })
        }
        Action::RegionPatch(region, RegionPatch::Found(founder)) => {
            refuse_if(node.groups.founding_obstacle(&region))?;
            Ok(Command::RefoundRegion { region, founder })
        }
        Action::RegionPatch(region, RegionPatch::Seat(seat)) => {
            Ok(Command::SetSeat { region, seat })
        }
        Action::RegionFailover(region, draft) => failover(node, region, draft),
        Action::RegionAdd(region) => add_region(node, region),
        Action::RegionDelete(region) => {
            let obstacle = node.groups.region_obstacle(&region).await;
            refuse_if(obstacle.map_err(|e| refuse::broken("looking at a region", &e))?)?;
            Ok(Command::SetRegionState { region, state: RegionState::Leaving })
        }
        Action::OidcList { .. }
        | Action::OidcCreate(_)
        | Action::OidcGet(_)
        | Action::OidcPatch(..)
        | Action::OidcDelete(_)
        | Action::OrgCreate(_)
        | Action::OrgList(_)
        | Action::OrgGet(_)
        | Action::OrgMove(..)
        | Action::ReceiptGet(_)
        | Action::ClusterGet
        | Action::DemoCut(_)
        | Action::DemoHeal(_)
        | Action::NodeList
        | Action::RegionList
        | Action::DivergenceGet(_)
        | Action::OrgPatch(..)
        | Action::SecretGet(_) => Err(render::forbidden()),
    }
}

/// A name more. Below the feature level of names nodes of any region join, and there are none to add.
fn add_region(node: &Node, region: Region) -> Result<Command, Answer> {
    let (level, command) = (node.groups.feature_level(), Command::AddRegion(region));
    let needed = command.feature_level();
    let too_early = format!(
        "the cluster is at feature level {level}: until every node is upgraded and it has come to level \
         {needed}, a node of any region joins without this"
    );
    refuse_if((level < needed).then_some(too_early))?;
    Ok(command)
}

/// The word that closes a lost region's group. It is given on a basis: the operator's word, or that
/// the group's leaders fence themselves.
fn failover(node: &Node, region: Region, draft: FailoverDraft) -> Result<Command, Answer> {
    let FailoverDraft { to, fenced, without } = draft;
    refuse_if(node.groups.failover_obstacle(&region, &to, &without))?;
    let basis = match node.groups.fences_itself(&region) {
        _ if fenced => FailoverBasis::Fenced,
        Some(generation) => FailoverBasis::Isolation { generation },
        None => return Err(render::refused(&Refusal::NotFenced, None)),
    };
    Ok(Command::CloseGroup { region, to, basis, absent: without })
}

#[derive(Serialize)]
struct DivergenceShown {
    nodes: Vec<DivergedNode>,
    /// Nodes that did not say what they have.
    silent: Vec<String>,
}

#[derive(Serialize)]
struct DivergedNode {
    node_id: String,
    group: u32,
    unlisted: u64,
    writes: Vec<DivergedShown>,
}

#[derive(Serialize)]
struct DivergedShown {
    write_id: String,
    index: u64,
    /// Milliseconds since the Unix epoch.
    at_ms: u64,
    organization_id: Option<String>,
    operation: String,
    oauth_client_id: Option<String>,
    committed: bool,
}

/// `GET /v1/cluster/regions/{region}/divergence`: no secret is in it.
pub(crate) async fn divergence(node: &Node, region: &Region) -> Answer {
    let (found, silent) = node.groups.divergence(region).await;
    let write = |write: DivergedWrite| DivergedShown {
        write_id: write.write_id.to_string(),
        index: write.log_id.index.0,
        at_ms: write.at.0,
        organization_id: write.org.map(|org| org.to_string()),
        operation: write.operation,
        oauth_client_id: write.client_id.map(|id| id.as_str().to_owned()),
        committed: write.committed,
    };
    let of_node = |of: Divergence| DivergedNode {
        node_id: of.node.to_string(),
        group: of.group.0,
        unlisted: of.unlisted,
        writes: of.writes.into_iter().map(write).collect(),
    };
    render::result(&DivergenceShown {
        nodes: found.into_iter().map(of_node).collect(),
        silent: silent.iter().map(ToString::to_string).collect(),
    })
}

fn node_state(node: &Node, id: NodeId, state: NodeState) -> Result<Command, Answer> {
    let present = node.groups.node_standing(id).map(|standing| standing.record.state);
    if present != Some(state) {
        refuse_if(node.groups.node_obstacle(id, state))?;
    }
    Ok(Command::SetNodeState { node: id, state })
}

fn refuse_if(obstacle: Option<String>) -> Result<(), Answer> {
    match obstacle {
        None => Ok(()),
        Some(message) => Err(render::rejected(&Rejection { status: status::CONFLICT, message })),
    }
}

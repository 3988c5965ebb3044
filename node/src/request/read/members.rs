//! Nodes, regions and the writes of lost regions, as operators read them.

use concordat_cluster::raft::{Divergence, Freshness, NodeStanding, RegionStanding};
use concordat_proto::{
    failover::DivergedWrite,
    id::{GroupId, NodeId},
    region::Region,
};
use serde::Serialize;

use crate::{
    api::outcome::{Answer, Document, Outcome, Value},
    node::Node,
    request::freshness,
};

/// The freshness of what the system group's state holds. Judged before that is read.
fn of_system(node: &Node) -> Freshness {
    freshness::of(&node.groups, &[GroupId::SYSTEM])
}

fn document(shown: &impl Serialize, fresh: Freshness) -> Answer {
    freshness::mark(Outcome::Found(Value::Document(Document::of(shown))), fresh)
}

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
    /// A region without nodes has no group; its first node founds it.
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
pub(super) fn nodes(node: &Node) -> Answer {
    let fresh = of_system(node);
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
    document(&node.groups.nodes().into_iter().map(shown).collect::<Vec<_>>(), fresh)
}

/// `GET /v1/cluster/regions`.
pub(super) fn regions(node: &Node) -> Answer {
    let fresh = of_system(node);
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
    document(&regions, fresh)
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
pub(super) async fn divergence(node: &Node, region: &Region) -> Answer {
    let fresh = of_system(node);
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
    let shown = DivergenceShown {
        nodes: found.into_iter().map(of_node).collect(),
        silent: silent.iter().map(ToString::to_string).collect(),
    };
    document(&shown, fresh)
}

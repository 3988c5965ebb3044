//! Nodes, regions and lost writes, as operators read them.

use concordat_cluster::raft::{Divergence, Freshness, NodeView, RegionView};
use concordat_proto::{
    api::{
        node::{self, NodeLife},
        region::{self, DivergedNode, LostWrites, MemberRegion, RegionLife, RegionVoter},
    },
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

/// The freshness of the system group's state. Evaluated before that is read.
fn of_system(node: &Node) -> Freshness {
    freshness::of(&node.groups, &[GroupId::SYSTEM])
}

fn document(shown: &impl Serialize, fresh: Freshness) -> Answer {
    freshness::mark(Outcome::Found(Value::Document(Document::of(shown))), fresh)
}

/// `GET /v1/cluster/nodes`.
pub(super) fn nodes(node: &Node) -> Answer {
    let fresh = of_system(node);
    let shown = |view: NodeView| node::Node {
        node_id: view.record.id,
        region: view.record.region,
        state: match view.record.replaced_by {
            Some(_) => NodeLife::Replaced.into(),
            None => NodeLife::Recorded(view.record.state).into(),
        },
        url: view.record.api_url,
        peer_address: view.record.peer_address,
        live: view.live,
        votes: view.votes,
        leads: view.leads,
        replicas: view.replicas,
    };
    document(&node.groups.nodes().into_iter().map(shown).collect::<Vec<_>>(), fresh)
}

/// `GET /v1/cluster/regions`.
pub(super) fn regions(node: &Node) -> Answer {
    let fresh = of_system(node);
    let voter = |(node_id, region): (NodeId, Region)| RegionVoter { node_id, region };
    let shown = |view: RegionView| MemberRegion {
        region: view.record.region,
        state: match view.is_closed {
            true => RegionLife::FailingOver.into(),
            false => RegionLife::Recorded(view.record.state).into(),
        },
        voter_region: view.record.voter_region,
        group: Some(view.record.group),
        founder: Some(view.record.founder),
        leader: view.leader,
        nodes: view.nodes,
        voters: view.voters.into_iter().map(voter).collect(),
    };
    let mut regions: Vec<MemberRegion> = node.groups.regions().into_iter().map(shown).collect();
    regions.extend(node.groups.empty_regions().into_iter().map(without_nodes));
    regions.sort_by(|one, other| one.region.cmp(&other.region));
    document(&regions, fresh)
}

/// A region that was added, and has no node yet.
fn without_nodes(region: Region) -> MemberRegion {
    MemberRegion {
        state: RegionLife::Empty.into(),
        voter_region: region.clone(),
        region,
        group: None,
        founder: None,
        leader: None,
        nodes: Vec::new(),
        voters: Vec::new(),
    }
}

/// `GET /v1/cluster/regions/{region}/divergence`: no secret is in it.
pub(super) async fn divergence(node: &Node, region: &Region) -> Answer {
    let fresh = of_system(node);
    let (found, silent) = node.groups.divergence(region).await;
    let write = |write: DivergedWrite| region::DivergedWrite {
        write_id: write.write_id,
        index: write.log_id.index,
        at_ms: write.at,
        organization_id: write.org,
        operation: write.operation,
        oauth_client_id: write.client_id,
        committed: write.committed,
    };
    let of_node = |of: Divergence| DivergedNode {
        node_id: of.node,
        group: of.group,
        unlisted: of.unlisted,
        writes: of.writes.into_iter().map(write).collect(),
    };
    document(&LostWrites { nodes: found.into_iter().map(of_node).collect(), silent }, fresh)
}

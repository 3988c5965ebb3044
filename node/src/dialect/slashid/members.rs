//! The paths and bodies that change the cluster's nodes and regions.

use concordat_proto::{
    id::NodeId,
    org::{NodeState, Survive},
    region::Region,
};

use super::{bad_request, json::Object};
use crate::dialect::{RegionPatch, Rejection};

const STATE: &str = "state";
const SURVIVE: &str = "survive";
const FOUNDER: &str = "founder";
const FENCED: &str = "fenced";

/// The node of `/v1/cluster/nodes/{node_id}`.
pub(super) fn node(parameter: &str) -> Result<NodeId, Rejection> {
    parameter.parse().map_err(|_| bad_request("the node id in the path must be 16 hex digits"))
}

/// The region of `/v1/cluster/regions/{region}`.
pub(super) fn region(parameter: &str) -> Result<Region, Rejection> {
    parameter.parse().map_err(|_| bad_request("the region in the path must be a region's name"))
}

/// The body of `PATCH /v1/cluster`.
pub(super) fn parse_survive(mut body: Object) -> Result<Survive, Rejection> {
    let text = body.text(SURVIVE)?;
    match body.required(SURVIVE, text)?.as_str() {
        "node" => Ok(Survive::Node),
        "region" => Ok(Survive::Region),
        _ => Err(body.expected(SURVIVE, "node or region")),
    }
}

/// The body of `PATCH /v1/cluster/nodes/{node_id}`.
pub(super) fn parse_node_state(mut body: Object) -> Result<NodeState, Rejection> {
    let text = body.text(STATE)?;
    match body.required(STATE, text)?.as_str() {
        "member" => Ok(NodeState::Member),
        "draining" => Ok(NodeState::Draining),
        _ => Err(body.expected(STATE, "member or draining")),
    }
}

/// The body of `PATCH /v1/cluster/regions/{region}`.
pub(super) fn parse_region_patch(mut body: Object) -> Result<RegionPatch, Rejection> {
    let (state, founder) = (body.text(STATE)?, body.text(FOUNDER)?);
    match (state.as_deref(), founder) {
        (Some("open"), None) => Ok(RegionPatch::Open),
        (None, Some(founder)) => {
            let founder = founder.parse();
            let founder =
                founder.map_err(|_| body.expected(FOUNDER, "a node id: 16 hex digits"))?;
            if body.bool(FENCED)? == Some(true) {
                return Ok(RegionPatch::Found(founder));
            }
            Err(body.expected(FENCED, "true: your word that the first founder never runs again"))
        }
        (Some(_), None) => Err(body.expected(STATE, "open")),
        (Some(_), Some(_)) | (None, None) => {
            Err(bad_request("exactly one of state and founder is required"))
        }
    }
}

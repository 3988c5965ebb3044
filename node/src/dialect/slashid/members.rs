//! The paths and bodies that change the cluster's nodes and regions.

use std::time::Duration;

use concordat_proto::{
    id::NodeId,
    lease::LeaseTerms,
    limits,
    org::{NodeState, Survive},
    region::Region,
};

use super::{bad_request, json::Object};
use crate::dialect::{ClusterSetting, RegionPatch, Rejection};

const STATE: &str = "state";
const SURVIVE: &str = "survive";
const LEASE: &str = "lease";
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
pub(super) fn parse_setting(mut body: Object) -> Result<ClusterSetting, Rejection> {
    match (body.text(SURVIVE)?.as_deref(), body.object(LEASE)?) {
        (Some("node"), None) => Ok(ClusterSetting::Survive(Survive::Node)),
        (Some("region"), None) => Ok(ClusterSetting::Survive(Survive::Region)),
        (Some(_), None) => Err(body.expected(SURVIVE, "node or region")),
        (None, Some(lease)) => Ok(ClusterSetting::Leases(lease_terms(lease)?)),
        (None, None) | (Some(_), Some(_)) => {
            Err(bad_request("exactly one of survive and lease is required"))
        }
    }
}

fn lease_terms(mut lease: Object) -> Result<LeaseTerms, Rejection> {
    let mut length = |member: &str| {
        let given = lease.number(member)?;
        let length = Duration::from_millis(lease.required(member, given)?);
        let is_allowed = (limits::LEASE_MIN..=limits::LEASE_MAX).contains(&length);
        let allowed = || {
            let (min, max) = (limits::LEASE_MIN.as_millis(), limits::LEASE_MAX.as_millis());
            lease.expected(member, &format!("{min} to {max}"))
        };
        is_allowed.then_some(length).ok_or_else(allowed)
    };
    let (home, away) = (length("home_ms")?, length("away_ms")?);
    let drift = lease.number("clock_drift_percent")?.map(u32::try_from);
    let drift_percent = match drift {
        None => LeaseTerms::DEFAULT.drift_percent,
        Some(Ok(drift))
            if (limits::CLOCK_DRIFT_PERCENT_MIN..=limits::CLOCK_DRIFT_PERCENT_MAX)
                .contains(&drift) =>
        {
            drift
        }
        Some(_) => return Err(lease.expected("clock_drift_percent", "1 to 20")),
    };
    Ok(LeaseTerms { home, away, drift_percent })
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

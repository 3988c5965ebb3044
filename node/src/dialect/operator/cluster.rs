//! The bodies that change the cluster's nodes and regions.

use std::time::Duration;

use concordat_proto::{
    lease::LeaseTerms,
    limits,
    org::{NodeState, Survive, WhenIsolated},
    region::Region,
};

use crate::{
    api::{
        draft::{ClusterSetting, FailoverDraft, RegionPatch},
        outcome::Malformed,
    },
    dialect::common::{json::Object, malformed},
};

const STATE: &str = "state";
const SURVIVE: &str = "survive";
const LEASE: &str = "lease";
const WHEN_ISOLATED: &str = "when_isolated";
const REGION: &str = "region";
const SEAT: &str = "seat";
const TO: &str = "to";
const WITHOUT: &str = "without";
const REGION_FORM: &str = "a region's name";
const FOUNDER: &str = "founder";
const FENCED: &str = "fenced";

const ONE_CHANGE: &str = "exactly one of state, founder and seat is required";

/// The body of `PATCH /v1/cluster`.
pub(super) fn parse_setting(mut body: Object) -> Result<ClusterSetting, Malformed> {
    let (survive, lease) = (body.text(SURVIVE)?, body.object(LEASE)?);
    match (survive.as_deref(), lease, body.text(WHEN_ISOLATED)?.as_deref()) {
        (Some("node"), None, None) => Ok(ClusterSetting::Survive(Survive::Node)),
        (Some("region"), None, None) => Ok(ClusterSetting::Survive(Survive::Region)),
        (Some(_), None, None) => Err(body.expected(SURVIVE, "node or region")),
        (None, Some(lease), None) => Ok(ClusterSetting::Leases(lease_terms(lease)?)),
        (None, None, Some("serve")) => Ok(ClusterSetting::Isolation(WhenIsolated::Serve)),
        (None, None, Some("fence")) => Ok(ClusterSetting::Isolation(WhenIsolated::Fence)),
        (None, None, Some(_)) => Err(body.expected(WHEN_ISOLATED, "serve or fence")),
        _ => Err(malformed("exactly one of survive, lease and when_isolated is required")),
    }
}

fn lease_terms(mut lease: Object) -> Result<LeaseTerms, Malformed> {
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
pub(super) fn parse_node_state(mut body: Object) -> Result<NodeState, Malformed> {
    let text = body.text(STATE)?;
    match body.required(STATE, text)?.as_str() {
        "member" => Ok(NodeState::Member),
        "draining" => Ok(NodeState::Draining),
        _ => Err(body.expected(STATE, "member or draining")),
    }
}

/// The body of `POST /v1/cluster/regions`.
pub(super) fn parse_region(mut body: Object) -> Result<Region, Malformed> {
    let region = body.text(REGION)?;
    let region = body.required(REGION, region)?;
    region.parse().map_err(|_| body.expected(REGION, REGION_FORM))
}

/// The body of `PATCH /v1/cluster/regions/{region}`.
pub(super) fn parse_region_patch(mut body: Object) -> Result<RegionPatch, Malformed> {
    let (state, founder) = (body.text(STATE)?, body.text(FOUNDER)?);
    if let Some(seat) = body.text(SEAT)? {
        if state.is_some() || founder.is_some() {
            return Err(malformed(ONE_CHANGE));
        }
        let seat = seat.parse().map_err(|_| body.expected(SEAT, REGION_FORM))?;
        return Ok(RegionPatch::Seat(seat));
    }
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
        (Some(_), Some(_)) | (None, None) => Err(malformed(ONE_CHANGE)),
    }
}

/// The body of `POST /v1/cluster/regions/{region}/failover`.
pub(super) fn parse_failover(mut body: Object) -> Result<FailoverDraft, Malformed> {
    let to = body.text(TO)?;
    let to = body.required(TO, to)?;
    let to = to.parse().map_err(|_| body.expected(TO, REGION_FORM))?;
    let fenced = body.bool(FENCED)?.unwrap_or(false);
    let named = body.texts(WITHOUT)?.unwrap_or_default();
    let ids = || body.expected(WITHOUT, "node ids: 16 hex digits each");
    if named.len() > limits::NODES_MAX {
        return Err(ids());
    }
    let without = named.iter().map(|id| id.parse().map_err(|_| ids()));
    Ok(FailoverDraft { to, fenced, without: without.collect::<Result<_, _>>()? })
}

//! The bodies that change the cluster's nodes and regions.

use std::{ops::RangeInclusive, time::Duration};

use concordat_proto::{
    api::{
        cluster::{ClusterPatch, LeaseSettings},
        node::NodePatch,
        region::{Failover, RegionAdd, RegionPatch},
    },
    lease::LeaseTerms,
    limits,
    org::{NodeState, PartitionPolicy, RegionState, SurvivalGoal},
};

use crate::{
    api::outcome::Malformed,
    dialect::common::{
        json::{Object, one_of},
        malformed,
    },
};

const STATE: &str = "state";
const SURVIVAL_GOAL: &str = "survival_goal";
const LEASE: &str = "lease";
const PARTITION_POLICY: &str = "partition_policy";
const REGION: &str = "region";
const VOTER_REGION: &str = "voter_region";
const TO: &str = "to";
const SKIP_NODES: &str = "skip_nodes";
const REGION_FORM: &str = "a region's name";
const RECREATE_GROUP_ON: &str = "recreate_group_on";
const CONFIRM_FENCED: &str = "confirm_fenced";

const ONE_CHANGE: &str = "exactly one of state, recreate_group_on and voter_region is required";

const LENGTHS: RangeInclusive<Duration> = limits::LEASE_MIN..=limits::LEASE_MAX;
const DRIFTS: RangeInclusive<u32> =
    limits::CLOCK_DRIFT_PERCENT_MIN..=limits::CLOCK_DRIFT_PERCENT_MAX;

/// The body of `PATCH /v1/cluster`.
pub(super) fn parse_setting(mut body: Object) -> Result<ClusterPatch, Malformed> {
    let (goal, lease) = (body.text(SURVIVAL_GOAL)?, body.object(LEASE)?);
    match (goal, lease, body.text(PARTITION_POLICY)?) {
        (Some(goal), None, None) => {
            let goal =
                one_of(&body, SURVIVAL_GOAL, &goal, SurvivalGoal::ALL.map(SurvivalGoal::as_str))?;
            Ok(ClusterPatch::SurvivalGoal(goal))
        }
        (None, Some(lease), None) => Ok(ClusterPatch::Lease(lease_settings(lease)?)),
        (None, None, Some(policy)) => {
            let names = PartitionPolicy::ALL.map(PartitionPolicy::as_str);
            Ok(ClusterPatch::PartitionPolicy(one_of(&body, PARTITION_POLICY, &policy, names)?))
        }
        _ => Err(malformed("exactly one of survival_goal, lease and partition_policy is required")),
    }
}

fn lease_settings(mut lease: Object) -> Result<LeaseSettings, Malformed> {
    let mut length = |member: &str| {
        let given = lease.number(member)?;
        let length = lease.required(member, given)?;
        let is_allowed = LENGTHS.contains(&Duration::from_millis(length));
        let allowed = || {
            let (min, max) = (LENGTHS.start().as_millis(), LENGTHS.end().as_millis());
            lease.expected(member, &format!("{min} to {max}"))
        };
        is_allowed.then_some(length).ok_or_else(allowed)
    };
    let (local_ms, remote_ms) = (length("local_ms")?, length("remote_ms")?);
    let drift = lease.number("clock_drift_percent")?.map(u32::try_from);
    let clock_drift_percent = match drift {
        None => LeaseTerms::DEFAULT.drift_percent,
        Some(Ok(drift)) if DRIFTS.contains(&drift) => drift,
        Some(_) => {
            let allowed = format!("{} to {}", DRIFTS.start(), DRIFTS.end());
            return Err(lease.expected("clock_drift_percent", &allowed));
        }
    };
    Ok(LeaseSettings { local_ms, remote_ms, clock_drift_percent })
}

/// The body of `PATCH /v1/cluster/nodes/{node_id}`.
pub(super) fn parse_node_patch(mut body: Object) -> Result<NodePatch, Malformed> {
    const SET_BY_PATCH: [NodeState; 2] = [NodeState::Member, NodeState::Draining];
    let text = body.text(STATE)?;
    let text = body.required(STATE, text)?;
    let state = one_of(&body, STATE, &text, SET_BY_PATCH.map(NodeState::as_str))?;
    Ok(NodePatch { state })
}

/// The body of `POST /v1/cluster/regions`.
pub(super) fn parse_region(mut body: Object) -> Result<RegionAdd, Malformed> {
    let region = body.text(REGION)?;
    let region = body.required(REGION, region)?;
    let region = region.parse().map_err(|_| body.expected(REGION, REGION_FORM))?;
    Ok(RegionAdd { region })
}

/// The body of `PATCH /v1/cluster/regions/{region}`.
pub(super) fn parse_region_patch(mut body: Object) -> Result<RegionPatch, Malformed> {
    let (state, founder) = (body.text(STATE)?, body.text(RECREATE_GROUP_ON)?);
    if let Some(voter_region) = body.text(VOTER_REGION)? {
        if state.is_some() || founder.is_some() {
            return Err(malformed(ONE_CHANGE));
        }
        let voter_region = voter_region.parse();
        let voter_region = voter_region.map_err(|_| body.expected(VOTER_REGION, REGION_FORM))?;
        return Ok(RegionPatch::Relocate(voter_region));
    }
    match (state, founder) {
        (Some(state), None) if state == RegionState::Open.as_str() => {
            Ok(RegionPatch::CancelRemoval)
        }
        (None, Some(founder)) => {
            let founder = founder.parse();
            let founder = founder
                .map_err(|_| body.expected(RECREATE_GROUP_ON, "a node id: 16 hex digits"))?;
            if body.bool(CONFIRM_FENCED)? == Some(true) {
                return Ok(RegionPatch::RecreateGroup(founder));
            }
            let expected = "true: it confirms that the node that was to create the group is fenced \
                            (stopped and kept from restarting)";
            Err(body.expected(CONFIRM_FENCED, expected))
        }
        (Some(_), None) => Err(body.expected(STATE, RegionState::Open.as_str())),
        (Some(_), Some(_)) | (None, None) => Err(malformed(ONE_CHANGE)),
    }
}

/// The body of `POST /v1/cluster/regions/{region}/failover`.
pub(super) fn parse_failover(mut body: Object) -> Result<Failover, Malformed> {
    let to = body.text(TO)?;
    let to = body.required(TO, to)?;
    let to = to.parse().map_err(|_| body.expected(TO, REGION_FORM))?;
    let confirm_fenced = body.bool(CONFIRM_FENCED)?.unwrap_or(false);
    let named = body.texts(SKIP_NODES)?.unwrap_or_default();
    let ids = || body.expected(SKIP_NODES, "node ids: 16 hex digits each");
    if named.len() > limits::NODES_MAX {
        return Err(ids());
    }
    let skip_nodes = named.iter().map(|id| id.parse().map_err(|_| ids()));
    Ok(Failover { to, confirm_fenced, skip_nodes: skip_nodes.collect::<Result<_, _>>()? })
}

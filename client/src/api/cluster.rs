//! The cluster: its status and its settings, `/v1/cluster`, for its operator.

use concordat_proto::{
    api::cluster::{ClusterPatch, ClusterStatus},
    lease::LeaseTerms,
    org::{PartitionPolicy, SurvivalGoal},
};

use crate::{
    api::{
        admin::{self, AdminWrite},
        read,
        write::Write,
    },
    call::core::Core,
    error::ClientError,
    model::identity::Identity,
};

const CLUSTER: &str = "/v1/cluster";

pub(crate) async fn status(core: &Core) -> Result<ClusterStatus, ClientError> {
    Ok(read::one(core, Identity::Operator, CLUSTER.to_owned()).await?.value)
}

pub(crate) fn set_survival_goal(core: &Core, goal: SurvivalGoal) -> Write<'_, AdminWrite> {
    set(core, ClusterPatch::SurvivalGoal(goal))
}

pub(crate) fn set_partition_policy(core: &Core, policy: PartitionPolicy) -> Write<'_, AdminWrite> {
    set(core, ClusterPatch::PartitionPolicy(policy))
}

pub(crate) fn set_leases(core: &Core, terms: LeaseTerms) -> Write<'_, AdminWrite> {
    set(core, ClusterPatch::Lease(terms.into()))
}

fn set(core: &Core, setting: ClusterPatch) -> Write<'_, AdminWrite> {
    admin::patch(core, CLUSTER.to_owned(), setting)
}

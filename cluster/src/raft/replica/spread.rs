//! Whether a group's voters are in several regions, and so the timings that its replica starts
//! with.
//!
//! It changes no timings: `timing_profile.rs` does.

use std::collections::BTreeSet;

use concordat_proto::{id::GroupId, org::SurvivalGoal};

use crate::{
    machine::SystemView,
    raft::{
        engine::{
            applied::{position_of, read_applied},
            types::StoredMembership,
        },
        fault::Fault,
    },
    store::shadow::ShadowStore,
};

/// Whether a membership's voters are in several regions.
pub(crate) fn is_spread(membership: &StoredMembership) -> bool {
    let region = |id| membership.get_node(&id).map(|member| member.region.clone());
    let regions: BTreeSet<_> = membership.voter_ids().filter_map(region).collect();
    regions.len() > 1
}

/// The timings to open a group's replica with, from its state.
pub(crate) fn wanted_at_start(
    system: &SystemView,
    store: &ShadowStore,
    group: GroupId,
) -> Result<bool, Fault> {
    if group == GroupId::SYSTEM || system.survival_goal() == SurvivalGoal::Region {
        return Ok(true);
    }
    let context = |error| Fault::caused(format!("reading the position of group {group}"), error);
    let applied = read_applied(store, group).map_err(context)?;
    let (_, membership) = position_of(&applied).map_err(context)?;
    Ok(is_spread(&membership))
}

//! The rules of region names: a node joins only in a region whose name was added to the cluster.
//!
//! The settings of the node that creates the cluster name the first regions, and operators add
//! others. A region is created by its first node, under a name that was added before. A name alone
//! counts for nothing: writes that must reach all regions wait for replicas, and a name has none.
//!
//! # Why a node's own setting is not enough
//! A region that exists counts: a write to `all_regions` waits for it. So one node with a misspelt
//! setting would turn each of these writes into a 408, and nothing about that node would look
//! wrong. The refusal lists the existing names, and how to add one.
//!
//! # Where no name is recorded
//! A cluster that an earlier release created has no names. Below [`REGIONS_ARE_NAMED`] a joining
//! node creates its region, as that release does: replicas of both builds must reach the same
//! state. From that level on the existing regions are the named ones, until the first one is added:
//! then they are recorded with it. Raising the level records no names, so that it stays one rule.
//!
//! # Removing a name
//! A name is removed with its region: otherwise the first of its nodes that restarts with an empty
//! disk would bring the region back. The name of a region without nodes is removed by the same
//! command, `region remove`. One name always stays.

use std::collections::BTreeSet;

use concordat_proto::{
    limits,
    org::RegionState,
    refusal::{FullOf, Refusal},
    region::Region,
    reply::Reply,
};

use crate::{
    machine::{
        entry::txn::{ApplyError, ApplyResult, ApplyTxn},
        query,
    },
    planted,
    store::{StoreError, keys},
};

/// The feature level from which on a node joins only in a region that was named.
const REGIONS_ARE_NAMED: u32 = 2;

/// Records names.
pub(in crate::machine) fn record<'a>(
    txn: &mut ApplyTxn<'_>,
    names: impl IntoIterator<Item = &'a Region>,
) {
    for name in names {
        txn.put_bytes(keys::region_name(name), Vec::new());
    }
}

/// One name more.
pub(in crate::machine) fn add(txn: &mut ApplyTxn<'_>, region: &Region) -> ApplyResult {
    let present = query::region(txn.view(), region)?;
    if present.is_some_and(|present| present.state == RegionState::Leaving) {
        return Err(Refusal::RegionLeaving.into());
    }
    let mut names = query::region_names(txn.view())?;
    if !names.contains(region) && names.len() >= limits::REGIONS_MAX {
        return Err(Refusal::ClusterFull { what: FullOf::Regions }.into());
    }
    names.insert(region.clone());
    record(txn, &names);
    Ok(Reply::Done)
}

/// Refuses the first node of a region whose name was not added.
pub(in crate::machine) fn require_named(
    txn: &ApplyTxn<'_>,
    region: &Region,
) -> Result<(), ApplyError> {
    let level = query::feature_level(txn.view(), txn.group)?;
    let names = query::region_names(txn.view())?;
    refuse_unnamed(level, &names, region).map_or(Ok(()), |refusal| Err(refusal.into()))
}

/// Why the first node of a region may not join, in a cluster of this feature level with these names.
#[must_use]
pub fn refuse_unnamed(level: u32, names: &BTreeSet<Region>, region: &Region) -> Option<Refusal> {
    // Without any name the cluster has no node yet: its first one begins it.
    let may_join = level < REGIONS_ARE_NAMED || names.is_empty() || names.contains(region);
    let refusal = || Refusal::RegionNotNamed {
        region: region.clone(),
        named: names.iter().cloned().collect(),
    };
    (!planted::on_first_of_region(may_join)).then(refusal)
}

/// Takes a name back in which there is no region; whether there was one.
pub(in crate::machine) fn take_back(
    txn: &mut ApplyTxn<'_>,
    region: &Region,
) -> Result<bool, ApplyError> {
    let names = query::recorded_names(txn.view())?;
    if !names.contains(region) {
        return Ok(false);
    }
    if names.len() == 1 {
        return Err(Refusal::LastRegion.into());
    }
    forget(txn, region);
    Ok(true)
}

/// A region is removed, and its name with it.
pub(in crate::machine) fn forget(txn: &mut ApplyTxn<'_>, region: &Region) {
    txn.remove(keys::region_name(region));
}

/// A region was made: where names are recorded, its own is one of them.
pub(in crate::machine) fn note_made(
    txn: &mut ApplyTxn<'_>,
    region: &Region,
) -> Result<(), StoreError> {
    if !query::recorded_names(txn.view())?.is_empty() {
        record(txn, [region]);
    }
    Ok(())
}

//! The rules of the names of regions: a node joins only in a region that somebody has named.
//!
//! The settings of the node that begins the cluster name the first regions, and operators add others.
//! A region is made by its first node, under a name that was named before. A name alone counts for
//! nothing: what must reach all regions waits for replicas, and a name has none.
//!
//! # Why a node's own word is not enough
//! A region that exists counts: a write to `all_regions` waits for it. So one node with a misspelt
//! setting would turn each of these writes into a 408, and nothing about that node would look wrong.
//! Its refusal says which names there are, and how one more is added.
//!
//! # Where no name is recorded
//! A cluster that an earlier release began has no names. Below [`REGIONS_ARE_NAMED`] a joining node makes
//! its region, as that release does: replicas of both builds must come to the same state. From that
//! level on the regions that are there are the named ones, until the first one is added: then they are
//! recorded with it. The raising of the level writes nothing of it, so that it stays one rule.
//!
//! # The end of a name
//! It goes with its region when that is removed: otherwise the first of its nodes that somebody starts
//! again with an empty disk would bring the region back. The name of a region without nodes is taken
//! back by the same command, `region remove`. One name always stays.

use std::collections::BTreeSet;

use concordat_proto::{
    limits,
    org::RegionState,
    refusal::{FullOf, Refusal},
    region::Region,
    reply::Reply,
};

use super::{
    query,
    turn::{Halt, Ruling, Turn},
};
use crate::{
    planted::{self, Bug},
    store::{StoreError, keys},
};

/// The feature level from which on a node joins only in a region that was named.
const REGIONS_ARE_NAMED: u32 = 2;

/// Records names.
pub(super) fn record<'a>(turn: &mut Turn<'_>, names: impl IntoIterator<Item = &'a Region>) {
    for name in names {
        turn.put_bytes(keys::region_name(name), Vec::new());
    }
}

/// One name more.
pub(super) fn add(turn: &mut Turn<'_>, region: &Region) -> Ruling {
    let present = query::region(turn.view(), region)?;
    if present.is_some_and(|present| present.state == RegionState::Leaving) {
        return Err(Refusal::RegionLeaving.into());
    }
    let mut names = query::region_names(turn.view())?;
    if !names.contains(region) && names.len() >= limits::REGIONS_MAX {
        return Err(Refusal::ClusterFull { what: FullOf::Regions }.into());
    }
    names.insert(region.clone());
    record(turn, &names);
    Ok(Reply::Done)
}

/// Refuses the first node of a region that nobody has named.
pub(super) fn require_named(turn: &Turn<'_>, region: &Region) -> Result<(), Halt> {
    let level = query::feature_level(turn.view(), turn.group)?;
    let names = query::region_names(turn.view())?;
    refuse_unnamed(level, &names, region).map_or(Ok(()), |refusal| Err(refusal.into()))
}

/// Why the first node of a region may not join, in a cluster of this feature level with these names.
#[must_use]
pub fn refuse_unnamed(level: u32, names: &BTreeSet<Region>, region: &Region) -> Option<Refusal> {
    // Without any name the cluster has no node yet: its first one begins it.
    let may_join = level < REGIONS_ARE_NAMED
        || names.is_empty()
        || names.contains(region)
        || planted::is(Bug::UnnamedRegionLetIn);
    let refusal = || Refusal::RegionNotNamed {
        region: region.clone(),
        named: names.iter().cloned().collect(),
    };
    (!may_join).then(refusal)
}

/// Takes a name back in which there is no region; whether there was one.
pub(super) fn take_back(turn: &mut Turn<'_>, region: &Region) -> Result<bool, Halt> {
    let names = query::recorded_names(turn.view())?;
    if !names.contains(region) {
        return Ok(false);
    }
    if names.len() == 1 {
        return Err(Refusal::LastRegion.into());
    }
    forget(turn, region);
    Ok(true)
}

/// A region is removed, and its name with it.
pub(super) fn forget(turn: &mut Turn<'_>, region: &Region) {
    turn.remove(keys::region_name(region));
}

/// A region was made: where names are recorded, its own is one of them.
pub(super) fn note_made(turn: &mut Turn<'_>, region: &Region) -> Result<(), StoreError> {
    if !query::recorded_names(turn.view())?.is_empty() {
        record(turn, [region]);
    }
    Ok(())
}

//! Hooks in the rules of `consistency`: each returns what the rule says, but where its bug is on.
//!
//! A hook must never do anything without its bug.

use std::time::Duration;

use super::bug::{Bug, is};

/// Whether a region's replicas that may answer have all reported an entry.
#[inline(always)]
pub(crate) fn on_region_reached(reached: bool, any_applied: bool, counts: bool) -> bool {
    if is(Bug::StaleReadersIgnored) { any_applied || !counts } else { reached }
}

/// Whether any replica of a region has reported an entry.
#[inline(always)]
pub(crate) fn on_any_applied(any_applied: bool) -> bool {
    any_applied || is(Bug::ReachedWithoutReplica)
}

/// Whether all regions have reached what a write to all of them asked for.
#[inline(always)]
pub(crate) fn on_all_reached(reached: bool, any_region: impl FnOnce() -> bool) -> bool {
    if is(Bug::AllRegionsAtTheFirst) { any_region() } else { reached }
}

/// Whether the region that a write asked for is reached.
#[inline(always)]
pub(crate) fn on_one_reached(reached: bool, any_region: impl FnOnce() -> bool) -> bool {
    if is(Bug::LocalRegionIsAny) { any_region() } else { reached }
}

/// Whether some region counts in a group.
#[inline(always)]
pub(crate) fn on_counting(counts_any: bool) -> bool {
    counts_any || is(Bug::NoRegionCounts)
}

/// Whether a replica keeps pace.
#[inline(always)]
pub(crate) fn on_pace(keeps: bool) -> bool {
    keeps || is(Bug::LateKeepsLease)
}

/// Whether a lease that was granted lets its holder answer without an entry.
#[inline(always)]
pub(crate) fn on_granted_before(is_before: bool) -> bool {
    is_before && !is(Bug::LeasesForgotten)
}

/// How long ago a leader has proved its leadership to a replica that knows its name.
#[inline(always)]
pub(crate) fn on_proof_of_lead(proved: Option<Duration>) -> Option<Duration> {
    if is(Bug::LedByName) { Some(Duration::ZERO) } else { proved }
}

/// What a new leader counts of its predecessors' leases.
#[inline(always)]
pub(crate) fn on_inherited(until: Option<Duration>) -> Option<Duration> {
    until.filter(|_| !is(Bug::NewLeaderDoesNotWait))
}

/// Whether a held lease covers the state.
#[inline(always)]
pub(crate) fn on_lease_covers(covers: bool) -> bool {
    covers || is(Bug::LeaseIgnoresIndex)
}

/// Whether a held lease still lasts.
#[inline(always)]
pub(crate) fn on_lease_lasts(lasts: bool) -> bool {
    lasts || is(Bug::LeaseNeverEnds)
}

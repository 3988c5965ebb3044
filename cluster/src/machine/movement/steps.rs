//! The next step of an organization's move that a group's leader has to propose, from the states of the
//! two groups as one node has them.
//!
//! Each condition on the other group is a fact that never becomes false again, so a step that is found due
//! here may be proposed late. It proposes nothing.

use concordat_proto::{
    command::Command,
    id::{GroupId, OrgId},
    log::LogIndex,
    movement::{HomeRecord, Release},
};

use super::super::{query, system_view::SystemView};
use crate::store::{Reader, StoreError};

/// Whether a group has, or has had, an organization in this epoch or in a later one.
///
/// # Errors
/// When the store is broken.
pub fn has_come(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    epoch: u32,
) -> Result<bool, StoreError> {
    let here = query::home(reader, group, org)?.is_some_and(|home| home.newest_epoch() >= epoch);
    Ok(here || query::away(reader, group, org)?.is_some_and(|away| away.epoch >= epoch))
}

/// Where an organization is on its way to from a group, and whether it was handed over; none when it is
/// not on its way any more.
///
/// # Errors
/// When the store is broken.
pub fn on_its_way(
    reader: &dyn Reader,
    system: &SystemView,
    group: GroupId,
    org: OrgId,
) -> Result<Option<(GroupId, bool)>, StoreError> {
    let release = query::home(reader, group, org)?.and_then(|home| home.release);
    let Some(release) = release else { return Ok(None) };
    let to = system.successor(release.to);
    let has_come = has_come(reader, to, org, release.epoch)?;
    Ok((!has_come).then_some((to, release.handed_over)))
}

/// The step that a group's leader has to propose for an organization that it has released, or that it was
/// to adopt and that was taken back. `is_everywhere`: whether every node has reported an entry of a group.
///
/// # Errors
/// When the store is broken.
pub fn next_outgoing_step(
    reader: &dyn Reader,
    system: &SystemView,
    led: GroupId,
    org: OrgId,
    is_everywhere: impl Fn(GroupId, LogIndex) -> bool,
) -> Result<Option<Command>, StoreError> {
    if let Some(HomeRecord { release: Some(release), .. }) = query::home(reader, led, org)? {
        let epoch = release.epoch;
        if release.handed_over {
            let arrived = has_arrived(reader, system, org, release, is_everywhere)?;
            return Ok(arrived.then_some(Command::MoveCleanup { org, epoch }));
        }
        let to = system.successor(release.to);
        let import = query::away(reader, to, org)?.and_then(|away| away.import);
        let is_whole = import.is_some_and(|it| it.is_whole && it.org.epoch == epoch);
        // Where this group took another's place, the other one may have handed it over already.
        let is_there = query::home(reader, to, org)?.is_some_and(|it| it.org.epoch >= epoch);
        let is_ready = is_whole || is_there;
        return Ok(is_ready.then_some(Command::MoveCommit { org, epoch }));
    }
    let import = query::away(reader, led, org)?.and_then(|away| away.import);
    let Some((import, from)) = import.and_then(|it| it.past.last().copied().map(|p| (it, p)))
    else {
        return Ok(None);
    };
    let epoch = import.org.epoch;
    let from = system.successor(from.group);
    let taken_back = query::home(reader, from, org)?
        .is_some_and(|home| home.newest_epoch() > epoch)
        || query::away(reader, from, org)?.is_some_and(|away| away.epoch > epoch);
    Ok(taken_back.then_some(Command::MoveCleanup { org, epoch }))
}

/// Whether every node sees the organization in its new home.
fn has_arrived(
    reader: &dyn Reader,
    system: &SystemView,
    org: OrgId,
    release: Release,
    is_everywhere: impl Fn(GroupId, LogIndex) -> bool,
) -> Result<bool, StoreError> {
    let to = system.successor(release.to);
    let there = query::home(reader, to, org)?;
    let arrival = there
        .filter(|home| home.org.epoch >= release.epoch)
        .and_then(|home| home.arrival.map(|arrival| arrival.index));
    let Some(index) = arrival else {
        // It has left again and was forgotten there, which took that every node had something newer.
        let left = query::away(reader, to, org)?;
        return Ok(left.is_some_and(|away| away.epoch > release.epoch));
    };
    Ok(is_everywhere(to, index))
}

#[cfg(test)]
#[path = "steps_test.rs"]
mod tests;

//! Closes the replicas of groups that are no more: those of removed regions, those that were given up
//! because their founder died, and those that were closed by a failover.
//!
//! What they held goes only on the positive word of the state that the region was removed. A group
//! that is merely unknown may be one that this node, behind as it is after a start, does not know
//! yet. What a replica of a closed group held goes once its successor's state is here, unless the
//! successor lacks some of it: that stays, to be reported.

use concordat_proto::id::GroupId;

use super::{
    convert,
    fault::Fault,
    groups::{Groups, SystemView},
};
use crate::{
    log::GroupState,
    store::{Store, WriteBatch, keys},
};

/// Closes what is no more.
pub(crate) async fn close_gone(groups: &Groups, system: &SystemView) -> Result<(), Fault> {
    if system.regions.is_empty() {
        return Ok(());
    }
    let is_open = |group| system.home_of(group).is_some() && !system.is_closed(group);
    let stays = |group| group == GroupId::SYSTEM || is_open(group);
    let open = groups.replicas().into_iter().map(|replica| replica.group);
    for group in open.filter(|group| !stays(*group)).collect::<Vec<_>>() {
        tracing::info!(%group, "closing the replica of a group that is no more");
        groups.close(group).await?;
    }
    for group in &system.removed {
        forget(groups, *group)?;
    }
    for closed in system.closed.values() {
        if let Some(succession) = closed.succession.filter(|it| groups.has_state(it.group)) {
            let last = groups.environment().log.state(closed.group.0).last;
            let last = last.map(|id| convert::log_id(convert::record_log_id(id)));
            if last.is_some_and(|last| !succession.lacks(last)) {
                forget(groups, closed.group)?;
            }
        }
    }
    Ok(())
}

/// Drops a removed group's state and its part of the log, so that it holds no file back.
fn forget(groups: &Groups, group: GroupId) -> Result<(), Fault> {
    let log = &groups.environment().log;
    let GroupState { last: Some(last), .. } = log.state(group.0) else { return Ok(()) };
    let doing = || format!("dropping what is left of group {group}");
    let cleared_prefixes = vec![keys::group_prefix(group)];
    let batch = WriteBatch { cleared_prefixes, changes: Vec::new() };
    groups.slotted().write(batch).map_err(|error| Fault::caused(doing(), error))?;
    let id = convert::encode(&convert::record_log_id(last));
    // A failure has poisoned the log, and the next append says so.
    log.purge(group.0, last.index, id, Box::new(drop));
    Ok(())
}

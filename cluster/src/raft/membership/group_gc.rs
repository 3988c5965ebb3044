//! Closes the replicas of groups that have ended: those of removed regions, those that were
//! abandoned because their founder died, and those that a failover closed.
//!
//! Data is deleted only if the system group's state says that the region was removed. A group that
//! is merely unknown may be one that this node, being behind after a start, does not know yet. The
//! data of a closed group's replica is deleted once its successor's state is here, unless the
//! successor lacks some of it: that is kept, to be reported.

use concordat_proto::id::GroupId;

use crate::{
    log::GroupState,
    machine::{SystemView, is_carried_over},
    raft::{core::Core, engine::convert, fault::Fault},
    store::{Store, WriteBatch, keys},
};

/// Closes replicas of groups that have ended.
pub(crate) async fn close_ended(core: &Core, system: &SystemView) -> Result<(), Fault> {
    if system.regions.is_empty() {
        return Ok(());
    }
    let open = core.replicas().into_iter().map(|replica| replica.group);
    for group in open.filter(|group| !system.keeps_replica_of(*group)).collect::<Vec<_>>() {
        tracing::info!(%group, "closing the replica of a group that has ended");
        core.close(group).await?;
    }
    for group in &system.removed {
        forget(core, *group)?;
    }
    for closed in system.closed.values() {
        if let Some(succession) = closed.succession.filter(|it| core.has_state(it.group)) {
            let last = core.environment().log.state(closed.group.0).last;
            let last = last.map(|id| convert::log_id(convert::record_log_id(id)));
            if is_carried_over(&succession, last) {
                forget(core, closed.group)?;
            }
        }
    }
    Ok(())
}

/// Drops a removed group's state and its part of the log, so that it holds no file back.
fn forget(core: &Core, group: GroupId) -> Result<(), Fault> {
    let log = &core.environment().log;
    let GroupState { last: Some(last), .. } = log.state(group.0) else { return Ok(()) };
    let context = || format!("dropping what is left of group {group}");
    let cleared_prefixes = vec![keys::group_prefix(group)];
    let batch = WriteBatch { cleared_prefixes, changes: Vec::new() };
    core.shadow_store().write(batch).map_err(|error| Fault::caused(context(), error))?;
    let id = convert::encode(&convert::record_log_id(last));
    // A failure has poisoned the log, and the next append reports it.
    log.purge(group.0, last.index, id, Box::new(drop));
    Ok(())
}

//! The location of an organization in this node's own replicas, its freshness, and the waits for
//! newer state.
//!
//! Nothing is cached here: every call reads the present state, or proves that it is the one that was read
//! ([`is_as_read`]). A read that decides about a fresh answer
//! comes after the freshness was evaluated ([`reading`]), never before.

use std::{pin::Pin, time::Duration};

use concordat_cluster::{
    consistency::Fate,
    machine::{
        locate::{Located, locate},
        query,
    },
    planted,
    raft::Freshness,
    store::StoreError,
};
use concordat_proto::{
    consistency::Position,
    id::{GroupId, OrgId},
    log::LogIndex,
};
use futures::future::select_all;
use tokio::time::Instant;

use super::freshness;
use crate::{auth::OrgPrincipal, node::Node};

/// Between two looks, however fast a group advances.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between two looks for a position that may be seen without its own group's entry: of a group that was closed, or
/// of an organization that moves.
const LOOK_BESIDE: Duration = Duration::from_millis(100);
/// Looks at an organization that moves while it is read. A move takes seconds; a read never sees two.
const LOOKS_MAX: usize = 3;

/// The newest record of an organization.
pub(crate) fn now(node: &Node, org: OrgId) -> Result<Option<Located>, StoreError> {
    let found = locate(node.state(), &node.home_groups(), org)?;
    Ok(found.map(|found| Located { is_closed: node.groups.is_closed(found.group), ..found }))
}

/// The same of one that has not ended.
pub(crate) fn living(node: &Node, org: OrgId) -> Result<Option<Located>, StoreError> {
    Ok(now(node, org)?.filter(|found| !found.home.is_ended()))
}

/// Whether what was read of an organization when its key was let in is its present state on this node.
pub(crate) fn is_as_read(node: &Node, org: &OrgPrincipal) -> bool {
    org.seen.is_some()
        && org.is_of(node.groups.stamp(org.id()), &node.home_groups())
        && !node.groups.is_closed(org.at.group)
}

/// The freshness of an organization's reads: that of its group's replica. If it is moving away and
/// its new home's record is not here, this node cannot know what was written there.
pub(crate) fn freshness(node: &Node, located: &Located) -> Result<Freshness, StoreError> {
    let fresh = node.groups.freshness(located.group);
    let is_settled = planted::on_settled(located.is_settled());
    if is_settled || fresh != Freshness::Current {
        return Ok(fresh);
    }
    Ok(freshness::at(fresh, query::applied(node.state(), located.group)?.log_time))
}

/// Reads an organization's records, with the freshness of the result; `None` when it has moved away
/// from here meanwhile.
///
/// Why it locates again: the first location may be older than the proof of freshness, which then
/// belongs to a group that has released the organization; and its records may be removed while they
/// are read. If the location after the read is the same as before the evaluation, in the same
/// epoch, it was there all the time.
pub(crate) fn read_consistently<T>(
    node: &Node,
    mut located: Located,
    read: impl Fn(&Located) -> T,
) -> Result<Option<(T, Freshness)>, StoreError> {
    let mut looks = 0;
    loop {
        let fresh = freshness(node, &located)?;
        let answer = read(&located);
        let Some(again) = now(node, located.home.org.id)? else { return Ok(None) };
        looks += 1;
        if again.is_same_epoch(&located) {
            return Ok(Some((answer, fresh)));
        }
        if looks >= LOOKS_MAX {
            let time = query::applied(node.state(), located.group)?.log_time;
            return Ok(Some((answer, freshness::at(fresh, time))));
        }
        located = again;
    }
}

/// Waits until the organization is settled in an epoch that is no lower than this; `None` when the
/// time is over, or the organization is not here at all.
pub(crate) async fn wait_until_writable(
    node: &Node,
    org: OrgId,
    epoch_min: u32,
    deadline: Instant,
) -> Result<Option<Located>, StoreError> {
    loop {
        let seen = applied_indexes(node);
        let found = now(node, org)?;
        let good = |it: &Located| it.is_settled() && it.home.org.epoch >= epoch_min;
        if let Some(found) = found.filter(good) {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        wait_for_progress(node, &seen, deadline).await;
    }
}

/// The result of a wait for a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It is seen from here.
    Reached,
    /// A failover does not have it: no read will ever see it.
    Lost,
    /// Not in time.
    TimedOut,
}

/// Waits until a read of the organization here sees the write at a position: its group's replica
/// has applied it, or the organization came here, through later homes, with all of it.
///
/// A replica of a closed group that has applied it proves nothing where the successor may have
/// another entry in its place.
pub(crate) async fn at_least(
    node: &Node,
    org: Option<OrgId>,
    position: Position,
    deadline: Instant,
) -> Result<Waited, StoreError> {
    loop {
        let fate = node.groups.fate(&position)?;
        let is_certain = match fate {
            Some(Fate::Lost) => return Ok(Waited::Lost),
            Some(Fate::Unknown) => false,
            Some(Fate::Kept) | None => true,
        };
        if is_certain && node.groups.applied(position.group) >= position.index {
            return Ok(Waited::Reached);
        }
        let is_kept = fate == Some(Fate::Kept);
        let contains = match org {
            // A former home released all of its entries up to that; later ones did not follow.
            Some(org) => now(node, org)?.is_some_and(|at| {
                at.home.contains_earlier(&position).is_some_and(|contains| contains || is_kept)
            }),
            None => is_kept && node.groups.has_local_successor(position.group)?,
        };
        if contains {
            return Ok(Waited::Reached);
        }
        if Instant::now() >= deadline {
            return Ok(Waited::TimedOut);
        }
        // The next wait may end at once, again and again: that of a group that is closed does.
        tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await;
        let until = deadline.min(Instant::now() + LOOK_BESIDE);
        if node.groups.applied(position.group) >= position.index {
            // Its fate is not known.
            tokio::time::sleep_until(until).await;
        } else {
            node.groups.wait_visible(position.group, position.index, until).await;
        }
    }
}

/// The applied indexes of the home groups' replicas here.
pub(crate) fn applied_indexes(node: &Node) -> Vec<(GroupId, LogIndex)> {
    // With the system group's state the home groups change.
    let groups = node.home_groups().into_iter().chain([GroupId::SYSTEM]);
    groups.map(|group| (group, node.groups.applied(group))).collect()
}

/// Waits until one of the groups has advanced beyond its noted index, or the deadline.
pub(crate) async fn wait_for_progress(
    node: &Node,
    seen: &[(GroupId, LogIndex)],
    deadline: Instant,
) {
    type Wait<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
    let waits: Vec<Wait<'_>> = seen
        .iter()
        .map(|(group, seen)| {
            let next = LogIndex(seen.0 + 1);
            Box::pin(node.groups.wait_visible(*group, next, deadline)) as Wait<'_>
        })
        .collect();
    tokio::time::sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await;
    if waits.is_empty() {
        return;
    }
    select_all(waits).await;
}

//! Where an organization stands, as this node's own replicas have it; how fresh that is; and the
//! waits for knowing better.
//!
//! Nothing is kept: every look is at the state as of now. A look that decides about an unmarked
//! answer comes after the freshness was judged ([`reading`]), never before.

use std::{pin::Pin, time::Duration};

use concordat_cluster::{
    consistency::Fate,
    machine::{
        locate::{Located, locate},
        query,
    },
    planted::{self, Bug},
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
use crate::node::Node;

/// Between two looks, however fast a group advances.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Looks at an organization that moves while it is read. A move takes seconds; a read never sees two.
const LOOKS_MAX: usize = 3;

/// The newest record of an organization.
pub(crate) fn now(node: &Node, org: OrgId) -> Result<Option<Located>, StoreError> {
    let found = locate(node.state(), &node.home_groups(), org)?;
    Ok(found.map(|found| Located { is_closed: node.groups.is_closed(found.group), ..found }))
}

/// How fresh reads of an organization are: as its group's replica. Where it was released and its new
/// home's record is not here, nobody here can tell what has been written there.
pub(crate) fn freshness(node: &Node, located: &Located) -> Result<Freshness, StoreError> {
    let fresh = node.groups.freshness(located.group);
    let is_settled = located.is_settled() || planted::is(Bug::ReleasedIsCurrent);
    if is_settled || fresh != Freshness::Current {
        return Ok(fresh);
    }
    Ok(freshness::at(fresh, query::applied(node.state(), located.group)?.log_time))
}

/// Reads an organization's records, with the freshness of what was read; `None` when it has gone from
/// here meanwhile.
///
/// Why the second look: the first one may be older than the proof of freshness, which then belongs to
/// a group that has let the organization go; and its records may be dropped while they are read. If it
/// is after the reading where it was before the judging, in the same epoch, it was there all the while.
pub(crate) fn reading<T>(
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
        if again.is_same_stay(&located) {
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
pub(crate) async fn settled(
    node: &Node,
    org: OrgId,
    epoch_min: u32,
    deadline: Instant,
) -> Result<Option<Located>, StoreError> {
    loop {
        let seen = seen(node);
        let found = now(node, org)?;
        let good = |it: &Located| it.is_settled() && it.home.org.epoch >= epoch_min;
        if let Some(found) = found.filter(good) {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        advance(node, &seen, deadline).await;
    }
}

/// How a wait for a position has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It is seen from here.
    Reached,
    /// A failover went on without it: nobody will ever see it.
    Lost,
    /// Not in time.
    TimedOut,
}

/// Waits until a read of the organization here sees what was written at a position: its group's
/// replica has applied it, or the organization came here, by way of later homes, with all of it.
///
/// That a replica of a closed group has applied it says nothing where the successor may have another
/// entry in its place.
pub(crate) async fn at_least(
    node: &Node,
    org: Option<OrgId>,
    position: Position,
    deadline: Instant,
) -> Result<Waited, StoreError> {
    loop {
        let seen = seen(node);
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
            // What a past home has let go of is all of it there; beyond that nothing of it followed.
            Some(org) => now(node, org)?.is_some_and(|at| {
                at.home.contains_earlier(&position).is_some_and(|contains| contains || is_kept)
            }),
            None => is_kept && node.groups.has_heir(position.group)?,
        };
        if contains {
            return Ok(Waited::Reached);
        }
        if Instant::now() >= deadline {
            return Ok(Waited::TimedOut);
        }
        advance(node, &seen, deadline).await;
    }
}

/// How far the home groups' replicas are here.
pub(crate) fn seen(node: &Node) -> Vec<(GroupId, LogIndex)> {
    // With the system group's state the home groups change.
    let groups = node.home_groups().into_iter().chain([GroupId::SYSTEM]);
    groups.map(|group| (group, node.groups.applied(group))).collect()
}

/// Waits until one of the groups has gone beyond what was seen of it, or the deadline.
pub(crate) async fn advance(node: &Node, seen: &[(GroupId, LogIndex)], deadline: Instant) {
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

//! Reads by an organization's key. The key is looked up again with what it reads, under the same proof of
//! freshness: the look that let the caller in may be old, since the request may have waited for its body, for
//! a position or for other regions.
//!
//! So a fresh answer to a key proves that the key was not revoked before the read began, and a key that was
//! revoked meanwhile is answered like an unknown one.

use concordat_cluster::{machine::locate::Located, raft::Freshness, store::StoreError};
use concordat_proto::id::WriteId;

use super::{
    freshness, locate,
    unavailable::{broken, unavailable},
};
use crate::{
    api::outcome::{Answer, Outcome, Unavailable},
    auth::OrgPrincipal,
    node::Node,
};

/// What a key reads, with the freshness of both.
///
/// `write` is the write whose receipt is asked for: the key that it has replaced opens that, too.
///
/// # Errors
/// The answer, when the key opens nothing any more, the organization is on its way, or the state cannot be
/// read.
pub(crate) fn read<T>(
    node: &Node,
    org: &OrgPrincipal,
    write: Option<WriteId>,
    read: impl Fn(&Located) -> Result<T, StoreError>,
) -> Result<(T, Freshness), Answer> {
    let as_read = read_as_before(node, org, write, &read);
    let as_read = as_read.map_err(|error| broken("reading an organization's records", &error))?;
    if let Some(found) = as_read {
        return Ok(found);
    }
    let with_key = |at: &Located| {
        let is_let_in = org.is_let_in(node.state(), at.group, write, node.now())?;
        if is_let_in { read(at).map(Some) } else { Ok(None) }
    };
    let found = match locate::now(node, org.id()) {
        Ok(Some(at)) => locate::read_consistently(node, at, with_key),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    match found {
        Ok(Some((Ok(Some(found)), fresh))) => Ok((found, fresh)),
        Ok(Some((Ok(None), fresh))) => Err(freshness::mark(Outcome::Unauthenticated, fresh)),
        // It has left, and has not arrived here yet: another node may know more.
        Ok(None) => {
            let fresh = freshness::for_not_found(node);
            Err(freshness::mark(unavailable(Unavailable::Moving), fresh))
        }
        Ok(Some((Err(error), _))) | Err(error) => {
            Err(broken("reading an organization's records", &error))
        }
    }
}

/// The same where nothing of the organization has changed since its key was let in: then that need not be
/// looked up again, nor where the organization is. None where something has changed, or did during the read.
fn read_as_before<T>(
    node: &Node,
    org: &OrgPrincipal,
    write: Option<WriteId>,
    read: impl Fn(&Located) -> Result<T, StoreError>,
) -> Result<Option<(T, Freshness)>, StoreError> {
    let is_open = org.replaced_by.is_none_or(|by| Some(by) == write) && !org.is_over(node.now());
    if !is_open {
        return Ok(None);
    }
    let fresh = locate::freshness(node, &org.at)?;
    if !locate::is_as_read(node, org) {
        return Ok(None);
    }
    let found = read(&org.at)?;
    Ok(locate::is_as_read(node, org).then_some((found, fresh)))
}

/// An answer after a wait, unless the key was revoked during it.
pub(crate) fn after_wait(
    node: &Node,
    org: &OrgPrincipal,
    write: Option<WriteId>,
    answer: Answer,
) -> Answer {
    match read(node, org, write, |_| Ok(())) {
        Ok(((), fresh)) => {
            let freshness = answer.freshness.map(|before| freshness::staler(before, fresh));
            Answer { freshness, ..answer }
        }
        Err(denied) if matches!(denied.outcome, Outcome::Unauthenticated) => denied,
        Err(_) => answer,
    }
}

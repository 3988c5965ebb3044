//! The rules of organisations: the claim of an id in the system group, then the beginning in the
//! home group.
//!
//! The home group never looks at the claim (it is another group's state): the claim is in the
//! command, and the same claim makes the same organisation however often it is proposed.

use concordat_proto::{
    id::OrgId,
    movement::HomeRecord,
    org::{Org, OrgSettings, RegionState},
    refusal::Refusal,
    reply::Reply,
};

use super::{
    query,
    turn::{Ruling, Turn},
};
use crate::store::keys;

/// Claims an id. A second claim is refused, unless it is a repeat of the first (which never comes
/// here: its write id or idempotency key is remembered).
pub(super) fn claim(turn: &mut Turn<'_>, org: &Org) -> Ruling {
    match query::region(turn.view(), &org.home_region)?.map(|record| record.state) {
        Some(RegionState::Open) => {}
        Some(RegionState::Leaving) => return Err(Refusal::RegionLeaving.into()),
        Some(RegionState::Removed) | None => return Err(Refusal::RegionNotFound.into()),
    }
    if query::claim(turn.view(), org.id)?.is_some() {
        return Err(Refusal::OrgExists.into());
    }
    turn.put(keys::org(turn.group, org.id), org);
    Ok(Reply::Org(Box::new(org.clone())))
}

/// Begins a claimed organisation with its first key. Only once: its first key may have died since,
/// and it may live elsewhere since.
pub(super) fn create(turn: &mut Turn<'_>, org: &Org) -> Ruling {
    let begun = match turn.home.clone() {
        Some(home) => begins(&home.org, org),
        None => match query::away(turn.view(), turn.group, org.id)? {
            Some(away) => away.to.is_some() && away.epoch > org.epoch,
            None => {
                turn.put(keys::org(turn.group, org.id), &HomeRecord::begun(org.clone()));
                turn.put(keys::api_key(turn.group, org.id, &org.first_key.hash), &org.first_key);
                true
            }
        },
    };
    if begun { Ok(Reply::Org(Box::new(org.clone()))) } else { Err(Refusal::OrgExists.into()) }
}

/// Whether an organisation has begun as this claim: moves change its epoch and home region only.
fn begins(present: &Org, claim: &Org) -> bool {
    let (epoch, home_region) = (present.epoch, present.home_region.clone());
    present.epoch >= claim.epoch && *present == Org { epoch, home_region, ..claim.clone() }
}

/// What an organisation sets for itself, in place of what it had set.
pub(super) fn set_settings(turn: &mut Turn<'_>, org: OrgId, settings: &OrgSettings) -> Ruling {
    if turn.home.is_none() {
        return Err(Refusal::OrgNotFound.into());
    }
    turn.put(keys::org_settings(turn.group, org), settings);
    Ok(Reply::Done)
}

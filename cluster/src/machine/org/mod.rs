//! The rules of organizations: the claim of an id in the system group, then the creation in the
//! home group.
//!
//! The home group never reads the claim (it is another group's state): the command contains it, and
//! the same claim makes the same organization however often it is proposed.

use concordat_proto::{
    id::OrgId,
    movement::HomeRecord,
    org::{Org, OrgSettings, RegionState},
    refusal::Refusal,
    registration::{Number, OrgProfile},
    reply::Reply,
    version,
};

pub mod end;
pub mod keys;
pub mod suborganization;

use crate::{
    machine::{
        entry::txn::{ApplyResult, ApplyTxn},
        query, registered,
    },
    store::{self, StoreError},
};

/// Claims an id. A second claim is refused, unless it is a repeat of the first (which never comes
/// here: its write id or idempotency key is remembered).
pub(super) fn claim(txn: &mut ApplyTxn<'_>, org: &Org) -> ApplyResult {
    match query::region(txn.view(), &org.home_region)?.map(|record| record.state) {
        Some(RegionState::Open) => {}
        Some(RegionState::Leaving) => return Err(Refusal::RegionLeaving.into()),
        Some(RegionState::Removed) | None => return Err(Refusal::RegionNotFound.into()),
    }
    if query::claim(txn.view(), org.id)?.is_some() || is_of_suborganization(txn, org.id)? {
        return Err(Refusal::OrgExists.into());
    }
    txn.put(store::keys::org(txn.group, org.id), org);
    Ok(Reply::Org(Box::new(org.clone())))
}

/// Whether an id is kept for suborganizations: from the level on that knows any.
fn is_of_suborganization(txn: &ApplyTxn<'_>, id: OrgId) -> Result<bool, StoreError> {
    let level = query::cluster(txn.view())?.map(|cluster| cluster.feature_level);
    Ok(level >= Some(version::LEVEL_OF_REGISTRATIONS) && id.is_of_suborganization())
}

/// Begins a claimed organization with its first key. Only once: its first key may have died since,
/// and it may live elsewhere since.
pub(super) fn create(txn: &mut ApplyTxn<'_>, org: &Org) -> ApplyResult {
    let begun = match txn.home.clone() {
        Some(home) => begins(&home.org, org),
        None => match query::away(txn.view(), txn.group, org.id)? {
            Some(away) => away.to.is_some() && away.epoch > org.epoch,
            None => {
                txn.put(store::keys::org(txn.group, org.id), &HomeRecord::begun(org.clone()));
                txn.put(
                    store::keys::api_key(txn.group, org.id, &org.first_key.hash),
                    &org.first_key,
                );
                give_number(txn, org.id)?;
                true
            }
        },
    };
    if begun { Ok(Reply::Org(Box::new(org.clone()))) } else { Err(Refusal::OrgExists.into()) }
}

/// A new organization's number, where all replicas of the group know profiles.
fn give_number(txn: &mut ApplyTxn<'_>, org: OrgId) -> Result<(), StoreError> {
    let level = query::feature_level(txn.view(), txn.group)?;
    if level >= version::LEVEL_OF_REGISTRATIONS {
        number_of(txn, org, None);
    }
    Ok(())
}

/// Gives a new organization the number of this entry.
fn number_of(txn: &mut ApplyTxn<'_>, org: OrgId, parent: Option<OrgId>) {
    let number = Number::given_by(txn.group, txn.index, txn.write_id);
    let profile = OrgProfile { number, parent, ..OrgProfile::of_earlier(org) };
    txn.put(store::keys::org_profile(txn.group, org), &profile);
    txn.put_bytes(store::keys::org_number(txn.group, number), org.to_bytes().to_vec());
}

/// Gives an organization an enterprise domain, in place of the one that it has. A domain belongs to
/// one organization; a repeat is answered like the first.
pub(super) fn claim_domain(txn: &mut ApplyTxn<'_>, org: OrgId, domain: &str) -> ApplyResult {
    // Suborganizations have no claim; that their node has asked is enough.
    let has_ended = query::claim(txn.view(), org)?.is_none_or(|claim| claim.is_ended());
    if has_ended && !org.is_of_suborganization() {
        return Err(Refusal::OrgNotFound.into());
    }
    if registered::domain_owner(txn.view(), domain)?.is_some_and(|owner| owner != org) {
        return Err(Refusal::DomainTaken.into());
    }
    if let Some(before) = registered::domain_of(txn.view(), org)? {
        txn.remove(store::keys::domain(&before));
    }
    txn.put_bytes(store::keys::domain(domain), org.to_bytes().to_vec());
    txn.put_bytes(store::keys::domain_of(org), domain.as_bytes().to_vec());
    Ok(Reply::Done)
}

/// Whether an organization was created from this claim: moves change only its epoch and home
/// region.
fn begins(present: &Org, claim: &Org) -> bool {
    let (epoch, home_region) = (present.epoch, present.home_region.clone());
    present.epoch >= claim.epoch && *present == Org { epoch, home_region, ..claim.clone() }
}

/// Replaces the settings that an organization has chosen.
pub(super) fn set_settings(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    settings: &OrgSettings,
) -> ApplyResult {
    if txn.home.is_none() {
        return Err(Refusal::OrgNotFound.into());
    }
    txn.put(store::keys::org_settings(txn.group, org), settings);
    Ok(Reply::Done)
}

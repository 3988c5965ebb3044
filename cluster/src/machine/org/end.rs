//! The rules of an organization's end: all its data goes, and its id is never used again.
//!
//! # The life of an end
//! 1. `EndOrg` in the home group, which is refused while the organization has suborganizations. From here on
//!    it has no data, takes no writes, and its record says that it has ended. The record stays: a late
//!    creation, import or move finds it.
//! 2. `EndClaim` in the system group, by the leader of the home group: the claim loses its data too, and the
//!    enterprise domain is free. Never before all regions have applied the first step: until then a failover
//!    may void it, and the organization lives on.
//! 3. `SettleEnd` in the home group: its leader need not look at it any more.
//!
//! What was answered to earlier writes is remembered for as long as before: a repeat of one is answered alike.
//! The secrets in these answers are sealed by the organization's data key, which is gone.
//!
//! The key that asked for the end keeps its record for a while, like a replaced one: its holder can read the
//! receipt of the end, and repeat it.

use concordat_proto::{
    id::{GroupId, KeyId, OrgId},
    key::{OrgKey, Replaced},
    limits,
    movement::{Ended, HomeRecord},
    org::Org,
    refusal::Refusal,
    reply::Reply,
};

use super::{keys as org_keys, suborganization};
use crate::{
    machine::{
        entry::txn::{ApplyResult, ApplyTxn},
        query, registered,
    },
    planted,
    store::{
        Reader, StoreError,
        keys::{self, Kind},
    },
};

/// Ends an organization. `by` is the key that asks for it; none is an operator's word.
pub(in crate::machine) fn end(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    by: Option<KeyId>,
) -> ApplyResult {
    let Some(home) = txn.home.clone() else { return Err(Refusal::OrgNotFound.into()) };
    if suborganization::has_any(txn.view(), txn.group, org)? {
        return Err(Refusal::HasSuborganizations.into());
    }
    suborganization::forget(txn, org)?;
    let known = org_keys::all(txn.view(), txn.group, org)?;
    for kind in (0..=u8::MAX).filter_map(Kind::from_u8).filter(|kind| !outlives(*kind)) {
        txn.clear(keys::kind_prefix(txn.group, org, kind));
    }
    if let Some(key) = known.into_iter().find(|known| Some(known.key.id) == by) {
        let until = txn.log_time.after(limits::REPLACED_KEY_LIFETIME);
        let replaced = Some(Replaced { by: txn.write_id, until });
        let at = keys::api_key(txn.group, org, &key.key.hash);
        txn.put_bytes(keys::expiry(txn.group, until, &at), Vec::new());
        txn.put(at, &OrgKey { label: None, replaced, ..key });
    }
    let ended = Some(Ended { by: txn.write_id, index: txn.index });
    let record = HomeRecord { org: home.org.without_data(), ended, ..(*home).clone() };
    txn.put(keys::org(txn.group, org), &record);
    txn.put_bytes(keys::ended(txn.group, org), Vec::new());
    Ok(Reply::Done)
}

/// Forgets that the claim is to end. A repeat is answered like the first.
pub(in crate::machine) fn settle(txn: &mut ApplyTxn<'_>, org: OrgId) -> ApplyResult {
    if planted::settles_end() {
        txn.remove(keys::ended(txn.group, org));
    }
    Ok(Reply::Done)
}

/// The organizations of a group that have ended and whose claims have not yet, in order of id; those after
/// `after`, at most `limit`.
///
/// # Errors
/// When the store is broken.
pub fn unsettled(
    reader: &dyn Reader,
    group: GroupId,
    after: Option<OrgId>,
    limit: usize,
) -> Result<Vec<OrgId>, StoreError> {
    let prefix = keys::kind_prefix(group, keys::NO_ORG, Kind::Ended);
    let after = after.map(|org| keys::ended(group, org));
    let pairs = reader.scan(&prefix, after.as_deref(), limit)?;
    let org = |key: &[u8]| Some(OrgId::from_bytes(keys::parse(key)?.name.try_into().ok()?));
    let broken = || StoreError::new("an end of no organization");
    pairs.iter().map(|(key, _)| org(key).ok_or_else(broken)).collect()
}

/// What stays of an organization that ends: its record, and the answers that are remembered.
const fn outlives(kind: Kind) -> bool {
    matches!(kind, Kind::Org | Kind::MovedWrite | Kind::IdempotencyKey | Kind::IdempotencyCount)
}

/// Ends the claim of an organization that has ended. A repeat is answered like the first.
pub(in crate::machine) fn end_claim(txn: &mut ApplyTxn<'_>, org: OrgId) -> ApplyResult {
    if let Some(domain) = registered::domain_of(txn.view(), org)? {
        txn.remove(keys::domain(&domain));
        txn.remove(keys::domain_of(org));
    }
    // A suborganization has none.
    if let Some(claim) = query::claim(txn.view(), org)? {
        let now = Ended { by: txn.write_id, index: txn.index };
        let ended = Some(claim.ended.unwrap_or(now));
        let org_record: Org = claim.org.without_data();
        txn.put(keys::org(txn.group, org), &HomeRecord { org: org_record, ended, ..claim });
    }
    Ok(Reply::Done)
}

#[cfg(test)]
#[path = "end_test.rs"]
mod tests;

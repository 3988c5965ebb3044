//! The rules of organizations' API keys: who is let in by one, and how keys are made and ended.
//!
//! # What always holds
//! - A key that has ended opens nothing, and no record of it comes back: ids and hashes are drawn anew
//!   for each key, and a known one is refused.
//! - An organization keeps at least one key with the right `admin` that does not expire. Otherwise no key
//!   could be made for it any more, at once or when the others have expired.
//! - A replaced key keeps its record for a while, so that its holder can read the receipt of the write
//!   that replaced it, and repeat that write. It authorizes nothing: a repeat is answered before the key
//!   is looked at.
//!
//! Records that are over are dropped by the next change of the organization's keys. Until then they are
//! dead all the same: every look at a key compares its times.

use concordat_proto::{
    id::{GroupId, KeyId, OrgId},
    key::{KeyChange, NewKey, OrgKey, Replaced},
    limits,
    org::{ApiKey, Rights},
    refusal::Refusal,
    reply::Reply,
    secret::Sealed,
};

use crate::{
    machine::{
        entry::txn::{ApplyResult, ApplyTxn},
        query, registration,
    },
    planted,
    store::{
        Reader, StoreError,
        keys::{self, Kind},
    },
};

/// All records of keys of an organization, in order of hash; those that are over and not dropped yet
/// among them.
///
/// # Errors
/// When the store is broken.
pub fn all(reader: &dyn Reader, group: GroupId, org: OrgId) -> Result<Vec<OrgKey>, StoreError> {
    let mut found = Vec::new();
    query::each(reader, &keys::kind_prefix(group, org, Kind::ApiKey), |key, value| {
        found.push(query::decode(key, value)?);
        Ok(())
    })?;
    Ok(found)
}

/// Whether an organization's key authorizes a write at this entry. Most have only their first one, which
/// is found without a search.
pub(in crate::machine) fn lives(
    txn: &ApplyTxn<'_>,
    org: OrgId,
    key: KeyId,
) -> Result<bool, StoreError> {
    let Some(home) = txn.home.clone() else { return Ok(false) };
    let is_it = |found: &OrgKey| found.key.id == key && found.lives(txn.log_time);
    let first_key = &home.org.first_key;
    if first_key.id == key {
        let found = query::api_key(txn.view(), txn.group, org, &first_key.hash)?;
        return Ok(found.is_some_and(|found| is_it(&found)));
    }
    Ok(all(txn.view(), txn.group, org)?.iter().any(is_it))
}

/// Carries a change out.
pub(in crate::machine) fn change(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    change: &KeyChange,
) -> ApplyResult {
    if txn.home.is_none() {
        return Err(Refusal::OrgNotFound.into());
    }
    let known = kept(txn, org)?;
    let reply = match change {
        KeyChange::Issue { key, label, expires_at, sealed } => {
            let living = known.iter().filter(|key| key.replaced.is_none()).count();
            if living >= limits::API_KEYS_MAX {
                return Err(Refusal::KeysFull.into());
            }
            let (label, expires_at) = (label.clone(), *expires_at);
            let new = OrgKey { label, expires_at, ..OrgKey::plain(key.clone()) };
            make(txn, org, &known, new, sealed)?
        }
        KeyChange::Revoke(id) => {
            let found = known.iter().find(|known| known.key.id == *id);
            let found = found.ok_or(Refusal::KeyNotFound)?;
            let is_kept = |other: &OrgKey| other.key.id != *id && is_lasting_admin(other);
            if is_lasting_admin(found) && !known.iter().any(is_kept) {
                return Err(Refusal::LastAdminKey.into());
            }
            txn.remove(keys::api_key(txn.group, org, &found.key.hash));
            Reply::Done
        }
        KeyChange::Rotate { replaces, id, hash, sealed } => {
            let found = known.iter().find(|known| known.key.id == *replaces);
            let found = found.filter(|found| found.lives(txn.log_time));
            let old = found.ok_or(Refusal::KeyRevoked)?;
            let replaced = known.iter().filter(|key| key.replaced.is_some()).count();
            if replaced >= limits::API_KEYS_MAX {
                return Err(Refusal::KeysFull.into());
            }
            let key = ApiKey { id: *id, hash: *hash, rights: old.key.rights };
            let new = OrgKey { key, ..old.clone() };
            let reply = make(txn, org, &known, new, sealed)?;
            let until = txn.log_time.after(limits::REPLACED_KEY_LIFETIME);
            let replaced = Some(Replaced { by: txn.write_id, until });
            let old = OrgKey { replaced: planted::on_replaced(replaced), ..old.clone() };
            txn.put(keys::api_key(txn.group, org, &old.key.hash), &old);
            reply
        }
    };
    registration::count_write(txn, org)?;
    Ok(reply)
}

/// The organization's keys, without those that are over: their records go.
fn kept(txn: &mut ApplyTxn<'_>, org: OrgId) -> Result<Vec<OrgKey>, StoreError> {
    let (over, kept): (Vec<_>, Vec<_>) = all(txn.view(), txn.group, org)?
        .into_iter()
        .partition(|key: &OrgKey| key.is_over(txn.log_time));
    for key in over {
        txn.remove(keys::api_key(txn.group, org, &key.key.hash));
    }
    Ok(kept)
}

fn make(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    known: &[OrgKey],
    new: OrgKey,
    sealed: &Sealed,
) -> ApplyResult {
    let is_same = |other: &OrgKey| other.key.id == new.key.id || other.key.hash == new.key.hash;
    if known.iter().any(is_same) {
        return Err(Refusal::KeyExists.into());
    }
    let key = OrgKey { created_at: Some(txn.log_time), ..new };
    txn.put(keys::api_key(txn.group, org, &key.key.hash), &key);
    Ok(Reply::Key(Box::new(NewKey { key, sealed: sealed.clone() })))
}

fn is_lasting_admin(key: &OrgKey) -> bool {
    key.replaced.is_none() && key.expires_at.is_none() && key.key.rights.contain(Rights::ADMIN)
}

#[cfg(test)]
#[path = "keys_test.rs"]
mod tests;

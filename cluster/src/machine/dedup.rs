//! Deduplication: remembered writes and idempotency keys, and their expiry.
//!
//! A write id is remembered until its `not_after` has passed (after that it would be refused as
//! expired), and longer when an idempotency key refers to it. An idempotency key is remembered for
//! its requested lifetime, unless the result was a refusal that must not be remembered. Nothing is
//! dropped early.
//!
//! # Expiry
//! Each record has exactly one entry of [`Kind::Expiry`], in order of time. An entry that advances
//! log time processes at most [`limits::FORGET_PER_ENTRY_MAX`] of those that are due. New records
//! expire at the present log time or later, due ones before it: so all entries up to the last
//! processed one are removed for good, and the next search begins behind it. An organization's
//! records are removed with it, all at once; the expiry entries that are left then remove nothing:
//! they compare the time of the record that they find with their own.

use concordat_proto::{
    command::{Command, Idempotency, Proposal},
    id::{GroupId, KeyId, OrgId, WriteId},
    limits,
    org::ApiKey,
    record::{KeyRecord, WriteRecord},
    refusal::Refusal,
    reply::Applied,
    time::LogTime,
};

use super::{
    entry::txn::{ApplyError, ApplyTxn},
    org::keys as org_keys,
    query,
};
use crate::{
    planted,
    store::{
        Reader, StoreError,
        keys::{self, Kind},
    },
};

/// The remembered answer to this write id. One that is due but not yet forgotten still answers.
pub(super) fn remembered_write(txn: &ApplyTxn<'_>) -> Result<Option<Applied>, StoreError> {
    let home = txn.home.as_deref();
    let record = query::remembered(txn.view(), txn.group, home, txn.write_id)?;
    Ok(planted::on_remembered_write(record).map(|record| record.applied))
}

/// The remembered answer to this proposal's idempotency key: the first one's, or that it was
/// another request. A record that is due counts as forgotten.
pub(super) fn remembered_key(
    txn: &ApplyTxn<'_>,
    proposal: &Proposal,
) -> Result<Option<Applied>, StoreError> {
    let Some(idempotency) = &proposal.idempotency else { return Ok(None) };
    let record: Option<KeyRecord> = txn.load(&record_key(txn.group, proposal, idempotency))?;
    Ok(planted::on_remembered_key(record).filter(|record| record.expires >= txn.log_time).map(
        |record| {
            if record.digest == idempotency.digest {
                match &txn.home {
                    Some(home) => query::seen_from(record.applied, home),
                    None => record.applied,
                }
            } else {
                txn.answer(Err(Refusal::IdempotencyKeyReused))
            }
        },
    ))
}

/// Refuses when the key that authorized the proposal lives no longer: at this entry's log time.
pub(super) fn require_alive(txn: &ApplyTxn<'_>, proposal: &Proposal) -> Result<(), ApplyError> {
    let Some(key) = proposal.authorized_by else { return Ok(()) };
    let alive = match proposal.command.org() {
        Some(org) if txn.group != GroupId::SYSTEM => org_keys::lives(txn, org, key)?,
        Some(_) | None => {
            let prefix = keys::kind_prefix(GroupId::SYSTEM, keys::NO_ORG, Kind::OperatorKey);
            txn.group == GroupId::SYSTEM && any_key(txn, &prefix, key)?
        }
    };
    if alive { Ok(()) } else { Err(Refusal::KeyRevoked.into()) }
}

fn any_key(txn: &ApplyTxn<'_>, prefix: &[u8], key: KeyId) -> Result<bool, StoreError> {
    let mut found = false;
    query::each(txn.view(), prefix, |_, value| {
        let record: ApiKey = query::decode(prefix, value)?;
        found |= record.id == key;
        Ok(())
    })?;
    Ok(found)
}

/// Refuses when the organization remembers as many idempotency keys as it may.
pub(super) fn require_room(txn: &ApplyTxn<'_>, proposal: &Proposal) -> Result<(), ApplyError> {
    let Some(idempotency) = &proposal.idempotency else { return Ok(()) };
    let scope = scope(txn.group, proposal);
    // An operator's write does not need room among the organization's own keys.
    if count(txn, scope)? < limits::IDEMPOTENCY_KEYS_MAX || proposal.command.is_operators() {
        return Ok(());
    }
    // One that is due but not yet forgotten is taken over, without need for room.
    match txn.view().get(&record_key(txn.group, proposal, idempotency))? {
        Some(_) => Ok(()),
        None => Err(Refusal::IdempotencyKeysFull.into()),
    }
}

/// Remembers the result of a proposal, under its write id and its idempotency key.
pub(super) fn remember(
    txn: &mut ApplyTxn<'_>,
    proposal: &Proposal,
    applied: &Applied,
) -> Result<(), StoreError> {
    let sticks = may_hold_a_key(txn, proposal, applied)
        && match &applied.outcome {
            Ok(_) => true,
            Err(refusal) => refusal.remembered(),
        };
    let mut expires = proposal.not_after;
    if let Some(idempotency) = proposal.idempotency.as_ref().filter(|_| sticks) {
        let key_expires = txn.log_time.after(idempotency.lifetime);
        expires = expires.max(key_expires);
        remember_key(txn, proposal, idempotency, key_expires, applied)?;
    }
    remember_write(txn, proposal.command.asked_by(), expires, applied);
    Ok(())
}

/// Whether a key may be added to the organization's own. A step of a move finds the organization
/// elsewhere, or frozen: then no record that moves with it, or has moved, may change any more.
fn may_hold_a_key(txn: &ApplyTxn<'_>, proposal: &Proposal, applied: &Applied) -> bool {
    if !proposal.command.is_of_a_move() {
        return true;
    }
    let is_restored =
        matches!(proposal.command, Command::MoveAbort { .. }) && applied.outcome.is_ok();
    txn.home.as_ref().is_some_and(|home| home.release.is_none() || is_restored)
}

/// Remembers an answer under the write id alone.
pub(super) fn remember_write(
    txn: &mut ApplyTxn<'_>,
    org: Option<OrgId>,
    expires: LogTime,
    applied: &Applied,
) {
    let key = keys::write(txn.group, txn.write_id);
    txn.put_bytes(keys::expiry(txn.group, expires, &key), Vec::new());
    txn.put(key, &WriteRecord { expires, org, applied: applied.clone() });
}

fn remember_key(
    txn: &mut ApplyTxn<'_>,
    proposal: &Proposal,
    idempotency: &Idempotency,
    expires: LogTime,
    applied: &Applied,
) -> Result<(), StoreError> {
    let scope = scope(txn.group, proposal);
    let key = record_key(txn.group, proposal, idempotency);
    match txn.load::<KeyRecord>(&key)? {
        // It is due, or it would have answered: taken over with its place in the count.
        Some(old) => txn.remove(keys::expiry(txn.group, old.expires, &key)),
        None => set_count(txn, scope, count(txn, scope)?.saturating_add(1)),
    }
    txn.put_bytes(keys::expiry(txn.group, expires, &key), Vec::new());
    let record = KeyRecord {
        expires,
        digest: idempotency.digest,
        write_id: applied.write_id,
        applied: applied.clone(),
    };
    txn.put(key, &record);
    Ok(())
}

/// Removes due records, a bounded number at a time.
pub(super) fn forget(txn: &mut ApplyTxn<'_>) -> Result<(), StoreError> {
    let prefix = keys::kind_prefix(txn.group, keys::NO_ORG, Kind::Expiry);
    let begin = txn.view().get(&keys::forgotten(txn.group))?;
    let found = txn.view().scan(&prefix, begin.as_deref(), limits::FORGET_PER_ENTRY_MAX)?;
    let mut newest = None;
    for (entry, _) in found {
        let (expires, target) = keys::parse_expiry(&entry)
            .ok_or_else(|| StoreError::new("an expiry cannot be read"))?;
        if planted::on_not_due(expires >= txn.log_time) {
            break;
        }
        forget_one(txn, expires, target)?;
        txn.remove(entry.clone());
        newest = Some(entry);
    }
    if let Some(newest) = newest {
        txn.put_bytes(keys::forgotten(txn.group), newest);
    }
    Ok(())
}

fn forget_one(txn: &mut ApplyTxn<'_>, due: LogTime, target: &[u8]) -> Result<(), StoreError> {
    let parsed = keys::parse(target).ok_or_else(|| StoreError::new("an expiry of nothing"))?;
    if parsed.kind == Kind::IdempotencyKey {
        let record: Option<KeyRecord> = txn.load(target)?;
        if record.is_none_or(|record| record.expires != due) {
            return Ok(());
        }
        let left = count(txn, parsed.org)?.saturating_sub(1);
        set_count(txn, parsed.org, left);
    } else if parsed.kind == Kind::MovedWrite {
        let record: Option<WriteRecord> = txn.load(target)?;
        if record.is_none_or(|record| record.expires != due) {
            return Ok(());
        }
    }
    txn.remove(target.to_vec());
    Ok(())
}

/// Imports a remembered write of an earlier home, unless it is due here already.
pub(super) fn import_write(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    write_id: WriteId,
    record: &WriteRecord,
) {
    if record.expires >= txn.log_time {
        let key = keys::moved_write(txn.group, org, write_id);
        txn.put_bytes(keys::expiry(txn.group, record.expires, &key), Vec::new());
        txn.put(key, record);
    }
}

/// Takes over an idempotency key that an earlier home remembered, unless it is due here already.
pub(super) fn import_key(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    text: &str,
    record: &KeyRecord,
) -> Result<(), StoreError> {
    let key = keys::idempotency_key(txn.group, org, text);
    if record.expires < txn.log_time || txn.view().get(&key)?.is_some() {
        return Ok(());
    }
    txn.put_bytes(keys::expiry(txn.group, record.expires, &key), Vec::new());
    txn.put(key, record);
    set_count(txn, org, count(txn, org)?.saturating_add(1));
    Ok(())
}

/// The scope of an idempotency key. In the system group all are the operators': a repeat of the
/// request that creates an organization may have another id for it.
fn scope(group: GroupId, proposal: &Proposal) -> OrgId {
    match proposal.command.org() {
        Some(org) if group != GroupId::SYSTEM => org,
        Some(_) | None => keys::NO_ORG,
    }
}

fn record_key(group: GroupId, proposal: &Proposal, idempotency: &Idempotency) -> Vec<u8> {
    keys::idempotency_key(group, scope(group, proposal), &idempotency.key)
}

fn count(txn: &ApplyTxn<'_>, org: OrgId) -> Result<u64, StoreError> {
    query::idempotency_keys(txn.view(), txn.group, org)
}

fn set_count(txn: &mut ApplyTxn<'_>, org: OrgId, count: u64) {
    let key = keys::idempotency_count(txn.group, org);
    if count == 0 {
        txn.remove(key);
    } else {
        txn.put(key, &count);
    }
}

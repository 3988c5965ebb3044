//! Exactly once: remembered writes and idempotency keys, and how they are forgotten.
//!
//! A write id is remembered until its `not_after` has passed (after that it would be refused as
//! expired), and longer when an idempotency key leads to it. An idempotency key is remembered for
//! as long as it asked for, unless the answer was a no that must not stick. Nothing is dropped early.
//!
//! # Forgetting
//! Each record has exactly one entry of [`Kind::Expiry`], in order of time. An entry that moves log
//! time on works off at most [`limits::FORGET_PER_ENTRY_MAX`] of those that are due. New records
//! expire at the present log time or later, due ones before it: so all entries up to the one worked
//! off last are gone for good, and the next search begins behind it. What belongs to an organisation
//! goes with it, all at once; the entries that are left behind then forget nothing: they compare the
//! time of what they find with their own.

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
    query,
    turn::{Halt, Turn},
};
use crate::planted::{self, Bug};
use crate::store::{
    Reader, StoreError,
    keys::{self, Kind},
};

/// The remembered answer to this write id. One that is due but not yet forgotten still answers.
pub(super) fn remembered_write(turn: &Turn<'_>) -> Result<Option<Applied>, StoreError> {
    if planted::is(Bug::RetryAppliedTwice) {
        return Ok(None);
    }
    let home = turn.home.as_deref();
    let record = query::remembered(turn.view(), turn.group, home, turn.write_id)?;
    Ok(record.map(|record| record.applied))
}

/// The remembered answer to this proposal's idempotency key: the first one's, or that it was
/// another request. A record that is due counts as forgotten.
pub(super) fn remembered_key(
    turn: &Turn<'_>,
    proposal: &Proposal,
) -> Result<Option<Applied>, StoreError> {
    let Some(idempotency) = &proposal.idempotency else { return Ok(None) };
    if planted::is(Bug::KeyForgotten) {
        return Ok(None);
    }
    let record: Option<KeyRecord> = turn.load(&record_key(turn.group, proposal, idempotency))?;
    Ok(record.filter(|record| record.expires >= turn.log_time).map(|record| {
        if record.digest == idempotency.digest {
            match &turn.home {
                Some(home) => query::seen_from(record.applied, home),
                None => record.applied,
            }
        } else {
            turn.answer(Err(Refusal::IdempotencyKeyReused))
        }
    }))
}

/// Refuses when the key that authorised the proposal lives no longer.
pub(super) fn require_alive(turn: &Turn<'_>, proposal: &Proposal) -> Result<(), Halt> {
    let Some(key) = proposal.authorised_by else { return Ok(()) };
    let alive = match proposal.command.org() {
        Some(org) if turn.group != GroupId::SYSTEM => org_key_lives(turn, org, key)?,
        Some(_) | None => {
            let prefix = keys::kind_prefix(GroupId::SYSTEM, keys::NO_ORG, Kind::OperatorKey);
            turn.group == GroupId::SYSTEM && any_key(turn, &prefix, key)?
        }
    };
    if alive { Ok(()) } else { Err(Refusal::KeyRevoked.into()) }
}

/// Whether an organisation's key lives. Most have but their first one, which is found without a
/// search.
fn org_key_lives(turn: &Turn<'_>, org: OrgId, key: KeyId) -> Result<bool, StoreError> {
    let Some(home) = turn.home.clone() else { return Ok(false) };
    let first_key = &home.org.first_key;
    if first_key.id == key {
        let found = query::api_key(turn.view(), turn.group, org, &first_key.hash)?;
        return Ok(found.is_some_and(|found| found.id == key));
    }
    any_key(turn, &keys::kind_prefix(turn.group, org, Kind::ApiKey), key)
}

fn any_key(turn: &Turn<'_>, prefix: &[u8], key: KeyId) -> Result<bool, StoreError> {
    let mut found = false;
    query::each(turn.view(), prefix, |_, value| {
        let record: ApiKey = query::decode(prefix, value)?;
        found |= record.id == key;
        Ok(())
    })?;
    Ok(found)
}

/// Refuses when the organisation remembers as many idempotency keys as it may.
pub(super) fn require_room(turn: &Turn<'_>, proposal: &Proposal) -> Result<(), Halt> {
    let Some(idempotency) = &proposal.idempotency else { return Ok(()) };
    let scope = scope(turn.group, proposal);
    // An operator's word does not wait for room among the organisation's own keys.
    if count(turn, scope)? < limits::IDEMPOTENCY_KEYS_MAX || proposal.command.is_operators() {
        return Ok(());
    }
    // One that is due but not yet forgotten is taken over, without need for room.
    match turn.view().get(&record_key(turn.group, proposal, idempotency))? {
        Some(_) => Ok(()),
        None => Err(Refusal::IdempotencyKeysFull.into()),
    }
}

/// Remembers what became of a proposal, under its write id and its idempotency key.
pub(super) fn remember(
    turn: &mut Turn<'_>,
    proposal: &Proposal,
    applied: &Applied,
) -> Result<(), StoreError> {
    let sticks = may_hold_a_key(turn, proposal, applied)
        && match &applied.outcome {
            Ok(_) => true,
            Err(refusal) => refusal.remembered(),
        };
    let mut expires = proposal.not_after;
    if let Some(idempotency) = proposal.idempotency.as_ref().filter(|_| sticks) {
        let key_expires = turn.log_time.after(idempotency.lifetime);
        expires = expires.max(key_expires);
        remember_key(turn, proposal, idempotency, key_expires, applied)?;
    }
    remember_write(turn, proposal.command.asked_by(), expires, applied);
    Ok(())
}

/// Whether a key may be noted with the organisation's own. A step of a move finds it elsewhere, or let
/// go: then nothing that is to go along, or has come along, may change any more.
fn may_hold_a_key(turn: &Turn<'_>, proposal: &Proposal, applied: &Applied) -> bool {
    if !proposal.command.is_of_a_move() {
        return true;
    }
    let is_restored =
        matches!(proposal.command, Command::Restore { .. }) && applied.outcome.is_ok();
    turn.home.as_ref().is_some_and(|home| home.release.is_none() || is_restored)
}

/// Remembers an answer under the write id alone.
pub(super) fn remember_write(
    turn: &mut Turn<'_>,
    org: Option<OrgId>,
    expires: LogTime,
    applied: &Applied,
) {
    let key = keys::write(turn.group, turn.write_id);
    turn.put_bytes(keys::expiry(turn.group, expires, &key), Vec::new());
    turn.put(key, &WriteRecord { expires, org, applied: applied.clone() });
}

fn remember_key(
    turn: &mut Turn<'_>,
    proposal: &Proposal,
    idempotency: &Idempotency,
    expires: LogTime,
    applied: &Applied,
) -> Result<(), StoreError> {
    let scope = scope(turn.group, proposal);
    let key = record_key(turn.group, proposal, idempotency);
    match turn.load::<KeyRecord>(&key)? {
        // It is due, or it would have answered: taken over with its place in the count.
        Some(old) => turn.remove(keys::expiry(turn.group, old.expires, &key)),
        None => set_count(turn, scope, count(turn, scope)?.saturating_add(1)),
    }
    turn.put_bytes(keys::expiry(turn.group, expires, &key), Vec::new());
    let record = KeyRecord {
        expires,
        digest: idempotency.digest,
        write_id: applied.write_id,
        applied: applied.clone(),
    };
    turn.put(key, &record);
    Ok(())
}

/// Forgets what is due, a bounded number at a time.
pub(super) fn forget(turn: &mut Turn<'_>) -> Result<(), StoreError> {
    let prefix = keys::kind_prefix(turn.group, keys::NO_ORG, Kind::Expiry);
    let begin = turn.view().get(&keys::forgotten(turn.group))?;
    let found = turn.view().scan(&prefix, begin.as_deref(), limits::FORGET_PER_ENTRY_MAX)?;
    let mut newest = None;
    for (entry, _) in found {
        let (expires, target) = keys::parse_expiry(&entry)
            .ok_or_else(|| StoreError::new("an expiry cannot be read"))?;
        if expires >= turn.log_time {
            break;
        }
        forget_one(turn, expires, target)?;
        turn.remove(entry.clone());
        newest = Some(entry);
    }
    if let Some(newest) = newest {
        turn.put_bytes(keys::forgotten(turn.group), newest);
    }
    Ok(())
}

fn forget_one(turn: &mut Turn<'_>, due: LogTime, target: &[u8]) -> Result<(), StoreError> {
    let parsed = keys::parse(target).ok_or_else(|| StoreError::new("an expiry of nothing"))?;
    if parsed.kind == Kind::IdempotencyKey {
        let record: Option<KeyRecord> = turn.load(target)?;
        if record.is_none_or(|record| record.expires != due) {
            return Ok(());
        }
        let left = count(turn, parsed.org)?.saturating_sub(1);
        set_count(turn, parsed.org, left);
    } else if parsed.kind == Kind::MovedWrite {
        let record: Option<WriteRecord> = turn.load(target)?;
        if record.is_none_or(|record| record.expires != due) {
            return Ok(());
        }
    }
    turn.remove(target.to_vec());
    Ok(())
}

/// Takes over what an earlier home remembered, unless it is due here already.
pub(super) fn import_write(
    turn: &mut Turn<'_>,
    org: OrgId,
    write_id: WriteId,
    record: &WriteRecord,
) {
    if record.expires >= turn.log_time {
        let key = keys::moved_write(turn.group, org, write_id);
        turn.put_bytes(keys::expiry(turn.group, record.expires, &key), Vec::new());
        turn.put(key, record);
    }
}

/// Takes over an idempotency key that an earlier home remembered, unless it is due here already.
pub(super) fn import_key(
    turn: &mut Turn<'_>,
    org: OrgId,
    text: &str,
    record: &KeyRecord,
) -> Result<(), StoreError> {
    let key = keys::idempotency_key(turn.group, org, text);
    if record.expires < turn.log_time || turn.view().get(&key)?.is_some() {
        return Ok(());
    }
    turn.put_bytes(keys::expiry(turn.group, record.expires, &key), Vec::new());
    turn.put(key, record);
    set_count(turn, org, count(turn, org)?.saturating_add(1));
    Ok(())
}

/// Whose idempotency keys they are. In the system group all are the operators': a repeat of the
/// request that makes an organisation may bring another id for it.
fn scope(group: GroupId, proposal: &Proposal) -> OrgId {
    match proposal.command.org() {
        Some(org) if group != GroupId::SYSTEM => org,
        Some(_) | None => keys::NO_ORG,
    }
}

fn record_key(group: GroupId, proposal: &Proposal, idempotency: &Idempotency) -> Vec<u8> {
    keys::idempotency_key(group, scope(group, proposal), &idempotency.key)
}

fn count(turn: &Turn<'_>, org: OrgId) -> Result<u64, StoreError> {
    query::idempotency_keys(turn.view(), turn.group, org)
}

fn set_count(turn: &mut Turn<'_>, org: OrgId, count: u64) {
    let key = keys::idempotency_count(turn.group, org);
    if count == 0 {
        turn.remove(key);
    } else {
        turn.put(key, &count);
    }
}

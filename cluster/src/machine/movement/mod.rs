//! The rules of an organization's move from one home group to another.
//!
//! Goal: one total order of its writes, and no write is lost, doubled or resurrected. Two logs are
//! involved that do not know each other. Their leaders die, and steps arrive in them late, twice
//! and out of order. Each rule here reads its own group's state alone. The proposer
//! (`raft/org_move/drive.rs`) checks the conditions that concern the other group, and each of these
//! is a fact that never becomes false again.
//!
//! # The life of a move of epoch `e` from group A to group B
//! 1. `MoveFreeze{to B, e+1}` in A freezes the organization: all later writes of it are refused with
//!    [`Refusal::Moved`], without a record, so that they may be retried elsewhere under their
//!    names.
//! 2. `ImportBegin`, `ImportChunk`… in B, by B's leader from its node's replica of A. There nothing of
//!    the organization changes any more, except that remembered writes expire. The import is
//!    invisible.
//! 3. `MoveCommit{e+1}` in A, by A's leader when it sees that B has all parts. From here on the move
//!    cannot be aborted.
//! 4. `ImportFinish` in B, by B's leader when it sees step 3 and no replica can hold a lease of A from
//!    before the freeze any more. From here on B orders the writes.
//! 5. `MoveCleanup{e+1}` in A, when all replicas have applied the `ImportFinish`.
//!
//! # Why there is a commit step
//! `MoveAbort{e+2}` in A aborts a move while B has no quorum. Whether B has finished its import
//! cannot be known without B. So the decision is made where both can be ordered: in A's log. The
//! first of `MoveCommit` and `MoveAbort` there makes the other one a refusal; and an `ImportFinish` is
//! proposed only by a node that has applied the `MoveCommit`. So a restored organization can never be
//! imported in the aborted epoch. The price is one round trip between the regions. Rejected
//! alternatives: to abort "when B does not answer" (it may have finished and continue alone), or by
//! time.
//!
//! # Epochs
//! Only a higher epoch than any that a group ever held or released is imported there, and a group
//! never forgets that epoch ([`MovedAwayRecord`]). So a late `ImportBegin`, `CreateOrg` or `MoveFreeze`
//! changes nothing. Parts and the end name the attempt (the write id of its `ImportBegin`): those of
//! a deposed leader match no other attempt. A new attempt drops the parts of an older one.
//!
//! # Exactly once
//! Remembered writes and idempotency keys move with the organization. Records that the old home has
//! expired by then were due by its log time ([`Arrival::dedup_horizon`]). The clocks of two groups may
//! differ, so the new home refuses as expired every write that had to be applied before that time,
//! and so do all homes after it.

pub mod export;
#[cfg(test)]
mod model;
#[cfg(test)]
mod movement_test;
pub mod slots;
pub mod steps;
pub mod sweep;
#[cfg(test)]
mod world;

use concordat_proto::{
    command::{Command, Proposal, RequestDigest},
    id::{GroupId, OrgId, WriteId},
    limits,
    movement::{Arrival, HomeRecord, Import, MovedAwayRecord, MovedRecord, PreviousHome, Release},
    org::Org,
    refusal::Refusal,
    reply::Reply,
    time::LogTime,
    wire::Wire,
};
use sha2::{Digest as _, Sha256};

use super::{
    dedup,
    entry::txn::{ApplyResult, ApplyTxn},
    query, registered, resource,
};
use crate::{
    planted,
    store::{StoreError, keys},
};

/// Why a write is not carried out here now: its organization is elsewhere, on its way, or the write
/// is so old that it may have been carried out and forgotten in an earlier home.
pub(super) fn refuse_elsewhere(
    txn: &ApplyTxn<'_>,
    proposal: &Proposal,
) -> Result<Option<Refusal>, StoreError> {
    let command = &proposal.command;
    let org = match command.owner() {
        Some(org) if txn.group != GroupId::SYSTEM => org,
        Some(_) | None => return Ok(None),
    };
    // The beginning of one that has moved is answered by its own rule.
    if matches!(command, Command::CreateOrg(_)) {
        return Ok(None);
    }
    let Some(home) = &txn.home else { return refuse_away(txn, org) };
    if let Some(Release { to, epoch, .. }) = planted::on_release(home.release) {
        return Ok(Some(Refusal::Moved { to, epoch }));
    }
    let dedup_horizon = home.arrival.as_ref().map(|arrival| arrival.dedup_horizon);
    Ok((dedup_horizon > Some(proposal.not_after)).then_some(Refusal::Expired))
}

fn refuse_away(txn: &ApplyTxn<'_>, org: OrgId) -> Result<Option<Refusal>, StoreError> {
    let away = query::away(txn.view(), txn.group, org)?;
    Ok(away.and_then(|away| match (away.import, away.to) {
        (Some(import), _) => Some(Refusal::Moving { epoch: import.org.epoch }),
        (None, Some(to)) => Some(Refusal::Moved { to, epoch: away.epoch }),
        (None, None) => None,
    }))
}

/// Lets an organization go. A repeat is answered like the first.
pub(super) fn freeze(txn: &mut ApplyTxn<'_>, org: OrgId, to: GroupId, epoch: u32) -> ApplyResult {
    let Some(home) = txn.home.clone() else {
        return Err(refuse_away(txn, org)?.unwrap_or(Refusal::OrgNotFound).into());
    };
    match home.release {
        Some(release) if (release.to, release.epoch) == (to, epoch) => return Ok(Reply::Done),
        Some(Release { to, epoch, .. }) => return Err(Refusal::Moved { to, epoch }.into()),
        None => {}
    }
    if to == txn.group || to == GroupId::SYSTEM || home.org.epoch.checked_add(1) != Some(epoch) {
        return Err(Refusal::StaleMove.into());
    }
    let release = Some(Release { to, epoch, index: txn.index, handed_over: false });
    txn.put(keys::org(txn.group, org), &HomeRecord { release, ..(*home).clone() });
    txn.put_bytes(keys::on_move(txn.group, org), Vec::new());
    Ok(Reply::Done)
}

/// Gives the right to restore up.
pub(super) fn commit(txn: &mut ApplyTxn<'_>, epoch: u32) -> ApplyResult {
    let Some(home) = txn.home.clone() else { return Err(Refusal::StaleMove.into()) };
    let Some(release) = home.release.filter(|release| release.epoch == epoch) else {
        return Err(Refusal::StaleMove.into());
    };
    let release = Some(Release { handed_over: true, ..release });
    txn.put(keys::org(txn.group, home.org.id), &HomeRecord { release, ..(*home).clone() });
    Ok(Reply::Done)
}

/// Takes a released organization back. A repeat is answered like the first.
pub(super) fn abort(txn: &mut ApplyTxn<'_>, org: OrgId, epoch: u32) -> ApplyResult {
    let Some(home) = txn.home.clone() else {
        let away = query::away(txn.view(), txn.group, org)?;
        let went = away.is_some_and(|away| away.to.is_some());
        return Err(if went { Refusal::HandedOver } else { Refusal::OrgNotFound }.into());
    };
    let Some(release) = home.release else {
        let is_repeat = home.org.epoch == epoch && home.arrival.is_some();
        return if is_repeat { Ok(Reply::Done) } else { Err(Refusal::NotReleased.into()) };
    };
    if release.handed_over {
        return Err(Refusal::HandedOver.into());
    }
    if release.epoch.checked_add(1) != Some(epoch) {
        return Err(Refusal::StaleMove.into());
    }
    let dedup_horizon =
        home.arrival.as_ref().map_or(LogTime::default(), |arrival| arrival.dedup_horizon);
    let arrival = Arrival { index: txn.index, dedup_horizon, past: past_of(txn.group, &home) };
    let org_record = Org { epoch, ..home.org.clone() };
    let restored =
        HomeRecord { org: org_record, arrival: Some(arrival), release: None, ended: None };
    txn.put(keys::org(txn.group, org), &restored);
    txn.remove(keys::on_move(txn.group, org));
    Ok(Reply::Done)
}

/// The earlier homes of an organization that a group has released, this group the last one.
pub(super) fn past_of(group: GroupId, home: &HomeRecord) -> Vec<PreviousHome> {
    let mut past = home.arrival.as_ref().map(|arrival| arrival.past.clone()).unwrap_or_default();
    if let Some(release) = home.release {
        past.push(PreviousHome { epoch: home.org.epoch, group, release: release.index });
    }
    let surplus = past.len().saturating_sub(limits::PAST_HOMES_MAX);
    past.drain(..surplus);
    past
}

/// Begins an import, and drops an older attempt, or one of an older epoch.
pub(super) fn import_begin(
    txn: &mut ApplyTxn<'_>,
    org: &Org,
    past: &[PreviousHome],
    dedup_horizon: LogTime,
) -> ApplyResult {
    let Some((known, to)) = importable(txn, org)? else { return Err(Refusal::StaleMove.into()) };
    let follows = past.last().is_some_and(|last| {
        last.group != txn.group && last.epoch.checked_add(1) == Some(org.epoch)
    });
    if !follows {
        return Err(Refusal::StaleMove.into());
    }
    let import = Import {
        attempt: txn.write_id,
        org: org.clone(),
        dedup_horizon,
        past: past.to_vec(),
        next: 0,
        digest: RequestDigest::default(),
        is_whole: false,
    };
    clear(txn, org.id);
    put_away(txn, org.id, MovedAwayRecord { epoch: known, to, import: Some(import) });
    txn.put_bytes(keys::on_move(txn.group, org.id), Vec::new());
    Ok(Reply::Done)
}

/// The highest epoch that this group held or released, and the group it released to, if it may
/// import one now.
fn importable(txn: &ApplyTxn<'_>, org: &Org) -> Result<Option<(u32, Option<GroupId>)>, StoreError> {
    if let Some(home) = &txn.home {
        // One that is here and was not let go cannot come from elsewhere.
        let release = home.release.filter(|release| planted::on_epoch(release.epoch < org.epoch));
        return Ok(release.map(|release| (release.epoch, Some(release.to))));
    }
    let Some(away) = query::away(txn.view(), txn.group, org.id)? else {
        return Ok(Some((0, None)));
    };
    let under_way = away.import.map_or(0, |import| import.org.epoch);
    let is_newer = org.epoch > away.epoch && org.epoch >= under_way;
    Ok(planted::on_epoch(is_newer).then_some((away.epoch, away.to)))
}

fn put_away(txn: &mut ApplyTxn<'_>, org: OrgId, away: MovedAwayRecord) {
    let key = keys::away(txn.group, org);
    if away.epoch == 0 && away.import.is_none() {
        txn.remove(key);
    } else {
        txn.put(key, &away);
    }
}

/// The attempt that is under way, if it is this one.
fn attempt_of(
    txn: &ApplyTxn<'_>,
    org: OrgId,
    attempt: WriteId,
) -> Result<Option<(MovedAwayRecord, Import)>, StoreError> {
    let Some(mut away) = query::away(txn.view(), txn.group, org)? else { return Ok(None) };
    let import = away.import.take().filter(|import| import.attempt == attempt);
    Ok(import.map(|import| (away, import)))
}

/// Removes all records of an organization.
fn clear(txn: &mut ApplyTxn<'_>, org: OrgId) {
    txn.clear(keys::org_prefix(txn.group, org));
    txn.clear(keys::suborganizations_of(txn.group, org));
}

/// Imports some records. They are at their final keys, and invisible: every reader first reads the
/// organization's record, which does not exist yet.
pub(super) fn import_chunk(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    attempt: WriteId,
    (sequence, is_last): (u32, bool),
    moved_records: &[MovedRecord],
) -> ApplyResult {
    let Some((away, import)) = attempt_of(txn, org, attempt)? else {
        return Err(Refusal::StaleMove.into());
    };
    if import.is_whole || import.next != sequence {
        return Err(Refusal::StaleMove.into());
    }
    for moved_record in moved_records {
        import_record(txn, org, moved_record)?;
    }
    let import = Import {
        next: import.next.saturating_add(1),
        digest: digest_part(&import.digest, moved_records),
        is_whole: is_last,
        ..import
    };
    put_away(txn, org, MovedAwayRecord { import: Some(import), ..away });
    Ok(Reply::Done)
}

fn import_record(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    moved_record: &MovedRecord,
) -> Result<(), StoreError> {
    match moved_record {
        MovedRecord::ApiKey(key) => txn.put(keys::api_key(txn.group, org, &key.hash), key),
        MovedRecord::Oidc(credential) => {
            txn.put(keys::oidc(txn.group, org, &credential.client_id), credential);
        }
        MovedRecord::Registration { client_id, registration } => {
            registered::put(txn, org, client_id, registration);
        }
        MovedRecord::Resource(resource) => resource::import(txn, org, resource)?,
        MovedRecord::OrgKey(key) => txn.put(keys::api_key(txn.group, org, &key.key.hash), &**key),
        MovedRecord::Profile(profile) => txn.put(keys::org_profile(txn.group, org), profile),
        MovedRecord::Settings(settings) => txn.put(keys::org_settings(txn.group, org), settings),
        MovedRecord::Write { write_id, record } => {
            dedup::import_write(txn, org, *write_id, record);
        }
        MovedRecord::IdempotencyKey { key, record } => {
            dedup::import_key(txn, org, key, record)?;
        }
    }
    Ok(())
}

/// The hash over all parts up to and with this one.
pub(super) fn digest_part(before: &RequestDigest, moved_records: &[MovedRecord]) -> RequestDigest {
    let mut hash = Sha256::new().chain_update(before);
    for moved_record in moved_records {
        let bytes = moved_record.encode();
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}

/// The organization begins to be seen here, or everything of the attempt goes.
pub(super) fn import_finish(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    attempt: WriteId,
    digest: &RequestDigest,
) -> ApplyResult {
    let Some((away, import)) = attempt_of(txn, org, attempt)? else {
        return Err(Refusal::StaleMove.into());
    };
    if !import.is_whole {
        return Err(Refusal::StaleMove.into());
    }
    txn.remove(keys::on_move(txn.group, org));
    if import.digest != *digest {
        clear(txn, org);
        put_away(txn, org, away);
        return Ok(Reply::ImportDropped);
    }
    let arrival =
        Arrival { index: txn.index, dedup_horizon: import.dedup_horizon, past: import.past };
    let home = HomeRecord { org: import.org, arrival: Some(arrival), release: None, ended: None };
    txn.remove(keys::away(txn.group, org));
    txn.put(keys::org(txn.group, org), &home);
    Ok(Reply::Done)
}

/// Removes what is left of an organization that was handed over, or of an import that was
/// abandoned. Records of this group's own writes stay until they expire: a late repeat of such a
/// write returns its first result.
pub(super) fn clean_up(txn: &mut ApplyTxn<'_>, org: OrgId, epoch: u32) -> ApplyResult {
    let away = match txn.home.clone() {
        Some(home) => home
            .release
            .filter(|release| release.epoch == epoch && release.handed_over)
            .map(|release| MovedAwayRecord { epoch, to: Some(release.to), import: None }),
        None => query::away(txn.view(), txn.group, org)?
            .filter(|away| away.import.as_ref().is_some_and(|it| it.org.epoch == epoch))
            .map(|away| MovedAwayRecord { epoch: away.epoch.max(epoch), import: None, ..away }),
    };
    let Some(away) = away else { return Err(Refusal::StaleMove.into()) };
    clear(txn, org);
    put_away(txn, org, away);
    txn.remove(keys::on_move(txn.group, org));
    Ok(Reply::Done)
}

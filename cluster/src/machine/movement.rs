//! The rules of an organisation's move from one home group to another.
//!
//! Goal: one total order of its writes, of which none is lost, doubled or resurrected, though two
//! logs are involved that know nothing of each other, whose leaders die, and in which steps arrive
//! late, twice and out of order. Each rule here looks at its own group's state alone; the conditions
//! that concern the other group are kept by whoever proposes (`raft/movement.rs`), and each is a fact
//! that never becomes false again.
//!
//! # The life of a move of epoch `e` from group A to group B
//! 1. `Release{to B, e+1}` in A freezes the organisation: all later writes of it are refused
//!    [`Refusal::Moved`], without a trace, so that they may be tried elsewhere under their names.
//! 2. `AdoptBegin`, `AdoptPart`… in B, by B's leader from its node's replica of A, in which nothing of
//!    the organisation changes any more but that remembered writes expire. Nobody sees any of it.
//! 3. `HandOver{e+1}` in A, by A's leader when it sees that B has all parts. From here on the move
//!    cannot be undone.
//! 4. `AdoptEnd` in B, by B's leader when it sees the hand-over and no replica can hold a lease of A
//!    any more from before the release. From here on B orders the writes.
//! 5. `Forget{e+1}` in A, when all replicas have applied the `AdoptEnd`.
//!
//! # Why there is a hand-over
//! `Restore{e+2}` in A undoes a release while B has no quorum. Whether B has ended its adoption
//! cannot be known without B. So the decision is made where both sides can be ordered: in A's log.
//! Whichever of `HandOver` and `Restore` comes first there makes the other one a refusal; and an
//! `AdoptEnd` is proposed only by a node that has applied the hand-over. So a restored organisation
//! can never be adopted in the epoch that was given up. The price is one trip between the regions.
//! Refused: to undo "when B does not answer" (it may have adopted and go on alone), or by time.
//!
//! # Epochs
//! Only a higher epoch than any that a group ever held or let go is adopted there, and a group never
//! forgets that epoch ([`AwayRecord`]). So a late `AdoptBegin`, `CreateOrg` or `Release` changes
//! nothing. Parts and the end name the attempt (the write id of its `AdoptBegin`): those of a deposed
//! leader fit no other attempt. A new attempt drops what is there of an older one.
//!
//! # Exactly once
//! Remembered writes and idempotency keys move along. What the old home has forgotten by then was
//! due by its log time ([`Arrival::floor`]); the clocks of two groups may differ, so the new home
//! refuses every write as expired that had to be applied before that time, and so do all homes after
//! it.

use concordat_proto::{
    command::{Command, Proposal, RequestDigest},
    id::{GroupId, OrgId, WriteId},
    limits,
    movement::{Adoption, Arrival, AwayRecord, Belonging, HomeRecord, PastHome, Release},
    org::Org,
    refusal::Refusal,
    reply::Reply,
    time::LogTime,
    wire::Wire,
};
use sha2::{Digest as _, Sha256};

use super::{
    query, session,
    turn::{Ruling, Turn},
};
use crate::planted::{self, Bug};
use crate::store::{StoreError, keys};

/// Why a write is not carried out here now: its organisation is elsewhere, on its way, or the write
/// is so old that it may have been carried out and forgotten in an earlier home.
pub(super) fn refuse_elsewhere(
    turn: &Turn<'_>,
    proposal: &Proposal,
) -> Result<Option<Refusal>, StoreError> {
    let command = &proposal.command;
    let org = match command.owner() {
        Some(org) if turn.group != GroupId::SYSTEM => org,
        Some(_) | None => return Ok(None),
    };
    // The beginning of one that has moved is answered by its own rule.
    if matches!(command, Command::CreateOrg(_)) {
        return Ok(None);
    }
    let Some(home) = &turn.home else { return refuse_away(turn, org) };
    if let Some(Release { to, epoch, .. }) = home.release
        && !planted::is(Bug::ReleaseNotFenced)
    {
        return Ok(Some(Refusal::Moved { to, epoch }));
    }
    let floor = home.arrival.as_ref().map(|arrival| arrival.floor);
    Ok((floor > Some(proposal.not_after)).then_some(Refusal::Expired))
}

fn refuse_away(turn: &Turn<'_>, org: OrgId) -> Result<Option<Refusal>, StoreError> {
    let away = query::away(turn.view(), turn.group, org)?;
    Ok(away.and_then(|away| match (away.adoption, away.to) {
        (Some(adoption), _) => Some(Refusal::Moving { epoch: adoption.org.epoch }),
        (None, Some(to)) => Some(Refusal::Moved { to, epoch: away.epoch }),
        (None, None) => None,
    }))
}

/// Lets an organisation go. A repeat is answered like the first.
pub(super) fn release(turn: &mut Turn<'_>, org: OrgId, to: GroupId, epoch: u32) -> Ruling {
    let Some(home) = turn.home.clone() else {
        return Err(refuse_away(turn, org)?.unwrap_or(Refusal::OrgNotFound).into());
    };
    match home.release {
        Some(release) if (release.to, release.epoch) == (to, epoch) => return Ok(Reply::Done),
        Some(Release { to, epoch, .. }) => return Err(Refusal::Moved { to, epoch }.into()),
        None => {}
    }
    if to == turn.group || to == GroupId::SYSTEM || home.org.epoch.checked_add(1) != Some(epoch) {
        return Err(Refusal::StaleMove.into());
    }
    let release = Some(Release { to, epoch, index: turn.index, handed_over: false });
    turn.put(keys::org(turn.group, org), &HomeRecord { release, ..(*home).clone() });
    turn.put_bytes(keys::on_move(turn.group, org), Vec::new());
    Ok(Reply::Done)
}

/// Gives the right to restore up.
pub(super) fn hand_over(turn: &mut Turn<'_>, epoch: u32) -> Ruling {
    let Some(home) = turn.home.clone() else { return Err(Refusal::StaleMove.into()) };
    let Some(release) = home.release.filter(|release| release.epoch == epoch) else {
        return Err(Refusal::StaleMove.into());
    };
    let release = Some(Release { handed_over: true, ..release });
    turn.put(keys::org(turn.group, home.org.id), &HomeRecord { release, ..(*home).clone() });
    Ok(Reply::Done)
}

/// Takes a released organisation back. A repeat is answered like the first.
pub(super) fn restore(turn: &mut Turn<'_>, org: OrgId, epoch: u32) -> Ruling {
    let Some(home) = turn.home.clone() else {
        let away = query::away(turn.view(), turn.group, org)?;
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
    let floor = home.arrival.as_ref().map_or(LogTime::default(), |arrival| arrival.floor);
    let arrival = Arrival { index: turn.index, floor, past: past_of(turn.group, &home) };
    let org_record = Org { epoch, ..home.org.clone() };
    let restored = HomeRecord { org: org_record, arrival: Some(arrival), release: None };
    turn.put(keys::org(turn.group, org), &restored);
    turn.remove(keys::on_move(turn.group, org));
    Ok(Reply::Done)
}

/// The earlier homes of an organisation that a group has released, this group the last one.
pub(super) fn past_of(group: GroupId, home: &HomeRecord) -> Vec<PastHome> {
    let mut past = home.arrival.as_ref().map(|arrival| arrival.past.clone()).unwrap_or_default();
    if let Some(release) = home.release {
        past.push(PastHome { epoch: home.org.epoch, group, release: release.index });
    }
    let surplus = past.len().saturating_sub(limits::PAST_HOMES_MAX);
    past.drain(..surplus);
    past
}

/// Begins an attempt to adopt, and drops what is here of an older one, or of an older epoch.
pub(super) fn adopt_begin(
    turn: &mut Turn<'_>,
    org: &Org,
    past: &[PastHome],
    floor: LogTime,
) -> Ruling {
    let Some((known, to)) = adoptable(turn, org)? else { return Err(Refusal::StaleMove.into()) };
    let follows = past.last().is_some_and(|last| {
        last.group != turn.group && last.epoch.checked_add(1) == Some(org.epoch)
    });
    if !follows {
        return Err(Refusal::StaleMove.into());
    }
    let adoption = Adoption {
        attempt: turn.write_id,
        org: org.clone(),
        floor,
        past: past.to_vec(),
        next: 0,
        digest: RequestDigest::default(),
        is_whole: false,
    };
    turn.clear(keys::org_prefix(turn.group, org.id));
    put_away(turn, org.id, AwayRecord { epoch: known, to, adoption: Some(adoption) });
    turn.put_bytes(keys::on_move(turn.group, org.id), Vec::new());
    Ok(Reply::Done)
}

/// The highest epoch that this group held or let go, and where to, if it may adopt one now.
fn adoptable(turn: &Turn<'_>, org: &Org) -> Result<Option<(u32, Option<GroupId>)>, StoreError> {
    if let Some(home) = &turn.home {
        // One that is here and was not let go cannot come from elsewhere.
        let release = home
            .release
            .filter(|release| release.epoch < org.epoch || planted::is(Bug::LateAdoptAccepted));
        return Ok(release.map(|release| (release.epoch, Some(release.to))));
    }
    let Some(away) = query::away(turn.view(), turn.group, org.id)? else {
        return Ok(Some((0, None)));
    };
    let under_way = away.adoption.map_or(0, |adoption| adoption.org.epoch);
    let is_newer =
        (org.epoch > away.epoch && org.epoch >= under_way) || planted::is(Bug::LateAdoptAccepted);
    Ok(is_newer.then_some((away.epoch, away.to)))
}

fn put_away(turn: &mut Turn<'_>, org: OrgId, away: AwayRecord) {
    let key = keys::away(turn.group, org);
    if away.epoch == 0 && away.adoption.is_none() {
        turn.remove(key);
    } else {
        turn.put(key, &away);
    }
}

/// A part of an adoption.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) sequence: u32,
    pub(super) belongings: &'a [Belonging],
    pub(super) is_last: bool,
}

/// The attempt that is under way, if it is this one.
fn attempt_of(
    turn: &Turn<'_>,
    org: OrgId,
    attempt: WriteId,
) -> Result<Option<(AwayRecord, Adoption)>, StoreError> {
    let Some(mut away) = query::away(turn.view(), turn.group, org)? else { return Ok(None) };
    let adoption = away.adoption.take().filter(|adoption| adoption.attempt == attempt);
    Ok(adoption.map(|adoption| (away, adoption)))
}

/// Takes some records in. They stand where they will stand, and are not seen: all that reads them
/// asks for the organisation's record first, which is not there yet.
pub(super) fn adopt_part(
    turn: &mut Turn<'_>,
    org: OrgId,
    attempt: WriteId,
    part: &Part<'_>,
) -> Ruling {
    let Some((away, adoption)) = attempt_of(turn, org, attempt)? else {
        return Err(Refusal::StaleMove.into());
    };
    if adoption.is_whole || adoption.next != part.sequence {
        return Err(Refusal::StaleMove.into());
    }
    for belonging in part.belongings {
        import(turn, org, belonging)?;
    }
    let adoption = Adoption {
        next: adoption.next.saturating_add(1),
        digest: digest_part(&adoption.digest, part.belongings),
        is_whole: part.is_last,
        ..adoption
    };
    put_away(turn, org, AwayRecord { adoption: Some(adoption), ..away });
    Ok(Reply::Done)
}

fn import(turn: &mut Turn<'_>, org: OrgId, belonging: &Belonging) -> Result<(), StoreError> {
    match belonging {
        Belonging::ApiKey(key) => turn.put(keys::api_key(turn.group, org, &key.hash), key),
        Belonging::Oidc(credential) => {
            turn.put(keys::oidc(turn.group, org, &credential.client_id), credential);
        }
        Belonging::Settings(settings) => turn.put(keys::org_settings(turn.group, org), settings),
        Belonging::Write { write_id, record } => {
            session::import_write(turn, org, *write_id, record);
        }
        Belonging::IdempotencyKey { key, record } => {
            session::import_key(turn, org, key, record)?;
        }
    }
    Ok(())
}

/// The hash over all parts up to and with this one.
pub(super) fn digest_part(before: &RequestDigest, belongings: &[Belonging]) -> RequestDigest {
    let mut hash = Sha256::new().chain_update(before);
    for belonging in belongings {
        let bytes = belonging.encode();
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}

/// The organisation begins to be seen here, or everything of the attempt goes.
pub(super) fn adopt_end(
    turn: &mut Turn<'_>,
    org: OrgId,
    attempt: WriteId,
    digest: &RequestDigest,
) -> Ruling {
    let Some((away, adoption)) = attempt_of(turn, org, attempt)? else {
        return Err(Refusal::StaleMove.into());
    };
    if !adoption.is_whole {
        return Err(Refusal::StaleMove.into());
    }
    turn.remove(keys::on_move(turn.group, org));
    if adoption.digest != *digest {
        turn.clear(keys::org_prefix(turn.group, org));
        put_away(turn, org, away);
        return Ok(Reply::AdoptionDropped);
    }
    let arrival = Arrival { index: turn.index, floor: adoption.floor, past: adoption.past };
    let home = HomeRecord { org: adoption.org, arrival: Some(arrival), release: None };
    turn.remove(keys::away(turn.group, org));
    turn.put(keys::org(turn.group, org), &home);
    Ok(Reply::Done)
}

/// Drops what is left of an organisation that was handed over, or of an adoption that came to
/// nothing. What landed here under a write's own name stays until it is due: a late repeat of such a
/// write is answered as it was answered first.
pub(super) fn forget(turn: &mut Turn<'_>, org: OrgId, epoch: u32) -> Ruling {
    let away = match turn.home.clone() {
        Some(home) => home
            .release
            .filter(|release| release.epoch == epoch && release.handed_over)
            .map(|release| AwayRecord { epoch, to: Some(release.to), adoption: None }),
        None => query::away(turn.view(), turn.group, org)?
            .filter(|away| away.adoption.as_ref().is_some_and(|it| it.org.epoch == epoch))
            .map(|away| AwayRecord { epoch: away.epoch.max(epoch), adoption: None, ..away }),
    };
    let Some(away) = away else { return Err(Refusal::StaleMove.into()) };
    turn.clear(keys::org_prefix(turn.group, org));
    put_away(turn, org, away);
    turn.remove(keys::on_move(turn.group, org));
    Ok(Reply::Done)
}

//! Hooks in the rules of `machine`: each returns what the rule says, but where its bug is on.
//!
//! A hook must never do anything without its bug.

use std::borrow::Cow;

use concordat_proto::{
    id::{NodeId, WriteId},
    movement::HomeRecord,
    registration::Number,
    secret::Sealed,
};

use super::bug::{Bug, is};
use crate::{
    machine::registered::Entry,
    store::{StoreError, keys::Kind},
};

/// Whether the last step of an organization's end is noted.
#[inline(always)]
pub(crate) fn settles_end() -> bool {
    !is(Bug::EndNeverSettled)
}

/// Whether an organization's id is a reserved one.
#[inline(always)]
pub(crate) fn on_reserved(is_reserved: bool) -> bool {
    is_reserved && !is(Bug::NilOrganization)
}

/// The version of a credential after a change.
#[inline(always)]
pub(crate) fn on_version(new: WriteId, before: WriteId) -> WriteId {
    if is(Bug::VersionStays) { before } else { new }
}

/// The secret that a change brings, if it brings one.
#[inline(always)]
pub(crate) fn on_kept_secret(given: Option<&Sealed>) -> Option<Cow<'_, Sealed>> {
    let wiped =
        || Cow::Owned(Sealed { sealed_by: WriteId::from_bytes([0; 16]), bytes: Vec::new() });
    let given = given.map(Cow::Borrowed);
    if is(Bug::SecretWiped) { given.or_else(|| Some(wiped())) } else { given }
}

/// What a change leaves as it is, since it does not name it.
#[inline(always)]
pub(crate) fn on_untouched<T: Default>(stored: T) -> T {
    if is(Bug::ForeignFieldLost) { T::default() } else { stored }
}

/// The number of a new credential of an organization; `all` are those that it has. The bug is
/// a counter that a move sets back: in a new home numbers begin again with the first one in use.
#[inline(always)]
pub(crate) fn on_number(
    number: Number,
    home: Option<&HomeRecord>,
    all: impl FnOnce() -> Result<Vec<Entry>, StoreError>,
) -> Result<Number, StoreError> {
    if !(is(Bug::NumberGivenTwice) && home.is_some_and(|home| home.arrival.is_some())) {
        return Ok(number);
    }
    let first = all()?.iter().map(|entry| entry.registration.number).min();
    Ok(first.unwrap_or(number))
}

/// Whether a condition holds.
#[inline(always)]
pub(crate) fn on_match<E>(matches: Result<(), E>) -> Result<(), E> {
    if is(Bug::IfMatchIgnored) { Ok(()) } else { matches }
}

/// The remembered answer to a write.
#[inline(always)]
pub(crate) fn on_remembered_write<T>(remembered: Option<T>) -> Option<T> {
    remembered.filter(|_| !is(Bug::RetryAppliedTwice))
}

/// What is remembered of an idempotency key.
#[inline(always)]
pub(crate) fn on_remembered_key<T>(remembered: Option<T>) -> Option<T> {
    remembered.filter(|_| !is(Bug::KeyForgotten))
}

/// What ends a key whose place another one has taken.
#[inline(always)]
pub(crate) fn on_replaced<T>(replaced: Option<T>) -> Option<T> {
    replaced.filter(|_| !is(Bug::ReplacedKeyLives))
}

/// Why a write has to be authorized again.
#[inline(always)]
pub(crate) fn on_stale_policies<T>(refusal: Option<T>) -> Option<T> {
    refusal.filter(|_| !is(Bug::StalePolicyAccepted))
}

/// What keeps an organization's writes from its old home.
#[inline(always)]
pub(crate) fn on_release<T>(release: Option<T>) -> Option<T> {
    release.filter(|_| !is(Bug::ReleaseNotFenced))
}

/// Whether an adoption's epoch is higher than any before.
#[inline(always)]
pub(crate) fn on_epoch(is_newer: bool) -> bool {
    is_newer || is(Bug::LateAdoptAccepted)
}

/// Whether two homes have a slot for one more organization on its way.
#[inline(always)]
pub(crate) fn on_slot(has_room: bool) -> bool {
    has_room || is(Bug::ReleasedOutOfTurn)
}

/// Whether an address is still taken for a node's name.
#[inline(always)]
pub(crate) fn on_address_names(names: bool) -> bool {
    names || is(Bug::AddressIsIdentity)
}

/// The node that a registration would end, as it is looked at before it is proposed.
#[inline(always)]
pub(crate) fn on_ended_by(ended: Option<NodeId>) -> Option<NodeId> {
    ended.filter(|_| !is(Bug::AddressIsIdentity))
}

/// Whether the first node of a region may join.
#[inline(always)]
pub(crate) fn on_first_of_region(may_join: bool) -> bool {
    may_join || is(Bug::UnnamedRegionLetIn)
}

/// Whether every member knows what is about to be proposed.
#[inline(always)]
pub(crate) fn on_level_check(is_known: bool) -> bool {
    is_known || is(Bug::NewCommandTooEarly)
}

/// The feature level to propose, given the present one.
#[inline(always)]
pub(crate) fn on_raise(raised: Option<u32>, level: u32) -> Option<u32> {
    raised.or_else(|| is(Bug::NewCommandTooEarly).then_some(level + 1))
}

/// Whether a record is not due yet.
#[inline(always)]
pub(crate) fn on_not_due(is_not_due: bool) -> bool {
    is_not_due || is(Bug::ExpiredKept)
}

/// Whether a write that a closed group's replica has is proved to be lost.
#[inline(always)]
pub(crate) fn on_loss_proved(is_proved: bool) -> bool {
    is_proved || is(Bug::LostUnproved)
}

/// Whether records of a kind go over to a closed group's successor.
#[inline(always)]
pub(crate) fn on_inherited_kind(kind: Kind) -> bool {
    kind != Kind::ReplicaMark || !is(Bug::RegionsNotInherited)
}

/// Whether addresses that stand only in the log are kept.
#[inline(always)]
pub(crate) fn keeps_logged_addresses() -> bool {
    !is(Bug::LoggedAddressesUnread)
}

//! Hooks in the server (`node`): each returns what the product says, but where its bug is on.
//!
//! A hook must never do anything without its bug.

use concordat_proto::id::WriteId;

use super::bug::{Bug, is};

/// Whether an organization's newest home is the one whose records are here.
#[inline(always)]
#[must_use]
pub fn on_settled(is_settled: bool) -> bool {
    is_settled || is(Bug::ReleasedIsCurrent)
}

/// Whether a state says that a closed group's write was not carried over.
#[inline(always)]
#[must_use]
pub fn is_never_carried_over() -> bool {
    is(Bug::ClosedWriteRepeated)
}

/// The name under which a write that a closed group may have is proposed elsewhere.
#[inline(always)]
#[must_use]
pub fn on_repeated_name(name: WriteId, before: WriteId) -> WriteId {
    if is(Bug::ClosedWriteRepeated) { before } else { name }
}

/// Whether an outcome must reach what was required before it is answered.
#[inline(always)]
#[must_use]
pub fn awaits_outcome(is_done: bool) -> bool {
    is_done || !is(Bug::RefusalDoesNotWait)
}

/// Whether a receipt's line says that a region has applied the write.
#[inline(always)]
#[must_use]
pub fn on_receipt_line(is_applied: bool) -> bool {
    is_applied || is(Bug::ReceiptClaimsAll)
}

/// Whether it may be said that something is not there.
#[inline(always)]
#[must_use]
pub fn on_knows_absence(knows: bool) -> bool {
    knows || is(Bug::NeverCurrentSaysNo)
}

/// Whether a text that is no id of an organization is refused.
#[inline(always)]
#[must_use]
pub fn refuses_nil_organization() -> bool {
    !is(Bug::NilOrganization)
}

/// What is kept of a secret.
#[inline(always)]
#[must_use]
pub fn on_sealed(sealed: Vec<u8>, clear: &[u8]) -> Vec<u8> {
    if is(Bug::SecretInClear) { clear.to_vec() } else { sealed }
}

//! Hooks in the log and the store: each does what the product does, but where its bug is on.
//!
//! A hook must never do anything without its bug.

use super::bug::{Bug, is};

/// The sync after the log's write.
#[inline(always)]
pub(crate) fn on_log_sync<E>(sync: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    if is(Bug::LogNotSynced) { Ok(()) } else { sync() }
}

/// Whether the log may carry entries over.
#[inline(always)]
pub(crate) fn on_carrying(is_allowed: bool) -> bool {
    is_allowed || is(Bug::NewLogTooEarly)
}

/// Whether a changed record makes what was read of its organization old.
#[inline(always)]
pub(crate) fn counts_change() -> bool {
    !is(Bug::ChangesNotCounted)
}

/// The emptying of a spare slot.
#[inline(always)]
pub(crate) fn on_clear_spare<E>(clear: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    if is(Bug::ShadowNotCleared) { Ok(()) } else { clear() }
}

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

/// The spare slots that are in use at a start.
#[inline(always)]
pub(crate) fn on_spares_found<T>(found: Vec<T>) -> Vec<T> {
    if is(Bug::SpareLeft) { Vec::new() } else { found }
}

/// Whether what came of a snapshot that was not installed goes.
#[inline(always)]
pub(crate) fn on_spare_left(is_left: bool) -> bool {
    is_left && !is(Bug::SpareLeft)
}

/// The emptying of a spare slot.
#[inline(always)]
pub(crate) fn on_clear_spare<E>(clear: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    if is(Bug::ShadowNotCleared) { Ok(()) } else { clear() }
}

//! The only place where chance comes in: pauses between attempts and idempotency keys.

use uuid::Uuid;

/// Spreads pauses; where the system has no randomness, they are just not spread.
pub(crate) fn jitter() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A name for one write that nobody else makes.
pub(crate) fn idempotency_key() -> String {
    Uuid::new_v4().to_string()
}

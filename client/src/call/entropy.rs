//! The only source of randomness: pauses between attempts and idempotency keys.

use uuid::Uuid;

/// Spreads pauses; where the system has no randomness, they are just not spread.
pub(crate) fn jitter() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A unique name for one write.
pub(crate) fn idempotency_key() -> String {
    Uuid::new_v4().to_string()
}

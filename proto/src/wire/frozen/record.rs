//! The bytes of remembered writes and keys, and of a group's applied position.

use super::{
    mirror::{Blob, V1Id, V1LogId, mirror_struct},
    reply::V1Applied,
};
use crate::{
    base::log::LogId,
    header, limits,
    records::record::{AppliedRecord, InheritedNames, InheritedTerms, KeyRecord, WriteRecord},
    wire::error::{WireError, ensure},
};

mirror_struct! {
    V1WriteRecord for WriteRecord { expires: u64, org: Option<V1Id>, applied: V1Applied }
    V1KeyRecord for KeyRecord {
        expires: u64,
        digest: [u8; 32],
        write_id: V1Id,
        applied: V1Applied,
    }
    V1AppliedRecord for AppliedRecord {
        log_id: Option<V1LogId>,
        log_time: u64,
        membership: Blob,
    }
    V1InheritedNames for InheritedNames, check check_names { log_time: u64, names: Vec<u64> }
    V1InheritedTerms for InheritedTerms, check check_terms {
        committed: u64,
        unknown: u64,
        runs: Vec<V1LogId>,
    }
}

fn check_terms(terms: &InheritedTerms) -> Result<(), WireError> {
    ensure(terms.runs.len() <= limits::INHERITED_RUNS_MAX, "number of inherited terms")?;
    let is_later = |pair: &[LogId]| pair[0].term < pair[1].term && pair[0].index < pair[1].index;
    ensure(terms.runs.windows(2).all(is_later), "order of inherited terms")
}

fn check_names(part: &InheritedNames) -> Result<(), WireError> {
    ensure(part.names.len() <= limits::INHERITED_NAMES_MAX, "number of inherited names")?;
    ensure(part.names.is_sorted(), "order of inherited names")
}

/// Whether a text can be an idempotency key.
pub(super) fn check_key(key: &str) -> Result<(), WireError> {
    ensure(header::is_idempotency_key(key), "idempotency key")
}

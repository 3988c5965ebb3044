//! The bytes of remembered writes and keys, and of where a group's state stands.

use super::{
    WireError,
    error::ensure,
    mirror::{Blob, V1Id, V1LogId, mirror_struct},
    reply::V1Applied,
};
use crate::{
    limits,
    record::{AppliedRecord, InheritedNames, KeyRecord, WriteRecord},
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
}

fn check_names(part: &InheritedNames) -> Result<(), WireError> {
    ensure(part.names.len() <= limits::INHERITED_NAMES_MAX, "number of inherited names")?;
    ensure(part.names.is_sorted(), "order of inherited names")
}

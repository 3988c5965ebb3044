//! A replica's applied record, read from its state: position, membership, and the description of a
//! snapshot.
//!
//! It never writes one: the state machine does, together with the entries.

use std::io;

use concordat_proto::{id::GroupId, record::AppliedRecord, wire::Wire};

use crate::{
    raft::engine::{
        convert,
        types::{RaftLogId, SnapshotMeta, StoredMembership},
    },
    store::{Reader, keys},
};

/// The group's `AppliedRecord`, or the one of an empty state.
pub(crate) fn read_applied(store: &dyn Reader, group: GroupId) -> Result<AppliedRecord, io::Error> {
    let bytes = store.get(&keys::applied(group)).map_err(io::Error::other)?;
    let record = bytes.map(|bytes| AppliedRecord::decode(&bytes)).transpose();
    Ok(record.map_err(io::Error::other)?.unwrap_or_default())
}

/// The position and the membership that an `AppliedRecord` holds.
pub(crate) fn position_of(
    record: &AppliedRecord,
) -> Result<(Option<RaftLogId>, StoredMembership), io::Error> {
    let membership = if record.membership.is_empty() {
        StoredMembership::default()
    } else {
        convert::decode(&record.membership)?
    };
    Ok((record.log_id.map(convert::raft_log_id), membership))
}

/// The description of the state that an `AppliedRecord` belongs to, as a snapshot's.
pub(crate) fn meta_of(record: &AppliedRecord) -> Result<SnapshotMeta, io::Error> {
    let (last_log_id, last_membership) = position_of(record)?;
    Ok(SnapshotMeta { last_log_id, last_membership })
}

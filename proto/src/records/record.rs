//! The other records of the state: remembered writes and idempotency keys, and the applied
//! position.

use crate::{
    base::{
        id::{OrgId, RequestDigest, WriteId},
        log::{LogId, LogIndex},
        time::LogTime,
    },
    reply::Applied,
};

/// A remembered write: a repeat of its write id is answered from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    /// Forgotten once log time has passed this.
    pub expires: LogTime,
    /// The organization that may read its receipt. None for the cluster's own writes.
    pub org: Option<OrgId>,
    /// Its result.
    pub applied: Applied,
}

/// A remembered idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Forgotten once log time has passed this.
    pub expires: LogTime,
    /// The digest of the request.
    pub digest: RequestDigest,
    /// The write it named.
    pub write_id: WriteId,
    /// Its result.
    pub applied: Applied,
}

/// A part of the names of all writes that a successor remembered when it began. The names are
/// permanent, unlike the records themselves: it can be decided at any time whether a write that a
/// returning node still has was carried over. A missing name proves nothing about a write that had
/// expired before (`not_after`): it may have been removed by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedNames {
    /// The log time at which the successor began.
    pub log_time: LogTime,
    /// Of each write the last eight bytes of its id, in ascending order.
    pub names: Vec<u64>,
}

impl InheritedNames {
    /// The part of an id that is kept: its random half. Two ids with the same half are taken for
    /// one; the outcome of such a write is reported as unknown.
    #[must_use]
    pub fn name(write: WriteId) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = write.to_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The terms of the log that a successor was made from. They decide permanently whether an entry of
/// the closed group is in it. The rules are in `concordat_cluster::consistency`'s `inheritance`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedTerms {
    /// Up to here it has every entry that was ever committed.
    pub committed: LogIndex,
    /// Up to here nothing is known of its terms.
    pub unknown: LogIndex,
    /// The last entry of each run of one term beyond that, in order; the last one is the log's end.
    pub runs: Vec<LogId>,
}

/// The applied position of a group's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppliedRecord {
    /// The newest applied entry.
    pub log_id: Option<LogId>,
    /// The newest log time.
    pub log_time: LogTime,
    /// The group's membership, in the Raft adapter's own bytes.
    pub membership: Vec<u8>,
}

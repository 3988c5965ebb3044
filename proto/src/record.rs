//! What the state keeps beside the records of organisations and the cluster: remembered writes and
//! idempotency keys, and where the state stands in its log.

use crate::{
    command::RequestDigest,
    id::{OrgId, WriteId},
    log::{LogId, LogIndex},
    reply::Applied,
    time::LogTime,
};

/// A remembered write: a repeat of its write id is answered from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    /// Forgotten once log time has passed this.
    pub expires: LogTime,
    /// Whose it was: its receipt is nobody else's business. None for the cluster's own.
    pub org: Option<OrgId>,
    /// What became of it.
    pub applied: Applied,
}

/// A remembered idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Forgotten once log time has passed this.
    pub expires: LogTime,
    /// What the request was.
    pub digest: RequestDigest,
    /// The write it named.
    pub write_id: WriteId,
    /// What became of it.
    pub applied: Applied,
}

/// A part of the names of all writes that a successor remembered when it began. They stay for good,
/// unlike the records themselves: whether a write that a returning node still has was carried over can
/// be said at any time. A missing name proves nothing of a write that was over before that
/// (`not_after`): it may have been forgotten by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedNames {
    /// The log time at which the successor began.
    pub log_time: LogTime,
    /// Of each write the last eight bytes of its id, in ascending order.
    pub names: Vec<u64>,
}

impl InheritedNames {
    /// What is kept of an id: its random half. Two ids that have it in common are taken for one, and
    /// of the other it is then not known what became of it.
    #[must_use]
    pub fn name(write: WriteId) -> u64 {
        let [.., a, b, c, d, e, f, g, h] = write.to_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// The terms of the log that a successor was made from: whether an entry of the closed group is in it
/// can be said of each for good. What it means is told in `concordat_cluster::consistency`'s
/// `inheritance`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedTerms {
    /// Up to here it has every entry that was ever committed.
    pub committed: LogIndex,
    /// Up to here nothing is known of its terms.
    pub unknown: LogIndex,
    /// The last entry of each run of one term beyond that, in order; the last one is the log's end.
    pub runs: Vec<LogId>,
}

/// How far a group's state has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppliedRecord {
    /// The newest applied entry.
    pub log_id: Option<LogId>,
    /// The newest log time.
    pub log_time: LogTime,
    /// The group's membership, in the Raft adapter's own bytes.
    pub membership: Vec<u8>,
}

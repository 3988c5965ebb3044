//! What the state keeps beside the records of organisations and the cluster: remembered writes and
//! idempotency keys, and where the state stands in its log.

use crate::{
    command::RequestDigest,
    id::{OrgId, WriteId},
    log::LogId,
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

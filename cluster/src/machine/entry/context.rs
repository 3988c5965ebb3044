//! All inputs of apply besides the state and the proposal.

use concordat_proto::{command::Proposal, id::GroupId, log::LogId, time::LogTime};

/// An entry's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplyContext {
    /// The group whose log it is in.
    pub group: GroupId,
    /// Its place there.
    pub log_id: LogId,
    /// The newest log time before it.
    pub log_time_before: LogTime,
}

impl ApplyContext {
    /// The log time of the entry: its stamp, or the log time before it if that is later.
    #[must_use]
    pub fn log_time(&self, proposal: &Proposal) -> LogTime {
        self.log_time_before.max(proposal.stamped)
    }
}

//! What apply answers.

use crate::{
    id::{GroupId, WriteId},
    log::LogIndex,
    org::Org,
    refusal::Refusal,
};

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The write that the answer is about: the proposal's own, or the first one under the same
    /// idempotency key.
    pub write_id: WriteId,
    /// Where that write took effect (or was refused).
    pub index: LogIndex,
    /// The answer.
    pub outcome: Result<Reply, Refusal>,
}

/// A yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done, nothing to tell.
    Done,
    /// The version a credential now has.
    Version(WriteId),
    /// The claimed organisation (a repeat is told of the first claim).
    Org(Box<Org>),
    /// The node is known; this is its region's group.
    NodeRegistered {
        /// Its region's group.
        group: GroupId,
    },
}

//! What apply answers.

use crate::{
    consistency::Position,
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
    /// The entry of this group from which on it is seen: where it took effect or was refused, or
    /// the one that ended the move by which it came here.
    pub index: LogIndex,
    /// Its position, where the organisation has moved. Without one, it took effect here at `index`
    /// in the organisation's first epoch.
    pub position: Option<Position>,
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
    /// The parts of an adoption were not what its end said: it was dropped, to begin again.
    AdoptionDropped,
}

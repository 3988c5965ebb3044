//! The results of apply.

use crate::{
    base::{
        id::{GroupId, WriteId},
        log::LogIndex,
    },
    consistency::Position,
    records::{key::NewKey, org::Org, registration::RegistrationStamp, resource::ResourceName},
    refusal::Refusal,
};

/// The result of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The write that the answer is about: the proposal's own, or the first one under the same
    /// idempotency key.
    pub write_id: WriteId,
    /// The entry of this group from which on it is seen: where it took effect or was refused, or
    /// the one that ended the move by which it came here.
    pub index: LogIndex,
    /// Its position, where the organization has moved. Without one, it took effect here at `index`
    /// in the organization's first epoch.
    pub position: Option<Position>,
    /// The answer.
    pub outcome: Result<Reply, Refusal>,
}

/// A yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Done, without a value.
    Done,
    /// The version a credential now has.
    Version(WriteId),
    /// The claimed organization (a repeat returns the first claim).
    Org(Box<Org>),
    /// The node is known; this is its region's group.
    NodeRegistered {
        /// Its region's group.
        group: GroupId,
    },
    /// The parts of an import did not have the announced digest: it was dropped and begins again.
    ImportDropped,
    /// The version that a credential now has, and what its registration says (feature level 3).
    Registered {
        /// The version.
        version: WriteId,
        /// Its number, its times and its sequence.
        stamp: RegistrationStamp,
    },
    /// The name and the version of a resource that was made or changed (feature level 3).
    Resource {
        /// The name.
        name: ResourceName,
        /// The version.
        version: WriteId,
    },
    /// A key that was made, with its sealed text (feature level 3).
    Key(Box<NewKey>),
}

impl Reply {
    /// The version that a credential or another resource has after the write.
    #[must_use]
    pub const fn version(&self) -> Option<WriteId> {
        match self {
            Self::Version(version)
            | Self::Registered { version, .. }
            | Self::Resource { version, .. } => Some(*version),
            Self::Done
            | Self::Org(_)
            | Self::NodeRegistered { .. }
            | Self::ImportDropped
            | Self::Key(_) => None,
        }
    }
}

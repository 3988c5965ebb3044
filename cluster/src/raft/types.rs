//! The Raft library's type configuration: what an entry carries, what apply answers, what is known
//! of a member.
//!
//! No other module of the project may name a type of the library.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use concordat_proto::{reply::Applied, wire::Wire};
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::store::slots::SlottedStore;

openraft::declare_raft_types!(
    /// The types of every group.
    pub(crate) RaftTypes:
        D = Payload,
        R = Response,
        NodeId = u64,
        Node = Member,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = openraft_rt_tokio::TokioRuntime,
);

pub(super) type Entry = EntryOf<RaftTypes>;
pub(super) type RaftLogId = LogIdOf<RaftTypes>;
pub(super) type RaftVote = VoteOf<RaftTypes>;
pub(super) type StoredMembership = StoredMembershipOf<RaftTypes>;
pub(super) type Membership = openraft::Membership<u64, Member>;
pub(super) type SnapshotMeta = SnapshotMetaOf<RaftTypes>;
pub(super) type Snapshot = SnapshotOf<RaftTypes, SnapshotData>;
pub(super) type Raft = openraft::Raft<RaftTypes, super::machine_store::MachineStore>;

/// Where a snapshot's records are.
///
/// A snapshot is never a copy lying about: it is sent straight from the live state (whatever index
/// that has by then), and received into the group's spare slot.
#[derive(Debug, Clone)]
pub(crate) enum SnapshotData {
    /// In the live state of this store.
    Live(Arc<SlottedStore>),
    /// Whole in the spare slot, ready to become the live state.
    Staged,
}

/// An encoded [`concordat_proto::command::Proposal`]: encoded once, for the log and all followers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Payload(pub(crate) Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<u8>::deserialize(deserializer).map(|bytes| Self(Bytes::from(bytes)))
    }
}

/// What apply answered; nothing for the library's own entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response(pub(crate) Option<Applied>);

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "applied" } else { "nothing" })
    }
}

impl Serialize for Response {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().map(Wire::encode).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<Vec<u8>>::deserialize(deserializer)?
            .map(|bytes| Applied::decode(&bytes).map_err(D::Error::custom))
            .transpose()
            .map(Self)
    }
}

/// What a group's membership says of a member. A node's region never changes, so neither does this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The member's region.
    pub(crate) region: String,
}

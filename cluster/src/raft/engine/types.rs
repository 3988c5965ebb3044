//! The Raft library's type configuration: entries, results of apply, and members.
//!
//! No other module of the project may name a type of the library.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use concordat_proto::{reply::Applied, wire::Wire};
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::store::shadow::ShadowStore;

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

pub(crate) type Entry = EntryOf<RaftTypes>;
pub(crate) type RaftLogId = LogIdOf<RaftTypes>;
pub(crate) type RaftVote = VoteOf<RaftTypes>;
pub(crate) type StoredMembership = StoredMembershipOf<RaftTypes>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<RaftTypes>;
pub(crate) type Snapshot = SnapshotOf<RaftTypes, SnapshotData>;

/// The location of a snapshot's records.
///
/// A snapshot is never stored as a copy: it is sent straight from the live state (at whatever index
/// that has by then), and received into the group's spare slot.
#[derive(Debug, Clone)]
pub(crate) enum SnapshotData {
    /// In the live state of this store.
    Live(Arc<ShadowStore>),
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

/// The result of apply; none for the library's own entries.
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

/// A member in a group's membership. A node's region never changes, so neither does this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// The member's region.
    pub(crate) region: String,
}

//! How values become bytes, on disk and between nodes: the only place that knows.
//!
//! Every encoded value is `version byte | payload`. The payload is bincode of a *frozen* struct: a
//! private mirror of the domain type (`V1…`), which never changes once it was released. A new shape
//! is a new mirror with a new version byte; enum variants are only ever appended. Decoding checks
//! the size before it allocates, that nothing is left over, and every rule that the domain types
//! promise, so that bytes from a disk or a peer cannot make a value that the edge would have
//! refused. The files of `golden/` hold the bytes of each version for good.
//!
//! Why bincode: it was the smallest of the measured codecs and its format is written down. It is no
//! longer maintained, so nothing outside `codec.rs` names it.

use crate::{
    command::Proposal,
    failover::ClosedGroup,
    lease::{LeaseRecord, ReplicaMark},
    limits,
    movement::{AwayRecord, Belonging},
    oidc::OidcCredential,
    org::{ApiKey, ClusterRecord, Isolation, NodeRecord, Org, OrgSettings, RegionRecord},
    record::{AppliedRecord, InheritedNames, InheritedTerms, KeyRecord, WriteRecord},
    reply::Applied,
    version,
};

#[cfg(test)]
mod arbitrary;
mod cluster;
mod codec;
mod command;
mod error;
mod failover;
#[cfg(test)]
mod failover_samples;
mod frame;
#[cfg(test)]
mod golden_test;
mod lease;
mod mirror;
mod movement;
mod oidc;
mod org;
pub mod peer;
#[cfg(test)]
mod peer_samples;
mod record;
mod reply;
#[cfg(test)]
mod round_trip_test;
#[cfg(test)]
mod samples;
pub mod snapshot;

pub use codec::{decode_serde, encode_serde};
pub use error::WireError;
pub use frame::{FRAME_HEAD_BYTES, FrameReader, frame, read_frame};

/// A value that has bytes of its own.
pub trait Wire: Sized {
    /// The bytes, in the newest version.
    fn encode(&self) -> Vec<u8>;

    /// The value, from the bytes of any version that this build reads.
    ///
    /// # Errors
    /// When the bytes are not exactly one valid value.
    fn decode(bytes: &[u8]) -> Result<Self, WireError>;
}

/// Implements [`Wire`]: which frozen struct is written under which version byte, which are read,
/// and how many bytes there may be.
macro_rules! wire {
    ($($domain:ty: writes $version:expr => $newest:ty,
       reads { $($read:literal => $frozen:ty),+ $(,)? }, at most $limit:expr;)*) => {$(
        impl $crate::wire::Wire for $domain {
            fn encode(&self) -> Vec<u8> {
                let frozen: $newest = $crate::wire::mirror::Mirror::freeze(self);
                $crate::wire::codec::encode($version, &frozen, $limit)
            }

            fn decode(bytes: &[u8]) -> Result<Self, $crate::wire::WireError> {
                match $crate::wire::codec::split(bytes, $limit)? {
                    $(($read, payload) => {
                        let frozen: $frozen = $crate::wire::codec::decode(payload)?;
                        $crate::wire::mirror::Mirror::thaw(frozen)
                    })+
                    (found, _) => Err($crate::wire::WireError::Version { found }),
                }
            }
        }
    )*};
}
use wire;

wire! {
    Proposal: writes version::COMMAND => command::V1Proposal,
        reads { 1 => command::V1Proposal }, at most limits::COMMAND_BYTES_MAX;
    Applied: writes version::RECORD => reply::V1Applied,
        reads { 1 => reply::V1Applied }, at most limits::RECORD_BYTES_MAX;
    Org: writes version::RECORD => org::V1Org,
        reads { 1 => org::V1Org }, at most limits::RECORD_BYTES_MAX;
    ApiKey: writes version::RECORD => org::V1ApiKey,
        reads { 1 => org::V1ApiKey }, at most limits::RECORD_BYTES_MAX;
    OidcCredential: writes version::RECORD => oidc::V1OidcCredential,
        reads { 1 => oidc::V1OidcCredential }, at most limits::RECORD_BYTES_MAX;
    WriteRecord: writes version::RECORD => record::V1WriteRecord,
        reads { 1 => record::V1WriteRecord }, at most limits::RECORD_BYTES_MAX;
    KeyRecord: writes version::RECORD => record::V1KeyRecord,
        reads { 1 => record::V1KeyRecord }, at most limits::RECORD_BYTES_MAX;
    AppliedRecord: writes version::RECORD => record::V1AppliedRecord,
        reads { 1 => record::V1AppliedRecord }, at most limits::RECORD_BYTES_MAX;
    InheritedNames: writes version::RECORD => record::V1InheritedNames,
        reads { 1 => record::V1InheritedNames }, at most limits::RECORD_BYTES_MAX;
    InheritedTerms: writes version::RECORD => record::V1InheritedTerms,
        reads { 1 => record::V1InheritedTerms }, at most limits::RECORD_BYTES_MAX;
    RegionRecord: writes version::CLUSTER_RECORD => cluster::V3RegionRecord,
        reads {
            1 => cluster::V1RegionRecord,
            2 => cluster::V2RegionRecord,
            3 => cluster::V3RegionRecord,
        },
        at most limits::RECORD_BYTES_MAX;
    NodeRecord: writes version::NODE_RECORD => cluster::V2NodeRecord,
        reads { 1 => cluster::V1NodeRecord, 2 => cluster::V2NodeRecord },
        at most limits::RECORD_BYTES_MAX;
    ClusterRecord: writes version::CLUSTER_RECORD => cluster::V3ClusterRecord,
        reads {
            1 => cluster::V1ClusterRecord,
            2 => cluster::V2ClusterRecord,
            3 => cluster::V3ClusterRecord,
        },
        at most limits::RECORD_BYTES_MAX;
    OrgSettings: writes version::RECORD => org::V1OrgSettings,
        reads { 1 => org::V1OrgSettings }, at most limits::RECORD_BYTES_MAX;
    Isolation: writes version::RECORD => cluster::V1Isolation,
        reads { 1 => cluster::V1Isolation }, at most limits::RECORD_BYTES_MAX;
    ClosedGroup: writes version::RECORD => failover::V1ClosedGroup,
        reads { 1 => failover::V1ClosedGroup }, at most limits::RECORD_BYTES_MAX;
    LeaseRecord: writes version::RECORD => lease::V1LeaseRecord,
        reads { 1 => lease::V1LeaseRecord }, at most limits::RECORD_BYTES_MAX;
    ReplicaMark: writes version::RECORD => lease::V1ReplicaMark,
        reads { 1 => lease::V1ReplicaMark }, at most limits::RECORD_BYTES_MAX;
    AwayRecord: writes version::RECORD => movement::V1AwayRecord,
        reads { 1 => movement::V1AwayRecord }, at most limits::RECORD_BYTES_MAX;
    Belonging: writes version::RECORD => movement::V1Belonging,
        reads { 1 => movement::V1Belonging }, at most limits::RECORD_BYTES_MAX;
    u64: writes version::RECORD => u64,
        reads { 1 => u64 }, at most limits::RECORD_BYTES_MAX;
}

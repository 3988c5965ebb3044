//! How values become bytes, on disk and between nodes. No other module encodes or decodes them.
//!
//! Every encoded value is `version byte | payload`. The payload is bincode of a *frozen* struct: a
//! private mirror of the domain type (`V1…`), which never changes once it was released. A new shape
//! is a new mirror with a new version byte; enum variants are only appended. Decoding checks the
//! size before it allocates, that no bytes are left over, and every rule of the domain types: bytes
//! from a disk or a peer cannot make a value that the edge would refuse. The files of `golden/`
//! hold the bytes of each version for good.
//!
//! Why bincode: it was the smallest of the measured codecs, and its format is specified. It is no
//! longer maintained, so only `codec.rs` names it.

use crate::{
    limits,
    records::{
        failover::ClosedGroup,
        lease::{LeaseRecord, ReplicaMark},
        movement::{MovedAwayRecord, MovedRecord},
        oidc::OidcCredential,
        org::{
            ApiKey, ClusterRecord, NodeRecord, Org, OrgSettings, PartitionPolicyRecord,
            RegionRecord,
        },
        policy::PolicySetRecord,
        record::{AppliedRecord, InheritedNames, InheritedTerms, KeyRecord, WriteRecord},
        registration::{OrgProfile, Registration},
        resource::Resource,
    },
    reply::Applied,
    version,
};

mod codec;
mod error;
mod frozen;
#[cfg(test)]
mod golden_test;
pub mod peer;
#[cfg(test)]
mod round_trip_test;
#[cfg(test)]
mod samples;
pub mod snapshot;

use codec::wire;
use frozen::{
    cluster, failover, lease, movement, oidc, org, policy, record, registration, reply, resource,
};

pub use codec::{Wire, decode_serde, encode_serde};
pub use error::WireError;

wire! {
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
    PartitionPolicyRecord: writes version::RECORD => cluster::V1PartitionPolicyRecord,
        reads { 1 => cluster::V1PartitionPolicyRecord }, at most limits::RECORD_BYTES_MAX;
    ClosedGroup: writes version::RECORD => failover::V1ClosedGroup,
        reads { 1 => failover::V1ClosedGroup }, at most limits::RECORD_BYTES_MAX;
    LeaseRecord: writes version::RECORD => lease::V1LeaseRecord,
        reads { 1 => lease::V1LeaseRecord }, at most limits::RECORD_BYTES_MAX;
    ReplicaMark: writes version::RECORD => lease::V1ReplicaMark,
        reads { 1 => lease::V1ReplicaMark }, at most limits::RECORD_BYTES_MAX;
    MovedAwayRecord: writes version::RECORD => movement::V1MovedAwayRecord,
        reads { 1 => movement::V1MovedAwayRecord }, at most limits::RECORD_BYTES_MAX;
    MovedRecord: writes version::RECORD => movement::V1MovedRecord,
        reads { 1 => movement::V1MovedRecord }, at most limits::RECORD_BYTES_MAX;
    Registration: writes version::RECORD => registration::V1Registration,
        reads { 1 => registration::V1Registration }, at most limits::RECORD_BYTES_MAX;
    OrgProfile: writes version::RECORD => registration::V1OrgProfile,
        reads { 1 => registration::V1OrgProfile }, at most limits::RECORD_BYTES_MAX;
    Resource: writes version::RECORD => resource::V1Resource,
        reads { 1 => resource::V1Resource }, at most limits::RECORD_BYTES_MAX;
    PolicySetRecord: writes version::RECORD => policy::V1PolicySetRecord,
        reads { 1 => policy::V1PolicySetRecord }, at most limits::RECORD_BYTES_MAX;
    u64: writes version::RECORD => u64,
        reads { 1 => u64 }, at most limits::RECORD_BYTES_MAX;
}

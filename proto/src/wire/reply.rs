//! The bytes of what apply answered.

use super::{
    mirror::{V1Id, mirror_enum, mirror_struct},
    oidc::V1Provider,
    org::V1Org,
};
use crate::{
    refusal::{FullOf, Refusal},
    reply::{Applied, Reply},
};

mirror_struct! {
    V1Applied for Applied { write_id: V1Id, index: u64, outcome: Result<V1Reply, V1Refusal> }
}

mirror_enum! {
    V1Reply for Reply {
        Done,
        Version(version: V1Id),
        Org(org: V1Org),
        NodeRegistered { group: u32 },
    }
    V1Refusal for Refusal {
        CredentialNotFound,
        CredentialExists,
        OrgNotFound,
        OrgExists,
        RegionNotFound,
        ProviderFixed { actual: V1Provider },
        ForeignOptions { given: V1Provider, actual: V1Provider },
        VersionMismatch,
        KeyRevoked,
        IdempotencyKeyReused,
        IdempotencyKeysFull,
        Expired,
        AlreadyFormed,
        NodeRefused,
        ClusterFull { what: V1FullOf },
        NodeNotFound,
        NodeGone,
        LastVoterOfRegion,
        NodeNotLeaving,
        LastRegion,
        RegionLeaving,
        RegionNotLeaving,
        FounderStands,
        NotOfRegion,
        TooFewRegions,
    }
    V1FullOf for FullOf { Regions, Nodes }
}

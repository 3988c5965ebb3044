//! The bytes of results of apply.

use serde::{Deserialize, Serialize};

use super::{
    key::V1NewKey,
    mirror::{Mirror, Text, V1Id, mirror_enum},
    oidc::V1Provider,
    org::V1Org,
    registration::V1RegistrationStamp,
    resource::V1ResourceKind,
};
use crate::{
    base::{
        id::GroupId,
        log::{LogIndex, Term},
    },
    consistency::Position,
    limits,
    refusal::{FullOf, Refusal},
    reply::{Applied, Reply},
    wire::error::{WireError, ensure},
};

/// The bytes of an `Applied`.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::wire) struct V1Applied {
    write_id: V1Id,
    index: u64,
    outcome: V1Outcome,
}

/// The place of an answer.
#[derive(Debug, Serialize, Deserialize)]
struct V1Position {
    epoch: u32,
    group: u32,
    index: u64,
}

impl V1Position {
    fn of(position: &Position) -> Self {
        let Position { epoch, group, index, term: _ } = *position;
        Self { epoch, group: group.0, index: index.0 }
    }

    fn thaw(self, term: Option<u64>) -> Position {
        let Self { epoch, group, index } = self;
        Position { epoch, group: GroupId(group), index: LogIndex(index), term: term.map(Term) }
    }
}

/// The first two have the bytes of a `Result`, which this was before organizations could move; the
/// last is written from feature level 2 on.
#[derive(Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "it lives for one call, and a box costs more")]
enum V1Outcome {
    Ok(V1Reply),
    Err(V1Refusal),
    At { position: V1Position, outcome: Result<V1Reply, V1Refusal> },
    AtEntry { position: V1Position, term: u64, outcome: Result<V1Reply, V1Refusal> },
}

impl Mirror<V1Applied> for Applied {
    fn freeze(&self) -> V1Applied {
        let outcome = match (&self.position, &self.outcome) {
            (None, Ok(reply)) => V1Outcome::Ok(reply.freeze()),
            (None, Err(refusal)) => V1Outcome::Err(refusal.freeze()),
            (Some(position), outcome) => {
                let (at, outcome) = (V1Position::of(position), outcome.freeze());
                match position.term {
                    None => V1Outcome::At { position: at, outcome },
                    Some(Term(term)) => V1Outcome::AtEntry { position: at, term, outcome },
                }
            }
        };
        V1Applied { write_id: self.write_id.freeze(), index: self.index.freeze(), outcome }
    }
    fn thaw(frozen: V1Applied) -> Result<Self, WireError> {
        let (position, outcome) = match frozen.outcome {
            V1Outcome::Ok(reply) => (None, Ok(Mirror::thaw(reply)?)),
            V1Outcome::Err(refusal) => (None, Err(Mirror::thaw(refusal)?)),
            V1Outcome::At { position, outcome } => {
                (Some(position.thaw(None)), Mirror::thaw(outcome)?)
            }
            V1Outcome::AtEntry { position, term, outcome } => {
                (Some(position.thaw(Some(term))), Mirror::thaw(outcome)?)
            }
        };
        let (write_id, index) = (Mirror::thaw(frozen.write_id)?, Mirror::thaw(frozen.index)?);
        Ok(Self { write_id, index, position, outcome })
    }
}

mirror_enum! {
    V1Reply for Reply {
        Done,
        Version(version: V1Id),
        Org(org: V1Org),
        NodeRegistered { group: u32 },
        ImportDropped,
        Registered { version: V1Id, stamp: V1RegistrationStamp },
        Resource { name: Text, version: V1Id },
        Key(new: V1NewKey),
    }
    V1Refusal for Refusal, check check_refusal {
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
        NodeRemoved,
        LastVoterOfRegion,
        NodeNotLeaving,
        LastRegion,
        RegionLeaving,
        RegionNotLeaving,
        FounderIsMember,
        NotOfRegion,
        TooFewRegions,
        Moved { to: u32, epoch: u32 },
        Moving { epoch: u32 },
        StaleMove,
        NotReleased,
        HandedOver,
        FailingOver,
        NotFenced,
        HostsOtherGroup,
        AlreadyHosted,
        StaleFailover,
        FeatureLevelUnknown { node: u64 },
        RegionNotNamed { region: Text, named: Vec<Text> },
        Lost,
        Unchanged,
        IssuerFixed { actual: V1Provider },
        GenericOnly { actual: V1Provider },
        DomainTaken,
        BindingsFull,
        Incomplete,
        ResourceNotFound { kind: V1ResourceKind },
        ResourceExists { kind: V1ResourceKind },
        ResourcesFull { kind: V1ResourceKind },
        KeyNotFound,
        KeyExists,
        KeysFull,
        LastAdminKey,
        PolicyChanged,
        HasSuborganizations,
    }
    V1FullOf for FullOf { Regions, Nodes }
}

fn check_refusal(refusal: &Refusal) -> Result<(), WireError> {
    let Refusal::RegionNotNamed { named, .. } = refusal else { return Ok(()) };
    ensure(named.len() <= limits::REGIONS_MAX, "number of regions")
}

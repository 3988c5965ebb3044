//! The closed list of expected noes. Every replica computes them alike; HTTP statuses are given to
//! them at the edge, by class.

use crate::{
    id::{GroupId, NodeId},
    oidc::Provider,
    region::Region,
};

/// What kind of no it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalClass {
    /// The request cannot be right.
    BadRequest,
    /// Nobody is allowed in by this key.
    Unauthenticated,
    /// What it is about is not there.
    NotFound,
    /// It would collide with what is there.
    Conflict,
    /// `If-Match` does not match.
    PreconditionFailed,
    /// The key was used for another request.
    KeyReused,
    /// A quota is used up.
    TooMany,
    /// It came too late to be applied, or a failover went on without it: certainly not done.
    Expired,
    /// Its organisation is on a move or has moved: certainly not done, to be tried in its new home.
    Elsewhere,
}

/// An expected no, decided by the state machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No credential by that id.
    #[error("no credential with this client_id")]
    CredentialNotFound,
    /// There is one already.
    #[error("a credential with this client_id exists already")]
    CredentialExists,
    /// The organisation is not here.
    #[error("no such organization")]
    OrgNotFound,
    /// The id is taken.
    #[error("an organization with this id exists already")]
    OrgExists,
    /// The region is not part of the cluster.
    #[error("no such region")]
    RegionNotFound,
    /// `provider` cannot be changed.
    #[error("provider cannot be changed: it is {actual}")]
    ProviderFixed {
        /// The stored one.
        actual: Provider,
    },
    /// A sub-object of another provider.
    #[error("options.{given} does not belong to a credential of provider {actual}")]
    ForeignOptions {
        /// The sub-object's provider.
        given: Provider,
        /// The credential's.
        actual: Provider,
    },
    /// `If-Match` names another version, or `If-None-Match` this one.
    #[error("the condition of If-Match or If-None-Match is false")]
    VersionMismatch,
    /// The authorising key is dead.
    #[error("unauthorized")]
    KeyRevoked,
    /// The idempotency key belongs to another request.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyKeyReused,
    /// Too many live idempotency keys.
    #[error("too many live idempotency keys")]
    IdempotencyKeysFull,
    /// Applied too late.
    #[error("the request came too late and was not carried out")]
    Expired,
    /// The cluster is formed already, or not yet.
    #[error("the cluster is formed already")]
    AlreadyFormed,
    /// A node id that is taken by another region or was replaced.
    #[error("this node id cannot join")]
    NodeRefused,
    /// A limit of [`crate::limits`] on regions or nodes.
    #[error("the cluster has as many {what} as it may have")]
    ClusterFull {
        /// Of what.
        what: FullOf,
    },
    /// No node by that id.
    #[error("no such node")]
    NodeNotFound,
    /// What was removed or replaced never comes back.
    #[error("this node has left the cluster for good; an empty data directory is a new node")]
    NodeGone,
    /// Its region would have nobody left to vote in the region's group.
    #[error(
        "it is the last node of its region that may vote: add another one there first, or remove \
         the region"
    )]
    LastVoterOfRegion,
    /// Only a node that is leaving is removed.
    #[error("the node must be drained before it is removed")]
    NodeNotLeaving,
    /// The cluster would have no region.
    #[error("it is the last region")]
    LastRegion,
    /// The region takes nothing new.
    #[error("the region is being removed")]
    RegionLeaving,
    /// A region is removed only while it is closed to organisations.
    #[error("the region's removal has not begun")]
    RegionNotLeaving,
    /// The group may live, or come back to life, on its founder.
    #[error("the region's founder still belongs to the cluster: remove that node first")]
    FounderStands,
    /// The node cannot found that region's group.
    #[error("the node is no full member of that region")]
    NotOfRegion,
    /// `survive = "region"` needs three.
    #[error("to survive the loss of a region the cluster needs three regions that stay")]
    TooFewRegions,
    /// The organisation was let go from here.
    #[error("the organization is moving to another region; nothing was stored")]
    Moved {
        /// Where to.
        to: GroupId,
        /// Its epoch there.
        epoch: u32,
    },
    /// It is on its way here.
    #[error("the organization is moving to this region; nothing was stored")]
    Moving {
        /// Its epoch here.
        epoch: u32,
    },
    /// Another step of a move came first.
    #[error("the organization's home has changed meanwhile")]
    StaleMove,
    /// There is no move to be undone.
    #[error("the organization is not on a move")]
    NotReleased,
    /// The move can no longer be undone.
    #[error("the organization's new home has taken it over: the move will be completed")]
    HandedOver,
    /// The region's group is closed.
    #[error("the region's group is closed, and its successor is still being founded")]
    FailingOver,
    /// Nothing makes sure that the lost region does not go on.
    #[error(
        "the region's leaders do not fence themselves: stop all its nodes, and say so (fenced)"
    )]
    NotFenced,
    /// The region is another one's seat.
    #[error("another region's group stands there: give it another seat first")]
    SeatOfOthers,
    /// A failover or a seat that leads nowhere.
    #[error("the group stands in that region already")]
    SeatedThere,
    /// Another step of a failover came first.
    #[error("the failover has gone on meanwhile")]
    StaleFailover,
    /// A member has not said that it knows the feature level.
    #[error("node {node} has not said that it knows this feature level: upgrade or remove it")]
    FeatureLevelUnknown {
        /// The member.
        node: NodeId,
    },
    /// Nobody has named the region whose node wants to join: most likely it is misspelt.
    #[error(
        "no region {region} was named in this cluster, only {}: mend the node's setting, or add the \
         region first (concordat region add {region})",
        listed(.named)
    )]
    RegionNotNamed {
        /// The node's.
        region: Region,
        /// Those that were named.
        named: Vec<Region>,
    },
    /// A failover went on without it, and that was said.
    #[error("the write was lost with its region in a failover; nothing was stored")]
    Lost,
}

fn listed(regions: &[Region]) -> String {
    regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ")
}

/// What there may be no more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullOf {
    /// Regions.
    Regions,
    /// Nodes.
    Nodes,
}

impl std::fmt::Display for FullOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Regions => "regions",
            Self::Nodes => "nodes",
        })
    }
}

impl Refusal {
    /// Its class.
    #[must_use]
    pub const fn class(&self) -> RefusalClass {
        match self {
            Self::CredentialNotFound | Self::OrgNotFound | Self::NodeNotFound => {
                RefusalClass::NotFound
            }
            Self::CredentialExists
            | Self::OrgExists
            | Self::AlreadyFormed
            | Self::NodeGone
            | Self::LastVoterOfRegion
            | Self::NodeNotLeaving
            | Self::LastRegion
            | Self::RegionLeaving
            | Self::RegionNotLeaving
            | Self::FounderStands
            | Self::NotOfRegion
            | Self::TooFewRegions
            | Self::StaleMove
            | Self::NotReleased
            | Self::HandedOver
            | Self::FailingOver
            | Self::NotFenced
            | Self::SeatOfOthers
            | Self::SeatedThere
            | Self::StaleFailover
            | Self::FeatureLevelUnknown { .. }
            | Self::RegionNotNamed { .. } => RefusalClass::Conflict,
            Self::RegionNotFound
            | Self::ProviderFixed { .. }
            | Self::ForeignOptions { .. }
            | Self::NodeRefused => RefusalClass::BadRequest,
            Self::VersionMismatch => RefusalClass::PreconditionFailed,
            Self::KeyRevoked => RefusalClass::Unauthenticated,
            Self::IdempotencyKeyReused => RefusalClass::KeyReused,
            Self::IdempotencyKeysFull | Self::ClusterFull { .. } => RefusalClass::TooMany,
            Self::Expired | Self::Lost => RefusalClass::Expired,
            Self::Moved { .. } | Self::Moving { .. } => RefusalClass::Elsewhere,
        }
    }

    /// Whether an idempotency key remembers it (contract 3: never 400, 401, 422, 429).
    #[must_use]
    pub const fn remembered(&self) -> bool {
        matches!(
            self.class(),
            RefusalClass::NotFound | RefusalClass::Conflict | RefusalClass::PreconditionFailed
        )
    }
}

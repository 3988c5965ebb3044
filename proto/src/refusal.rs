//! All expected rejections. Every replica computes them alike; a dialect maps their classes to HTTP
//! statuses.

use crate::{
    base::{
        id::{GroupId, NodeId},
        region::Region,
    },
    records::{oidc::Provider, resource::ResourceKind},
};

/// The class of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalClass {
    /// The request cannot be right.
    BadRequest,
    /// The key authenticates no caller.
    Unauthenticated,
    /// The object does not exist.
    NotFound,
    /// It conflicts with an existing object.
    Conflict,
    /// `If-Match` does not match.
    PreconditionFailed,
    /// The key was used for another request.
    KeyReused,
    /// A quota is used up.
    TooMany,
    /// It came too late to be applied, or a failover provably does not have it: certainly not done.
    Expired,
    /// Its organization is on a move or has moved: certainly not done, to be tried in its new home.
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
    /// The organization is not here.
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
    /// The authorizing key is dead.
    #[error("unauthorized")]
    KeyRevoked,
    /// The idempotency key belongs to another request.
    #[error("this Idempotency-Key was used for another request")]
    IdempotencyKeyReused,
    /// Too many live idempotency keys.
    #[error("too many live idempotency keys")]
    IdempotencyKeysFull,
    /// Applied too late.
    #[error("the request expired before it was applied; nothing was stored")]
    Expired,
    /// The cluster is formed already, or not yet.
    #[error("the cluster is already bootstrapped")]
    AlreadyFormed,
    /// A node id that is taken by another region or was replaced.
    #[error("this node id cannot join")]
    NodeRefused,
    /// A limit of [`crate::limits`] on regions or nodes.
    #[error("the cluster has the maximum number of {what}")]
    ClusterFull {
        /// The resource that is full.
        what: FullOf,
    },
    /// No node by that id.
    #[error("no such node")]
    NodeNotFound,
    /// A removed or replaced object never comes back.
    #[error(
        "this node was removed from the cluster permanently; start it with an empty data directory as a new node"
    )]
    NodeRemoved,
    /// No node of the region could vote in the region's group any more.
    #[error(
        "this is the last node of its region that may vote: add another node there first, or remove \
         the region"
    )]
    LastVoterOfRegion,
    /// Only a node that is leaving is removed.
    #[error("the node must be drained before it is removed")]
    NodeNotLeaving,
    /// The cluster would have no region.
    #[error("this is the last region of the cluster")]
    LastRegion,
    /// The region takes nothing new.
    #[error("the region is being removed")]
    RegionLeaving,
    /// A region is removed only while it is closed to organizations.
    #[error("the region's removal has not begun")]
    RegionNotLeaving,
    /// The group may live, or come back to life, on its founder.
    #[error("the region's first node is still a member of the cluster: remove it first")]
    FounderIsMember,
    /// The node cannot found that region's group.
    #[error("the node is not a full member of that region")]
    NotOfRegion,
    /// `survival_goal = "region"` needs three.
    #[error("region survival requires at least three regions that are not being removed")]
    TooFewRegions,
    /// The organization is moving away from this group.
    #[error("the organization is moving to another region; nothing was stored")]
    Moved {
        /// The target group.
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
    #[error("the organization's home has changed; reload and retry")]
    StaleMove,
    /// There is no move to be undone.
    #[error("the organization is not moving")]
    NotReleased,
    /// The move can no longer be undone.
    #[error(
        "the new home region has taken the organization over: the move can no longer be canceled"
    )]
    HandedOver,
    /// The region's group is closed.
    #[error("the region's group is closed, and its successor is still being created")]
    FailingOver,
    /// Nothing guarantees that the lost region's leaders have stopped.
    #[error(
        "the region has no partition_policy=fence: stop all its nodes, then confirm it (confirm_fenced)"
    )]
    NotFenced,
    /// Another region's group has its voters in this region.
    #[error("another region's group is hosted in this region; relocate it first")]
    HostsOtherGroup,
    /// The target of a failover or relocation is the present region.
    #[error("the group is already hosted in that region")]
    AlreadyHosted,
    /// Another step of a failover came first.
    #[error("the failover has already advanced; reload and retry")]
    StaleFailover,
    /// A member has not reported that it supports the feature level.
    #[error("node {node} has not reported support for this feature level: upgrade or remove it")]
    FeatureLevelUnknown {
        /// The member.
        node: NodeId,
    },
    /// No operator has added the region of the node that wants to join: most likely it is misspelt.
    #[error(
        "this cluster has no region {region}, only {}: correct the node's setting, or add the \
         region first (concordat region add {region})",
        listed(.named)
    )]
    RegionNotNamed {
        /// The node's.
        region: Region,
        /// Those that were named.
        named: Vec<Region>,
    },
    /// A failover does not have the write, and this was reported.
    #[error("the write was lost with its region in a failover")]
    Lost,
    /// The change would change nothing, and its dialect refuses such changes.
    #[error("the credential has these settings already")]
    Unchanged,
    /// The issuer of this provider cannot be changed.
    #[error("the issuer of a credential of provider {actual} cannot be changed")]
    IssuerFixed {
        /// The credential's provider.
        actual: Provider,
    },
    /// A setting that only credentials of provider `oidc` have.
    #[error("a credential of provider {actual} has no endpoints and mappings of its own")]
    GenericOnly {
        /// The credential's provider.
        actual: Provider,
    },
    /// The enterprise domain belongs to another organization.
    #[error("this domain belongs to another organization")]
    DomainTaken,
    /// A limit of [`crate::limits`] on bindings.
    #[error("the organization has the maximum number of bindings")]
    BindingsFull,
    /// A new credential without a client id or a secret: only a bug of the proposing node.
    #[error("a new credential needs a client id and a client secret")]
    Incomplete,
    /// No resource of this kind and name.
    #[error("no {kind} with this id")]
    ResourceNotFound {
        /// The kind.
        kind: ResourceKind,
    },
    /// There is one of this kind and name already.
    #[error("a {kind} with this id exists already")]
    ResourceExists {
        /// The kind.
        kind: ResourceKind,
    },
    /// The organization has as many as it may have.
    #[error("the organization has the maximum number of resources of kind {kind}")]
    ResourcesFull {
        /// The kind.
        kind: ResourceKind,
    },
    /// No key by that id in the organization.
    #[error("no such API key")]
    KeyNotFound,
    /// A new key has the id or the text of another: only a bug of the proposing node.
    #[error("an API key with this id exists already")]
    KeyExists,
    /// The organization has as many keys as it may have, or has replaced as many within ten minutes.
    #[error("the organization has the maximum number of API keys")]
    KeysFull,
    /// Without it, or once the others have expired, no key could change the organization's keys.
    #[error("this is the organization's last API key with the right admin that does not expire")]
    LastAdminKey,
    /// The write was authorized under policies that have changed since: to be authorized again.
    #[error("policies changed while the request was carried out; nothing was stored")]
    PolicyChanged,
    /// Only an organization without suborganizations ends.
    #[error("the organization has suborganizations: delete them first")]
    HasSuborganizations,
}

fn listed(regions: &[Region]) -> String {
    regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ")
}

/// A resource with a limit.
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
            Self::CredentialNotFound
            | Self::OrgNotFound
            | Self::NodeNotFound
            | Self::ResourceNotFound { .. }
            | Self::KeyNotFound => RefusalClass::NotFound,
            Self::CredentialExists
            | Self::ResourceExists { .. }
            | Self::ResourcesFull { .. }
            | Self::KeyExists
            | Self::KeysFull
            | Self::LastAdminKey
            | Self::HasSuborganizations
            | Self::OrgExists
            | Self::AlreadyFormed
            | Self::NodeRemoved
            | Self::LastVoterOfRegion
            | Self::NodeNotLeaving
            | Self::LastRegion
            | Self::RegionLeaving
            | Self::RegionNotLeaving
            | Self::FounderIsMember
            | Self::NotOfRegion
            | Self::TooFewRegions
            | Self::StaleMove
            | Self::NotReleased
            | Self::HandedOver
            | Self::FailingOver
            | Self::NotFenced
            | Self::HostsOtherGroup
            | Self::AlreadyHosted
            | Self::StaleFailover
            | Self::FeatureLevelUnknown { .. }
            | Self::Unchanged
            | Self::DomainTaken
            | Self::BindingsFull
            | Self::RegionNotNamed { .. } => RefusalClass::Conflict,
            Self::RegionNotFound
            | Self::ProviderFixed { .. }
            | Self::ForeignOptions { .. }
            | Self::IssuerFixed { .. }
            | Self::GenericOnly { .. }
            | Self::Incomplete
            | Self::NodeRefused => RefusalClass::BadRequest,
            Self::VersionMismatch => RefusalClass::PreconditionFailed,
            Self::KeyRevoked => RefusalClass::Unauthenticated,
            Self::IdempotencyKeyReused => RefusalClass::KeyReused,
            Self::IdempotencyKeysFull | Self::ClusterFull { .. } => RefusalClass::TooMany,
            Self::Expired | Self::Lost | Self::PolicyChanged => RefusalClass::Expired,
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

//! What a request asks to be created or changed, checked and typed, secrets still in the clear.
//!
//! A draft never leaves the request that brought it: its secrets are sealed before anything is
//! proposed (`crate::draft`).

use std::time::Duration;

use concordat_proto::{
    id::{ClientId, NodeId, OrgId},
    lease::LeaseTerms,
    oidc::Provider,
    org::{Survive, WhenIsolated},
    region::Region,
    secret::Secret,
};

/// A setting of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterSetting {
    /// What home groups must outlive.
    Survive(Survive),
    /// How long read leases are, and how far clocks may run apart.
    Leases(LeaseTerms),
    /// What leaders do that are cut off with their region.
    Isolation(WhenIsolated),
}

/// A change of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegionPatch {
    /// It stays.
    Open,
    /// This node founds its group; the operator confirms that the first founder never runs again.
    Found(NodeId),
    /// Its group's voters belong in that region.
    Seat(Region),
}

/// How a lost region is failed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverDraft {
    /// Where its organizations' writes are ordered from now on.
    pub to: Region,
    /// The operator confirms that all nodes of the lost region are stopped.
    pub fenced: bool,
    /// Nodes of other regions that are permanently lost too.
    pub without: Vec<NodeId>,
}

/// What the demo cuts or heals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DemoTarget {
    /// A whole region.
    Region(Region),
    /// One node.
    Node(NodeId),
}

/// A credential to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::oidc::OidcCredential")]
pub struct OidcDraft {
    pub client_id: ClientId,
    pub provider: Provider,
    pub client_secret: Secret,
    pub label: Option<String>,
    pub external_cred_id: Option<String>,
    pub enable_in_authz_server: Option<bool>,
    /// Its own provider's, defaults filled in. A foreign sub-object has been rejected.
    pub options: OptionsDraft,
}

/// A change of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "as in concordat_proto::oidc::OidcPatch")]
pub struct OidcPatchDraft {
    pub provider: Option<Provider>,
    pub client_secret: Option<Secret>,
    pub label: Option<String>,
    pub external_cred_id: Option<String>,
    pub enable_in_authz_server: Option<bool>,
    pub options: Option<OptionsDraft>,
}

/// A provider's sub-object of `options`, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::oidc::OidcOptions")]
pub struct OptionsDraft {
    pub provider: Provider,
    pub scopes: Vec<String>,
    pub specific: SpecificDraft,
}

/// What is particular to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::oidc::ProviderOptions")]
pub enum SpecificDraft {
    ScopesOnly,
    Azuread {
        tenant: String,
    },
    Okta {
        organization_url: String,
    },
    Apple {
        /// `None`: `[redacted]` was sent back, keep the stored one (only in a change).
        private_key: Option<Secret>,
        team_id: String,
        key_id: String,
        secret_lifetime: Duration,
    },
}

/// An organization to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::org::Org")]
pub struct OrgDraft {
    pub id: Option<OrgId>,
    pub org_name: String,
    pub tenant_name: String,
    pub home_region: Option<Region>,
}

/// Where an organization is to be at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveDraft {
    /// In this region.
    To(Region),
    /// Where it was before the move that is under way.
    Back,
}

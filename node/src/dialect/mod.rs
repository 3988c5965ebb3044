//! What a dialect is: bytes to an [`Action`], an outcome to an [`Answer`]. No dialect imports
//! another; none does IO, reads a clock or knows the store.

use std::time::Duration;

use concordat_proto::{
    command::Precondition,
    consistency::{Position, RequiredConsistency},
    id::{ClientId, NodeId, OrgId, WriteId},
    lease::LeaseTerms,
    oidc::Provider,
    org::{NodeState, OrgSettings, Survive, WhenIsolated},
    region::Region,
    secret::Secret,
};

pub mod slashid;

/// What a route stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operation {
    OidcList,
    OidcCreate,
    OidcGet,
    OidcPatch,
    OidcDelete,
    OrgCreate,
    OrgList,
    OrgGet,
    OrgMove,
    ReceiptGet,
    ClusterGet,
    DemoCut,
    DemoHeal,
    ClusterPatch,
    NodeList,
    NodePatch,
    NodeDelete,
    RegionList,
    RegionPatch,
    RegionDelete,
    RegionFailover,
    DivergenceGet,
    OrgPatch,
    SecretGet,
    RegionAdd,
}

/// What arrived, after routing and authentication. The body is empty where none was read.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The path parameter as it stands in the URL, still percent-encoded; empty where there is none.
    pub path_parameter: &'a str,
    /// The query string without `?`.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a http::HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// The headers that every request of every dialect may carry (contract 2 and 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonHeaders {
    /// `SlashID-Required-Consistency`.
    pub required: RequiredConsistency,
    /// `SlashID-Required-Consistency-Timeout`.
    pub timeout: Duration,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// `Concordat-Key-Lifetime`.
    pub key_lifetime: Duration,
    /// `If-Match`.
    pub if_match: Option<Precondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<Precondition>,
    /// `Concordat-At-Least`.
    pub at_least: Option<Position>,
    /// `Concordat-Read-Mode: current`.
    pub current_only: bool,
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many; `None` is all.
    pub limit: Option<usize>,
    /// After so many.
    pub offset: usize,
}

/// What is asked, checked and typed, secrets still in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// List credentials.
    OidcList {
        /// Only this provider's.
        provider: Option<Provider>,
        /// Which page.
        page: Page,
    },
    /// Create one.
    OidcCreate(Box<OidcDraft>),
    /// Read one.
    OidcGet(ClientId),
    /// Change one.
    OidcPatch(ClientId, Box<OidcPatchDraft>),
    /// End one.
    OidcDelete(ClientId),
    /// Create an organisation.
    OrgCreate(OrgDraft),
    /// List organisations.
    OrgList(Page),
    /// Show an organisation and where it is.
    OrgGet(OrgId),
    /// Change an organisation's home.
    OrgMove(OrgId, MoveDraft),
    /// What is known of a write.
    ReceiptGet(ReceiptQuery),
    /// The state of the cluster.
    ClusterGet,
    /// Cut a region or a node off (demo).
    DemoCut(DemoTarget),
    /// Heal it (demo).
    DemoHeal(DemoTarget),
    /// Change a setting of the cluster.
    ClusterPatch(ClusterSetting),
    /// List the nodes.
    NodeList,
    /// Drain a node, or take it back.
    NodePatch(NodeId, NodeState),
    /// Remove a node.
    NodeDelete(NodeId),
    /// List the regions.
    RegionList,
    /// Let a region stay after all, or have its group founded by another node.
    RegionPatch(Region, RegionPatch),
    /// Remove a region.
    RegionDelete(Region),
    /// Fail a lost region over.
    RegionFailover(Region, FailoverDraft),
    /// What a lost region had that nobody else did.
    DivergenceGet(Region),
    /// Change what is set for an organisation.
    OrgPatch(OrgId, OrgSettings),
    /// Read a client secret in the clear.
    SecretGet(ClientId),
    /// Let the nodes of a further region join.
    RegionAdd(Region),
}

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
    /// This node founds its group; the operator's word is given that the first founder never runs
    /// again.
    Found(NodeId),
    /// Its group's voters belong in that region.
    Seat(Region),
}

/// How a lost region is failed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailoverDraft {
    /// Where its organisations' writes are ordered from now on.
    pub to: Region,
    /// The operator's word that all nodes of the lost region are stopped.
    pub fenced: bool,
    /// Nodes elsewhere that are as lost as the region.
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

/// An organisation to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in concordat_proto::org::Org")]
pub struct OrgDraft {
    pub id: Option<OrgId>,
    pub org_name: String,
    pub tenant_name: String,
    pub home_region: Option<Region>,
}

/// Where an organisation is to be at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveDraft {
    /// In this region.
    To(Region),
    /// Where it was before the move that is under way.
    Back,
}

/// An answer before it is an HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `content-type` is among them only where the body is not JSON.
    pub headers: Vec<(&'static str, String)>,
    /// JSON unless the headers say otherwise, or nothing.
    pub body: Option<Vec<u8>>,
}

/// What is asked about a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptQuery {
    /// Which.
    pub write_id: WriteId,
    /// How long to wait for the rest.
    pub wait: Option<Duration>,
    /// Where it must have been applied to have achieved what is asked for here.
    pub required: RequiredConsistency,
}

/// Why a request cannot be right; found before anything is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status.
    pub status: u16,
    /// For a person; never holds a secret.
    pub message: String,
}

//! The operations of the API: one table of their properties, and the typed action of each.
//!
//! The required caller, whether a request enters a log and whether it has a body are read from
//! [`TABLE`]. No other file lists the operations. An [`Action`] is grouped by caller and effect, so
//! that a use case matches exactly the actions that can reach it.

use std::time::Duration;

use concordat_proto::{
    api::{
        cluster::ClusterPatch,
        demo::DemoTarget,
        node::NodePatch,
        organization::{OrganizationCreate, OrganizationMove, OrganizationPatch},
        region::{Failover, RegionAdd, RegionPatch},
    },
    consistency::RequiredConsistency,
    id::{ClientId, NodeId, OrgId, WriteId},
    oidc::Provider,
    org::Rights,
    region::Region,
    registration::{Binding, CredentialTarget, Number, Owner},
    resource::{ResourceKind, ResourceName},
    time::LogTime,
};

pub use super::page::Page;

use super::draft::{ChangeDraft, KeyDraft, OidcDraft, OidcPatchDraft, OwnOrgWrite, ResourceDraft};

/// Every operation, in the order of [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the table says what each is")]
pub enum Operation {
    OidcList,
    OidcCreate,
    OidcGet,
    OidcPatch,
    OidcDelete,
    SecretGet,
    OwnOrgGet,
    OwnOrgDelete,
    SuborgList,
    SuborgCreate,
    KeyList,
    KeyIssue,
    KeyRotate,
    KeyRevoke,
    SamlList,
    SamlCreate,
    SamlGet,
    SamlPatch,
    SamlDelete,
    ExternalList,
    ExternalCreate,
    ExternalGet,
    ExternalPatch,
    ExternalDelete,
    AttributeList,
    AttributeGet,
    AttributePut,
    AttributeDelete,
    EntryList,
    EntryGet,
    EntryCreate,
    EntryChange,
    EntryDelete,
    BindingGet,
    BindingSet,
    DomainClaim,
    ReceiptGet,
    OrgCreate,
    OrgList,
    OrgGet,
    OrgPatch,
    OrgMove,
    OrgDelete,
    ClusterGet,
    ClusterPatch,
    DigestGet,
    NodeList,
    NodePatch,
    NodeDelete,
    RegionList,
    RegionAdd,
    RegionPatch,
    RegionDelete,
    RegionFailover,
    DivergenceGet,
    PoliciesGet,
    PoliciesPut,
    PoliciesTest,
    OrgPoliciesGet,
    OrgPoliciesPut,
    DemoCut,
    DemoHeal,
}

/// The required caller of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// An organization, by one of its keys that has this right.
    Organization(Rights),
    /// An operator.
    Operator,
    /// Either. An organization's key needs any right.
    Either,
}

/// The effect of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It reads this node's state.
    Read,
    /// It enters a log.
    Write,
    /// It changes this process only.
    Local,
}

/// The properties of an operation, for every caller and in every dialect.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The operation.
    pub operation: Operation,
    /// Its name in metrics.
    pub name: &'static str,
    /// The required caller.
    pub caller: Caller,
    /// Its effect.
    pub kind: Kind,
    /// Whether its request has a body. The body of another request is not read.
    pub has_body: bool,
    /// Whether it exists in the demo only.
    pub is_demo: bool,
}

const READ: Caller = Caller::Organization(Rights::READ);
const WRITE: Caller = Caller::Organization(Rights::WRITE);
const SECRETS: Caller = Caller::Organization(Rights::SECRETS_READ);
const ADMIN: Caller = Caller::Organization(Rights::ADMIN);
const ANY: Caller = Caller::Organization(Rights::NONE);
const OPERATOR: Caller = Caller::Operator;

const fn read(operation: Operation, name: &'static str, caller: Caller) -> Spec {
    Spec { operation, name, caller, kind: Kind::Read, has_body: false, is_demo: false }
}

const fn write(operation: Operation, name: &'static str, caller: Caller) -> Spec {
    Spec { operation, name, caller, kind: Kind::Write, has_body: true, is_demo: false }
}

const fn with_body(spec: Spec) -> Spec {
    Spec { has_body: true, ..spec }
}

const fn demo(operation: Operation, name: &'static str) -> Spec {
    Spec { operation, name, caller: OPERATOR, kind: Kind::Local, has_body: true, is_demo: true }
}

/// The table of operations.
pub const TABLE: [Spec; 62] = [
    read(Operation::OidcList, "oidc_list", READ),
    write(Operation::OidcCreate, "oidc_create", WRITE),
    read(Operation::OidcGet, "oidc_get", READ),
    write(Operation::OidcPatch, "oidc_patch", WRITE),
    write(Operation::OidcDelete, "oidc_delete", WRITE),
    read(Operation::SecretGet, "secret_get", SECRETS),
    read(Operation::OwnOrgGet, "own_org_get", READ),
    write(Operation::OwnOrgDelete, "own_org_delete", ADMIN),
    read(Operation::SuborgList, "suborg_list", READ),
    write(Operation::SuborgCreate, "suborg_create", ADMIN),
    read(Operation::KeyList, "key_list", ADMIN),
    write(Operation::KeyIssue, "key_issue", ADMIN),
    write(Operation::KeyRotate, "key_rotate", ANY),
    write(Operation::KeyRevoke, "key_revoke", ADMIN),
    read(Operation::SamlList, "saml_list", READ),
    write(Operation::SamlCreate, "saml_create", WRITE),
    read(Operation::SamlGet, "saml_get", READ),
    write(Operation::SamlPatch, "saml_patch", WRITE),
    write(Operation::SamlDelete, "saml_delete", WRITE),
    read(Operation::ExternalList, "external_list", READ),
    write(Operation::ExternalCreate, "external_create", WRITE),
    read(Operation::ExternalGet, "external_get", SECRETS),
    write(Operation::ExternalPatch, "external_patch", WRITE),
    write(Operation::ExternalDelete, "external_delete", WRITE),
    read(Operation::AttributeList, "attribute_list", READ),
    read(Operation::AttributeGet, "attribute_get", READ),
    write(Operation::AttributePut, "attribute_put", WRITE),
    write(Operation::AttributeDelete, "attribute_delete", WRITE),
    with_body(read(Operation::EntryList, "entry_list", READ)),
    read(Operation::EntryGet, "entry_get", READ),
    write(Operation::EntryCreate, "entry_create", WRITE),
    write(Operation::EntryChange, "entry_change", WRITE),
    write(Operation::EntryDelete, "entry_delete", WRITE),
    read(Operation::BindingGet, "binding_get", READ),
    write(Operation::BindingSet, "binding_set", WRITE),
    write(Operation::DomainClaim, "domain_claim", ADMIN),
    read(Operation::ReceiptGet, "receipt_get", Caller::Either),
    write(Operation::OrgCreate, "org_create", OPERATOR),
    read(Operation::OrgList, "org_list", OPERATOR),
    read(Operation::OrgGet, "org_get", OPERATOR),
    write(Operation::OrgPatch, "org_patch", OPERATOR),
    write(Operation::OrgMove, "org_move", OPERATOR),
    write(Operation::OrgDelete, "org_delete", OPERATOR),
    read(Operation::ClusterGet, "cluster_get", OPERATOR),
    write(Operation::ClusterPatch, "cluster_patch", OPERATOR),
    read(Operation::DigestGet, "digest_get", OPERATOR),
    read(Operation::NodeList, "node_list", OPERATOR),
    write(Operation::NodePatch, "node_patch", OPERATOR),
    write(Operation::NodeDelete, "node_delete", OPERATOR),
    read(Operation::RegionList, "region_list", OPERATOR),
    write(Operation::RegionAdd, "region_add", OPERATOR),
    write(Operation::RegionPatch, "region_patch", OPERATOR),
    write(Operation::RegionDelete, "region_delete", OPERATOR),
    write(Operation::RegionFailover, "region_failover", OPERATOR),
    read(Operation::DivergenceGet, "divergence_get", OPERATOR),
    read(Operation::PoliciesGet, "policies_get", OPERATOR),
    write(Operation::PoliciesPut, "policies_put", OPERATOR),
    with_body(read(Operation::PoliciesTest, "policies_test", OPERATOR)),
    read(Operation::OrgPoliciesGet, "org_policies_get", ADMIN),
    write(Operation::OrgPoliciesPut, "org_policies_put", ADMIN),
    demo(Operation::DemoCut, "demo_cut"),
    demo(Operation::DemoHeal, "demo_heal"),
];

impl Operation {
    /// Its row of [`TABLE`].
    #[must_use]
    pub const fn spec(self) -> &'static Spec {
        &TABLE[self as usize]
    }

    /// Whether it enters a log.
    #[must_use]
    pub fn is_write(self) -> bool {
        self.spec().kind == Kind::Write
    }
}

/// The typed action of a request; secrets are still in plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An organization reads its credentials.
    CredentialRead(CredentialRead),
    /// An organization changes its credentials.
    CredentialWrite(CredentialWrite),
    /// A caller of either kind asks for a write's receipt.
    Receipt(ReceiptQuery),
    /// An operator reads.
    OperatorRead(OperatorRead),
    /// An organization's key that may administrate claims an enterprise domain for it.
    DomainClaim(String),
    /// An organization changes its keys.
    KeyWrite(KeyDraft),
    /// An organization ends itself, or makes a suborganization.
    OwnOrgWrite(OwnOrgWrite),
    /// An operator changes an organization, or makes one.
    OrgWrite(OrgWrite),
    /// An operator changes the cluster.
    ClusterWrite(ClusterWrite),
    /// An operator cuts or heals the demo's network.
    Demo(DemoAction),
}

/// A read of an organization's credentials, or of its own record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialRead {
    /// A page of the list.
    List {
        /// Only this provider's.
        provider: Option<Provider>,
        /// The requested page.
        page: Page,
    },
    /// One credential, without its secrets.
    Get(ClientId),
    /// One client secret in plaintext.
    Secret(ClientId),
    /// The organization whose key was presented.
    Organization,
    /// Credentials with their registrations.
    Entries(EntryFilter),
    /// One credential with its registration.
    Entry(EntryQuery),
    /// The credential that a dialect is bound to.
    Binding(Binding),
    /// A page of the resources of a kind, without their secrets.
    Resources(ResourceKind, Page),
    /// One resource. An external credential is shown with its secret.
    Resource(ResourceKind, ResourceName),
    /// A page of the organization's keys, without their texts.
    Keys(Page),
    /// The organization's own set of policies.
    Policies,
}

/// A read of one credential with its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryQuery {
    /// Which one.
    pub target: CredentialTarget,
    /// What the dialect requires or shows beside it.
    pub needs: EntryNeeds,
}

/// What a dialect requires or shows beside a credential's own data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntryNeeds {
    /// The organization must have an enterprise domain.
    pub domain: bool,
    /// The end of the client secret is shown.
    pub secret_tail: bool,
}

/// The wanted part of an organization's credentials: those that pass every filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Only those of one of these numbers, where some are given; `None` matches nothing.
    pub numbers: Vec<Option<Number>>,
    /// Only those whose names match all of these.
    pub names: Vec<(String, TextMatch)>,
    /// Only those of these owners.
    pub owners: Vec<Owner>,
    /// In order of name instead of number.
    pub by_name: bool,
    /// From the last one on.
    pub descending: bool,
    /// The requested page.
    pub page: Page,
}

/// How a text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TextMatch {
    Equals,
    EqualsIgnoreCase,
    StartsWith,
    StartsWithIgnoreCase,
    Contains,
    ContainsIgnoreCase,
    EndsWith,
    EndsWithIgnoreCase,
}

/// A change of an organization's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialWrite {
    /// Create one.
    Create(Box<OidcDraft>),
    /// Change one.
    Patch(ClientId, Box<OidcPatchDraft>),
    /// Delete one.
    Delete(ClientId),
    /// Create one in the terms of any dialect.
    EntryCreate(CredentialTarget, Box<ChangeDraft>),
    /// Change one in the terms of any dialect. One that a dialect is bound to is created where there
    /// is none.
    EntryChange(CredentialTarget, Box<ChangeDraft>, EntryNeeds),
    /// Delete one.
    EntryDelete(CredentialTarget),
    /// Bind a dialect to one.
    Bind(Binding, ClientId),
    /// Change a resource beside them.
    Resource(ResourceDraft),
}

/// A read by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorRead {
    /// A page of all organizations.
    Orgs(Page),
    /// One organization, with its settings and its move.
    Org(OrgId),
    /// The cluster as this node sees it.
    Cluster,
    /// Digests of this node's state, by group.
    Digest,
    /// The nodes.
    Nodes,
    /// The regions.
    Regions,
    /// The writes that only the nodes of a failed region have.
    Divergence(Region),
    /// The cluster-wide set of policies.
    Policies,
    /// What the policies say of a request that is not carried out.
    PolicyTest(Box<PolicyTrial>),
}

/// A request that is decided and not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTrial {
    /// The operation.
    pub operation: Operation,
    /// The organization whose key asks, or that an operator's request is about.
    pub org: Option<OrgId>,
    /// The rights of the key that asks; none for an operator.
    pub rights: Option<Rights>,
    /// The kind and the id of the credential that it is about.
    pub credential: Option<(&'static str, String)>,
    /// The region of the node that is asked.
    pub region: Option<Region>,
    /// The required consistency.
    pub required: RequiredConsistency,
    /// The address that it comes from.
    pub source: Option<std::net::IpAddr>,
    /// When it is made.
    pub time: Option<LogTime>,
    /// A cluster-wide set in place of the present one.
    pub policies: Option<String>,
    /// An organization's own set in place of the present one.
    pub own_policies: Option<String>,
}

/// A change of organizations by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrgWrite {
    /// Create one.
    Create(OrganizationCreate),
    /// Change one's home.
    Move(OrgId, OrganizationMove),
    /// Change one's settings.
    Patch(OrgId, OrganizationPatch),
    /// End one.
    End(OrgId),
}

/// A change of the cluster by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterWrite {
    /// Change a setting.
    Setting(ClusterPatch),
    /// Drain a node, or undrain it.
    Node(NodeId, NodePatch),
    /// Remove a node.
    NodeRemove(NodeId),
    /// Let the nodes of a further region join.
    RegionAdd(RegionAdd),
    /// Change a region.
    Region(Region, RegionPatch),
    /// Remove a region.
    RegionRemove(Region),
    /// Fail a lost region over.
    Failover(Region, Failover),
    /// Replace the cluster-wide set of policies.
    Policies(String),
}

/// A change of the demo's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DemoAction {
    /// Cut a region or a node off.
    Cut(DemoTarget),
    /// Heal it.
    Heal(DemoTarget),
}

impl Action {
    /// The operation whose action this is.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        match self {
            Self::CredentialRead(CredentialRead::List { .. }) => Operation::OidcList,
            Self::CredentialRead(CredentialRead::Get(_)) => Operation::OidcGet,
            Self::CredentialRead(CredentialRead::Secret(_)) => Operation::SecretGet,
            Self::CredentialRead(CredentialRead::Organization) => Operation::OwnOrgGet,
            Self::CredentialRead(CredentialRead::Entries(_)) => Operation::EntryList,
            Self::CredentialRead(CredentialRead::Entry(_)) => Operation::EntryGet,
            Self::CredentialRead(CredentialRead::Binding(_)) => Operation::BindingGet,
            Self::CredentialRead(CredentialRead::Policies) => Operation::OrgPoliciesGet,
            Self::CredentialRead(CredentialRead::Resources(kind, _)) => listing(*kind),
            Self::CredentialRead(CredentialRead::Resource(kind, _)) => reading(*kind),
            Self::CredentialRead(CredentialRead::Keys(_)) => Operation::KeyList,
            Self::KeyWrite(KeyDraft::Issue { .. }) => Operation::KeyIssue,
            Self::KeyWrite(KeyDraft::Rotate) => Operation::KeyRotate,
            Self::KeyWrite(KeyDraft::Revoke(_)) => Operation::KeyRevoke,
            Self::CredentialWrite(CredentialWrite::Resource(draft)) => changing(draft),
            Self::CredentialWrite(CredentialWrite::EntryCreate(..)) => Operation::EntryCreate,
            Self::CredentialWrite(CredentialWrite::EntryChange(..)) => Operation::EntryChange,
            Self::CredentialWrite(CredentialWrite::EntryDelete(_)) => Operation::EntryDelete,
            Self::CredentialWrite(CredentialWrite::Bind(..)) => Operation::BindingSet,
            Self::DomainClaim(_) => Operation::DomainClaim,
            Self::CredentialWrite(CredentialWrite::Create(_)) => Operation::OidcCreate,
            Self::CredentialWrite(CredentialWrite::Patch(..)) => Operation::OidcPatch,
            Self::CredentialWrite(CredentialWrite::Delete(_)) => Operation::OidcDelete,
            Self::Receipt(_) => Operation::ReceiptGet,
            Self::OperatorRead(OperatorRead::Orgs(_)) => Operation::OrgList,
            Self::OperatorRead(OperatorRead::Org(_)) => Operation::OrgGet,
            Self::OperatorRead(OperatorRead::Cluster) => Operation::ClusterGet,
            Self::OperatorRead(OperatorRead::Digest) => Operation::DigestGet,
            Self::OperatorRead(OperatorRead::Nodes) => Operation::NodeList,
            Self::OperatorRead(OperatorRead::Regions) => Operation::RegionList,
            Self::OperatorRead(OperatorRead::Divergence(_)) => Operation::DivergenceGet,
            Self::OperatorRead(OperatorRead::Policies) => Operation::PoliciesGet,
            Self::OperatorRead(OperatorRead::PolicyTest(_)) => Operation::PoliciesTest,
            Self::OrgWrite(OrgWrite::Create(_)) => Operation::OrgCreate,
            Self::OrgWrite(OrgWrite::Move(..)) => Operation::OrgMove,
            Self::OrgWrite(OrgWrite::End(_)) => Operation::OrgDelete,
            Self::OwnOrgWrite(OwnOrgWrite::End) => Operation::OwnOrgDelete,
            Self::OwnOrgWrite(OwnOrgWrite::CreateSuborganization(_)) => Operation::SuborgCreate,
            Self::OrgWrite(OrgWrite::Patch(..)) => Operation::OrgPatch,
            Self::ClusterWrite(ClusterWrite::Setting(_)) => Operation::ClusterPatch,
            Self::ClusterWrite(ClusterWrite::Node(..)) => Operation::NodePatch,
            Self::ClusterWrite(ClusterWrite::NodeRemove(_)) => Operation::NodeDelete,
            Self::ClusterWrite(ClusterWrite::RegionAdd(_)) => Operation::RegionAdd,
            Self::ClusterWrite(ClusterWrite::Region(..)) => Operation::RegionPatch,
            Self::ClusterWrite(ClusterWrite::RegionRemove(_)) => Operation::RegionDelete,
            Self::ClusterWrite(ClusterWrite::Failover(..)) => Operation::RegionFailover,
            Self::ClusterWrite(ClusterWrite::Policies(_)) => Operation::PoliciesPut,
            Self::Demo(DemoAction::Cut(_)) => Operation::DemoCut,
            Self::Demo(DemoAction::Heal(_)) => Operation::DemoHeal,
        }
    }
}

const fn listing(kind: ResourceKind) -> Operation {
    match kind {
        ResourceKind::Saml => Operation::SamlList,
        ResourceKind::External => Operation::ExternalList,
        ResourceKind::Attribute => Operation::AttributeList,
        ResourceKind::Suborganization => Operation::SuborgList,
        ResourceKind::Policies => Operation::OrgPoliciesGet,
    }
}

const fn reading(kind: ResourceKind) -> Operation {
    match kind {
        ResourceKind::Saml => Operation::SamlGet,
        ResourceKind::External => Operation::ExternalGet,
        ResourceKind::Attribute => Operation::AttributeGet,
        // None is read alone.
        ResourceKind::Suborganization => Operation::SuborgList,
        ResourceKind::Policies => Operation::OrgPoliciesGet,
    }
}

const fn changing(draft: &ResourceDraft) -> Operation {
    match draft {
        ResourceDraft::CreateSaml(_) => Operation::SamlCreate,
        ResourceDraft::PatchSaml(..) => Operation::SamlPatch,
        ResourceDraft::CreateExternal(_) => Operation::ExternalCreate,
        ResourceDraft::PatchExternal(..) => Operation::ExternalPatch,
        ResourceDraft::PutAttribute(..) => Operation::AttributePut,
        ResourceDraft::PutPolicies(_) => Operation::OrgPoliciesPut,
        ResourceDraft::Delete(kind, _) | ResourceDraft::DeleteAll(kind) => match kind {
            ResourceKind::Saml => Operation::SamlDelete,
            ResourceKind::External => Operation::ExternalDelete,
            ResourceKind::Attribute => Operation::AttributeDelete,
            // None is removed from its parent: it ends.
            ResourceKind::Suborganization => Operation::OwnOrgDelete,
            ResourceKind::Policies => Operation::OrgPoliciesPut,
        },
    }
}

/// A request for a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptQuery {
    /// The write.
    pub write_id: WriteId,
    /// How long to wait for the remaining regions.
    pub wait: Option<Duration>,
    /// The regions that must have applied it to count as achieved.
    pub required: RequiredConsistency,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stands_at_its_operations_place() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.operation as usize, place, "{}", row.name);
            assert_eq!(row.operation.spec().name, row.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}

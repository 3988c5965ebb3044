//! The operations of the API: one table of what is true of each, and the typed action of each.
//!
//! Who may ask, whether a request enters a log and whether it has a body are read from [`TABLE`].
//! No other file lists the operations. An [`Action`] is grouped by who asks and by what happens, so
//! that a use case matches exactly the actions that can reach it.

use std::time::Duration;

use concordat_proto::{
    consistency::RequiredConsistency,
    id::{ClientId, NodeId, OrgId, WriteId},
    oidc::Provider,
    org::{NodeState, OrgSettings, Rights},
    region::Region,
};

use super::draft::{
    ClusterSetting, DemoTarget, FailoverDraft, MoveDraft, OidcDraft, OidcPatchDraft, OrgDraft,
    RegionPatch,
};

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
    ReceiptGet,
    OrgCreate,
    OrgList,
    OrgGet,
    OrgPatch,
    OrgMove,
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
    DemoCut,
    DemoHeal,
}

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// An organization, by one of its keys that has this right.
    Organization(Rights),
    /// An operator.
    Operator,
    /// Either. An organization's key needs the right to read or the right to write.
    Either,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It reads this node's state.
    Read,
    /// It enters a log.
    Write,
    /// It changes this process only.
    Local,
}

/// What is true of an operation for every caller, in every dialect.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Which.
    pub operation: Operation,
    /// Its name in metrics.
    pub name: &'static str,
    /// Who may ask.
    pub caller: Caller,
    /// What it does.
    pub kind: Kind,
    /// Whether its request has a body. The body of another request is not read.
    pub has_body: bool,
    /// Whether it exists in the demo only.
    pub is_demo: bool,
}

const READ: Caller = Caller::Organization(Rights::READ);
const WRITE: Caller = Caller::Organization(Rights::WRITE);
const SECRETS: Caller = Caller::Organization(Rights::SECRETS_READ);
const OPERATOR: Caller = Caller::Operator;

const fn read(operation: Operation, name: &'static str, caller: Caller) -> Spec {
    Spec { operation, name, caller, kind: Kind::Read, has_body: false, is_demo: false }
}

const fn write(operation: Operation, name: &'static str, caller: Caller) -> Spec {
    Spec { operation, name, caller, kind: Kind::Write, has_body: true, is_demo: false }
}

const fn demo(operation: Operation, name: &'static str) -> Spec {
    Spec { operation, name, caller: OPERATOR, kind: Kind::Local, has_body: true, is_demo: true }
}

/// The table of operations.
pub const TABLE: [Spec; 26] = [
    read(Operation::OidcList, "oidc_list", READ),
    write(Operation::OidcCreate, "oidc_create", WRITE),
    read(Operation::OidcGet, "oidc_get", READ),
    write(Operation::OidcPatch, "oidc_patch", WRITE),
    write(Operation::OidcDelete, "oidc_delete", WRITE),
    read(Operation::SecretGet, "secret_get", SECRETS),
    read(Operation::ReceiptGet, "receipt_get", Caller::Either),
    write(Operation::OrgCreate, "org_create", OPERATOR),
    read(Operation::OrgList, "org_list", OPERATOR),
    read(Operation::OrgGet, "org_get", OPERATOR),
    write(Operation::OrgPatch, "org_patch", OPERATOR),
    write(Operation::OrgMove, "org_move", OPERATOR),
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

/// What is asked, checked and typed; secrets are still in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An organization reads its credentials.
    CredentialRead(CredentialRead),
    /// An organization changes its credentials.
    CredentialWrite(CredentialWrite),
    /// Either asks what became of a write.
    Receipt(ReceiptQuery),
    /// An operator reads.
    OperatorRead(OperatorRead),
    /// An operator changes an organization, or makes one.
    OrgWrite(OrgWrite),
    /// An operator changes the cluster.
    ClusterWrite(ClusterWrite),
    /// An operator cuts or heals the demo's network.
    Demo(DemoAction),
}

/// A read of an organization's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialRead {
    /// A page of the list.
    List {
        /// Only this provider's.
        provider: Option<Provider>,
        /// Which page.
        page: Page,
    },
    /// One credential, without its secrets.
    Get(ClientId),
    /// One client secret in the clear.
    Secret(ClientId),
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
}

/// A change of organizations by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrgWrite {
    /// Create one.
    Create(OrgDraft),
    /// Change one's home.
    Move(OrgId, MoveDraft),
    /// Change one's settings.
    Patch(OrgId, OrgSettings),
}

/// A change of the cluster by an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterWrite {
    /// Change a setting.
    Setting(ClusterSetting),
    /// Drain a node, or undrain it.
    Node(NodeId, NodeState),
    /// Remove a node.
    NodeRemove(NodeId),
    /// Let the nodes of a further region join.
    RegionAdd(Region),
    /// Change a region.
    Region(Region, RegionPatch),
    /// Remove a region.
    RegionRemove(Region),
    /// Fail a lost region over.
    Failover(Region, FailoverDraft),
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
            Self::OrgWrite(OrgWrite::Create(_)) => Operation::OrgCreate,
            Self::OrgWrite(OrgWrite::Move(..)) => Operation::OrgMove,
            Self::OrgWrite(OrgWrite::Patch(..)) => Operation::OrgPatch,
            Self::ClusterWrite(ClusterWrite::Setting(_)) => Operation::ClusterPatch,
            Self::ClusterWrite(ClusterWrite::Node(..)) => Operation::NodePatch,
            Self::ClusterWrite(ClusterWrite::NodeRemove(_)) => Operation::NodeDelete,
            Self::ClusterWrite(ClusterWrite::RegionAdd(_)) => Operation::RegionAdd,
            Self::ClusterWrite(ClusterWrite::Region(..)) => Operation::RegionPatch,
            Self::ClusterWrite(ClusterWrite::RegionRemove(_)) => Operation::RegionDelete,
            Self::ClusterWrite(ClusterWrite::Failover(..)) => Operation::RegionFailover,
            Self::Demo(DemoAction::Cut(_)) => Operation::DemoCut,
            Self::Demo(DemoAction::Heal(_)) => Operation::DemoHeal,
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most this many items; `None` is all.
    pub limit: Option<usize>,
    /// Skip this many items.
    pub offset: usize,
}

/// What is asked about a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptQuery {
    /// Which.
    pub write_id: WriteId,
    /// How long to wait for the rest of its regions.
    pub wait: Option<Duration>,
    /// Where it must have been applied to count as achieved.
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

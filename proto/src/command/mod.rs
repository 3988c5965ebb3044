//! Every change that may enter a log.
//!
//! Variants are only ever appended: a log holds old ones for as long as it is kept.

mod about;

use std::time::Duration;

use crate::{
    base::{
        id::{ClientId, GroupId, KeyId, NodeId, OrgId, WriteId},
        log::{LogId, LogIndex},
        region::Region,
        time::LogTime,
    },
    records::{
        failover::FailoverBasis,
        key::KeyChange,
        lease::{LeaseTerms, ReplicaMark},
        movement::{MovedRecord, PreviousHome},
        oidc::{OidcCredential, OidcPatch},
        org::{
            ApiKey, ClusterRecord, NodeRecord, NodeState, Org, OrgSettings, PartitionPolicy,
            PartitionPolicyRecord, RegionState, SurvivalGoal,
        },
        policy::{DecidedFor, PolicyStamp},
        registration::{Binding, CredentialChange, CredentialTarget},
        resource::{Administrator, ResourceChange},
    },
};

pub use crate::base::id::RequestDigest;

/// A log entry: a command with everything that its exactly-once execution needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The name under which it happens at most once.
    pub write_id: WriteId,
    /// The leader's clock when it appended the entry. Apply takes the greater of this and the
    /// newest before it.
    pub stamped: LogTime,
    /// Log time after which apply refuses it.
    pub not_after: LogTime,
    /// The node where the request landed: replicas report to it.
    pub origin: NodeId,
    /// A client's own name for the request.
    pub idempotency: Option<Idempotency>,
    /// The key that authorized it: apply refuses the command if that key is no longer valid. `None`
    /// for commands of operators and of the cluster itself.
    pub authorized_by: Option<KeyId>,
    /// The sets of policies that it was authorized under (feature level 3): apply refuses the command
    /// where it knows newer ones. `None` for commands of the cluster itself, and of nodes that evaluate no
    /// policies.
    pub policies: Option<PolicyStamp>,
    /// For which credential these allowed it (feature level 3): apply refuses the command where it names
    /// another one. `None` where the command names none by its number or a binding, where no set
    /// distinguishes credentials, and without a stamp.
    pub decided_for: Option<DecidedFor>,
    /// The change.
    pub command: Command,
}

/// A client's own name for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The header's text.
    pub key: String,
    /// The digest of the request.
    pub digest: RequestDigest,
    /// How long the key is remembered, in log time.
    pub lifetime: Duration,
}

/// The condition of `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// `*`: it exists.
    Exists,
    /// One of these versions.
    AnyOf(Vec<WriteId>),
}

/// Every change that may enter a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The cluster begins: its id and the hash of its first operator key.
    Form {
        /// The cluster.
        cluster: ClusterRecord,
        /// The first operator key.
        operator_key: ApiKey,
    },
    /// A node joins, and with it, when it is the first there, its region and that region's group.
    RegisterNode(NodeRecord),
    /// An organization id is claimed. A second claim of the same id is refused.
    ClaimOrg(Org),
    /// The claimed organization begins in its home group. Happens once, however often proposed.
    CreateOrg(Org),
    /// A new OIDC credential. Its `version` is the write id.
    CreateOidc {
        /// Whose.
        org: OrgId,
        /// What.
        credential: OidcCredential,
    },
    /// A change of one.
    PatchOidc {
        /// Whose.
        org: OrgId,
        /// Which.
        client_id: ClientId,
        /// The fields to set.
        patch: OidcPatch,
        /// `If-Match`.
        precondition: Option<Precondition>,
    },
    /// The end of one.
    DeleteOidc {
        /// Whose.
        org: OrgId,
        /// Which.
        client_id: ClientId,
        /// `If-Match`.
        precondition: Option<Precondition>,
    },
    /// Marks replicas of the entry's own group. A mark is never taken back: a replica that has left
    /// does not serve again.
    MarkReplicas {
        /// The nodes and their marks.
        marks: Vec<(NodeId, ReplicaMark)>,
    },
    /// Lease terms: in the system group those of the cluster, as an operator set them; in every
    /// group those by which its leader grants.
    SetLeases(LeaseTerms),
    /// Sets a node's state: drained, undrained, removed (system group).
    SetNodeState {
        /// Which.
        node: NodeId,
        /// To what.
        state: NodeState,
    },
    /// Sets a region's state; removing it removes its nodes (system group).
    SetRegionState {
        /// Which.
        region: Region,
        /// To what.
        state: RegionState,
    },
    /// A region whose founder died before it created the region's group gets another group and
    /// founder (system group).
    RefoundRegion {
        /// Which.
        region: Region,
        /// A node of it.
        founder: NodeId,
    },
    /// Sets the survival goal of home groups (system group).
    SetSurvivalGoal(SurvivalGoal),
    /// Freezes an organization in its home group and names its next one.
    MoveFreeze {
        /// Which.
        org: OrgId,
        /// The next home.
        to: GroupId,
        /// The epoch that it will have there: one more than here.
        epoch: u32,
    },
    /// The old home gives up its right to take a released organization back.
    MoveCommit {
        /// Which.
        org: OrgId,
        /// The epoch of the release.
        epoch: u32,
    },
    /// The old home takes a released organization back, unless it was handed over.
    MoveAbort {
        /// Which.
        org: OrgId,
        /// The epoch that it has from then on: one more than the release's.
        epoch: u32,
    },
    /// The new home begins to adopt a released organization. The proposal's write id names the
    /// attempt; one that was under way is dropped.
    ImportBegin {
        /// The organization with its new home region and epoch.
        org: Org,
        /// Its earlier homes; the last one has released it.
        past: Vec<PreviousHome>,
        /// The newest log time that the old home may have forgotten by.
        dedup_horizon: LogTime,
    },
    /// Some of its records.
    ImportChunk {
        /// Whose.
        org: OrgId,
        /// The import attempt.
        attempt: WriteId,
        /// The part's number, from 0.
        sequence: u32,
        /// The records.
        moved_records: Vec<MovedRecord>,
        /// Whether this is the last part.
        is_last: bool,
    },
    /// The adopted organization begins to be seen and to take writes.
    ImportFinish {
        /// Which.
        org: OrgId,
        /// The import attempt.
        attempt: WriteId,
        /// The digest that the parts must have.
        digest: RequestDigest,
    },
    /// Removes what a group still keeps of an organization that has moved away, or whose import was
    /// abandoned.
    MoveCleanup {
        /// Which.
        org: OrgId,
        /// The epoch of the release or of the adoption.
        epoch: u32,
    },
    /// Sets the partition policy, as an operator chose it (system group).
    SetPartitionPolicy(PartitionPolicy),
    /// The partition policy in a home group's own log: its leaders act on this one.
    NotePartitionPolicy(PartitionPolicyRecord),
    /// A region's group gets its voters and its leader in another region, or back in its own
    /// (system group).
    SetVoterRegion {
        /// The group's region.
        region: Region,
        /// The region for the group's voters.
        voter_region: Region,
    },
    /// The group of a region is closed: its voters are lost (system group). A repeat before its
    /// successor is founded may name further absent nodes.
    CloseGroup {
        /// The group's region.
        region: Region,
        /// The region of its successor.
        to: Region,
        /// Why its leader cannot continue.
        basis: FailoverBasis,
        /// Nodes outside the lost region that need not be asked.
        absent: Vec<NodeId>,
    },
    /// A closed group gets its successor (system group).
    FoundSuccessor {
        /// The closed group.
        closed: GroupId,
        /// The survivor whose replica becomes the successor.
        founder: NodeId,
        /// The newest entry of that replica's log.
        last: LogId,
        /// The newest entry that some survivor had applied.
        safe_index: LogIndex,
    },
    /// Replaces the settings that an organization has chosen.
    SetOrgSettings {
        /// Whose.
        org: OrgId,
        /// What.
        settings: OrgSettings,
    },
    /// Records and commands of this level may be written from here on (system group). Refused while
    /// a member is not in `known_by`.
    RaiseFeatureLevel {
        /// The new level. It is never lowered.
        level: u32,
        /// The members that have reported that they support it.
        known_by: Vec<NodeId>,
    },
    /// The cluster's feature level in a home group's own log: all replicas of the group change
    /// their behavior at the same entry.
    NoteFeatureLevel(u32),
    /// Creates the cluster, with the names of the regions whose nodes may join (system group).
    FormWithRegions {
        /// The cluster.
        cluster: ClusterRecord,
        /// The first operator key.
        operator_key: ApiKey,
        /// The names.
        regions: Vec<Region>,
    },
    /// The nodes of a further region may join (system group).
    AddRegion(Region),
    /// The write with this proposal's own write id is lost: it was proved that the closed group's
    /// successor never had it, and no copy of it is executed from here on. If it was executed
    /// before under that id, that result is returned instead. In the organization's home group; for
    /// operators' writes in the system group.
    NoteLost {
        /// Whose write it was.
        org: OrgId,
        /// The closed group that it was written to.
        closed: GroupId,
    },
    /// Changes a credential in the terms of any dialect, or makes one.
    ChangeCredential {
        /// Whose.
        org: OrgId,
        /// Which.
        target: CredentialTarget,
        /// The members to set.
        change: Box<CredentialChange>,
        /// `If-Match`.
        precondition: Option<Precondition>,
    },
    /// Ends a credential that is named as dialects name it.
    RemoveCredential {
        /// Whose.
        org: OrgId,
        /// Which.
        target: CredentialTarget,
        /// `If-Match`.
        precondition: Option<Precondition>,
    },
    /// Binds a dialect that knows one credential to an existing one.
    BindCredential {
        /// Whose.
        org: OrgId,
        /// The dialect.
        binding: Binding,
        /// The credential.
        client_id: ClientId,
    },
    /// An organization gets an enterprise domain, which no other one has, in place of an earlier one
    /// (system group).
    ClaimDomain {
        /// Which organization.
        org: OrgId,
        /// The domain: a DNS name in lower case.
        domain: String,
    },
    /// Changes an organization's resources beside its credentials.
    ChangeResource {
        /// Whose.
        org: OrgId,
        /// What.
        change: Box<ResourceChange>,
        /// `If-Match`.
        precondition: Option<Precondition>,
    },
    /// Changes an organization's keys.
    ChangeKeys {
        /// Whose.
        org: OrgId,
        /// What.
        change: Box<KeyChange>,
    },
    /// Replaces the cluster-wide set of policies (system group).
    SetPolicies {
        /// The text.
        text: String,
        /// `If-Match`.
        precondition: Option<Precondition>,
    },
    /// The revision of the cluster-wide set of policies in a home group's own log: from here on the group
    /// refuses writes that were authorized under an earlier one.
    NotePolicies(u64),
    /// A suborganization begins in the group of the organization that it belongs to.
    CreateSuborganization {
        /// The organization that it belongs to.
        parent: OrgId,
        /// The suborganization. Its home region is that of its parent, whatever is said here.
        child: Box<Org>,
        /// Those who administrate it.
        admins: Vec<Administrator>,
    },
    /// The end of an organization that has no suborganizations: all its data is removed, and its id is
    /// never used again.
    EndOrg {
        /// Which.
        org: OrgId,
        /// Whether an operator asks for it, and none of its own keys.
        by_operator: bool,
    },
    /// Removes what the system group keeps of an organization that has ended, but for its id: its names, its
    /// data key and its enterprise domain.
    EndClaim(OrgId),
    /// Nothing is left to be done for the end of an organization: its claim has ended.
    SettleEnd(OrgId),
}

//! Every change that may enter a log.
//!
//! Variants are only ever appended: a log holds old ones for as long as it is kept.

use std::time::Duration;

use crate::{
    failover::FailoverBasis,
    id::{ClientId, GroupId, KeyId, NodeId, OrgId, WriteId},
    lease::{LeaseTerms, ReplicaMark},
    log::{LogId, LogIndex},
    movement::{Belonging, PastHome},
    oidc::{OidcCredential, OidcPatch},
    org::{
        ApiKey, ClusterRecord, Isolation, NodeRecord, NodeState, Org, OrgSettings, RegionState,
        Survive, WhenIsolated,
    },
    region::Region,
    time::LogTime,
};

/// SHA-256 of method, path, body and `If-Match`: whether a repeated key repeats the request.
pub type RequestDigest = [u8; 32];

/// What enters a log: a command with everything that its exactly-once execution needs.
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
    /// The key that authorised it: apply refuses when it is no longer alive. `None` for what
    /// operators and the cluster itself do.
    pub authorised_by: Option<KeyId>,
    /// The change.
    pub command: Command,
}

/// A client's own name for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The header's text.
    pub key: String,
    /// What the request was.
    pub digest: RequestDigest,
    /// How long to remember it, from log time.
    pub lifetime: Duration,
}

/// What `If-Match` asks for.
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
    /// An organisation id is claimed. A second claim of the same id is refused.
    ClaimOrg(Org),
    /// The claimed organisation begins in its home group. Happens once, however often proposed.
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
        /// What is set.
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
    /// What these replicas of the entry's own group may do from here on. A mark is never taken
    /// back: a replica that has left does not serve again.
    MarkReplicas {
        /// Who, and what.
        marks: Vec<(NodeId, ReplicaMark)>,
    },
    /// Lease terms: in the system group the cluster's, as an operator set them; in every group what
    /// its leader grants by.
    SetLeases(LeaseTerms),
    /// A node's life goes on: drained, taken back, removed (system group).
    SetNodeState {
        /// Which.
        node: NodeId,
        /// To what.
        state: NodeState,
    },
    /// A region's life goes on; with its removal that of its nodes ends (system group).
    SetRegionState {
        /// Which.
        region: Region,
        /// To what.
        state: RegionState,
    },
    /// A region whose founder died before it founded the region's group gets another group and
    /// founder (system group).
    RefoundRegion {
        /// Which.
        region: Region,
        /// A node of it.
        founder: NodeId,
    },
    /// What home groups must outlive from now on (system group).
    SetSurvive(Survive),
    /// Freezes an organisation in its home group and names its next one.
    Release {
        /// Which.
        org: OrgId,
        /// The next home.
        to: GroupId,
        /// The epoch that it will have there: one more than here.
        epoch: u32,
    },
    /// The old home gives up its right to take a released organisation back.
    HandOver {
        /// Which.
        org: OrgId,
        /// The epoch of the release.
        epoch: u32,
    },
    /// The old home takes a released organisation back, unless it was handed over.
    Restore {
        /// Which.
        org: OrgId,
        /// The epoch that it has from then on: one more than the release's.
        epoch: u32,
    },
    /// The new home begins to adopt a released organisation. The proposal's write id names the
    /// attempt; one that was under way is dropped.
    AdoptBegin {
        /// The organisation with its new home region and epoch.
        org: Org,
        /// Its earlier homes; the last one has released it.
        past: Vec<PastHome>,
        /// The newest log time that the old home may have forgotten by.
        floor: LogTime,
    },
    /// Some of its records.
    AdoptPart {
        /// Whose.
        org: OrgId,
        /// Of which attempt.
        attempt: WriteId,
        /// The part's number, from 0.
        sequence: u32,
        /// The records.
        belongings: Vec<Belonging>,
        /// Whether no part follows.
        is_last: bool,
    },
    /// The adopted organisation begins to be seen and to take writes.
    AdoptEnd {
        /// Which.
        org: OrgId,
        /// Of which attempt.
        attempt: WriteId,
        /// What the parts must have given.
        digest: RequestDigest,
    },
    /// What is left of an organisation that was released, or whose adoption came to nothing, goes.
    Forget {
        /// Which.
        org: OrgId,
        /// The epoch of the release or of the adoption.
        epoch: u32,
    },
    /// What leaders do that are cut off with their region, as an operator set it (system group).
    SetIsolation(WhenIsolated),
    /// The same as a home group's own log has it: what its leaders go by.
    NoteIsolation(Isolation),
    /// A region's group gets its voters and its leader in another region, or back in its own
    /// (system group).
    SetSeat {
        /// The group's region.
        region: Region,
        /// Where it is to stand.
        seat: Region,
    },
    /// The group of a region is closed: its voters are lost (system group). A repeat before its
    /// successor is founded may name further absent nodes.
    CloseGroup {
        /// The group's region.
        region: Region,
        /// Where its successor is to stand.
        to: Region,
        /// What makes sure that its leader does not go on.
        basis: FailoverBasis,
        /// Nodes outside the lost region that need not be asked.
        absent: Vec<NodeId>,
    },
    /// A closed group gets its successor (system group).
    FoundSuccessor {
        /// The closed group.
        closed: GroupId,
        /// The survivor whose replica the successor is made from.
        founder: NodeId,
        /// The newest entry of that replica's log.
        last: LogId,
        /// The newest entry that some survivor had applied.
        certain: LogIndex,
    },
    /// What an organisation sets for itself, in place of what it had set.
    SetOrgSettings {
        /// Whose.
        org: OrgId,
        /// What.
        settings: OrgSettings,
    },
    /// New kinds of records and commands may be written from here on (system group). Refused while
    /// a member is not among those that are said to know them.
    RaiseFeatureLevel {
        /// To what. Never taken back.
        level: u32,
        /// The members that have said that they know it.
        known_by: Vec<NodeId>,
    },
    /// The cluster's feature level as a home group's own log has it: all replicas of the group change
    /// what they do at the same entry.
    NoteFeatureLevel(u32),
    /// The cluster begins, with the names of the regions whose nodes may join (system group).
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
    /// The write under whose own id this is proposed is lost: it was proved that the closed group's
    /// successor never had it, and no copy of it is carried out from here on. What was carried out
    /// under that id before is answered instead. Of the organization's home group; the system group
    /// keeps what operators were told.
    NoteLost {
        /// Whose write it was.
        org: OrgId,
        /// The closed group that it was written to.
        closed: GroupId,
    },
}

impl Command {
    /// The feature level that every member must know before this may enter a log.
    #[must_use]
    pub const fn feature_level(&self) -> u32 {
        match self {
            Self::Form { .. }
            | Self::RegisterNode(_)
            | Self::ClaimOrg(_)
            | Self::CreateOrg(_)
            | Self::CreateOidc { .. }
            | Self::PatchOidc { .. }
            | Self::DeleteOidc { .. }
            | Self::MarkReplicas { .. }
            | Self::SetLeases(_)
            | Self::SetNodeState { .. }
            | Self::SetRegionState { .. }
            | Self::RefoundRegion { .. }
            | Self::SetSurvive(_)
            | Self::Release { .. }
            | Self::HandOver { .. }
            | Self::Restore { .. }
            | Self::AdoptBegin { .. }
            | Self::AdoptPart { .. }
            | Self::AdoptEnd { .. }
            | Self::Forget { .. }
            | Self::SetIsolation(_)
            | Self::NoteIsolation(_)
            | Self::SetSeat { .. }
            | Self::CloseGroup { .. }
            | Self::FoundSuccessor { .. }
            | Self::SetOrgSettings { .. } => 1,
            Self::RaiseFeatureLevel { .. }
            | Self::NoteFeatureLevel(_)
            | Self::FormWithRegions { .. }
            | Self::AddRegion(_)
            | Self::NoteLost { .. } => 2,
        }
    }

    /// The organisation it is about, if it is about one.
    #[must_use]
    pub fn org(&self) -> Option<OrgId> {
        match self {
            Self::Form { .. }
            | Self::RegisterNode(_)
            | Self::MarkReplicas { .. }
            | Self::SetLeases(_)
            | Self::SetNodeState { .. }
            | Self::SetRegionState { .. }
            | Self::RefoundRegion { .. }
            | Self::SetSurvive(_)
            | Self::SetIsolation(_)
            | Self::NoteIsolation(_)
            | Self::SetSeat { .. }
            | Self::CloseGroup { .. }
            | Self::FoundSuccessor { .. }
            | Self::RaiseFeatureLevel { .. }
            | Self::NoteFeatureLevel(_)
            | Self::FormWithRegions { .. }
            | Self::AddRegion(_) => None,
            Self::ClaimOrg(org) | Self::CreateOrg(org) | Self::AdoptBegin { org, .. } => {
                Some(org.id)
            }
            Self::CreateOidc { org, .. }
            | Self::PatchOidc { org, .. }
            | Self::DeleteOidc { org, .. }
            | Self::Release { org, .. }
            | Self::HandOver { org, .. }
            | Self::Restore { org, .. }
            | Self::AdoptPart { org, .. }
            | Self::AdoptEnd { org, .. }
            | Self::Forget { org, .. }
            | Self::SetOrgSettings { org, .. }
            | Self::NoteLost { org, .. } => Some(*org),
        }
    }

    /// What operators see it called.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Form { .. } => "cluster.form",
            Self::RegisterNode(_) => "node.register",
            Self::ClaimOrg(_) => "org.claim",
            Self::CreateOrg(_) => "org.create",
            Self::CreateOidc { .. } => "oidc.create",
            Self::PatchOidc { .. } => "oidc.patch",
            Self::DeleteOidc { .. } => "oidc.delete",
            Self::MarkReplicas { .. } => "replicas.mark",
            Self::SetLeases(_) => "leases.set",
            Self::SetNodeState { .. } => "node.set_state",
            Self::SetRegionState { .. } => "region.set_state",
            Self::RefoundRegion { .. } => "region.refound",
            Self::SetSurvive(_) => "survive.set",
            Self::Release { .. } => "move.release",
            Self::HandOver { .. } => "move.hand_over",
            Self::Restore { .. } => "move.restore",
            Self::AdoptBegin { .. } => "move.adopt_begin",
            Self::AdoptPart { .. } => "move.adopt_part",
            Self::AdoptEnd { .. } => "move.adopt_end",
            Self::Forget { .. } => "move.forget",
            Self::SetIsolation(_) => "isolation.set",
            Self::NoteIsolation(_) => "isolation.note",
            Self::SetSeat { .. } => "region.seat",
            Self::CloseGroup { .. } => "failover.close",
            Self::FoundSuccessor { .. } => "failover.found",
            Self::SetOrgSettings { .. } => "org.set",
            Self::RaiseFeatureLevel { .. } => "features.raise",
            Self::NoteFeatureLevel(_) => "features.note",
            Self::FormWithRegions { .. } => "cluster.form",
            Self::AddRegion(_) => "region.add",
            Self::NoteLost { .. } => "write.note_lost",
        }
    }

    /// The credential it is about, if it is about one.
    #[must_use]
    pub const fn client_id(&self) -> Option<&ClientId> {
        if let Self::CreateOidc { credential, .. } = self {
            return Some(&credential.client_id);
        }
        if let Self::PatchOidc { client_id, .. } | Self::DeleteOidc { client_id, .. } = self {
            return Some(client_id);
        }
        None
    }

    /// The organisation that asked for it; none for what operators and the cluster do, of which
    /// organisations are told nothing.
    #[must_use]
    pub fn owner(&self) -> Option<OrgId> {
        if self.is_of_a_move() { None } else { self.org() }
    }

    /// The organisation that asked for it, and may ask what has become of it.
    #[must_use]
    pub fn asked_by(&self) -> Option<OrgId> {
        if self.is_operators() { None } else { self.owner() }
    }

    /// Whether operators say it of an organisation.
    #[must_use]
    pub const fn is_operators(&self) -> bool {
        matches!(self, Self::Release { .. } | Self::Restore { .. } | Self::SetOrgSettings { .. })
    }

    /// Whether it is a step of a move: carried out wherever the organisation stands.
    #[must_use]
    pub const fn is_of_a_move(&self) -> bool {
        match self {
            Self::Release { .. }
            | Self::HandOver { .. }
            | Self::Restore { .. }
            | Self::AdoptBegin { .. }
            | Self::AdoptPart { .. }
            | Self::AdoptEnd { .. }
            | Self::Forget { .. } => true,
            Self::Form { .. }
            | Self::RegisterNode(_)
            | Self::ClaimOrg(_)
            | Self::CreateOrg(_)
            | Self::CreateOidc { .. }
            | Self::PatchOidc { .. }
            | Self::DeleteOidc { .. }
            | Self::MarkReplicas { .. }
            | Self::SetLeases(_)
            | Self::SetNodeState { .. }
            | Self::SetRegionState { .. }
            | Self::RefoundRegion { .. }
            | Self::SetSurvive(_)
            | Self::SetIsolation(_)
            | Self::NoteIsolation(_)
            | Self::SetSeat { .. }
            | Self::CloseGroup { .. }
            | Self::FoundSuccessor { .. }
            | Self::SetOrgSettings { .. }
            | Self::RaiseFeatureLevel { .. }
            | Self::NoteFeatureLevel(_)
            | Self::FormWithRegions { .. }
            | Self::AddRegion(_)
            | Self::NoteLost { .. } => false,
        }
    }
}

//! What a command is about: the feature level that it needs, its organization, its name, and who asks for it.
//!
//! Each match names every command: a new one does not compile until it is said here.

use super::{Command, Proposal};
use crate::{
    base::id::{ClientId, GroupId, OrgId},
    records::{movement::MovedRecord, oidc::Provider, registration::CredentialTarget},
    version::LEVEL_OF_POLICIES,
};

impl Proposal {
    /// The feature level that every member must know before this may enter a log.
    #[must_use]
    pub fn feature_level(&self) -> u32 {
        let stamped = if self.policies.is_some() { LEVEL_OF_POLICIES } else { 1 };
        self.command.feature_level().max(stamped)
    }
}

impl Command {
    /// The feature level that every member must know before this may enter a log.
    #[must_use]
    pub fn feature_level(&self) -> u32 {
        match self {
            Self::CreateOidc { credential, .. } if credential.provider == Provider::Oidc => 3,
            Self::PatchOidc { patch, .. } if patch.is_of(Provider::Oidc) => 3,
            Self::ImportChunk { moved_records, .. } => {
                moved_records.iter().map(MovedRecord::feature_level).max().unwrap_or(1)
            }
            Self::ChangeCredential { .. }
            | Self::RemoveCredential { .. }
            | Self::BindCredential { .. }
            | Self::ClaimDomain { .. }
            | Self::ChangeResource { .. }
            | Self::ChangeKeys { .. }
            | Self::SetPolicies { .. }
            | Self::NotePolicies(_)
            | Self::CreateSuborganization { .. }
            | Self::EndOrg { .. }
            | Self::EndClaim(_)
            | Self::SettleEnd(_) => 3,
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
            | Self::SetSurvivalGoal(_)
            | Self::MoveFreeze { .. }
            | Self::MoveCommit { .. }
            | Self::MoveAbort { .. }
            | Self::ImportBegin { .. }
            | Self::ImportFinish { .. }
            | Self::MoveCleanup { .. }
            | Self::SetPartitionPolicy(_)
            | Self::NotePartitionPolicy(_)
            | Self::SetVoterRegion { .. }
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

    /// The organization it is about, if it is about one.
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
            | Self::SetSurvivalGoal(_)
            | Self::SetPartitionPolicy(_)
            | Self::NotePartitionPolicy(_)
            | Self::SetVoterRegion { .. }
            | Self::CloseGroup { .. }
            | Self::FoundSuccessor { .. }
            | Self::RaiseFeatureLevel { .. }
            | Self::NoteFeatureLevel(_)
            | Self::FormWithRegions { .. }
            | Self::AddRegion(_)
            | Self::SetPolicies { .. }
            | Self::NotePolicies(_) => None,
            Self::ClaimOrg(org) | Self::CreateOrg(org) | Self::ImportBegin { org, .. } => {
                Some(org.id)
            }
            Self::CreateOidc { org, .. }
            | Self::PatchOidc { org, .. }
            | Self::DeleteOidc { org, .. }
            | Self::MoveFreeze { org, .. }
            | Self::MoveCommit { org, .. }
            | Self::MoveAbort { org, .. }
            | Self::ImportChunk { org, .. }
            | Self::ImportFinish { org, .. }
            | Self::MoveCleanup { org, .. }
            | Self::SetOrgSettings { org, .. }
            | Self::ChangeCredential { org, .. }
            | Self::RemoveCredential { org, .. }
            | Self::BindCredential { org, .. }
            | Self::ClaimDomain { org, .. }
            | Self::ChangeResource { org, .. }
            | Self::ChangeKeys { org, .. }
            | Self::CreateSuborganization { parent: org, .. }
            | Self::EndOrg { org, .. }
            | Self::EndClaim(org)
            | Self::SettleEnd(org)
            | Self::NoteLost { org, .. } => Some(*org),
        }
    }

    /// The name that operators see.
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
            Self::SetSurvivalGoal(_) => "survive.set",
            Self::MoveFreeze { .. } => "move.release",
            Self::MoveCommit { .. } => "move.hand_over",
            Self::MoveAbort { .. } => "move.restore",
            Self::ImportBegin { .. } => "move.adopt_begin",
            Self::ImportChunk { .. } => "move.adopt_part",
            Self::ImportFinish { .. } => "move.adopt_end",
            Self::MoveCleanup { .. } => "move.forget",
            Self::SetPartitionPolicy(_) => "isolation.set",
            Self::NotePartitionPolicy(_) => "isolation.note",
            Self::SetVoterRegion { .. } => "region.seat",
            Self::CloseGroup { .. } => "failover.close",
            Self::FoundSuccessor { .. } => "failover.found",
            Self::SetOrgSettings { .. } => "org.set",
            Self::RaiseFeatureLevel { .. } => "features.raise",
            Self::NoteFeatureLevel(_) => "features.note",
            Self::FormWithRegions { .. } => "cluster.form",
            Self::AddRegion(_) => "region.add",
            Self::NoteLost { .. } => "write.note_lost",
            Self::ChangeCredential { .. } => "credential.change",
            Self::RemoveCredential { .. } => "credential.remove",
            Self::BindCredential { .. } => "credential.bind",
            Self::ClaimDomain { .. } => "org.claim_domain",
            Self::ChangeResource { .. } => "resource.change",
            Self::ChangeKeys { .. } => "key.change",
            Self::SetPolicies { .. } => "policies.set",
            Self::NotePolicies(_) => "policies.note",
            Self::CreateSuborganization { .. } => "org.create_suborganization",
            Self::EndOrg { .. } => "org.end",
            Self::EndClaim(_) => "org.end_claim",
            Self::SettleEnd(_) => "org.settle_end",
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
        if let Self::BindCredential { client_id, .. } = self {
            return Some(client_id);
        }
        if let Self::ChangeCredential { change, .. } = self {
            return change.client_id.as_ref();
        }
        None
    }

    /// The credential that it names by its number or by a binding.
    #[must_use]
    pub const fn named_credential(&self) -> Option<&CredentialTarget> {
        let (Self::ChangeCredential { target, .. } | Self::RemoveCredential { target, .. }) = self
        else {
            return None;
        };
        target.existing()
    }

    /// The organization that requested it; none for commands of operators and of the cluster, which
    /// organizations cannot see.
    #[must_use]
    pub fn owner(&self) -> Option<OrgId> {
        if self.is_of_a_move() { None } else { self.org() }
    }

    /// The organization that requested it and may read its receipt.
    #[must_use]
    pub fn asked_by(&self) -> Option<OrgId> {
        if self.is_operators() { None } else { self.owner() }
    }

    /// Whether it is an operator's command about an organization.
    #[must_use]
    pub const fn is_operators(&self) -> bool {
        matches!(
            self,
            Self::MoveFreeze { .. }
                | Self::MoveAbort { .. }
                | Self::SetOrgSettings { .. }
                | Self::ClaimDomain { .. }
                | Self::EndOrg { by_operator: true, .. }
                | Self::EndClaim(_)
                | Self::SettleEnd(_)
        )
    }

    /// Whether a node that does not lead a group may propose it there: what clients and operators ask for, and
    /// what any member may have to say. The rest is proposed by the group's leader only: the formation, the
    /// steps of a move behind its request, and what a group notes of itself and its replicas. A member that
    /// was taken over can then not mark a replica of its choice, or adopt an organization.
    #[must_use]
    pub const fn may_be_forwarded_to(&self, group: GroupId) -> bool {
        match self {
            // In a home group these are the terms by which its leader grants.
            Self::SetLeases(_) => group.0 == GroupId::SYSTEM.0,
            Self::Form { .. }
            | Self::FormWithRegions { .. }
            | Self::MarkReplicas { .. }
            | Self::MoveCommit { .. }
            | Self::ImportBegin { .. }
            | Self::ImportChunk { .. }
            | Self::ImportFinish { .. }
            | Self::MoveCleanup { .. }
            | Self::NotePartitionPolicy(_)
            | Self::RaiseFeatureLevel { .. }
            | Self::NoteFeatureLevel(_)
            | Self::NotePolicies(_) => false,
            Self::RegisterNode(_)
            | Self::ClaimOrg(_)
            | Self::CreateOrg(_)
            | Self::CreateOidc { .. }
            | Self::PatchOidc { .. }
            | Self::DeleteOidc { .. }
            | Self::SetNodeState { .. }
            | Self::SetRegionState { .. }
            | Self::RefoundRegion { .. }
            | Self::SetSurvivalGoal(_)
            | Self::MoveFreeze { .. }
            | Self::MoveAbort { .. }
            | Self::SetPartitionPolicy(_)
            | Self::SetVoterRegion { .. }
            | Self::CloseGroup { .. }
            | Self::FoundSuccessor { .. }
            | Self::SetOrgSettings { .. }
            | Self::AddRegion(_)
            | Self::NoteLost { .. }
            | Self::ChangeCredential { .. }
            | Self::RemoveCredential { .. }
            | Self::BindCredential { .. }
            | Self::ClaimDomain { .. }
            | Self::ChangeResource { .. }
            | Self::ChangeKeys { .. }
            | Self::SetPolicies { .. }
            | Self::CreateSuborganization { .. }
            | Self::EndOrg { .. }
            | Self::EndClaim(_)
            | Self::SettleEnd(_) => true,
        }
    }

    /// Whether it is a step of a move, which is executed in every state of the organization.
    #[must_use]
    pub const fn is_of_a_move(&self) -> bool {
        match self {
            Self::MoveFreeze { .. }
            | Self::MoveCommit { .. }
            | Self::MoveAbort { .. }
            | Self::ImportBegin { .. }
            | Self::ImportChunk { .. }
            | Self::ImportFinish { .. }
            | Self::MoveCleanup { .. } => true,
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
            | Self::SetSurvivalGoal(_)
            | Self::SetPartitionPolicy(_)
            | Self::NotePartitionPolicy(_)
            | Self::SetVoterRegion { .. }
            | Self::CloseGroup { .. }
            | Self::FoundSuccessor { .. }
            | Self::SetOrgSettings { .. }
            | Self::RaiseFeatureLevel { .. }
            | Self::NoteFeatureLevel(_)
            | Self::FormWithRegions { .. }
            | Self::AddRegion(_)
            | Self::ChangeCredential { .. }
            | Self::RemoveCredential { .. }
            | Self::BindCredential { .. }
            | Self::ClaimDomain { .. }
            | Self::ChangeResource { .. }
            | Self::ChangeKeys { .. }
            | Self::SetPolicies { .. }
            | Self::NotePolicies(_)
            | Self::CreateSuborganization { .. }
            | Self::EndOrg { .. }
            | Self::EndClaim(_)
            | Self::SettleEnd(_)
            | Self::NoteLost { .. } => false,
        }
    }
}

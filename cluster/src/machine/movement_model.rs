//! What must come out of moves and failovers, as naive as can be: one map.

use std::collections::BTreeMap;

use concordat_proto::{
    command::{Command, Proposal},
    id::{ClientId, GroupId, WriteId},
    log::LogIndex,
    oidc::OidcCredential,
    refusal::Refusal,
    reply::Reply,
};

#[derive(Default)]
pub(super) struct Model {
    pub(super) credentials: BTreeMap<ClientId, OidcCredential>,
    /// What each write was answered first, and where.
    pub(super) answers: BTreeMap<WriteId, Answer>,
    /// Idempotency keys: until when, of which write.
    pub(super) keys: BTreeMap<String, (u64, WriteId)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: Result<Reply, Refusal>,
    pub(super) place: (GroupId, LogIndex),
}

impl Model {
    /// Carries a write out.
    pub(super) fn carry_out(&mut self, proposal: &Proposal) -> Result<Reply, Refusal> {
        match &proposal.command {
            Command::CreateOidc { credential, .. } => {
                if self.credentials.contains_key(&credential.client_id) {
                    return Err(Refusal::CredentialExists);
                }
                let version = proposal.write_id;
                let made = OidcCredential { version, ..credential.clone() };
                self.credentials.insert(credential.client_id.clone(), made);
                Ok(Reply::Version(version))
            }
            Command::PatchOidc { client_id, patch, .. } => {
                let stored =
                    self.credentials.get_mut(client_id).ok_or(Refusal::CredentialNotFound)?;
                stored.label.clone_from(&patch.label);
                stored.version = proposal.write_id;
                Ok(Reply::Version(stored.version))
            }
            Command::DeleteOidc { client_id, .. } => {
                self.credentials.remove(client_id).ok_or(Refusal::CredentialNotFound)?;
                Ok(Reply::Done)
            }
            Command::MarkReplicas { .. }
            | Command::SetLeases(_)
            | Command::SetNodeState { .. }
            | Command::SetRegionState { .. }
            | Command::RefoundRegion { .. }
            | Command::SetSurvive(_)
            | Command::Form { .. }
            | Command::FormWithRegions { .. }
            | Command::AddRegion(_)
            | Command::RegisterNode(_)
            | Command::ClaimOrg(_)
            | Command::CreateOrg(_)
            | Command::Release { .. }
            | Command::HandOver { .. }
            | Command::Restore { .. }
            | Command::AdoptBegin { .. }
            | Command::AdoptPart { .. }
            | Command::AdoptEnd { .. }
            | Command::Forget { .. }
            | Command::SetIsolation(_)
            | Command::NoteIsolation(_)
            | Command::SetSeat { .. }
            | Command::CloseGroup { .. }
            | Command::FoundSuccessor { .. }
            | Command::SetOrgSettings { .. }
            | Command::RaiseFeatureLevel { .. }
            | Command::NoteFeatureLevel(_)
            | Command::NoteLost { .. } => unreachable!("not a write of an organisation"),
        }
    }
}

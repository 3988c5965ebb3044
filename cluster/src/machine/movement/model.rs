//! The expected result of moves and failovers, as naive as possible: one map.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    command::{Command, Proposal},
    id::{ClientId, GroupId, OrgId, WriteId},
    log::LogIndex,
    oidc::OidcCredential,
    refusal::Refusal,
    registration::{CredentialChange, CredentialTarget, Number, RegistrationStamp},
    reply::Reply,
};

use crate::{machine::registered, store::Reader};

#[derive(Default)]
pub(super) struct Model {
    pub(super) credentials: BTreeMap<ClientId, OidcCredential>,
    /// Of each credential the write that made it, and its number as soon as that was seen.
    registered: BTreeMap<ClientId, (WriteId, Option<Number>)>,
    /// All numbers that were ever seen.
    numbers: BTreeSet<Number>,
    /// The writes that have changed something.
    sequence: u64,
    /// The first result of each write, and its group.
    pub(super) answers: BTreeMap<WriteId, Answer>,
    /// Idempotency keys: until when, and for which write.
    pub(super) keys: BTreeMap<String, (u64, WriteId)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: Result<Reply, Refusal>,
    pub(super) place: (GroupId, LogIndex),
}

impl Model {
    /// The registrations in a state are those of the writes so far: no number is given twice, each
    /// credential keeps its own, and every change was counted once.
    pub(super) fn check_registrations(&mut self, store: &dyn Reader, group: GroupId, org: OrgId) {
        for entry in registered::all(store, group, org).expect("a list") {
            let known = self.registered.get_mut(&entry.credential.client_id);
            let (id, number) = known.expect("a credential that was made");
            assert_eq!(entry.registration.id, *id, "a credential has another's registration");
            let found = entry.registration.number;
            let first = *number.get_or_insert_with(|| {
                assert!(self.numbers.insert(found), "{found:?} was given twice");
                found
            });
            assert_eq!(found, first, "a credential got another number");
            let by_number = registered::by_number(store, group, org, found).expect("a look-up");
            assert_eq!(by_number, Some(entry), "its number leads elsewhere");
        }
        let sequence = registered::profile(store, group, org).expect("a look-up").sequence;
        assert_eq!(sequence, self.sequence, "writes are counted wrong");
    }

    /// The command that renames a credential by its number; one that no credential has where there is
    /// none of that name.
    pub(super) fn rename(&self, org: OrgId, from: &ClientId, to: ClientId) -> Command {
        let number = self.registered.get(from).and_then(|(_, number)| *number);
        let target = CredentialTarget::Number(number.unwrap_or(Number(1)));
        let change = CredentialChange { client_id: Some(to), ..CredentialChange::default() };
        Command::ChangeCredential { org, target, change: Box::new(change), precondition: None }
    }

    fn renamed(
        &mut self,
        version: WriteId,
        target: &CredentialTarget,
        to: &ClientId,
        answer: &Result<Reply, Refusal>,
    ) -> Result<Reply, Refusal> {
        let CredentialTarget::Number(wanted) = target else { unreachable!("only by number") };
        let found = self.registered.iter().find(|(_, (_, number))| *number == Some(*wanted));
        let from = found.map(|(name, _)| name.clone()).ok_or(Refusal::CredentialNotFound)?;
        if from != *to && self.credentials.contains_key(to) {
            return Err(Refusal::CredentialExists);
        }
        let Ok(Reply::Registered { stamp, .. }) = answer else {
            panic!("{answer:?} to a change of a credential that is there")
        };
        if from == *to {
            let version = self.credentials[&from].version;
            return Ok(Reply::Registered { version, stamp: *stamp });
        }
        let moved = self.credentials.remove(&from).expect("it is registered");
        let moved = OidcCredential { client_id: to.clone(), version, ..moved };
        self.credentials.insert(to.clone(), moved);
        let registered = self.registered.remove(&from).expect("it is registered");
        self.registered.insert(to.clone(), registered);
        self.sequence += 1;
        let stamp = RegistrationStamp { number: *wanted, sequence: self.sequence, ..*stamp };
        Ok(Reply::Registered { version, stamp })
    }

    /// Carries a write out. `answer` is what the machine has said to it: of a change by number the times
    /// are taken from there.
    pub(super) fn carry_out(
        &mut self,
        proposal: &Proposal,
        answer: &Result<Reply, Refusal>,
    ) -> Result<Reply, Refusal> {
        match &proposal.command {
            Command::CreateOidc { credential, .. } => {
                if self.credentials.contains_key(&credential.client_id) {
                    return Err(Refusal::CredentialExists);
                }
                let version = proposal.write_id;
                let made = OidcCredential { version, ..credential.clone() };
                self.credentials.insert(credential.client_id.clone(), made);
                self.registered.insert(credential.client_id.clone(), (version, None));
                self.sequence += 1;
                Ok(Reply::Version(version))
            }
            Command::ChangeCredential { target, change, .. } => {
                let to = change.client_id.as_ref().expect("a new name");
                self.renamed(proposal.write_id, target, to, answer)
            }
            Command::PatchOidc { client_id, patch, .. } => {
                let stored =
                    self.credentials.get_mut(client_id).ok_or(Refusal::CredentialNotFound)?;
                stored.label.clone_from(&patch.label);
                stored.version = proposal.write_id;
                self.sequence += 1;
                Ok(Reply::Version(stored.version))
            }
            Command::DeleteOidc { client_id, .. } => {
                self.credentials.remove(client_id).ok_or(Refusal::CredentialNotFound)?;
                self.registered.remove(client_id);
                self.sequence += 1;
                Ok(Reply::Done)
            }
            Command::RemoveCredential { .. }
            | Command::BindCredential { .. }
            | Command::ClaimDomain { .. }
            | Command::MarkReplicas { .. }
            | Command::SetLeases(_)
            | Command::SetNodeState { .. }
            | Command::SetRegionState { .. }
            | Command::RefoundRegion { .. }
            | Command::SetSurvivalGoal(_)
            | Command::Form { .. }
            | Command::FormWithRegions { .. }
            | Command::AddRegion(_)
            | Command::RegisterNode(_)
            | Command::ClaimOrg(_)
            | Command::CreateOrg(_)
            | Command::MoveFreeze { .. }
            | Command::MoveCommit { .. }
            | Command::MoveAbort { .. }
            | Command::ImportBegin { .. }
            | Command::ImportChunk { .. }
            | Command::ImportFinish { .. }
            | Command::MoveCleanup { .. }
            | Command::SetPartitionPolicy(_)
            | Command::NotePartitionPolicy(_)
            | Command::SetVoterRegion { .. }
            | Command::CloseGroup { .. }
            | Command::FoundSuccessor { .. }
            | Command::SetOrgSettings { .. }
            | Command::RaiseFeatureLevel { .. }
            | Command::NoteFeatureLevel(_)
            | Command::NoteLost { .. } => unreachable!("not a write of an organization"),
        }
    }
}

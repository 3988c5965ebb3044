//! The expected result of moves and failovers, as naive as possible: one map.

use std::collections::{BTreeMap, BTreeSet};

use concordat_proto::{
    command::{Command, Proposal},
    id::{ClientId, GroupId, KeyId, OrgId, WriteId},
    key::{KeyChange, NewKey, OrgKey},
    log::LogIndex,
    oidc::{OidcCredential, OidcPatch, Provider},
    org::{ApiKey, Rights},
    refusal::Refusal,
    registration::{CredentialChange, CredentialTarget, Number, RegistrationStamp},
    reply::Reply,
    resource::{ResourceBody, ResourceChange, ResourceKind, ResourceName},
};

use crate::{
    machine::{
        list::Wanted,
        org::keys as org_keys,
        query, registered, resource,
        testkit::{api_key, client, credential, org_id, sealed},
    },
    store::{Reader, keys},
};

/// A client's write.
#[derive(Debug, Clone, Copy)]
pub(super) enum Write {
    Create(u8),
    Label(u8, u8),
    Delete(u8),
    Rename(u8, u8),
    /// Sets an attribute, or deletes it.
    Attribute(u8, Option<u8>),
    /// Makes an API key.
    Issue(u8),
    /// Ends one.
    Revoke(u8),
    /// Ends the organization.
    End,
}

impl Write {
    pub(super) fn command(self, model: &Model) -> Command {
        let org = org_id(0);
        match self {
            Self::Rename(from, to) => model.rename(org, &client(from), client(to)),
            Self::Create(number) => {
                Command::CreateOidc { org, credential: credential(number, Provider::Google, 1) }
            }
            Self::Label(number, label) => {
                let patch = OidcPatch { label: Some(label.to_string()), ..OidcPatch::default() };
                Command::PatchOidc { org, client_id: client(number), patch, precondition: None }
            }
            Self::Attribute(number, value) => {
                let name = ResourceName::new(number.to_string()).expect("a name");
                let kind = ResourceKind::Attribute;
                let change = match value {
                    Some(value) => {
                        ResourceChange::Put(name, ResourceBody::Attribute(value.to_string()))
                    }
                    None => ResourceChange::Delete { kind, name, is_absent_ok: false },
                };
                Command::ChangeResource { org, change: Box::new(change), precondition: None }
            }
            Self::Issue(number) => {
                let (key, label) = (issued(number), Some(number.to_string()));
                let change =
                    KeyChange::Issue { key, label, expires_at: None, sealed: sealed(number) };
                Command::ChangeKeys { org, change: Box::new(change) }
            }
            Self::Revoke(number) => {
                let change = KeyChange::Revoke(issued(number).id);
                Command::ChangeKeys { org, change: Box::new(change) }
            }
            Self::End => Command::EndOrg { org, by_operator: true },
            Self::Delete(number) => {
                Command::DeleteOidc { org, client_id: client(number), precondition: None }
            }
        }
    }
}

/// The key of a number, beside the organization's first.
fn issued(number: u8) -> ApiKey {
    ApiKey { rights: Rights::READ, ..api_key(100 + number) }
}

#[derive(Default)]
pub(super) struct Model {
    /// Whether the organization has ended.
    pub(super) is_ended: bool,
    pub(super) credentials: BTreeMap<ClientId, OidcCredential>,
    /// Attributes, each with the write that made it what it is.
    attributes: BTreeMap<ResourceName, (WriteId, ResourceBody)>,
    /// Keys beside the first.
    issued: BTreeMap<KeyId, OrgKey>,
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

    /// The attributes in a state are those that were written, and counted.
    pub(super) fn check_attributes(&self, store: &dyn Reader, group: GroupId, org: OrgId) {
        let kind = ResourceKind::Attribute;
        let found = resource::list(store, group, org, kind, Wanted::FIRST).expect("a list").items;
        let found: BTreeMap<_, _> =
            found.into_iter().map(|it| (it.name, (it.version, it.body))).collect();
        assert_eq!(found, self.attributes, "attributes are not those that were written");
        let count: Option<u64> =
            query::load(store, &keys::resource_count(group, org, kind)).expect("a look-up");
        assert_eq!(count.unwrap_or_default(), found.len() as u64, "attributes are counted wrong");
    }

    fn attribute(&mut self, write: WriteId, change: &ResourceChange) -> Result<Reply, Refusal> {
        match change {
            ResourceChange::Put(name, body) => {
                let stored = self.attributes.entry(name.clone()).or_insert((write, body.clone()));
                if stored.0 == write || stored.1 != *body {
                    *stored = (write, body.clone());
                    self.sequence += 1;
                }
                Ok(Reply::Resource { name: name.clone(), version: stored.0 })
            }
            ResourceChange::Delete { kind, name, .. } => {
                let refusal = Refusal::ResourceNotFound { kind: *kind };
                self.attributes.remove(name).ok_or(refusal)?;
                self.sequence += 1;
                Ok(Reply::Done)
            }
            ResourceChange::Create(..)
            | ResourceChange::Patch(..)
            | ResourceChange::DeleteAll(_) => unreachable!("not drawn"),
        }
    }

    /// The keys in a state are the first and those that were made.
    pub(super) fn check_keys(&self, store: &dyn Reader, group: GroupId, org: OrgId) {
        let found = org_keys::all(store, group, org).expect("a list").into_iter();
        let found: BTreeMap<_, _> = found
            .filter(|key| !key.is_plain())
            .map(|key| (key.key.id, OrgKey { created_at: None, ..key }))
            .collect();
        assert_eq!(found, self.issued, "keys are not those that were made");
    }

    /// `answer` has the time at which a key was made.
    fn changed_keys(
        &mut self,
        change: &KeyChange,
        answer: &Result<Reply, Refusal>,
    ) -> Result<Reply, Refusal> {
        match change {
            KeyChange::Issue { key, label, sealed, .. } => {
                if self.issued.contains_key(&key.id) {
                    return Err(Refusal::KeyExists);
                }
                let made = OrgKey { label: label.clone(), ..OrgKey::plain(key.clone()) };
                self.issued.insert(key.id, made.clone());
                self.sequence += 1;
                let Ok(Reply::Key(new)) = answer else { panic!("{answer:?} to a new key") };
                let key = OrgKey { created_at: new.key.created_at, ..made };
                Ok(Reply::Key(Box::new(NewKey { key, sealed: sealed.clone() })))
            }
            KeyChange::Revoke(id) => {
                self.issued.remove(id).ok_or(Refusal::KeyNotFound)?;
                self.sequence += 1;
                Ok(Reply::Done)
            }
            KeyChange::Rotate { .. } => unreachable!("not drawn"),
        }
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
        to: Option<&ClientId>,
        answer: &Result<Reply, Refusal>,
    ) -> Result<Reply, Refusal> {
        let to = to.expect("a new name");
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

    fn create(&mut self, version: WriteId, credential: &OidcCredential) -> Result<Reply, Refusal> {
        if self.credentials.contains_key(&credential.client_id) {
            return Err(Refusal::CredentialExists);
        }
        let made = OidcCredential { version, ..credential.clone() };
        self.credentials.insert(credential.client_id.clone(), made);
        self.registered.insert(credential.client_id.clone(), (version, None));
        self.sequence += 1;
        Ok(Reply::Version(version))
    }

    /// Only numbers and answers outlive the organization.
    fn end(&mut self) -> Reply {
        let (answers, keys) = (std::mem::take(&mut self.answers), std::mem::take(&mut self.keys));
        let numbers = std::mem::take(&mut self.numbers);
        *self = Self { is_ended: true, answers, keys, numbers, ..Self::default() };
        Reply::Done
    }

    /// Carries a write out. `answer` is what the machine has said to it: of a change by number the times
    /// are taken from there.
    pub(super) fn carry_out(
        &mut self,
        proposal: &Proposal,
        answer: &Result<Reply, Refusal>,
    ) -> Result<Reply, Refusal> {
        let version = proposal.write_id;
        if self.is_ended {
            return Err(Refusal::OrgNotFound);
        }
        match &proposal.command {
            Command::EndOrg { .. } => Ok(self.end()),
            Command::CreateOidc { credential, .. } => self.create(version, credential),
            Command::ChangeCredential { target, change, .. } => {
                self.renamed(version, target, change.client_id.as_ref(), answer)
            }
            Command::PatchOidc { client_id, patch, .. } => {
                let stored = self.credentials.get_mut(client_id);
                let stored = stored.ok_or(Refusal::CredentialNotFound)?;
                (stored.label, stored.version) = (patch.label.clone(), version);
                self.sequence += 1;
                Ok(Reply::Version(version))
            }
            Command::DeleteOidc { client_id, .. } => {
                self.credentials.remove(client_id).ok_or(Refusal::CredentialNotFound)?;
                self.registered.remove(client_id);
                self.sequence += 1;
                Ok(Reply::Done)
            }
            Command::ChangeResource { change, .. } => self.attribute(version, change),
            Command::ChangeKeys { change, .. } => self.changed_keys(change, answer),
            Command::CreateSuborganization { .. }
            | Command::EndClaim(_)
            | Command::SettleEnd(_)
            | Command::RemoveCredential { .. }
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
            | Command::SetPolicies { .. }
            | Command::NotePolicies(_)
            | Command::NoteLost { .. } => unreachable!("not a write of an organization"),
        }
    }
}

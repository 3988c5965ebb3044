//! The machine against a naive second one: plain maps, no bytes, no overlays. It has organizations
//! and OIDC credentials, remembered writes and idempotency keys.
//!
//! The model expires records by time alone; the logs are so short that the machine never reaches
//! its bound on expirations per entry.

use std::collections::BTreeMap;

use concordat_proto::{
    command::{Command, Precondition, Proposal},
    consistency::Position,
    id::{ClientId, KeyId, OrgId, WriteId},
    log::LogIndex,
    oidc::{OidcCredential, OidcPatch, ProviderOptions},
    org::Org,
    refusal::Refusal,
    reply::{Applied, Reply},
    time::LogTime,
};
use proptest::prelude::*;

use super::{
    list::Wanted,
    query,
    testkit::{HOME, Replica, home_command, proposals},
};

#[derive(Default)]
struct Model {
    time: LogTime,
    index: u64,
    orgs: BTreeMap<OrgId, Org>,
    credentials: BTreeMap<(OrgId, ClientId), OidcCredential>,
    writes: BTreeMap<WriteId, (LogTime, Applied)>,
    keys: BTreeMap<(OrgId, String), (LogTime, [u8; 32], Applied)>,
}

impl Model {
    fn apply(&mut self, proposal: &Proposal) -> Applied {
        self.index += 1;
        let remembered = self.writes.get(&proposal.write_id).map(|(_, applied)| applied.clone());
        self.time = self.time.max(proposal.stamped);
        self.writes.retain(|_, (expires, _)| *expires >= self.time);
        self.keys.retain(|_, (expires, _, _)| *expires >= self.time);
        remembered.unwrap_or_else(|| self.first(proposal))
    }

    fn first(&mut self, proposal: &Proposal) -> Applied {
        let write_id = proposal.write_id;
        // Named as soon as there is an organization to have an epoch.
        let home = proposal.command.org().and_then(|org| self.orgs.get(&org));
        let epoch = home.map(|org| org.epoch);
        let answer = |outcome, index| {
            let index = LogIndex(index);
            let position = epoch.map(|epoch| Position { epoch, group: HOME, index, term: None });
            Applied { write_id, index, position, outcome }
        };
        if self.time > proposal.not_after {
            return answer(Err(Refusal::Expired), self.index);
        }
        let org = proposal.command.org().unwrap();
        let mut expires = proposal.not_after;
        let applied = match &proposal.idempotency {
            None => answer(self.authorized(proposal, org), self.index),
            Some(idempotency) => {
                let name = (org, idempotency.key.clone());
                match self.keys.get(&name) {
                    Some((_, digest, applied)) if *digest == idempotency.digest => applied.clone(),
                    Some(_) => answer(Err(Refusal::IdempotencyKeyReused), self.index),
                    None => {
                        let applied = answer(self.authorized(proposal, org), self.index);
                        if applied.outcome.as_ref().err().is_none_or(Refusal::remembered) {
                            let until = self.time.after(idempotency.lifetime);
                            expires = expires.max(until);
                            self.keys.insert(name, (until, idempotency.digest, applied.clone()));
                        }
                        applied
                    }
                }
            }
        };
        self.writes.insert(write_id, (expires, applied.clone()));
        applied
    }

    fn authorized(&mut self, proposal: &Proposal, org: OrgId) -> Result<Reply, Refusal> {
        let lives = |key: KeyId| self.orgs.get(&org).is_some_and(|org| org.first_key.id == key);
        if proposal.authorized_by.is_some_and(|key| !lives(key)) {
            return Err(Refusal::KeyRevoked);
        }
        self.carry_out(proposal.write_id, &proposal.command)
    }

    fn carry_out(&mut self, write_id: WriteId, command: &Command) -> Result<Reply, Refusal> {
        match command {
            Command::CreateOrg(org) => {
                let present = self.orgs.entry(org.id).or_insert_with(|| org.clone());
                if present != org {
                    return Err(Refusal::OrgExists);
                }
                Ok(Reply::Org(Box::new(org.clone())))
            }
            Command::CreateOidc { org, credential } => self.create(write_id, *org, credential),
            Command::PatchOidc { org, client_id, patch, precondition } => {
                let stored = self.find(*org, client_id)?;
                check_patch(stored, patch)?;
                check(stored, precondition.as_ref())?;
                if !patch.is_empty() {
                    change(stored, patch.clone());
                    stored.version = write_id;
                }
                Ok(Reply::Version(stored.version))
            }
            Command::DeleteOidc { org, client_id, precondition } => {
                check(self.find(*org, client_id)?, precondition.as_ref())?;
                self.credentials.remove(&(*org, client_id.clone()));
                Ok(Reply::Done)
            }
            Command::MarkReplicas { .. } | Command::SetLeases(_) => Ok(Reply::Done),
            Command::CreateSuborganization { .. }
            | Command::EndOrg { .. }
            | Command::EndClaim(_)
            | Command::SettleEnd(_)
            | Command::ChangeCredential { .. }
            | Command::RemoveCredential { .. }
            | Command::BindCredential { .. }
            | Command::ClaimDomain { .. }
            | Command::ChangeResource { .. }
            | Command::ChangeKeys { .. }
            | Command::SetOrgSettings { .. }
            | Command::SetPartitionPolicy(_)
            | Command::NotePartitionPolicy(_)
            | Command::SetVoterRegion { .. }
            | Command::CloseGroup { .. }
            | Command::FoundSuccessor { .. }
            | Command::RaiseFeatureLevel { .. }
            | Command::NoteFeatureLevel(_)
            | Command::SetPolicies { .. }
            | Command::NotePolicies(_)
            | Command::NoteLost { .. }
            | Command::Form { .. }
            | Command::FormWithRegions { .. }
            | Command::AddRegion(_)
            | Command::RegisterNode(_)
            | Command::ClaimOrg(_)
            | Command::SetNodeState { .. }
            | Command::SetRegionState { .. }
            | Command::RefoundRegion { .. }
            | Command::SetSurvivalGoal(_)
            | Command::MoveFreeze { .. }
            | Command::MoveCommit { .. }
            | Command::MoveAbort { .. }
            | Command::ImportBegin { .. }
            | Command::ImportChunk { .. }
            | Command::ImportFinish { .. }
            | Command::MoveCleanup { .. } => unreachable!("not a write of an organization"),
        }
    }

    fn create(
        &mut self,
        write_id: WriteId,
        org: OrgId,
        credential: &OidcCredential,
    ) -> Result<Reply, Refusal> {
        self.require_org(org)?;
        let name = (org, credential.client_id.clone());
        if self.credentials.contains_key(&name) {
            return Err(Refusal::CredentialExists);
        }
        let made = OidcCredential { version: write_id, ..credential.clone() };
        self.credentials.insert(name, made);
        Ok(Reply::Version(write_id))
    }

    fn require_org(&self, org: OrgId) -> Result<(), Refusal> {
        if self.orgs.contains_key(&org) { Ok(()) } else { Err(Refusal::OrgNotFound) }
    }

    fn find(&mut self, org: OrgId, client: &ClientId) -> Result<&mut OidcCredential, Refusal> {
        self.require_org(org)?;
        self.credentials.get_mut(&(org, client.clone())).ok_or(Refusal::CredentialNotFound)
    }
}

fn check_patch(stored: &OidcCredential, patch: &OidcPatch) -> Result<(), Refusal> {
    let actual = stored.provider;
    if patch.provider.is_some_and(|provider| provider != actual) {
        return Err(Refusal::ProviderFixed { actual });
    }
    match &patch.options {
        Some(options) if options.provider != actual => {
            Err(Refusal::ForeignOptions { given: options.provider, actual })
        }
        Some(_) | None => Ok(()),
    }
}

fn check(stored: &OidcCredential, precondition: Option<&Precondition>) -> Result<(), Refusal> {
    match precondition {
        Some(Precondition::AnyOf(versions)) if !versions.contains(&stored.version) => {
            Err(Refusal::VersionMismatch)
        }
        Some(_) | None => Ok(()),
    }
}

fn change(stored: &mut OidcCredential, patch: OidcPatch) {
    if let Some(secret) = patch.client_secret {
        stored.client_secret = secret;
    }
    if patch.label.is_some() {
        stored.label = patch.label;
    }
    if patch.external_cred_id.is_some() {
        stored.external_cred_id = patch.external_cred_id;
    }
    if patch.enable_in_authz_server.is_some() {
        stored.enable_in_authz_server = patch.enable_in_authz_server;
    }
    if let Some(mut options) = patch.options {
        if let ProviderOptions::Apple(new) = &mut options.specific
            && let ProviderOptions::Apple(old) = &stored.options.specific
            && new.private_key.is_none()
        {
            new.private_key = old.private_key.clone();
        }
        stored.options = options;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn agrees_with_the_naive_machine(log in proposals(home_command(), 0..32)) {
        let (replica, mut model) = (Replica::new(HOME), Model::default());
        for proposal in &log {
            prop_assert_eq!(replica.one(proposal), model.apply(proposal), "{:?}", proposal);
        }
        let homes = query::homes(&*replica.store, HOME, None, usize::MAX).unwrap();
        let orgs: Vec<Org> = homes.into_iter().map(|home| home.org).collect();
        prop_assert_eq!(&orgs, &model.orgs.values().cloned().collect::<Vec<_>>());
        for org in orgs {
            let page = query::oidc_part(&*replica.store, HOME, org.id, None, Wanted::FIRST).unwrap();
            let expected: Vec<OidcCredential> = model
                .credentials
                .iter()
                .filter(|((owner, _), _)| *owner == org.id)
                .map(|(_, credential)| credential.clone())
                .collect();
            prop_assert_eq!(page.total_count, expected.len());
            prop_assert_eq!(page.items, expected);
            let keys = model.keys.keys().filter(|(owner, _)| *owner == org.id).count();
            let counted = query::idempotency_keys(&*replica.store, HOME, org.id).unwrap();
            prop_assert_eq!(counted, keys as u64);
        }
    }
}

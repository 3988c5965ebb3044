//! The rules of policies: the cluster-wide set in the system group, its revision in the log of each home group,
//! and the refusal of writes that were authorized under sets that have changed since.
//!
//! Nothing here reads a policy: the node that a request reaches evaluates them. What counts here is which sets
//! it has read ([`PolicyStamp`]). An organization's own set is a resource (`resource.rs`), so it moves and
//! fails over with the organization.
//!
//! # Why a revision is noted
//! A home group never reads the system group's state. Its leader writes the newest revision into the group's
//! own log (`placement/notes.rs`), and from that entry on all replicas of the group refuse writes of an
//! earlier one alike. So a node whose system replica is behind can neither let a write through that the noted
//! set forbids, nor can two replicas decide differently.
//!
//! A refused write leaves no record: it is authorized again, and proposed again under the same name.
//!
//! The same holds for a command that names a credential by its number or by a binding: a node that is behind may
//! have looked another one up, or none, and asked the policies about that ([`DecidedFor`]).

use concordat_proto::{
    command::{Precondition, Proposal},
    id::{GroupId, OrgId, WriteId},
    policy::{DecidedFor, OwnPolicies, PolicySetRecord, PolicyStamp},
    refusal::Refusal,
    registration::CredentialTarget,
    reply::Reply,
};

use super::{
    entry::txn::{ApplyResult, ApplyTxn},
    query, registered,
};
use crate::{
    planted,
    store::{Reader, StoreError, keys},
};

/// The cluster-wide set of policies; none where none was ever set.
///
/// # Errors
/// When the store is broken.
pub fn set(reader: &dyn Reader) -> Result<Option<PolicySetRecord>, StoreError> {
    query::load(reader, &keys::policies())
}

/// The revision of the cluster-wide set, as a group knows it; 0 where it knows none.
///
/// # Errors
/// When the store is broken.
pub fn revision(reader: &dyn Reader, group: GroupId) -> Result<u64, StoreError> {
    Ok(query::load(reader, &keys::policy_revision(group))?.unwrap_or_default())
}

/// The version of an organization's own set, which may be empty; none where none was ever set.
///
/// # Errors
/// When the store is broken.
pub fn own_version(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
) -> Result<Option<WriteId>, StoreError> {
    let Some(bytes) = reader.get(&keys::own_policy_version(group, org))? else { return Ok(None) };
    let bytes = <[u8; 16]>::try_from(bytes);
    bytes
        .map(|bytes| Some(WriteId::from_bytes(bytes)))
        .map_err(|_| StoreError::new("the version of a set of policies cannot be read"))
}

/// Replaces the cluster-wide set. The same text is a new revision too: its author may rely on what was
/// authorized before.
pub(super) fn replace(
    txn: &mut ApplyTxn<'_>,
    text: &str,
    precondition: &Option<Precondition>,
) -> ApplyResult {
    let before = set(txn.view())?;
    let version = before.as_ref().map(|before| before.version);
    let matches = match precondition {
        None => true,
        Some(Precondition::Exists) => version.is_some(),
        // Without a version left there must be none.
        Some(Precondition::AnyOf(versions)) if versions.is_empty() => version.is_none(),
        Some(Precondition::AnyOf(versions)) => version.is_some_and(|it| versions.contains(&it)),
    };
    if !matches {
        return Err(Refusal::VersionMismatch.into());
    }
    let revision = before.map_or(0, |before| before.revision).saturating_add(1);
    let (version, changed_at, text) = (txn.write_id, txn.log_time, text.to_owned());
    txn.put(keys::policies(), &PolicySetRecord { revision, version, changed_at, text });
    txn.put(keys::policy_revision(txn.group), &revision);
    Ok(Reply::Version(version))
}

/// Notes a revision in a home group. It never goes back.
pub(super) fn note(txn: &mut ApplyTxn<'_>, noted: u64) -> ApplyResult {
    if noted > revision(txn.view(), txn.group)? {
        txn.put(keys::policy_revision(txn.group), &noted);
    }
    Ok(Reply::Done)
}

/// Keeps the version of an organization's own set beside it, also that of an empty one. Otherwise a write that was
/// refused, and that its client knows was not carried out, could be authorized again by the end of the
/// set that refused it: a late copy of it would be carried out then.
pub(super) fn mark_own(txn: &mut ApplyTxn<'_>, org: OrgId, version: WriteId) {
    txn.put_bytes(keys::own_policy_version(txn.group, org), version.to_bytes().to_vec());
}

/// Why a write has to be authorized again: it was authorized under an earlier cluster-wide set than the last
/// that this group's log knows, or under another one of the organization than the present one, or for another
/// credential than it names here.
pub(super) fn refuse_stale(
    txn: &ApplyTxn<'_>,
    proposal: &Proposal,
) -> Result<Option<Refusal>, StoreError> {
    let Some(PolicyStamp { cluster, organization }) = proposal.policies else { return Ok(None) };
    let is_earlier = cluster < revision(txn.view(), txn.group)?;
    let is_other = match (&txn.home, organization) {
        (None, _) | (Some(_), OwnPolicies::Unasked) => false,
        (Some(home), asked) => {
            let version = own_version(txn.view(), txn.group, home.org.id)?;
            asked != version.map_or(OwnPolicies::Empty, OwnPolicies::Of)
        }
    };
    let refusal =
        (is_earlier || is_other || names_another(txn, proposal)?).then_some(Refusal::PolicyChanged);
    Ok(planted::on_stale_policies(refusal))
}

/// Whether a write was authorized for another credential than its command names here.
fn names_another(txn: &ApplyTxn<'_>, proposal: &Proposal) -> Result<bool, StoreError> {
    let (Some(decided_for), Some(home)) = (&proposal.decided_for, &txn.home) else {
        return Ok(false);
    };
    let Some(target) = proposal.command.named_credential() else { return Ok(false) };
    Ok(decided_for_now(txn.view(), txn.group, home.org.id, target)? != *decided_for)
}

/// The credential that policies are asked about for a command that names one by its number or a binding, by a
/// group's state.
///
/// # Errors
/// When the store is broken.
pub fn decided_for_now(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    target: &CredentialTarget,
) -> Result<DecidedFor, StoreError> {
    let found = registered::target(reader, group, org, target)?;
    Ok(found.map_or(DecidedFor::NoCredential, |found| {
        DecidedFor::Credential(found.credential.client_id)
    }))
}

#[cfg(test)]
#[path = "policy_test.rs"]
mod tests;

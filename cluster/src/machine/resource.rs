//! The rules of resources beside credentials: SAML credentials, external credentials, attributes, and the
//! organization's own set of policies.
//!
//! One set of rules serves all kinds; only what a partial change sets is a kind's own. A name is used
//! once at a time among those of its kind, and an organization has at most [`limits::RESOURCES_MAX`] of a
//! kind. The count is a record of its own, so that a rule never walks over them.

use concordat_proto::{
    command::Precondition,
    id::{GroupId, OrgId, WriteId},
    limits,
    refusal::Refusal,
    reply::Reply,
    resource::{
        ExternalPatch, Resource, ResourceBody, ResourceChange, ResourceKind, ResourceName,
        ResourcePatch, SamlPatch,
    },
};

use super::{
    entry::txn::{ApplyError, ApplyResult, ApplyTxn},
    list::{Collector, Part, Wanted},
    policy, query, registration,
};
use crate::store::{Reader, StoreError, keys};

/// A resource by its name.
///
/// # Errors
/// When the store is broken.
pub fn get(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    kind: ResourceKind,
    name: &ResourceName,
) -> Result<Option<Resource>, StoreError> {
    query::load(reader, &keys::resource(group, org, kind, name))
}

/// A part of the resources of a kind, in order of name.
///
/// # Errors
/// When the store is broken.
pub fn list(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    kind: ResourceKind,
    wanted: Wanted<'_>,
) -> Result<Part<Resource>, StoreError> {
    let mut part = Collector::new(wanted);
    let prefix = keys::resources(group, org, kind);
    query::each(reader, &prefix, |key, value| {
        let name = key.get(prefix.len()..).and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or_else(|| StoreError::new("a resource without a name"))?;
        part.offer(name, value.len(), || query::decode(key, value))
    })?;
    Ok(part.finish())
}

/// Carries a change out.
pub(super) fn change(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    change: &ResourceChange,
    precondition: Option<&Precondition>,
) -> ApplyResult {
    if txn.home.is_none() {
        return Err(Refusal::OrgNotFound.into());
    }
    match change {
        ResourceChange::Create(name, body) => {
            let kind = body.kind();
            if stored(txn, org, kind, name)?.is_some() {
                return Err(Refusal::ResourceExists { kind }.into());
            }
            make(txn, org, name, body, precondition)
        }
        ResourceChange::Put(name, body) => match stored(txn, org, body.kind(), name)? {
            Some(before) => replace(txn, org, &before, body.clone(), precondition),
            None => make(txn, org, name, body, precondition),
        },
        ResourceChange::Patch(name, patch) => {
            let kind = patch.kind();
            let found = stored(txn, org, kind, name)?;
            let before = found.ok_or(Refusal::ResourceNotFound { kind })?;
            let body = patched(before.body.clone(), patch);
            replace(txn, org, &before, body, precondition)
        }
        ResourceChange::Delete { kind, name, is_absent_ok } => {
            match stored(txn, org, *kind, name)? {
                Some(before) => {
                    require_match(before.version, precondition)?;
                    drop(txn, org, *kind, name)?;
                    registration::count_write(txn, org)?;
                    Ok(Reply::Done)
                }
                None if *is_absent_ok && precondition.is_none() => Ok(Reply::Done),
                None => Err(Refusal::ResourceNotFound { kind: *kind }.into()),
            }
        }
        ResourceChange::DeleteAll(kind) => {
            txn.clear(keys::resources(txn.group, org, *kind));
            match kind {
                ResourceKind::Policies => txn.remove(keys::own_policy_version(txn.group, org)),
                ResourceKind::Suborganization => {
                    txn.clear(keys::suborganizations_of(txn.group, org));
                }
                ResourceKind::Saml | ResourceKind::External | ResourceKind::Attribute => {}
            }
            txn.remove(keys::resource_count(txn.group, org, *kind));
            registration::count_write(txn, org)?;
            Ok(Reply::Done)
        }
    }
}

/// Stores a resource that has moved here with its organization.
pub(super) fn import(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    resource: &Resource,
) -> Result<(), StoreError> {
    let kind = resource.body.kind();
    let key = keys::resource(txn.group, org, kind, &resource.name);
    txn.put(key, resource);
    index(txn, org, &resource.name, resource.version, &resource.body);
    count(txn, org, kind, |count| count + 1).map(std::mem::drop)
}

/// Adds a resource whose name is new.
pub(super) fn add(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    name: &ResourceName,
    body: &ResourceBody,
) -> ApplyResult {
    make(txn, org, name, body, None)
}

/// Removes a resource, if there is one of this name.
pub(super) fn drop(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    kind: ResourceKind,
    name: &ResourceName,
) -> Result<(), StoreError> {
    let Some(before) = stored(txn, org, kind, name)? else { return Ok(()) };
    txn.remove(keys::resource(txn.group, org, kind, name));
    match &before.body {
        ResourceBody::Policies(_) => txn.remove(keys::own_policy_version(txn.group, org)),
        ResourceBody::Suborganization(_) => {
            if let Ok(child) = name.as_str().parse() {
                txn.remove(keys::suborganization(txn.group, org, child));
            }
        }
        ResourceBody::Saml(_) | ResourceBody::External(_) | ResourceBody::Attribute(_) => {}
    }
    count(txn, org, kind, |count| count.saturating_sub(1)).map(std::mem::drop)
}

/// What is found without a look at the resources themselves.
fn index(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    name: &ResourceName,
    version: WriteId,
    body: &ResourceBody,
) {
    match body {
        ResourceBody::Policies(_) => policy::mark_own(txn, org, version),
        ResourceBody::Suborganization(_) => {
            // Its name is its id: only a bug of the proposing node gives another one.
            if let Ok(child) = name.as_str().parse() {
                txn.put_bytes(keys::suborganization(txn.group, org, child), Vec::new());
            }
        }
        ResourceBody::Saml(_) | ResourceBody::External(_) | ResourceBody::Attribute(_) => {}
    }
}

fn make(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    name: &ResourceName,
    body: &ResourceBody,
    precondition: Option<&Precondition>,
) -> ApplyResult {
    match precondition {
        // No version: there must be none.
        Some(Precondition::AnyOf(versions)) if versions.is_empty() => {}
        None => {}
        Some(Precondition::Exists | Precondition::AnyOf(_)) => {
            return Err(Refusal::VersionMismatch.into());
        }
    }
    let kind = body.kind();
    if count(txn, org, kind, |count| count + 1)? > limits::RESOURCES_MAX {
        return Err(Refusal::ResourcesFull { kind }.into());
    }
    put(txn, org, name, txn.log_time, body.clone())
}

/// A change that changes nothing keeps the version. One that brings a secret always changes something:
/// it is sealed anew.
fn replace(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    before: &Resource,
    body: ResourceBody,
    precondition: Option<&Precondition>,
) -> ApplyResult {
    require_match(before.version, precondition)?;
    if body == before.body {
        return Ok(Reply::Resource { name: before.name.clone(), version: before.version });
    }
    put(txn, org, &before.name, before.created_at, body)
}

fn put(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    name: &ResourceName,
    created_at: concordat_proto::time::LogTime,
    body: ResourceBody,
) -> ApplyResult {
    let key = keys::resource(txn.group, org, body.kind(), name);
    let (name, version, changed_at) = (name.clone(), txn.write_id, txn.log_time);
    index(txn, org, &name, version, &body);
    txn.put(key, &Resource { name: name.clone(), version, created_at, changed_at, body });
    registration::count_write(txn, org)?;
    Ok(Reply::Resource { name, version })
}

fn stored(
    txn: &ApplyTxn<'_>,
    org: OrgId,
    kind: ResourceKind,
    name: &ResourceName,
) -> Result<Option<Resource>, StoreError> {
    get(txn.view(), txn.group, org, kind, name)
}

/// Changes the number of resources of a kind; the new one.
fn count(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    kind: ResourceKind,
    changed: impl FnOnce(u64) -> u64,
) -> Result<u64, StoreError> {
    let key = keys::resource_count(txn.group, org, kind);
    let count = changed(txn.load(&key)?.unwrap_or_default());
    if count == 0 {
        txn.remove(key);
    } else {
        txn.put(key, &count);
    }
    Ok(count)
}

fn require_match(version: WriteId, precondition: Option<&Precondition>) -> Result<(), ApplyError> {
    match precondition {
        Some(Precondition::AnyOf(versions)) if !versions.contains(&version) => {
            Err(Refusal::VersionMismatch.into())
        }
        None | Some(Precondition::Exists | Precondition::AnyOf(_)) => Ok(()),
    }
}

/// The contents after a partial change. A patch is of the kind of what it is applied to: a name belongs
/// to one kind.
fn patched(body: ResourceBody, patch: &ResourcePatch) -> ResourceBody {
    match (body, patch) {
        (ResourceBody::Saml(mut saml), ResourcePatch::Saml(patch)) => {
            let SamlPatch { idp_metadata_url, label, email_claims, enable_in_authz_server } = patch;
            set(&mut saml.idp_metadata_url, idp_metadata_url.as_ref());
            set(&mut saml.email_claims, email_claims.as_ref());
            saml.label = label.clone().or(saml.label);
            saml.enable_in_authz_server = enable_in_authz_server.or(saml.enable_in_authz_server);
            ResourceBody::Saml(saml)
        }
        (ResourceBody::External(mut external), ResourcePatch::External(patch)) => {
            let ExternalPatch { label, json_blob } = patch;
            external.label = label.clone().or(external.label);
            set(&mut external.json_blob, json_blob.as_ref());
            ResourceBody::External(external)
        }
        (
            body @ (ResourceBody::Attribute(_)
            | ResourceBody::Policies(_)
            | ResourceBody::Suborganization(_)),
            _,
        )
        | (body @ ResourceBody::Saml(_), ResourcePatch::External(_))
        | (body @ ResourceBody::External(_), ResourcePatch::Saml(_)) => body,
    }
}

fn set<T: Clone>(stored: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        stored.clone_from(given);
    }
}

#[cfg(test)]
#[path = "resource_test.rs"]
mod tests;

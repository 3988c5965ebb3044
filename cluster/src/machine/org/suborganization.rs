//! The rules of suborganizations: organizations of their own that belong to another one.
//!
//! One entry of the parent's group makes a suborganization and the parent's record of it, so that neither is
//! ever without the other, and no other group takes part. It needs no claim: its id is one that no operator
//! can claim ([`OrgId::is_of_suborganization`]).
//!
//! The two move one after the other. A parent that has moved is followed by its suborganizations
//! (`raft` never sees this: the node of the parent's leader asks for their moves). So a rule here never
//! relies on finding both in its group.

use concordat_proto::{
    id::{GroupId, OrgId},
    movement::HomeRecord,
    org::Org,
    refusal::Refusal,
    reply::Reply,
    resource::{Administrator, ResourceBody, ResourceKind, ResourceName, Suborganization},
};

use crate::{
    machine::{
        entry::txn::{ApplyResult, ApplyTxn},
        query, registered, resource,
    },
    store::{
        Reader, StoreError,
        keys::{self, Kind},
    },
};

/// The name of a suborganization among the resources of its parent.
#[must_use]
pub fn name(child: OrgId) -> ResourceName {
    ResourceName::of_org(child)
}

/// Makes one. `child` says everything but where it is: it begins where its parent is.
pub(in crate::machine) fn create(
    txn: &mut ApplyTxn<'_>,
    parent: OrgId,
    child: &Org,
    admins: &[Administrator],
) -> ApplyResult {
    let Some(home) = txn.home.clone() else { return Err(Refusal::OrgNotFound.into()) };
    let is_known = query::home(txn.view(), txn.group, child.id)?.is_some()
        || query::away(txn.view(), txn.group, child.id)?.is_some();
    if is_known || !child.id.is_of_suborganization() {
        return Err(Refusal::OrgExists.into());
    }
    let kept = Suborganization { name: child.org_name.clone(), admins: admins.to_vec() };
    resource::add(txn, parent, &name(child.id), &ResourceBody::Suborganization(kept))?;
    let home_region = home.org.home_region.clone();
    let org = Org { home_region, epoch: 1, ..child.clone() };
    txn.put(keys::org(txn.group, org.id), &HomeRecord::begun(org.clone()));
    txn.put(keys::api_key(txn.group, org.id, &org.first_key.hash), &org.first_key);
    // Without asking for the feature level: this command is proof that every member knows profiles.
    super::number_of(txn, org.id, Some(parent));
    Ok(Reply::Org(Box::new(org)))
}

/// Removes the parent's record of a suborganization that ends, if the parent is here and takes writes. Where
/// it is not, the parent's leader finds that it has ended.
pub(super) fn forget(txn: &mut ApplyTxn<'_>, child: OrgId) -> Result<(), StoreError> {
    let profile = registered::profile(txn.view(), txn.group, child)?;
    let Some(parent) = profile.parent else { return Ok(()) };
    let home = query::home(txn.view(), txn.group, parent)?;
    if home.is_some_and(|home| home.is_open() && !home.is_ended()) {
        resource::drop(txn, parent, ResourceKind::Suborganization, &name(child))?;
    }
    Ok(())
}

/// Whether an organization has suborganizations.
///
/// # Errors
/// When the store is broken.
pub fn has_any(reader: &dyn Reader, group: GroupId, parent: OrgId) -> Result<bool, StoreError> {
    let prefix = keys::suborganizations_of(group, parent);
    Ok(!reader.scan(&prefix, None, 1)?.is_empty())
}

/// The suborganizations of all organizations in a group, each with its parent, in order of both; those after
/// `after`, at most `limit`.
///
/// # Errors
/// When the store is broken.
pub fn page(
    reader: &dyn Reader,
    group: GroupId,
    after: Option<(OrgId, OrgId)>,
    limit: usize,
) -> Result<Vec<(OrgId, OrgId)>, StoreError> {
    let prefix = keys::kind_prefix(group, keys::NO_ORG, Kind::Suborganization);
    let after = after.map(|(parent, child)| keys::suborganization(group, parent, child));
    let pairs = reader.scan(&prefix, after.as_deref(), limit)?;
    pairs.iter().map(|(key, _)| parsed(key)).collect()
}

fn parsed(key: &[u8]) -> Result<(OrgId, OrgId), StoreError> {
    let name = keys::parse(key).and_then(|parsed| parsed.name.split_first_chunk::<16>());
    name.and_then(|(parent, child)| {
        Some((OrgId::from_bytes(*parent), OrgId::from_bytes(child.try_into().ok()?)))
    })
    .ok_or_else(|| StoreError::new("a suborganization of nothing"))
}

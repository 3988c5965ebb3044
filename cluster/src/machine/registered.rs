//! Typed reads of registrations, profiles and enterprise domains, and the one place that writes a
//! registration with its number's index.
//!
//! A credential or an organization without a record has the one that is derived from its id. Nothing
//! here decides.

use concordat_proto::{
    id::{ClientId, GroupId, OrgId},
    oidc::OidcCredential,
    registration::{Binding, CredentialTarget, Number, OrgProfile, Registration},
};

use super::{entry::txn::ApplyTxn, query};
use crate::store::{
    Reader, StoreError,
    keys::{self, Kind},
};

/// A credential with its registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The credential.
    pub credential: OidcCredential,
    /// Its registration.
    pub registration: Registration,
}

/// The registration of a credential, as stored; `None` for one from before there were any.
///
/// # Errors
/// When the store is broken.
pub fn stored(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    client_id: &ClientId,
) -> Result<Option<Registration>, StoreError> {
    query::load(reader, &keys::registration(group, org, client_id))
}

/// A credential by its client id.
///
/// # Errors
/// When the store is broken.
pub fn by_client_id(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    client_id: &ClientId,
) -> Result<Option<Entry>, StoreError> {
    let Some(credential) = query::oidc(reader, group, org, client_id)? else { return Ok(None) };
    with_registration(reader, group, org, credential).map(Some)
}

/// A credential with its registration.
///
/// # Errors
/// When the store is broken.
pub fn with_registration(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    credential: OidcCredential,
) -> Result<Entry, StoreError> {
    let stored = stored(reader, group, org, &credential.client_id)?;
    let registration = stored.unwrap_or_else(|| Registration::of_earlier(credential.version));
    Ok(Entry { credential, registration })
}

/// A credential by its number.
///
/// # Errors
/// When the store is broken.
pub fn by_number(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    number: Number,
) -> Result<Option<Entry>, StoreError> {
    if let Some(name) = reader.get(&keys::credential_number(group, org, number))? {
        return by_client_id(reader, group, org, &client_id(&name)?);
    }
    if !number.is_derived() {
        return Ok(None);
    }
    // Those from before there were registrations have no index.
    let mut found = None;
    query::each(reader, &keys::kind_prefix(group, org, Kind::Oidc), |key, value| {
        let credential: OidcCredential = query::decode(key, value)?;
        if Number::derived(credential.version.to_bytes()) == number
            && stored(reader, group, org, &credential.client_id)?.is_none()
        {
            let registration = Registration::of_earlier(credential.version);
            found = Some(Entry { credential, registration });
        }
        Ok(())
    })?;
    Ok(found)
}

/// The credential that a dialect is bound to.
///
/// # Errors
/// When the store is broken.
pub fn bound(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    binding: &Binding,
) -> Result<Option<Entry>, StoreError> {
    match profile(reader, group, org)?.bound(binding) {
        Some(number) => by_number(reader, group, org, number),
        None => Ok(None),
    }
}

/// The existing credential that a target names.
///
/// # Errors
/// When the store is broken.
pub fn target(
    reader: &dyn Reader,
    group: GroupId,
    org: OrgId,
    target: &CredentialTarget,
) -> Result<Option<Entry>, StoreError> {
    match target {
        CredentialTarget::New(_) => Ok(None),
        CredentialTarget::Number(number) => by_number(reader, group, org, *number),
        CredentialTarget::Bound(binding) => bound(reader, group, org, binding),
    }
}

/// All credentials of an organization, in order of client id.
///
/// # Errors
/// When the store is broken.
pub fn all(reader: &dyn Reader, group: GroupId, org: OrgId) -> Result<Vec<Entry>, StoreError> {
    let mut found = Vec::new();
    query::each(reader, &keys::kind_prefix(group, org, Kind::Oidc), |key, value| {
        found.push(with_registration(reader, group, org, query::decode(key, value)?)?);
        Ok(())
    })?;
    Ok(found)
}

/// An organization's profile.
///
/// # Errors
/// When the store is broken.
pub fn profile(reader: &dyn Reader, group: GroupId, org: OrgId) -> Result<OrgProfile, StoreError> {
    let stored = query::load(reader, &keys::org_profile(group, org))?;
    Ok(stored.unwrap_or_else(|| OrgProfile::of_earlier(org)))
}

/// The organization that has a number. None has one that was derived from its id: such organizations were made
/// before numbers were given.
///
/// # Errors
/// When the store is broken.
pub fn org_of_number(
    reader: &dyn Reader,
    home_groups: &[GroupId],
    number: Number,
) -> Result<Option<OrgId>, StoreError> {
    for group in home_groups {
        if let Some(bytes) = reader.get(&keys::org_number(*group, number))? {
            let id = bytes.try_into().map(OrgId::from_bytes);
            return id.map(Some).map_err(|_| StoreError::new("a number of no organization"));
        }
    }
    Ok(None)
}

/// The organization that has an enterprise domain.
///
/// # Errors
/// When the store is broken.
pub fn domain_owner(reader: &dyn Reader, domain: &str) -> Result<Option<OrgId>, StoreError> {
    let Some(bytes) = reader.get(&keys::domain(domain))? else { return Ok(None) };
    let id = bytes.try_into().map(OrgId::from_bytes);
    id.map(Some).map_err(|_| StoreError::new("a domain of no organization"))
}

/// An organization's enterprise domain.
///
/// # Errors
/// When the store is broken.
pub fn domain_of(reader: &dyn Reader, org: OrgId) -> Result<Option<String>, StoreError> {
    let Some(bytes) = reader.get(&keys::domain_of(org))? else { return Ok(None) };
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|error| StoreError::caused("reading a domain", error))
}

/// The client id that a key or an index holds.
pub(super) fn client_id(bytes: &[u8]) -> Result<ClientId, StoreError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| StoreError::caused("reading a client id", error))?;
    ClientId::new(text).map_err(|error| StoreError::caused("reading a client id", error))
}

/// Stores a registration, and its number's index.
pub(super) fn put(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    client_id: &ClientId,
    registration: &Registration,
) {
    let (group, number) = (txn.group, registration.number);
    put_again(txn, org, client_id, registration);
    let name = client_id.as_str().as_bytes().to_vec();
    txn.put_bytes(keys::credential_number(group, org, number), name);
}

/// Writes a registration whose number's index is there already, under the same client id.
pub(super) fn put_again(
    txn: &mut ApplyTxn<'_>,
    org: OrgId,
    client_id: &ClientId,
    registration: &Registration,
) {
    txn.put(keys::registration(txn.group, org, client_id), registration);
}

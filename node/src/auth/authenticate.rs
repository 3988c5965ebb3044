//! From headers to a principal.
//!
//! Everything that is wrong with an organisation or its key is one and the same answer, after the
//! same work: one hash, one look-up per home group, one look-up of the key, one comparison. Whether
//! an organisation exists can be told neither from the answer nor from the time it takes.
//!
//! What is no id is looked for all the same, under an id that none has, and is let in by nothing that
//! the look finds.

use concordat_cluster::{
    machine::{
        locate::{Located, locate},
        query,
    },
    planted::{self, Bug},
    store::{Reader, StoreError, keys},
};
use concordat_proto::{
    header,
    id::{GroupId, KeyId, OrgId},
    org::{ApiKey, KeyHash, Rights},
};
use http::HeaderMap;
use subtle::ConstantTimeEq;

use super::key::hash_key;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// An organisation: `SlashID-OrgID` and its key.
    Org,
    /// An operator's key, and no organisation.
    Operator,
    /// Either; without `SlashID-OrgID` it must be an operator's key.
    Either,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Principal {
    /// An organisation by one of its keys.
    Org(Box<OrgPrincipal>),
    /// An operator.
    Operator {
        /// By which key.
        key: KeyId,
    },
}

/// An organisation, where it stood when it was let in, and the key it came with.
#[derive(Debug, Clone)]
pub(crate) struct OrgPrincipal {
    /// Its newest record and the home group whose state has it.
    pub(crate) at: Located,
    /// The key.
    pub(crate) key: KeyId,
    /// What the key may do.
    pub(crate) rights: Rights,
}

impl OrgPrincipal {
    /// Its id.
    pub(crate) const fn id(&self) -> OrgId {
        self.at.home.org.id
    }
}

/// Why nobody is let in.
#[derive(Debug)]
pub(crate) enum Denied {
    /// No `SlashID-OrgID`, an empty one, or two.
    OrgIdMissing,
    /// All the rest.
    Unauthorized,
    /// The store is broken.
    Broken(StoreError),
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Broken(error)
    }
}

/// Finds out who asks, from local state.
pub(crate) fn authenticate(
    state: &dyn Reader,
    home_groups: &[GroupId],
    headers: &HeaderMap,
    access: Access,
) -> Result<Principal, Denied> {
    let presented = single(headers, header::API_KEY).unwrap_or_default();
    let hash = hash_key(presented);
    let org = single(headers, header::ORG_ID).filter(|text| !text.is_empty());
    let found = match (access, org) {
        (Access::Operator, _) => operator(state, &hash),
        (Access::Org | Access::Either, Some(text)) => {
            let id = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            let found = organisation(state, home_groups, id.unwrap_or(NOBODY), &hash);
            // A store that is broken is so for everybody.
            match (found, id) {
                (Ok(_), None) if !planted::is(Bug::NilOrganisation) => Err(Denied::Unauthorized),
                (found, _) => found,
            }
        }
        (Access::Either, None) if !headers.contains_key(header::ORG_ID) => operator(state, &hash),
        (Access::Org | Access::Either, None) => Err(Denied::OrgIdMissing),
    };
    // Nothing is no key, even where somebody has set the hash of nothing as an operator's.
    if presented.is_empty() && found.is_ok() { Err(Denied::Unauthorized) } else { found }
}

/// An id that no organisation has: looked for in the place of what is no id, for the same work.
const NOBODY: OrgId = keys::NO_ORG;

/// The one value of a header; none when two differ.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.all(|value| value == first).then_some(first.as_bytes())
}

fn operator(state: &dyn Reader, hash: &KeyHash) -> Result<Principal, Denied> {
    let found = query::operator_key(state, hash)?;
    match same_key(found, hash) {
        Some(key) => Ok(Principal::Operator { key: key.id }),
        None => Err(Denied::Unauthorized),
    }
}

fn organisation(
    state: &dyn Reader,
    home_groups: &[GroupId],
    id: OrgId,
    hash: &KeyHash,
) -> Result<Principal, Denied> {
    let found = locate(state, home_groups, id)?;
    let first = home_groups.first().copied().unwrap_or(GroupId::SYSTEM);
    let group = found.as_ref().map_or(first, |found| found.group);
    let key = same_key(query::api_key(state, group, id, hash)?, hash);
    match (found, key) {
        (Some(at), Some(key)) => {
            let (key, rights) = (key.id, key.rights);
            Ok(Principal::Org(Box::new(OrgPrincipal { at, key, rights })))
        }
        _ => Err(Denied::Unauthorized),
    }
}

/// Whether the organisation that is named is on its way to a group here and nowhere else here: its
/// keys are not here yet, and nobody can tell a right one from a wrong one. Asked for everybody who is
/// not let in, with the same work.
pub(crate) fn is_arriving(
    state: &dyn Reader,
    home_groups: &[GroupId],
    headers: &HeaderMap,
) -> Result<bool, StoreError> {
    let text = single(headers, header::ORG_ID).and_then(|text| std::str::from_utf8(text).ok());
    let id = text.and_then(|text| text.parse().ok()).unwrap_or(NOBODY);
    let is_here = locate(state, home_groups, id)?.is_some();
    let mut has_begun = false;
    for group in home_groups {
        let away = query::away(state, *group, id)?;
        has_begun |= away.is_some_and(|away| away.adoption.is_some());
    }
    Ok(has_begun && !is_here)
}

/// The look-up found it by its hash already; the comparison is what a wrong one is measured by.
fn same_key(found: Option<ApiKey>, hash: &KeyHash) -> Option<ApiKey> {
    let stored = found.as_ref().map_or([0; 32], |key| key.hash);
    let same = bool::from(stored.ct_eq(hash));
    found.filter(|_| same)
}

#[cfg(test)]
#[path = "authenticate_test.rs"]
mod tests;

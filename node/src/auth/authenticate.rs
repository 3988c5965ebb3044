//! From presented credentials to a principal.
//!
//! Everything that is wrong with an organization or its key is one and the same answer, after the
//! same work: one hash, one look-up per home group, one look-up of the key, one comparison. Whether
//! an organization exists can be told neither from the answer nor from the time it takes.
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
    id::{GroupId, KeyId, OrgId},
    org::{ApiKey, KeyHash, Rights},
};
use subtle::ConstantTimeEq;

use super::key::hash_key;
use crate::api::{
    operation::Caller,
    request::{ClaimedOrg, Presented},
};

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Principal {
    /// An organization by one of its keys.
    Org(Box<OrgPrincipal>),
    /// An operator.
    Operator {
        /// By which key.
        key: KeyId,
    },
}

/// An organization, where it stood when it was let in, and the key it came with.
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
    /// No organization is named, or two.
    OrgIdMissing,
    /// All the rest.
    Unauthenticated,
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
    presented: &Presented<'_>,
    caller: Caller,
) -> Result<Principal, Denied> {
    let hash = hash_key(presented.key);
    let found = match (caller, presented.organization) {
        (Caller::Operator, _) | (Caller::Either, ClaimedOrg::Absent) => operator(state, &hash),
        (Caller::Organization(_) | Caller::Either, ClaimedOrg::Named(text)) => {
            let id = parsed(text);
            let found = organization(state, home_groups, id.unwrap_or(NOBODY), &hash);
            // A store that is broken is so for everybody.
            match (found, id) {
                (Ok(_), None) if !planted::is(Bug::NilOrganisation) => Err(Denied::Unauthenticated),
                (found, _) => found,
            }
        }
        (Caller::Organization(_), ClaimedOrg::Absent)
        | (Caller::Organization(_) | Caller::Either, ClaimedOrg::Ambiguous) => {
            Err(Denied::OrgIdMissing)
        }
    };
    // An empty key is no key, even where its hash has been set as an operator's.
    if presented.key.is_empty() && found.is_ok() { Err(Denied::Unauthenticated) } else { found }
}

fn parsed(text: &[u8]) -> Option<OrgId> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
}

/// An id that no organization has: looked for in the place of what is no id, for the same work.
const NOBODY: OrgId = keys::NO_ORG;

fn operator(state: &dyn Reader, hash: &KeyHash) -> Result<Principal, Denied> {
    let found = query::operator_key(state, hash)?;
    match same_key(found, hash) {
        Some(key) => Ok(Principal::Operator { key: key.id }),
        None => Err(Denied::Unauthenticated),
    }
}

fn organization(
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
        _ => Err(Denied::Unauthenticated),
    }
}

/// Whether the organization that is named is on its way to a group here and nowhere else here: its
/// keys are not here yet, and nobody can tell a right one from a wrong one. Asked for everybody who is
/// not let in, with the same work.
pub(crate) fn is_arriving(
    state: &dyn Reader,
    home_groups: &[GroupId],
    presented: &Presented<'_>,
) -> Result<bool, StoreError> {
    let id = match presented.organization {
        ClaimedOrg::Named(text) => parsed(text).unwrap_or(NOBODY),
        ClaimedOrg::Absent | ClaimedOrg::Ambiguous => NOBODY,
    };
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

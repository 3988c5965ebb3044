//! From presented credentials to a principal.
//!
//! Every problem with an organization or its key has the same answer, after the same work: one
//! hash, one look-up per home group, one look-up of the key, one comparison. Neither the answer nor
//! its time shows whether an organization exists.
//!
//! An operator's key may act for an organization that is named beside it. Without such a key nothing about
//! that organization is looked up.
//!
//! A key has its times: one that has expired, or whose place another one has taken for so long, is no key.
//! They are compared with the time that the caller hands in.
//!
//! A malformed id is looked up too, under an id that no organization has, and no result of that
//! look-up authenticates the caller.

use concordat_cluster::{
    machine::{
        locate::{Located, locate},
        query, registered,
    },
    planted,
    store::{Reader, StoreError, keys},
};
use concordat_proto::{
    id::{GroupId, KeyId, OrgId, WriteId},
    key::OrgKey,
    org::{KeyHash, Rights},
    registration::Number,
    time::LogTime,
};
use subtle::ConstantTimeEq;

use super::key::{hash_key, org_of_key};
use crate::api::{
    operation::Caller,
    request::{ClaimedOrg, Presented},
};

/// The caller.
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

/// An organization, the location of its record at authentication, and its key.
#[derive(Debug, Clone)]
pub(crate) struct OrgPrincipal {
    /// Its newest record and the home group whose state has it.
    pub(crate) at: Located,
    /// The key.
    pub(crate) key: KeyId,
    /// Its hash, by which it is looked up again.
    pub(crate) hash: KeyHash,
    /// The rights of the key.
    pub(crate) rights: Rights,
    /// The write by which another key has taken its place: it opens that write's receipt and a repeat of
    /// it, and nothing else.
    pub(crate) replaced_by: Option<WriteId>,
    /// Whether the key is an operator's, who acts for the organization: it has none of the rights of keys, and may
    /// do what a policy permits operators.
    pub(crate) is_operators: bool,
}

impl OrgPrincipal {
    /// Its id.
    pub(crate) const fn id(&self) -> OrgId {
        self.at.home.org.id
    }

    /// Whether its key still lets it in, by the state of the group that the organization is in. The key that
    /// `write` has replaced does, for the receipt of that write.
    ///
    /// # Errors
    /// When the store is broken.
    pub(crate) fn is_let_in(
        &self,
        state: &dyn Reader,
        group: GroupId,
        write: Option<WriteId>,
        now: LogTime,
    ) -> Result<bool, StoreError> {
        if self.is_operators {
            return Ok(query::operator_key(state, &self.hash)?.is_some());
        }
        let found = query::api_key(state, group, self.id(), &self.hash)?;
        let found = found.filter(|key| !key.is_over(now));
        Ok(found.is_some_and(|key| key.replaced.is_none_or(|it| Some(it.by) == write)))
    }

    /// The key that a write of the organization names, which is looked up again where the write is applied. An
    /// operator's is unknown there.
    pub(crate) const fn authorized_by(&self) -> Option<KeyId> {
        if self.is_operators { None } else { Some(self.key) }
    }
}

/// Why authentication failed.
#[derive(Debug)]
pub(crate) enum Denied {
    /// No organization is named, or two.
    OrgIdMissing,
    /// The key is valid, and the request names another organization than the key's.
    OtherOrganization,
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
    now: LogTime,
) -> Result<Principal, Denied> {
    let hash = hash_key(presented.key);
    let found = match (caller, presented.organization) {
        (Caller::Operator, _) | (Caller::Either, ClaimedOrg::Absent) => operator(state, &hash),
        (Caller::Organization(_) | Caller::Either, ClaimedOrg::OfKeyAnd(named))
            if org_of_key(presented.key).is_none() =>
        {
            acting(state, home_groups, named, &hash)
        }
        (
            Caller::Organization(_) | Caller::Either,
            ClaimedOrg::Named(_)
            | ClaimedOrg::OfKey
            | ClaimedOrg::OfKeyAnd(_)
            | ClaimedOrg::OfKeyUnnamed,
        ) => {
            let id = claimed(presented);
            let found = organization(state, home_groups, id.unwrap_or(NOBODY), &hash, now);
            // A broken store is an error for every caller.
            match (found, id) {
                (Ok(_), None) if planted::refuses_nil_organization() => {
                    Err(Denied::Unauthenticated)
                }
                (found, _) => found,
            }
        }
        (Caller::Organization(_), ClaimedOrg::Absent)
        | (Caller::Organization(_) | Caller::Either, ClaimedOrg::Ambiguous) => {
            Err(Denied::OrgIdMissing)
        }
    };
    // An empty key is no key, even where its hash has been set as an operator's.
    if presented.key.is_empty() && found.is_ok() {
        return Err(Denied::Unauthenticated);
    }
    match found {
        Ok(Principal::Org(org)) if !org.is_operators => {
            require_named(state, &org, presented.organization).map(|()| Principal::Org(org))
        }
        found => found,
    }
}

/// The key is valid. Whether the organization that its dialect wants named beside it is the key's own.
fn require_named(
    state: &dyn Reader,
    org: &OrgPrincipal,
    organization: ClaimedOrg<'_>,
) -> Result<(), Denied> {
    let named = match organization {
        ClaimedOrg::OfKeyAnd(named) => std::str::from_utf8(named).unwrap_or_default(),
        ClaimedOrg::OfKeyUnnamed => return Err(Denied::OrgIdMissing),
        ClaimedOrg::Absent | ClaimedOrg::Ambiguous | ClaimedOrg::Named(_) | ClaimedOrg::OfKey => {
            return Ok(());
        }
    };
    if named.eq_ignore_ascii_case(&org.id().to_string()) {
        return Ok(());
    }
    let number = registered::profile(state, org.at.group, org.id())?.number.0;
    if named == number.to_string() { Ok(()) } else { Err(Denied::OtherOrganization) }
}

/// The id of the organization that a request claims to be of; `None` where that is no id.
fn claimed(presented: &Presented<'_>) -> Option<OrgId> {
    match presented.organization {
        ClaimedOrg::Named(text) => parsed(text),
        ClaimedOrg::OfKeyAnd(named) => org_of_key(presented.key).or_else(|| parsed(named)),
        ClaimedOrg::OfKey | ClaimedOrg::OfKeyUnnamed => org_of_key(presented.key),
        ClaimedOrg::Absent | ClaimedOrg::Ambiguous => None,
    }
}

fn parsed(text: &[u8]) -> Option<OrgId> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
}

/// An id that no organization has: looked up in place of a malformed id, for the same work.
const NOBODY: OrgId = keys::NO_ORG;

fn operator(state: &dyn Reader, hash: &KeyHash) -> Result<Principal, Denied> {
    let found = query::operator_key(state, hash)?;
    let is_same = is_same(found.as_ref().map(|key| &key.hash), hash);
    match found.filter(|_| is_same) {
        Some(key) => Ok(Principal::Operator { key: key.id }),
        None => Err(Denied::Unauthenticated),
    }
}

/// An operator who acts for an organization: named by its UUID or its number, in a dialect that takes the
/// organization from the key otherwise. Without an operator's key nothing about the organization is looked up.
fn acting(
    state: &dyn Reader,
    home_groups: &[GroupId],
    named: &[u8],
    hash: &KeyHash,
) -> Result<Principal, Denied> {
    let Principal::Operator { key } = operator(state, hash)? else {
        return Err(Denied::Unauthenticated);
    };
    let id = match parsed(named) {
        Some(id) => Some(id),
        None => match std::str::from_utf8(named).ok().and_then(|text| text.parse().ok()) {
            Some(number) => registered::org_of_number(state, home_groups, Number(number))?,
            None => None,
        },
    };
    let found = match id {
        Some(id) if !id.is_reserved() => locate(state, home_groups, id)?,
        Some(_) | None => None,
    };
    let at = found.filter(|at| !at.home.is_ended()).ok_or(Denied::OtherOrganization)?;
    let (hash, rights) = (*hash, Rights::NONE);
    let org = OrgPrincipal { at, key, hash, rights, replaced_by: None, is_operators: true };
    Ok(Principal::Org(Box::new(org)))
}

fn organization(
    state: &dyn Reader,
    home_groups: &[GroupId],
    id: OrgId,
    hash: &KeyHash,
    now: LogTime,
) -> Result<Principal, Denied> {
    let found = locate(state, home_groups, id)?;
    let first = home_groups.first().copied().unwrap_or(GroupId::SYSTEM);
    let group = found.as_ref().map_or(first, |found| found.group);
    let key = query::api_key(state, group, id, hash)?;
    let is_same = is_same(key.as_ref().map(|key| &key.key.hash), hash);
    match (found, key.filter(|key| is_same && !key.is_over(now))) {
        (Some(at), Some(OrgKey { key, replaced, .. })) => {
            let replaced_by = replaced.map(|replaced| replaced.by);
            let (key, hash, rights) = (key.id, key.hash, key.rights);
            let is_operators = false;
            let org = OrgPrincipal { at, key, hash, rights, replaced_by, is_operators };
            Ok(Principal::Org(Box::new(org)))
        }
        _ => Err(Denied::Unauthenticated),
    }
}

/// Whether the named organization is moving to a group on this node and is in no other group here:
/// its keys are not here yet, and this node cannot verify a key. Evaluated for every failed
/// authentication, with the same work.
pub(crate) fn is_arriving(
    state: &dyn Reader,
    home_groups: &[GroupId],
    presented: &Presented<'_>,
) -> Result<bool, StoreError> {
    let id = claimed(presented).unwrap_or(NOBODY);
    let is_here = locate(state, home_groups, id)?.is_some();
    let mut has_begun = false;
    for group in home_groups {
        let away = query::away(state, *group, id)?;
        has_begun |= away.is_some_and(|away| away.import.is_some());
    }
    Ok(has_begun && !is_here)
}

/// The look-up has found the key by its hash already; the comparison makes a wrong key take the
/// same time.
fn is_same(found: Option<&KeyHash>, hash: &KeyHash) -> bool {
    let stored = found.copied().unwrap_or([0; 32]);
    bool::from(stored.ct_eq(hash))
}

#[cfg(test)]
#[path = "authenticate_test.rs"]
mod tests;

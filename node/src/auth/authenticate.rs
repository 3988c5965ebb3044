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
//! A key that was let in lately is let in again without a look-up, while nothing of its organization has changed
//! (`remembered.rs`).
//!
//! A malformed id is looked up too, under an id that no organization has, and no result of that
//! look-up authenticates the caller.

use std::sync::Arc;

use concordat_cluster::{
    machine::{locate::locate, policy, query, registered},
    planted,
    store::{Reader, StoreError, changes::Stamp, keys},
};
use concordat_proto::{
    id::{GroupId, OrgId},
    key::OrgKey,
    org::{KeyHash, Rights},
    registration::Number,
    time::LogTime,
};
use subtle::ConstantTimeEq;

use super::{
    key::{hash_key, org_of_key},
    principal::{OrgPrincipal, Principal, Seen},
    remembered::Remembered,
};
use crate::api::{
    operation::Caller,
    request::{ClaimedOrg, Presented},
};

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

/// The present moment of an organization's records.
type StampOf<'a> = &'a dyn Fn(OrgId) -> Option<Stamp>;

/// What authentication reads.
pub(crate) struct Look<'a> {
    /// The state.
    pub(crate) state: &'a dyn Reader,
    /// The groups in which organizations are looked for.
    pub(crate) home_groups: &'a [GroupId],
    /// The time now.
    pub(crate) now: LogTime,
    /// The keys that were let in, and the present moment of an organization's records.
    pub(crate) memory: Option<(&'a Remembered, StampOf<'a>)>,
}

impl Look<'_> {
    fn stamp(&self, org: OrgId) -> Option<Stamp> {
        self.memory.and_then(|(_, stamp)| stamp(org))
    }

    fn remembered(&self, org: OrgId, hash: &KeyHash) -> Option<Arc<OrgPrincipal>> {
        let (remembered, _) = self.memory?;
        let found = remembered.get(org, hash)?;
        let holds = found.is_of(self.stamp(org), self.home_groups) && !found.is_over(self.now);
        holds.then_some(found)
    }
}

/// Finds out who asks, from local state.
pub(crate) fn authenticate(
    look: &Look<'_>,
    presented: &Presented<'_>,
    caller: Caller,
) -> Result<Principal, Denied> {
    let Look { state, home_groups, .. } = *look;
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
            let found = organization(look, id.unwrap_or(NOBODY), &hash);
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
    Ok(Principal::Org(Arc::new(OrgPrincipal {
        own_policies: None,
        at,
        key,
        hash,
        rights,
        replaced_by: None,
        is_operators: true,
        over_from: None,
        // It is looked up each time: what it may do depends on the operator's key, too.
        seen: None,
    })))
}

fn organization(look: &Look<'_>, id: OrgId, hash: &KeyHash) -> Result<Principal, Denied> {
    if let Some(known) = look.remembered(id, hash) {
        return Ok(Principal::Org(known));
    }
    let Look { state, home_groups, now, .. } = *look;
    let stamp = look.stamp(id);
    let found = locate(state, home_groups, id)?;
    let first = home_groups.first().copied().unwrap_or(GroupId::SYSTEM);
    let group = found.as_ref().map_or(first, |found| found.group);
    let key = query::api_key(state, group, id, hash)?;
    let is_same = is_same(key.as_ref().map(|key| &key.key.hash), hash);
    match (found, key.filter(|key| is_same && !key.is_over(now))) {
        (Some(at), Some(found)) => {
            let own_policies = policy::own_version(state, at.group, id)?;
            let over_from = found.over_from();
            let OrgKey { key, replaced, .. } = found;
            // Unless a record has changed since the first look.
            let stamp = stamp.filter(|stamp| look.stamp(id) == Some(*stamp));
            let org = Arc::new(OrgPrincipal {
                at,
                key: key.id,
                hash: key.hash,
                rights: key.rights,
                replaced_by: replaced.map(|replaced| replaced.by),
                is_operators: false,
                over_from,
                own_policies,
                seen: stamp.map(|stamp| Seen { stamp, groups: home_groups.to_vec() }),
            });
            if let Some((remembered, _)) = look.memory {
                remembered.put(&org);
            }
            Ok(Principal::Org(org))
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

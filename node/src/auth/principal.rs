//! Callers whose key is valid, and what was read of them.
//!
//! Not here: how a key is found to be valid, what its holder may do.

use std::sync::Arc;

use concordat_cluster::{
    machine::{locate::Located, query},
    store::{Reader, StoreError, changes::Stamp},
};
use concordat_proto::{
    id::{GroupId, KeyId, OrgId, WriteId},
    org::{KeyHash, Rights},
    time::LogTime,
};

/// The caller.
#[derive(Debug, Clone)]
pub(crate) enum Principal {
    /// An organization by one of its keys.
    Org(Arc<OrgPrincipal>),
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
    /// The time from which on the key opens nothing.
    pub(crate) over_from: Option<LogTime>,
    /// The version of the organization's own set of policies.
    pub(crate) own_policies: Option<WriteId>,
    /// The state that all of this was read from, if it was one.
    pub(crate) seen: Option<Seen>,
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

    /// Whether its key opens nothing any more, whatever it did when it was read.
    pub(crate) fn is_over(&self, now: LogTime) -> bool {
        self.over_from.is_some_and(|from| now >= from)
    }

    /// Whether it was read from the present state, which is that of `stamp` in these groups.
    pub(crate) fn is_of(&self, stamp: Option<Stamp>, groups: &[GroupId]) -> bool {
        let Some(seen) = &self.seen else { return false };
        Some(seen.stamp) == stamp && seen.groups == groups
    }

    /// The key that a write of the organization names, which is looked up again where the write is applied. An
    /// operator's is unknown there.
    pub(crate) const fn authorized_by(&self) -> Option<KeyId> {
        if self.is_operators { None } else { Some(self.key) }
    }
}

/// The state that an organization and its key were read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The moment.
    pub(crate) stamp: Stamp,
    /// The groups that were looked into.
    pub(crate) groups: Vec<GroupId>,
}

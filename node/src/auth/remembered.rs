//! Keys that were let in lately, with what was read of their organizations. A read of a known key then needs no
//! look-up but that of its data.
//!
//! What is remembered is used only while nothing of it has changed ([`concordat_cluster::store::changes`] counts
//! these records), and while the same groups are looked into. Only keys that were let in
//! are remembered: every problem with a key is found by the same work as before, whether its organization
//! exists or not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use concordat_proto::{id::OrgId, limits, org::KeyHash};

use super::principal::OrgPrincipal;

/// The number of memories, each with its own lock.
const PARTS: usize = 16;

type Part = BTreeMap<(OrgId, KeyHash), Arc<OrgPrincipal>>;

/// The memory. A full part is emptied, and later requests fill it again.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    parts: [Mutex<Part>; PARTS],
}

impl Remembered {
    fn with<T>(&self, hash: &KeyHash, with: impl FnOnce(&mut Part) -> T) -> Option<T> {
        let part = self.parts.get(usize::from(hash[0]) % PARTS)?;
        Some(with(&mut part.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// What is remembered of a key. Whether it still holds is the caller's to ask.
    pub(crate) fn get(&self, org: OrgId, hash: &KeyHash) -> Option<Arc<OrgPrincipal>> {
        self.with(hash, |part| part.get(&(org, *hash)).cloned())?
    }

    /// Remembers a key that was let in, if it was read from one state.
    pub(crate) fn put(&self, principal: &Arc<OrgPrincipal>) {
        if principal.seen.is_none() || principal.is_operators {
            return;
        }
        self.with(&principal.hash, |part| {
            if part.len() >= limits::REMEMBERED_KEYS_MAX / PARTS {
                part.clear();
            }
            part.insert((principal.id(), principal.hash), Arc::clone(principal));
        });
    }
}

//! How many writes each organisation has under way at this node.
//!
//! It only counts: nobody waits here, and a place is given back however a request ends.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use concordat_proto::id::OrgId;

type Counts = BTreeMap<OrgId, usize>;

/// The counts, and the most that one organisation may have.
#[derive(Debug, Clone)]
pub(crate) struct Turnstile {
    counts: Arc<Mutex<Counts>>,
    max: usize,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    turnstile: Turnstile,
    org: OrgId,
}

impl Turnstile {
    pub(crate) fn new(max: usize) -> Self {
        Self { counts: Arc::default(), max }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, unless the organisation has as many as it may.
    pub(crate) fn enter(&self, org: OrgId) -> Option<Place> {
        let mut counts = self.counts();
        let count = counts.entry(org).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Place { turnstile: self.clone(), org })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.turnstile.counts();
        if let Some(count) = counts.get_mut(&self.org) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_organisation_takes_no_other_ones_places() {
        let (a, b) = (OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16]));
        let turnstile = Turnstile::new(2);
        let (first, second) = (turnstile.enter(a), turnstile.enter(a));
        assert!(first.is_some() && second.is_some());
        assert!(turnstile.enter(a).is_none(), "a third one");
        assert!(turnstile.enter(b).is_some(), "another organisation's");
        drop(first);
        assert!(turnstile.enter(a).is_some(), "given back");
        drop(second);
        assert!(turnstile.counts().is_empty(), "nothing is kept of who has left");
    }
}

//! The limit of concurrent writes per organization at this node.
//!
//! It only counts: no request waits here, and a permit is returned however a request ends.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use concordat_cluster::locks::locked;
use concordat_proto::id::OrgId;

type Counts = BTreeMap<OrgId, usize>;

/// The counts, and the most that one organization may have.
#[derive(Debug, Clone)]
pub(crate) struct PerOrgLimiter {
    counts: Arc<Mutex<Counts>>,
    max: usize,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: PerOrgLimiter,
    org: OrgId,
}

impl PerOrgLimiter {
    pub(crate) fn new(max: usize) -> Self {
        Self { counts: Arc::default(), max }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        locked(&self.counts)
    }

    /// A place, unless the organization has as many as it may.
    pub(crate) fn enter(&self, org: OrgId) -> Option<Permit> {
        let mut counts = self.counts();
        let count = counts.entry(org).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(Permit { limiter: self.clone(), org })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.limiter.counts();
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
    fn one_organization_takes_no_other_ones_places() {
        let (a, b) = (OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16]));
        let limiter = PerOrgLimiter::new(2);
        let (first, second) = (limiter.enter(a), limiter.enter(a));
        assert!(first.is_some() && second.is_some());
        assert!(limiter.enter(a).is_none(), "a third one");
        assert!(limiter.enter(b).is_some(), "another organization's");
        drop(first);
        assert!(limiter.enter(a).is_some(), "given back");
        drop(second);
        assert!(limiter.counts().is_empty(), "nothing is kept of who has left");
    }
}

//! Whether it has changed between two moments where an organization is and who may act for it, without reading
//! that again: a sequence lock over the keys of a store.
//!
//! A change counts itself as begun before it reaches the store, and as done after. So two equal stamps prove that
//! no change was under way at the first one, and that none has begun until the second: what was read between
//! them is one state, and still is the present one.
//!
//! Only the records that every request needs are counted ([`is_counted`]): they change seldom. A reader of any
//! other one must not rely on a stamp. Organizations share counters. A change of another one can make a stamp
//! look old, and never young.

use std::sync::atomic::{AtomicU64, Ordering};

use concordat_proto::id::OrgId;

use super::{
    WriteBatch,
    keys::{self, Kind},
};
use crate::planted;

/// How many counters organizations share.
const PARTS: usize = 4096;
/// Whether a change of a record is counted: where an organization is, its keys, the version of its own policies.
fn is_counted(key: &[u8]) -> bool {
    matches!(keys::kind(key), Some(Kind::Org | Kind::Away | Kind::ApiKey | Kind::OwnPolicyVersion))
}

/// The counters.
#[derive(Debug)]
pub(super) struct Changes {
    parts: Box<[Counter]>,
    /// Of changes that may be about every organization.
    all: Counter,
}

#[derive(Debug, Default)]
struct Counter {
    begun: AtomicU64,
    done: AtomicU64,
}

impl Counter {
    /// How many changes there were; none while one is under way.
    fn now(&self) -> Option<u64> {
        // In this order: all that had begun by the second look were done at the first.
        let done = self.done.load(Ordering::SeqCst);
        (self.begun.load(Ordering::SeqCst) == done).then_some(done)
    }
}

/// A moment in the counted changes of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    part: u64,
    all: u64,
}

/// The counters that a write concerns.
#[derive(Debug)]
pub(super) struct Concerned {
    parts: Vec<usize>,
    is_all: bool,
}

impl Default for Changes {
    fn default() -> Self {
        let parts = (0..PARTS).map(|_| Counter::default()).collect();
        Self { parts, all: Counter::default() }
    }
}

impl Changes {
    /// The present moment of an organization; none while a change is under way.
    pub(super) fn stamp(&self, org: OrgId) -> Option<Stamp> {
        let part = self.parts.get(part_of(org))?.now()?;
        Some(Stamp { part, all: self.all.now()? })
    }

    /// Counts a batch as begun. Call [`Changes::done`] with the result once it is written, or has failed.
    pub(super) fn begin(&self, batch: &WriteBatch) -> Concerned {
        let mut parts: Vec<usize> = Vec::new();
        let counted = |key: &[u8]| is_counted(key) && planted::counts_change();
        for (key, _) in batch.changes.iter().filter(|(key, _)| counted(key)) {
            let Some(org) = keys::org_in(key).filter(|org| *org != keys::NO_ORG) else { continue };
            let part = part_of(org);
            if parts.last() != Some(&part) {
                parts.push(part);
            }
        }
        self.begun(Concerned { parts, is_all: !batch.cleared_prefixes.is_empty() })
    }

    /// Counts a change of whole groups as begun.
    pub(super) fn begin_all(&self) -> Concerned {
        self.begun(Concerned { parts: Vec::new(), is_all: true })
    }

    fn begun(&self, concerned: Concerned) -> Concerned {
        self.count(&concerned, |counter| &counter.begun);
        concerned
    }

    /// Counts a change as done.
    pub(super) fn done(&self, concerned: &Concerned) {
        self.count(concerned, |counter| &counter.done);
    }

    fn count(&self, concerned: &Concerned, which: impl Fn(&Counter) -> &AtomicU64) {
        if concerned.is_all {
            which(&self.all).fetch_add(1, Ordering::SeqCst);
        }
        for counter in concerned.parts.iter().filter_map(|part| self.parts.get(*part)) {
            which(counter).fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The last bytes of an id are random.
fn part_of(org: OrgId) -> usize {
    let last = org.to_bytes().last_chunk::<2>().copied().unwrap_or_default();
    usize::from(u16::from_be_bytes(last)) % PARTS
}

#[cfg(test)]
mod tests {
    use concordat_proto::id::{ClientId, GroupId};

    use super::*;

    fn org(last: u8) -> OrgId {
        let mut bytes = [7; 16];
        bytes[15] = last;
        OrgId::from_bytes(bytes)
    }

    fn batch(orgs: &[OrgId]) -> WriteBatch {
        let change = |org: &OrgId| (keys::org(GroupId(1), *org), Some(Vec::new()));
        let changes = orgs.iter().map(change).collect();
        WriteBatch { changes, ..WriteBatch::default() }
    }

    #[test]
    fn a_stamp_is_the_same_until_a_record_of_the_organization_changes() {
        let changes = Changes::default();
        let (one, two) = (org(1), org(2));
        let (first, of_two) = (changes.stamp(one), changes.stamp(two));
        assert!(first.is_some());
        let under_way = changes.begin(&batch(&[one, one]));
        assert_eq!(changes.stamp(one), None, "it may read the one or the other");
        assert_eq!(changes.stamp(two), of_two);
        changes.done(&under_way);
        assert!(changes.stamp(one).is_some_and(|now| Some(now) != first));
        assert_eq!(changes.stamp(two), of_two);
    }

    #[test]
    fn of_two_changes_under_way_the_last_one_counts() {
        let changes = Changes::default();
        let (early, late) = (changes.begin(&batch(&[org(1)])), changes.begin(&batch(&[org(1)])));
        changes.done(&early);
        assert_eq!(changes.stamp(org(1)), None);
        changes.done(&late);
        assert!(changes.stamp(org(1)).is_some());
    }

    #[test]
    fn a_cleared_range_is_a_change_of_every_organization() {
        let changes = Changes::default();
        let before = changes.stamp(org(1));
        let cleared_prefixes = vec![keys::group_prefix(GroupId(1))];
        changes.done(&changes.begin(&WriteBatch { cleared_prefixes, ..WriteBatch::default() }));
        assert_ne!(changes.stamp(org(1)), before);
        let before = changes.stamp(org(1));
        changes.done(&changes.begin_all());
        assert_ne!(changes.stamp(org(1)), before);
    }

    #[test]
    fn what_a_request_reads_anyway_is_not_counted() {
        let changes = Changes::default();
        let (before, group) = (changes.stamp(org(1)), GroupId(1));
        let client_id = ClientId::new("a-client").unwrap();
        let keys = [keys::applied(group), keys::oidc(group, org(1), &client_id)];
        let write = keys.map(|key| (key, None)).to_vec();
        changes.done(&changes.begin(&WriteBatch { changes: write, ..WriteBatch::default() }));
        assert_eq!(changes.stamp(org(1)), before);
    }

    #[test]
    fn what_is_remembered_of_a_key_is_counted() {
        let group = GroupId(1);
        for key in [
            keys::org(group, org(1)),
            keys::away(group, org(1)),
            keys::api_key(group, org(1), &[5; 32]),
            keys::own_policy_version(group, org(1)),
        ] {
            let changes = Changes::default();
            let before = changes.stamp(org(1));
            let write = vec![(key, None)];
            changes.done(&changes.begin(&WriteBatch { changes: write, ..WriteBatch::default() }));
            assert_ne!(changes.stamp(org(1)), before);
        }
    }
}

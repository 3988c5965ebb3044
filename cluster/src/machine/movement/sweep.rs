//! Iterates over all moving organizations in steps. While a node is down the old records of every
//! moved organization are kept, so there may be very many: a check must not cost more for that.
//!
//! It only says what to look at next; what is urgent is heard of in another way (`raft/org_move/queue.rs`).

use concordat_proto::{
    id::{GroupId, OrgId},
    limits,
};

use crate::{
    machine::query,
    store::{Reader, StoreError},
};

/// Iterates over all moving organizations in steps: there may be very many whose old records are
/// still kept, because a node is down.
#[derive(Debug, Default)]
pub struct Sweep {
    at: Option<(GroupId, Option<OrgId>)>,
}

impl Sweep {
    /// The next ones, at most [`limits::MOVES_LOOKED_AT_MAX`], and none of them twice.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn next(
        &mut self,
        reader: &dyn Reader,
        open: &[GroupId],
    ) -> Result<Vec<(GroupId, OrgId)>, StoreError> {
        let mut found = Vec::new();
        let (first, mut after) = self.at.take().unwrap_or((GroupId::SYSTEM, None));
        let begin = open.iter().position(|group| *group == first);
        if begin.is_none() {
            after = None;
        }
        let begin = begin.unwrap_or(0);
        for group in open[begin..].iter().chain(&open[..begin]) {
            let left = limits::MOVES_LOOKED_AT_MAX - found.len();
            let page = query::on_move_after(reader, *group, after.take(), left)?;
            found.extend(page.iter().map(|org| (*group, *org)));
            if page.len() == left {
                self.at = Some((*group, page.last().copied()));
                break;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::{Store, WriteBatch, keys, memory::MemoryStore};

    fn on_move(counts: &[(GroupId, u64)]) -> MemoryStore {
        let store = MemoryStore::default();
        let key = |group, number: u64| {
            keys::on_move(group, OrgId::from_bytes(u128::from(number).to_be_bytes()))
        };
        let all = counts.iter().flat_map(|(group, count)| {
            (1..=*count).map(move |number| (key(*group, number), Some(Vec::new())))
        });
        store
            .write(WriteBatch { changes: all.collect(), ..WriteBatch::default() })
            .expect("written");
        store
    }

    #[test]
    fn a_look_is_bounded_and_a_round_misses_none() {
        let counts = [(GroupId(1), 1000), (GroupId(2), 0), (GroupId(3), 70)];
        let store = on_move(&counts);
        let open = counts.map(|(group, _)| group);
        let (mut sweep, mut seen) = (Sweep::default(), BTreeSet::new());
        for _ in 0..1070_usize.div_ceil(limits::MOVES_LOOKED_AT_MAX) {
            let found = sweep.next(&store, &open).expect("the store reads");
            assert!(found.len() <= limits::MOVES_LOOKED_AT_MAX);
            seen.extend(found);
        }
        assert_eq!(seen.len(), 1070);
    }

    #[test]
    fn a_few_are_looked_at_every_time() {
        let store = on_move(&[(GroupId(1), 3), (GroupId(2), 4)]);
        let mut sweep = Sweep::default();
        for open in [&[GroupId(1), GroupId(2)][..], &[GroupId(2), GroupId(1)], &[GroupId(2)]] {
            let found = sweep.next(&store, open).expect("the store reads");
            let expected = if open.len() == 2 { 7 } else { 4 };
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), expected);
        }
    }
}

//! Parts of lists: which items are wanted, and how a scan in order of names collects them.
//!
//! A part never takes more than its bytes, but for its first item. It names the item after which the next part
//! begins: a caller that continues there skips nothing, whatever is deleted meanwhile.

use concordat_proto::limits;

use crate::store::StoreError;

/// Which items of a list are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Only those whose names come after this one.
    pub after: Option<&'a str>,
    /// The number of these to skip.
    pub offset: usize,
    /// The maximal number of items.
    pub items_max: usize,
    /// The maximal number of bytes of their records; one item is returned in any case.
    pub bytes_max: usize,
}

impl Wanted<'_> {
    /// From the beginning, as many as one answer may have.
    pub const FIRST: Self = Self {
        after: None,
        offset: 0,
        items_max: limits::PAGE_ITEMS_MAX,
        bytes_max: limits::PAGE_BYTES_MAX,
    };
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<T> {
    /// The wanted items, in order of name.
    pub items: Vec<T>,
    /// The number of all items of the list, whichever are wanted.
    pub total_count: usize,
    /// The name after which the next part begins; `None` on the last one.
    pub next: Option<String>,
}

/// Collects a part from items in order of name.
#[derive(Debug)]
pub(super) struct Collector<'a, T> {
    wanted: Wanted<'a>,
    part: Part<T>,
    /// Items after the cursor so far, and bytes of those that were taken.
    seen: usize,
    bytes: usize,
    last: Option<String>,
}

impl<'a, T> Collector<'a, T> {
    pub(super) const fn new(wanted: Wanted<'a>) -> Self {
        let part = Part { items: Vec::new(), total_count: 0, next: None };
        Self { wanted, part, seen: 0, bytes: 0, last: None }
    }

    /// The next item: its name, the bytes of its record, and how it is read.
    pub(super) fn offer(
        &mut self,
        name: &str,
        bytes: usize,
        item: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<(), StoreError> {
        self.part.total_count += 1;
        if self.wanted.after.is_some_and(|after| name <= after) {
            return Ok(());
        }
        self.seen += 1;
        if self.seen <= self.wanted.offset || self.part.next.is_some() {
            return Ok(());
        }
        let taken = self.part.items.len();
        let is_full = taken >= self.wanted.items_max
            || (taken > 0 && self.bytes.saturating_add(bytes) > self.wanted.bytes_max);
        if is_full {
            self.part.next = self.last.take();
            return Ok(());
        }
        self.bytes += bytes;
        self.part.items.push(item()?);
        self.last = Some(name.to_owned());
        Ok(())
    }

    pub(super) fn finish(self) -> Part<T> {
        self.part
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(names: &[String], wanted: Wanted<'_>) -> Part<String> {
        let mut collector = Collector::new(wanted);
        for name in names {
            collector.offer(name, name.len(), || Ok(name.clone())).expect("no store");
        }
        collector.finish()
    }

    fn names(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
        numbers.into_iter().map(|number| format!("{number:03}")).collect()
    }

    #[test]
    fn a_part_has_at_least_one_item_and_no_more_than_its_bytes() {
        let all = names(0..9);
        let wanted = |items_max, bytes_max| Wanted { items_max, bytes_max, ..Wanted::FIRST };
        assert_eq!(part(&all, wanted(9, 7)).items, names(0..2));
        assert_eq!(part(&all, wanted(9, 1)).items, names(0..1));
        assert_eq!(
            part(&all, wanted(9, 27)),
            Part { items: all.clone(), total_count: 9, next: None }
        );
        let none = part(&all, wanted(0, 27));
        assert_eq!((none.items.len(), none.total_count, none.next), (0, 9, None));
        assert_eq!(part(&[], Wanted::FIRST).total_count, 0);
        let later = Wanted { after: Some("004"), offset: 2, items_max: 1, ..Wanted::FIRST };
        let found = Part { items: names([7]), total_count: 9, next: Some("007".into()) };
        assert_eq!(part(&all, later), found);
    }

    proptest! {
        /// What is deleted between two parts, before or after the cursor, hides no other item.
        #[test]
        fn parts_put_together_skip_nothing_that_stays(
            deleted in prop::collection::vec((0_u32..40, 0_usize..20), 0..10),
            items_max in 1_usize..8,
            bytes_max in 1_usize..30,
        ) {
            let mut all = names(0..40);
            let (mut seen, mut after, mut turn) = (Vec::new(), None::<String>, 0);
            loop {
                let wanted = Wanted { after: after.as_deref(), offset: 0, items_max, bytes_max };
                let found = part(&all, wanted);
                prop_assert!(found.items.len() <= items_max);
                prop_assert_eq!(found.total_count, all.len());
                seen.extend(found.items);
                after = found.next;
                if after.is_none() {
                    break;
                }
                turn += 1;
                for (number, when) in &deleted {
                    if *when == turn {
                        all.retain(|name| *name != format!("{number:03}"));
                    }
                }
            }
            let gone: Vec<String> = names(deleted.iter().map(|(number, _)| *number));
            let stays = |name: &&String| !gone.contains(name);
            let expected = names(0..40);
            let expected: Vec<&String> = expected.iter().filter(stays).collect();
            prop_assert_eq!(seen.iter().filter(stays).collect::<Vec<_>>(), expected);
        }
    }
}

//! How many organizations may move between two homes at once, and which waiting one is next.
//!
//! The slots that are taken are read from the group's state at each choice. No counter of them is
//! kept between choices: it could differ from the state. Nothing here waits.

use std::collections::BTreeMap;

use concordat_proto::{id::GroupId, limits};

use crate::planted;

/// The slots that are taken between two homes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Organizations that are moving: frozen, and not yet at their new home.
    pub all: usize,
    /// The number of these whose move is not yet committed.
    pub copied: usize,
}

impl Taken {
    /// Whether one more organization may be frozen.
    #[must_use]
    pub const fn has_room(self) -> bool {
        self.all < limits::MOVES_MAX && self.copied < limits::MOVES_COPIED_MAX
    }

    /// Counts one more organization.
    pub const fn take(&mut self, is_move_committed: bool) {
        self.all += 1;
        self.copied += if is_move_committed { 0 } else { 1 };
    }
}

/// A place in the queue of a group, as far as the choice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The group that the organization is to move to.
    pub to: GroupId,
    /// A request is waiting for it now.
    pub is_asked_for: bool,
    /// It is kept for a request that is repeated.
    pub is_kept: bool,
}

/// The choice for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is its turn, and it has its slot.
    Called,
    /// It keeps waiting.
    Waits,
    /// No request has waited for it for a long time.
    Dropped,
}

/// Chooses for one place, given the slots that are taken by now. It is called for all places in
/// order of arrival: the first ones that a request waits for get the free slots. A place that no
/// request waits for is skipped, and kept for a while.
pub fn verdict(place: Waiting, taken: &mut BTreeMap<GroupId, Taken>) -> Verdict {
    let slots = taken.entry(place.to).or_default();
    if place.is_asked_for && planted::on_slot(slots.has_room()) {
        slots.take(false);
        return Verdict::Called;
    }
    if place.is_asked_for || place.is_kept { Verdict::Waits } else { Verdict::Dropped }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// No pair of homes has more than its slots. No place overtakes one to the same home that a
        /// request waits for.
        #[test]
        fn slots_are_given_in_order_and_never_twice(
            places in vec((2_u32..4, any::<bool>(), any::<bool>()), 0..40),
            all in 0..=limits::MOVES_MAX,
            copied in 0..=limits::MOVES_COPIED_MAX,
        ) {
            let before = Taken { all: all.max(copied), copied };
            let mut taken = BTreeMap::from([(GroupId(2), before)]);
            let mut passed_over = BTreeMap::new();
            for (to, is_asked_for, is_kept) in places {
                let place = Waiting { to: GroupId(to), is_asked_for, is_kept };
                let verdict = verdict(place, &mut taken);
                match verdict {
                    Verdict::Called => prop_assert!(is_asked_for && !passed_over.contains_key(&to)),
                    Verdict::Waits if is_asked_for => drop(passed_over.insert(to, ())),
                    Verdict::Waits => prop_assert!(is_kept),
                    Verdict::Dropped => prop_assert!(!is_asked_for && !is_kept),
                }
            }
            for slots in taken.values() {
                prop_assert!(slots.all <= limits::MOVES_MAX.max(before.all));
                prop_assert!(slots.copied <= limits::MOVES_COPIED_MAX);
            }
        }
    }
}

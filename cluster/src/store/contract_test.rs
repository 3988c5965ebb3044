//! Random steps for the store contract's kit.

use proptest::{collection::vec, option, prelude::*};

use super::{WriteBatch, contract::Step};

fn key() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0_u8), Just(1), Just(254), Just(255)];
    vec(byte, 0..4).prop_map(|name| [&[0, 0, 0, 1], &name[..]].concat())
}

fn batch() -> impl Strategy<Value = WriteBatch> {
    (vec(key(), 0..2), vec((key(), option::weighted(0.7, vec(any::<u8>(), 0..4))), 0..6))
        .prop_map(|(cleared_prefixes, changes)| WriteBatch { cleared_prefixes, changes })
}

/// Steps for [`super::contract::check_steps`].
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let limit = prop_oneof![0_usize..6, Just(usize::MAX)];
    let step = prop_oneof![
        4 => batch().prop_map(Step::Write),
        1 => key().prop_map(Step::Get),
        2 => (key(), option::of(key()), limit).prop_map(|(p, a, l)| Step::Scan(p, a, l)),
        1 => (key(), batch()).prop_map(|(p, b)| Step::WriteDuringSnapshot(p, b)),
    ];
    vec(step, 0..30)
}

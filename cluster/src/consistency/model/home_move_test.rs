//! The model of moves holds, and leaving out any of its rules breaks it.

use super::{
    home_move::{Flaw, HomeMove},
    prove_broken, prove_sound,
};

#[test]
fn moves_are_sound() {
    prove_sound(&HomeMove { flaw: None });
}

#[test]
fn adopting_before_the_old_groups_danger_set_is_empty() {
    prove_broken(&HomeMove { flaw: Some(Flaw::AdoptsBeforeLeasesAreOver) });
}

#[test]
fn reading_by_the_newest_record_without_the_new_groups_lease() {
    prove_broken(&HomeMove { flaw: Some(Flaw::ReadsWithoutNewGroupsLease) });
}

#[test]
fn a_late_adopt_accepted_with_an_old_epoch() {
    prove_broken(&HomeMove { flaw: Some(Flaw::AdoptsOldEpoch) });
}

#[test]
fn a_late_adopt_accepted_after_the_organization_has_left_again() {
    prove_broken(&HomeMove { flaw: Some(Flaw::ForgetsEpochAtRelease) });
}

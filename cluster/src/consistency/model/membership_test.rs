//! The membership model holds, and leaving out any of its rules breaks it.

use super::{
    membership::{Flaw, Membership},
    prove_broken, prove_sound,
};

#[test]
fn membership_is_sound() {
    prove_sound(&Membership { flaw: None });
}

#[test]
fn removing_a_node_that_holds_a_lease() {
    prove_broken(&Membership { flaw: Some(Flaw::RemovesWhileLeased) });
}

#[test]
fn removing_a_node_that_is_not_leaving() {
    prove_broken(&Membership { flaw: Some(Flaw::RemovesWithoutLeaving) });
}

#[test]
fn looking_whether_a_node_serves_before_registering_its_lease() {
    prove_broken(&Membership { flaw: Some(Flaw::ChecksServingBeforeRegistering) });
}

#[test]
fn granting_before_an_entry_of_the_own_term_is_applied() {
    prove_broken(&Membership { flaw: Some(Flaw::GrantsBeforeApplyingOwnTerm) });
}

#[test]
fn fixing_a_danger_set_before_the_entry_is_applied() {
    prove_broken(&Membership { flaw: Some(Flaw::FixesBeforeApplying) });
}

#[test]
fn a_leaving_node_whose_region_does_not_count() {
    prove_broken(&Membership { flaw: Some(Flaw::LeavingDoesNotCount) });
}

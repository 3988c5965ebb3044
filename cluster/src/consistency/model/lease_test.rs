//! The lease model holds, and leaving out any of its rules breaks it.

use super::{
    lease::{Bounds, Flaw, Leases},
    prove_broken, prove_sound,
};

#[test]
fn leases_are_sound_with_renewals_under_two_leaders() {
    let bounds = Bounds { terms: 2, watched: 2, requests: 2, nameless: true };
    prove_sound(&Leases { bounds, flaw: None });
}

#[test]
fn leases_are_sound_under_three_leaders() {
    let bounds = Bounds { terms: 3, watched: 1, requests: 1, nameless: true };
    prove_sound(&Leases { bounds, flaw: None });
}

/// Voters keep their names, for the trace.
fn broken_by(flaw: Flaw) {
    let bounds = Bounds { terms: 2, watched: 1, requests: 1, nameless: false };
    prove_broken(&Leases { bounds, flaw: Some(flaw) });
}

#[test]
fn granting_before_an_entry_of_the_own_term_is_committed() {
    broken_by(Flaw::GrantsBeforeOwnTerm);
}

#[test]
fn reading_the_index_before_registering_the_lease() {
    broken_by(Flaw::ReadsIndexBeforeRegistering);
}

#[test]
fn a_registered_lease_that_does_not_count_before_it_is_recorded() {
    broken_by(Flaw::RegisteredDoesNotCount);
}

#[test]
fn a_renewal_that_forgets_the_lease_before_it() {
    let bounds = Bounds { terms: 1, watched: 1, requests: 2, nameless: false };
    prove_broken(&Leases { bounds, flaw: Some(Flaw::RenewalForgetsLeaseBefore) });
}

#[test]
fn granting_after_a_transfer_has_begun() {
    broken_by(Flaw::GrantsAfterTransferBegan);
}

#[test]
fn a_restarted_voter_that_votes_at_once() {
    broken_by(Flaw::RestartedVoterVotesAtOnce);
}

#[test]
fn a_restarted_voter_that_stands_at_once() {
    broken_by(Flaw::RestartedVoterStandsAtOnce);
}

#[test]
fn counting_the_lease_from_the_answer() {
    broken_by(Flaw::CountsFromAnswer);
}

#[test]
fn an_answer_that_outlives_its_asker() {
    broken_by(Flaw::AnswerOutlivesRestart);
}

#[test]
fn an_origin_that_judges_by_acknowledgements_alone() {
    broken_by(Flaw::AcknowledgementsAlone);
}

#[test]
fn a_new_leader_that_inherits_nothing() {
    broken_by(Flaw::NewLeaderInheritsNothing);
}

#[test]
fn a_fallback_that_counts_from_nothing() {
    broken_by(Flaw::FallbackCountsFromNothing);
}

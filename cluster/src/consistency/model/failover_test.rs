//! The failover model holds, and leaving out any of its rules breaks it.

use super::{
    failover::{Failover, Flaw},
    prove_broken, prove_sound,
};

#[test]
fn what_has_reached_all_regions_outlives_the_loss_of_one() {
    prove_sound(&Failover { flaw: None });
}

/// Raft's figure 8: an entry of term 1 that a leader of term 3 commits by an entry that the survivor
/// lacks, and another survivor whose log ends in term 2.
#[test]
fn a_report_without_an_entry_of_the_leaders_own_term() {
    prove_broken(&Failover { flaw: Some(Flaw::ReportsByOldTerm) });
}

#[test]
fn the_longest_log_whatever_its_last_term() {
    prove_broken(&Failover { flaw: Some(Flaw::FoundsByIndex) });
}

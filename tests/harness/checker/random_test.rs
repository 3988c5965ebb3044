//! Every history of a correct run must be accepted, whatever was lost, late or unknown in it; and
//! with one answer spoilt it must be rejected.

use super::{Rule, check, correct_run::World};
use crate::clients::history::{Action, Found, History, Outcome};

const RUNS: u64 = 500;

fn is_acknowledged(history: &History, asked: &str) -> bool {
    history
        .operations
        .iter()
        .any(|it| matches!(&it.outcome, Outcome::Committed { version, .. } if version == asked))
}

#[test]
fn every_correct_run_is_accepted() {
    let (mut bound, mut unknown) = (0, 0);
    for seed in 0..RUNS {
        let world = World::run(seed);
        let summary = check(&world.history, &world.final_reads())
            .unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        bound += summary.bound;
        unknown += summary.unknown;
    }
    assert!(bound > 1000 && unknown > 1000, "nothing was tried: {bound} bound, {unknown} unknown");
}

#[test]
fn a_mark_that_is_missing_is_always_found() {
    let mut spoilt = 0;
    for seed in 0..RUNS {
        let world = World::run(seed);
        for number in &world.spoilable {
            let mut history = world.history.clone();
            let Outcome::Seen { found: Some(found), unmarked } =
                &mut history.operations[*number].outcome
            else {
                continue;
            };
            // A write whose position no client got may be after the promise.
            if !is_acknowledged(&world.history, &found.version) {
                continue;
            }
            *unmarked = true;
            let violation = check(&history, &world.final_reads()).expect_err("it was accepted");
            assert!(
                matches!(violation.rule, Rule::AllRegions | Rule::Receipt | Rule::NodeOrder),
                "seed {seed}: {violation}"
            );
            spoilt += 1;
        }
    }
    assert!(spoilt > 50, "{spoilt} reads spoilt");
}

#[test]
fn an_older_end_is_always_found() {
    let mut spoilt = 0;
    for seed in 0..RUNS {
        let world = World::run(seed);
        let mut final_reads = world.final_reads();
        let Outcome::Seen { found: Some(last), .. } = &final_reads[0].outcome else { continue };
        // The last write was acknowledged, and one before it too: show that one instead.
        let mut versions = Vec::new();
        for operation in &world.history.operations {
            if let (Action::Write(write), Outcome::Committed { version, position, .. }) =
                (&operation.action, &operation.outcome)
                && let Some(value) = write.change.value()
                && operation.credential == "c0"
            {
                let found = Found { version: version.clone(), value: value.to_owned() };
                versions.push((position.index, found));
            }
        }
        versions.sort_by_key(|(index, _)| *index);
        versions.dedup();
        if versions.last().map(|(_, found)| found) != Some(last) || versions.len() < 2 {
            continue;
        }
        let older = versions[versions.len() - 2].1.clone();
        final_reads[0].outcome = Outcome::Seen { found: Some(older), unmarked: true };
        let violation = check(&world.history, &final_reads).expect_err("it was accepted");
        assert_eq!(violation.rule, Rule::Kept, "seed {seed}: {violation}");
        spoilt += 1;
    }
    assert!(spoilt > 50, "{spoilt} ends spoilt");
}

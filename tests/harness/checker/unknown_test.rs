//! Answers about writes by their ids, made by hand: contradictory ones, which must be found, and
//! others that only look contradictory.

use std::time::Duration;

use super::{
    Rule,
    testkit::{REGIONS, Story, at, committed, create, delete, patch, seen},
};
use crate::clients::history::{Outcome, WriteStatus};

const NEAR: [&str; 1] = ["near"];

fn there(version: &str, index: u64, applied: &[&str]) -> WriteStatus {
    let applied = applied.iter().map(|region| (*region).to_owned()).collect();
    WriteStatus::Committed { version: version.into(), position: at(index), applied }
}

fn refused(status: u16, index: u64) -> WriteStatus {
    WriteStatus::Refused { status, position: at(index) }
}

/// `v2` is patched to `two`, and no client gets an answer.
fn unanswered() -> Story {
    Story::begun().write(0, patch("two"), Outcome::Unknown)
}

#[test]
fn what_becomes_of_an_unknown_write() {
    let summary = unanswered()
        .ask(0, "v2", WriteStatus::Nothing)
        .ask(1, "v2", there("v2", 12, &NEAR))
        .ask(2, "v2", WriteStatus::Nothing)
        .ask_stale(1, "v2", WriteStatus::Nothing)
        .ask(3, "v2", there("v2", 12, &REGIONS))
        .read(3, seen(Some(("v2", "two")), true))
        .end(0, Some(("v2", "two")))
        .accepted();
    assert_eq!((summary.committed, summary.unknown, summary.bound), (2, 0, 2));
    unanswered().ask(0, "v2", WriteStatus::Nothing).end(0, Some(("v1", "one"))).accepted();
    unanswered().ask(0, "v2", refused(404, 12)).end(0, Some(("v1", "one"))).rejected(Rule::Decided);
    let taken = Story::begun()
        .write(0, create("two"), Outcome::Unknown)
        .ask(0, "v2", refused(409, 12))
        .end(0, Some(("v1", "one")));
    assert_eq!(taken.accepted().refused, 1);
    unanswered().ask(0, "v2", WriteStatus::Lost).end(0, Some(("v1", "one"))).accepted();
    // A repeat under its key has the name of the first one.
    Story::begun()
        .write(0, patch("two").keyed("k"), Outcome::Unknown)
        .write(0, patch("two").keyed("k"), Outcome::Unknown)
        .ask(0, "v3", there("v2", 12, &NEAR))
        .end(0, Some(("v2", "two")))
        .accepted();
}

#[test]
fn two_fates() {
    let end = |story: Story| story.end(0, Some(("v2", "two")));
    let told = || unanswered().ask(0, "v2", there("v2", 12, &NEAR));
    end(told().ask(0, "v2", there("v2", 13, &NEAR))).rejected(Rule::Once);
    end(told().ask(0, "v2", refused(409, 12))).rejected(Rule::Once);
    end(unanswered().ask(0, "v2", there("v3", 12, &NEAR))).rejected(Rule::Once);
    let answered = Story::begun().write(0, patch("two"), committed("v2", 12, false, &NEAR));
    end(answered.ask(0, "v2", there("v2", 13, &NEAR))).rejected(Rule::Once);
    // It was reported at the position of another one.
    let same = Story::begun().write(0, patch("x"), committed("v9", 12, true, &NEAR));
    let same = same.write(0, patch("two"), Outcome::Unknown).ask(0, "v2", there("v2", 12, &NEAR));
    end(same).rejected(Rule::Once);
}

#[test]
fn what_was_told_and_is_not_there() {
    let told = || unanswered().ask(0, "v2", there("v2", 12, &NEAR));
    told().end(0, Some(("v1", "one"))).rejected(Rule::Kept);
    told()
        .read(1, seen(Some(("v1", "one")), true))
        .end(0, Some(("v2", "two")))
        .rejected(Rule::Receipt);
    let stays = Story::begun().write(0, delete().upon("v0"), Outcome::Unknown);
    let stays = stays.ask(0, "v2", refused(412, 12));
    stays.read(0, seen(None, true)).end(0, Some(("v1", "one"))).rejected(Rule::AllRegions);
    let early = unanswered().during(100, 900).ask(0, "v2", there("v2", 9, &NEAR));
    early.end(0, Some(("v2", "two"))).rejected(Rule::RealTime);
}

#[test]
fn what_was_told_and_is_forgotten() {
    let end = |story: Story| story.end(0, Some(("v2", "two")));
    let told = |applied: &[&str]| unanswered().ask(0, "v2", there("v2", 12, applied));
    // By the node that answered, in a region that has it, after something newer is everywhere.
    end(told(&[]).ask(0, "v2", WriteStatus::Nothing)).rejected(Rule::Told);
    end(told(&NEAR).ask(1, "v2", WriteStatus::Nothing)).rejected(Rule::Told);
    end(told(&NEAR).ask(3, "v2", WriteStatus::Nothing)).accepted();
    end(told(&NEAR).ask_stale(0, "v2", WriteStatus::Nothing)).accepted();
    let newer = |first: WriteStatus| {
        let mut story = unanswered().ask(0, "v2", first);
        let named = story.history.questions[0].named.clone();
        story = story
            .write(0, patch("three").everywhere(), committed("v3", 13, true, &REGIONS))
            .ask(3, "v2", WriteStatus::Nothing);
        story.history.questions[1].named = named;
        story.end(0, Some(("v3", "three")))
    };
    newer(there("v2", 12, &[])).rejected(Rule::Told);
    newer(WriteStatus::Nothing).accepted();
    // After five minutes it may be.
    let mut late = end(told(&NEAR).ask(0, "v2", WriteStatus::Nothing));
    late.history.questions[1].completed += Duration::from_secs(300);
    late.accepted();
    // Or once all clocks were put forward.
    let mut forward = end(told(&NEAR).ask(0, "v2", WriteStatus::Nothing));
    forward.history.forgotten = vec![forward.history.questions[0].completed];
    forward.accepted();
}

/// The answer to a repeat under a key has the place of the first attempt, and is remembered under its own
/// id only later.
#[test]
fn a_repeat_is_younger_than_its_place() {
    Story::begun()
        .write(0, patch("two").keyed("k"), committed("v2", 12, true, &NEAR))
        .write(0, patch("two").keyed("k"), Outcome::Unknown)
        .ask(1, "v3", WriteStatus::Nothing)
        .ask(0, "v3", there("v2", 12, &NEAR))
        .end(0, Some(("v2", "two")))
        .accepted();
}

#[test]
fn what_was_told_to_be_lost_stays_lost() {
    let end = |story: Story| story.end(0, Some(("v1", "one")));
    let lost = || unanswered().ask(0, "v2", WriteStatus::Nothing).ask(0, "v2", WriteStatus::Lost);
    end(lost().ask(3, "v2", WriteStatus::Lost).ask_stale(3, "v2", WriteStatus::Nothing)).accepted();
    end(lost().ask(3, "v2", WriteStatus::Nothing)).rejected(Rule::Told);
    // Nor does it help that everything else was forgotten meanwhile.
    let mut forward = end(lost().ask(0, "v2", WriteStatus::Nothing));
    forward.history.forgotten = vec![forward.history.questions[1].completed];
    forward.rejected(Rule::Told);
    // One who had asked before was answered later.
    let mut at_once = end(lost().ask(3, "v2", WriteStatus::Nothing));
    at_once.history.questions[2].invoked = at_once.history.questions[1].invoked;
    at_once.accepted();
}

#[test]
fn what_was_told_to_be_lost_was_never_there() {
    let lost = |story: Story| {
        story.ask(0, "v2", WriteStatus::Lost).end(0, Some(("v2", "two"))).rejected(Rule::Told);
    };
    lost(unanswered().ask(0, "v2", there("v2", 12, &[])));
    lost(Story::begun().write(0, patch("two"), committed("v2", 12, true, &NEAR)));
    lost(unanswered().read(0, seen(Some(("v2", "two")), true)));
    let no = Outcome::Refused { achieved: true, status: 404, position: at(12) };
    let refused = Story::begun().write(0, patch("two"), no).ask(0, "v2", WriteStatus::Lost);
    refused.end(0, Some(("v1", "one"))).rejected(Rule::Told);
    // Nor does it help that everything else had expired before.
    let mut forward =
        unanswered().ask(0, "v2", there("v2", 12, &[])).ask(0, "v2", WriteStatus::Lost);
    forward.history.forgotten = vec![forward.history.questions[0].completed];
    forward.end(0, Some(("v2", "two"))).rejected(Rule::Told);
}

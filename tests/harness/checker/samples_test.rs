//! Histories made by hand: bad ones of each kind, which must be found, and good ones that look odd.

use super::{
    Rule,
    testkit::{REGIONS, Story, at, committed, create, delete, patch, put, seen},
};
use crate::clients::history::Outcome;

const NEAR: [&str; 1] = ["near"];

fn refused(status: u16, index: u64) -> Outcome {
    Outcome::Refused { achieved: true, status, position: at(index) }
}

#[test]
fn a_plain_history_is_accepted() {
    let summary = Story::begun()
        .write(0, patch("two").upon("v1"), committed("v2", 12, true, &NEAR))
        .read(2, seen(Some(("v1", "one")), true))
        .read(1, seen(Some(("v2", "two")), true))
        .write(2, patch("no").upon("v1"), refused(412, 13))
        .write(2, create("no, too"), refused(409, 14))
        .write(1, delete().everywhere(), committed("v3", 15, true, &REGIONS))
        .write(2, patch("nor this"), refused(404, 16))
        .read(3, seen(None, true))
        .read(3, seen(Some(("v2", "two")), false))
        .write(2, create("three"), committed("v4", 17, true, &["far"]))
        .end(0, Some(("v4", "three")))
        .accepted();
    assert_eq!((summary.writes, summary.committed, summary.refused), (7, 4, 3));
    assert_eq!((summary.reads, summary.unmarked, summary.bound), (5, 4, 4));
}

#[test]
fn a_read_from_a_position_on_shows_what_was_before_it() {
    let story = || {
        Story::begun().write(0, patch("two"), committed("v2", 12, true, &NEAR)).write(
            0,
            patch("three"),
            committed("v3", 14, true, &NEAR),
        )
    };
    let end = |story: Story| story.end(0, Some(("v3", "three")));
    end(story().read_at_least(3, 13, seen(Some(("v2", "two")), false))).accepted();
    end(story().read_at_least(3, 12, seen(Some(("v3", "three")), true))).accepted();
    end(story().read_at_least(3, 9, seen(Some(("v1", "one")), false))).accepted();
    let early = end(story().read_at_least(3, 12, seen(Some(("v1", "one")), false)));
    early.rejected(Rule::AtLeast);
    end(story().read_at_least(3, 14, seen(None, false))).rejected(Rule::AtLeast);
}

#[test]
fn a_put_makes_what_is_not_there() {
    let story = || {
        Story::begun()
            .write(0, put("two"), committed("v2", 12, true, &NEAR))
            .write(1, delete(), committed("v3", 13, true, &NEAR))
            .write(1, put("three"), committed("v4", 14, true, &NEAR))
    };
    story()
        .write(0, patch("four"), committed("v5", 15, true, &NEAR))
        .end(0, Some(("v5", "four")))
        .accepted();
    let refused = story().write(0, put("four"), refused(404, 15)).end(0, Some(("v4", "three")));
    refused.rejected(Rule::Decided);
}

#[test]
fn a_no_of_a_state_that_has_never_been_current() {
    let story = || Story::begun().read(3, Outcome::Failed);
    story().end(0, Some(("v1", "one"))).accepted();
    for status in [401, 404, 412] {
        let denied = story().denied(status).end(0, Some(("v1", "one")));
        denied.rejected(Rule::Absent);
    }
}

#[test]
fn a_lost_update() {
    let both = Story::begun()
        .write(0, patch("two").upon("v1"), committed("v2", 12, true, &NEAR))
        .write(0, patch("three").upon("v1"), committed("v3", 13, true, &NEAR))
        .end(0, Some(("v3", "three")));
    both.rejected(Rule::Decided);
    let unconditional = Story::begun()
        .write(0, patch("two"), committed("v2", 12, true, &NEAR))
        .write(0, patch("three").upon("v1"), committed("v3", 13, true, &NEAR))
        .end(0, Some(("v3", "three")));
    unconditional.rejected(Rule::Decided);
    let unknown_but_seen = Story::begun()
        .write(0, patch("two"), Outcome::Unknown)
        .read(0, seen(Some(("v2", "two")), true))
        .write(0, patch("three").upon("v1"), committed("v3", 13, true, &NEAR))
        .end(0, Some(("v3", "three")));
    unknown_but_seen.rejected(Rule::Decided);
}

#[test]
fn a_stale_unmarked_read_after_all_regions() {
    let story = |unmarked| {
        Story::begun()
            .write(0, patch("two").everywhere(), committed("v2", 12, true, &[]))
            .read(3, seen(Some(("v1", "one")), unmarked))
            .end(0, Some(("v2", "two")))
    };
    story(true).rejected(Rule::AllRegions);
    story(false).accepted();
    let gone = Story::begun().read(3, seen(None, true)).end(0, Some(("v1", "one")));
    gone.rejected(Rule::AllRegions);
    // One that began before the answer may miss it.
    let overlapping = Story::begun()
        .write(0, patch("two").everywhere(), committed("v2", 12, true, &[]))
        .during(100, 200)
        .read(3, seen(Some(("v1", "one")), true))
        .during(199, 300)
        .end(0, Some(("v2", "two")));
    overlapping.accepted();
}

#[test]
fn a_stale_unmarked_read_after_local_region() {
    let story = |node| {
        Story::begun()
            .write(2, patch("two"), committed("v2", 12, true, &[]))
            .read(node, seen(Some(("v1", "one")), true))
            .end(0, Some(("v2", "two")))
    };
    story(3).rejected(Rule::LocalRegion);
    story(1).accepted();
}

#[test]
fn a_stale_unmarked_read_after_a_refusal() {
    let story = |no: Outcome, write: crate::clients::history::Write, node| {
        Story::begun()
            .write(0, patch("two"), committed("v2", 12, true, &NEAR))
            .write(0, write.upon("v1"), no)
            .read(node, seen(Some(("v1", "one")), true))
            .end(0, Some(("v2", "two")))
    };
    let late = Outcome::Refused { achieved: false, status: 412, position: at(13) };
    story(refused(412, 13), patch("no").everywhere(), 3).rejected(Rule::AllRegions);
    story(refused(412, 13), patch("no"), 3).accepted();
    story(late.clone(), patch("no").everywhere(), 3).accepted();
    story(late, patch("no"), 0).rejected(Rule::LocalRegion);
}

#[test]
fn a_receipt_that_lied() {
    let story = |applied: &[&str]| {
        Story::begun()
            .write(0, patch("two").everywhere(), committed("v2", 12, false, applied))
            .read(3, seen(Some(("v1", "one")), true))
            .end(0, Some(("v2", "two")))
    };
    story(&["far"]).rejected(Rule::Receipt);
    story(&NEAR).accepted();
}

#[test]
fn a_node_that_goes_back() {
    let story = |again| {
        Story::begun()
            .write(0, patch("two"), committed("v2", 12, true, &NEAR))
            .read(2, seen(Some(("v2", "two")), true))
            .read(again, seen(Some(("v1", "one")), true))
            .end(0, Some(("v2", "two")))
    };
    story(2).rejected(Rule::NodeOrder);
    story(3).accepted();
}

#[test]
fn writes_out_of_order() {
    let answered = Story::begun()
        .write(0, patch("two"), committed("v2", 13, true, &NEAR))
        .write(0, patch("three"), committed("v3", 12, true, &NEAR))
        .end(0, Some(("v2", "two")));
    answered.rejected(Rule::RealTime);
    let read = Story::begun()
        .write(0, patch("two"), committed("v2", 13, true, &NEAR))
        .during(100, 900)
        .read(0, seen(Some(("v2", "two")), true))
        .during(200, 300)
        .write(0, patch("three"), committed("v3", 12, true, &NEAR))
        .during(400, 500)
        .end(0, Some(("v2", "two")));
    read.rejected(Rule::RealTime);
}

#[test]
fn a_lost_copy_in_a_marked_read() {
    let end = |unmarked| {
        Story::begun()
            .write(0, patch("two"), committed("v2", 12, true, &NEAR))
            .read(2, seen(Some(("v9", "two")), unmarked))
            .end(0, Some(("v2", "two")))
    };
    end(false).accepted();
    end(true).rejected(Rule::Once);
}

/// The successor of a lost region's group refuses a write that the region executes when it is back, alone.
#[test]
fn a_lost_copy_of_a_refused_write_in_a_marked_read() {
    let end = |unmarked| {
        Story::begun()
            .write(0, patch("two").upon("v0"), refused(412, 12))
            .read(2, seen(Some(("v9", "two")), unmarked))
            .end(0, Some(("v1", "one")))
    };
    end(false).accepted();
    end(true).rejected(Rule::Once);
}

#[test]
fn a_doubled_write() {
    let end = |story: Story| story.end(0, Some(("v3", "two")));
    let two_names = Story::begun()
        .write(0, patch("two").keyed("k"), committed("v2", 12, true, &NEAR))
        .write(2, patch("two").keyed("k"), committed("v3", 13, true, &["far"]));
    end(two_names).rejected(Rule::Once);
    let unanswered = Story::begun()
        .write(0, patch("two").keyed("k"), committed("v2", 12, true, &NEAR))
        .write(2, patch("two").keyed("k"), Outcome::Unknown);
    end(unanswered).rejected(Rule::Once);
    let never_answered = Story::begun()
        .write(0, patch("two").keyed("k"), Outcome::Unknown)
        .read(0, seen(Some(("v2", "two")), true))
        .write(2, patch("two").keyed("k"), Outcome::Unknown);
    end(never_answered).rejected(Rule::Once);
    let met_itself = Story::begun()
        .write(0, patch("two").upon("v1").keyed("k"), Outcome::Unknown)
        .write(2, patch("two").upon("v1").keyed("k"), refused(412, 13))
        .end(0, Some(("v2", "two")));
    met_itself.rejected(Rule::Once);
    let once_more = Story::begun()
        .write(0, patch("two"), committed("v2", 12, true, &NEAR))
        .write(0, patch("three"), committed("v3", 13, true, &NEAR))
        .end(0, Some(("v2", "two")));
    once_more.rejected(Rule::Kept);
    let one_place = Story::begun()
        .write(0, patch("two"), committed("v2", 12, true, &NEAR))
        .write(0, patch("three"), committed("v3", 12, true, &NEAR))
        .end(0, Some(("v3", "three")));
    one_place.rejected(Rule::Once);
}

#[test]
fn a_lost_acknowledged_write() {
    let older = Story::begun()
        .write(0, patch("two"), committed("v2", 12, true, &NEAR))
        .end(0, Some(("v1", "one")));
    older.rejected(Rule::Kept);
    let gone = Story::begun().write(0, patch("two"), committed("v2", 12, true, &NEAR)).end(0, None);
    gone.rejected(Rule::Kept);
    let resurrected = Story::begun()
        .write(0, delete(), committed("v2", 12, true, &NEAR))
        .end(0, Some(("v1", "one")));
    resurrected.rejected(Rule::Kept);
    let differing = Story::begun()
        .write(0, patch("two"), Outcome::Unknown)
        .end(0, Some(("v2", "two")))
        .end(2, Some(("v1", "one")));
    differing.rejected(Rule::Kept);
}

#[test]
fn answers_that_the_state_does_not_explain() {
    let end = |story: Story| story.end(0, Some(("v1", "one")));
    end(Story::begun().write(0, create("two"), committed("v2", 12, true, &NEAR)))
        .rejected(Rule::Decided);
    end(Story::begun().write(0, patch("two"), refused(404, 12))).rejected(Rule::Decided);
    end(Story::begun().write(0, patch("two").upon("v1"), refused(412, 12))).rejected(Rule::Decided);
    let resurrected = Story::begun().write(0, delete(), committed("v2", 12, true, &NEAR)).write(
        0,
        patch("two"),
        committed("v3", 13, true, &NEAR),
    );
    end(resurrected).rejected(Rule::Decided);
    let free = Story::begun().write(0, delete(), committed("v2", 12, true, &NEAR)).write(
        0,
        create("two"),
        refused(409, 13),
    );
    end(free).rejected(Rule::Decided);
}

#[test]
fn what_nobody_wrote_is_not_seen() {
    let story = |outcome| {
        Story::begun()
            .write(0, patch("two"), outcome)
            .read(0, seen(Some(("v2", "two")), true))
            .end(0, Some(("v2", "two")))
    };
    story(Outcome::Failed).rejected(Rule::Origin);
    story(refused(412, 12)).rejected(Rule::Once);
    story(Outcome::Unknown).accepted();
    Story::begun().read(0, seen(Some(("v9", "nine")), false)).rejected(Rule::Origin);
    let too_early = Story::begun()
        .write(0, patch("two"), Outcome::Unknown)
        .during(500, 600)
        .read(0, seen(Some(("v2", "two")), false))
        .during(300, 400);
    too_early.rejected(Rule::Origin);
}

#[test]
fn unknown_outcomes_may_have_been_or_not() {
    let unknown = || Story::begun().write(0, patch("two").keyed("k"), Outcome::Unknown);
    unknown().end(0, Some(("v1", "one"))).accepted();
    unknown().end(0, Some(("v2", "two"))).accepted();
    // It may take effect late, even after later writes; once it was seen, it has.
    let late = |story: Story| story.write(0, patch("three"), committed("v3", 13, true, &NEAR));
    late(unknown()).end(0, Some(("v2", "two"))).accepted();
    late(unknown().read(0, seen(Some(("v2", "two")), true)))
        .end(0, Some(("v2", "two")))
        .rejected(Rule::Kept);
    // Its repeat returns it; a later write on top of it shows that it happened.
    unknown()
        .write(2, patch("two").keyed("k"), committed("v2", 12, true, &["far"]))
        .end(0, Some(("v2", "two")))
        .accepted();
    unknown()
        .read(0, seen(Some(("v2", "two")), false))
        .write(2, patch("three").upon("v2"), committed("v3", 13, true, &["far"]))
        .end(0, Some(("v3", "three")))
        .accepted();
    // It explains a refusal, and that a credential is gone, but not one that was known before.
    unknown()
        .write(0, patch("no").upon("v1"), refused(412, 13))
        .end(0, Some(("v2", "two")))
        .accepted();
    let deleted = || Story::begun().write(0, delete(), Outcome::Unknown);
    deleted().write(0, patch("no"), refused(404, 13)).end(0, None).accepted();
    deleted()
        .write(0, create("new"), committed("v3", 13, true, &NEAR))
        .end(0, Some(("v3", "new")))
        .accepted();
    deleted().read(3, seen(None, true)).end(0, None).accepted();
}

#[test]
fn an_unknown_write_with_a_base_stands_directly_upon_it() {
    let story = |end| {
        Story::begun()
            .write(0, patch("two").upon("v1"), Outcome::Unknown)
            .write(0, patch("three"), committed("v3", 13, true, &NEAR))
            .end(0, end)
    };
    story(Some(("v3", "three"))).accepted();
    story(Some(("v2", "two"))).rejected(Rule::Kept);
}

#[test]
fn what_makes_no_history_is_said() {
    let twice = Story::begun().write(0, patch("two"), Outcome::Unknown).write(
        0,
        patch("two"),
        Outcome::Unknown,
    );
    assert_eq!(twice.check().unwrap_err().rule, Rule::History);
    let reused = Story::begun().write(0, patch("two").keyed("k"), Outcome::Unknown).write(
        0,
        patch("three").keyed("k"),
        Outcome::Unknown,
    );
    assert_eq!(reused.check().unwrap_err().rule, Rule::History);
    assert_eq!(Story::begun().check().unwrap_err().rule, Rule::History, "nobody looked");
}

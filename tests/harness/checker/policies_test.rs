//! Requests that policies forbid and denials without a reason, which must be found, and what is allowed.

use std::time::Duration;

use super::{
    Rule, check_under, policies,
    testkit::{REGIONS, Story, at, committed, delete, patch, seen},
};
use crate::clients::{
    history::{Outcome, PolicyDenial, Position, Required},
    policies::{Ban, Noted, PolicyChange, PolicyHistory},
};

fn on_web() -> Vec<Ban> {
    vec![Ban::Changes("web".into())]
}

/// A set that was asked for between two times, in milliseconds.
fn change(
    of: Option<&str>,
    bans: Vec<Ban>,
    (from, to): (u64, u64),
    outcome: Outcome,
) -> PolicyChange {
    PolicyChange {
        org: of.map(str::to_owned),
        text: format!("// at {from}"),
        bans,
        required: Required::AllRegions,
        region: REGIONS[0].into(),
        invoked: Duration::from_millis(from),
        completed: Duration::from_millis(to),
        outcome,
    }
}

fn own(bans: Vec<Ban>, times: (u64, u64), index: u64) -> PolicyChange {
    change(Some("org"), bans, times, committed("set", index, true, &REGIONS))
}

fn under(changes: Vec<PolicyChange>) -> PolicyHistory {
    PolicyHistory { changes, ..PolicyHistory::default() }
}

fn accepted(known: &PolicyHistory, story: &Story) {
    // The others would miss the last reads, which a set may forbid.
    policies(&story.history, known).expect("a good history");
}

fn rejected(known: &PolicyHistory, story: &Story, rule: Rule) {
    let violation = check_under(known, &story.history, &story.final_reads);
    let violation = violation.expect_err("a bad history was accepted");
    assert_eq!(violation.rule, rule, "{violation}");
    assert!(!violation.operations.is_empty(), "nothing is shown: {violation}");
}

/// One patch that was committed at a place, from 100 to 200 ms.
fn patched(index: u64) -> Story {
    let outcome = committed("v2", index, true, &[]);
    let story = Story::begun().write(0, patch("two"), outcome).during(100, 200);
    story.end(0, Some(("v2", "two")))
}

#[test]
fn a_write_after_a_set_that_forbids_it() {
    let frozen = under(vec![own(on_web(), (20, 90), 11)]);
    rejected(&frozen, &patched(12), Rule::Forbidden);
    let of_another = change(Some("other"), on_web(), (20, 90), committed("s", 11, true, &[]));
    accepted(&under(vec![of_another]), &patched(12));
    let deletions = under(vec![own(vec![Ban::Deletions], (20, 90), 11)]);
    accepted(&deletions, &patched(12));
    let gone = Story::begun().write(0, delete(), committed("v2", 12, true, &[])).end(0, None);
    rejected(&deletions, &gone, Rule::Forbidden);
}

#[test]
fn a_write_is_judged_by_its_place_not_by_its_time() {
    // Before the set's place, though the set was answered long ago.
    accepted(&under(vec![own(on_web(), (20, 30), 13)]), &patched(12));
    let lifted = under(vec![own(on_web(), (20, 30), 11), own(Vec::new(), (150, 160), 12)]);
    accepted(&lifted, &patched(13));
    let not_yet = under(vec![own(on_web(), (20, 30), 11), own(Vec::new(), (40, 50), 13)]);
    rejected(&not_yet, &patched(12), Rule::Forbidden);
    let perhaps = change(Some("org"), Vec::new(), (40, 50), Outcome::Unknown);
    accepted(&under(vec![own(on_web(), (20, 30), 11), perhaps]), &patched(12));
    let too_late = change(Some("org"), Vec::new(), (300, 400), Outcome::Unknown);
    rejected(&under(vec![own(on_web(), (20, 30), 11), too_late]), &patched(12), Rule::Forbidden);
}

/// Revisions 1, which forbids, and perhaps 2, which does not; 1 was noted by some entry.
fn noted(index: u64, second_from: Option<u64>) -> PolicyHistory {
    let place = |index| Outcome::Committed {
        achieved: true,
        version: "set".into(),
        position: Position { epoch: 0, group: 0, index },
        applied: Vec::new(),
    };
    let mut changes = vec![change(None, on_web(), (20, 30), place(5))];
    changes.extend(second_from.map(|from| change(None, Vec::new(), (from, from + 10), place(6))));
    let revisions: Vec<(u64, String)> =
        (1..).zip(changes.iter().map(|change| change.text.clone())).collect();
    let noted = vec![Noted { group: at(0).group, index, revision: 1 }];
    PolicyHistory { changes, revisions, noted }
}

#[test]
fn a_write_after_a_noted_revision_that_forbids_it() {
    rejected(&noted(11, None), &patched(12), Rule::Forbidden);
    // Nothing is promised before it is noted.
    accepted(&noted(12, None), &patched(12));
    // Its node may have known the second one, which no group has noted yet.
    accepted(&noted(11, Some(150)), &patched(12));
    rejected(&noted(11, Some(300)), &patched(12), Rule::Forbidden);
    let mut unseen = noted(11, Some(150));
    unseen.revisions.remove(1);
    unseen.revisions.push((3, unseen.changes[0].text.clone()));
    accepted(&unseen, &patched(12));
}

#[test]
fn a_fresh_read_after_a_set_that_forbids_it() {
    let on_reads = || vec![Ban::Reads("web".into())];
    let read =
        |unmarked| Story::begun().read(3, seen(Some(("v1", "one")), unmarked)).during(100, 200);
    rejected(&under(vec![own(on_reads(), (20, 90), 11)]), &read(true), Rule::Forbidden);
    for known in [
        // It began before the set was answered; the set was asked for elsewhere and locally; it was lifted.
        vec![own(on_reads(), (20, 100), 11)],
        vec![PolicyChange { required: Required::LocalRegion, ..own(on_reads(), (20, 90), 11) }],
        vec![own(on_reads(), (20, 90), 11), own(Vec::new(), (199, 300), 12)],
    ] {
        accepted(&under(known), &read(true));
    }
    accepted(&under(vec![own(on_reads(), (20, 90), 11)]), &read(false));
}

#[test]
fn a_denial_has_a_reason() {
    let story = |unmarked| {
        let mut story = Story::begun().write(3, patch("two"), Outcome::Failed).during(100, 200);
        let operation = story.history.operations.last().expect("an operation").clone();
        story.history.policy_denials.push(PolicyDenial { operation, unmarked });
        story.end(0, Some(("v1", "one")))
    };
    rejected(&under(Vec::new()), &story(false), Rule::Denied);
    rejected(&under(vec![own(vec![Ban::Deletions], (20, 30), 11)]), &story(false), Rule::Denied);
    rejected(&under(vec![own(on_web(), (200, 300), 11)]), &story(false), Rule::Denied);
    accepted(&under(vec![own(on_web(), (199, 300), 11)]), &story(true));
    let lifted = |until| under(vec![own(on_web(), (20, 30), 11), own(Vec::new(), (40, until), 12)]);
    rejected(&lifted(99), &story(true), Rule::Denied);
    accepted(&lifted(99), &story(false));
    accepted(&lifted(100), &story(true));
    // The cluster-wide set promises nothing to reads: a node may be cut off from the system group alone.
    let mut of_cluster = lifted(99);
    of_cluster.changes.iter_mut().for_each(|change| change.org = None);
    accepted(&of_cluster, &story(true));
    let failed = change(Some("org"), on_web(), (20, 30), Outcome::Failed);
    rejected(&under(vec![failed]), &story(false), Rule::Denied);
}

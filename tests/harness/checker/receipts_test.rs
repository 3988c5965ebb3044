//! Receipts that leave a region out, which must be found, and those that do not.

use super::{
    Rule,
    testkit::{REGIONS, Story, committed, patch},
};
use crate::clients::history::Outcome;

/// Written everywhere, with such a receipt.
fn begun() -> Story {
    Story::begun().naming(&REGIONS, &[])
}

fn everywhere(applied: &[&str], pending: &[&str]) -> Story {
    let outcome = committed("v2", 11, true, applied);
    begun().write(0, patch("two").everywhere(), outcome).naming(applied, pending)
}

#[test]
fn a_receipt_names_what_counts() {
    everywhere(&REGIONS, &[]).end(0, Some(("v2", "two"))).accepted();
    let late = begun()
        .write(0, patch("two").everywhere(), committed("v2", 11, false, &["near"]))
        .naming(&["near"], &["far"]);
    late.end(0, Some(("v2", "two"))).accepted();
    let near = begun()
        .write(0, patch("two"), committed("v2", 11, true, &["near"]))
        .naming(&["near"], &["far"]);
    near.end(0, Some(("v2", "two"))).accepted();
}

#[test]
fn an_empty_receipt() {
    let late = committed("v2", 11, false, &[]);
    begun()
        .write(0, patch("two").everywhere(), late)
        .naming(&[], &[])
        .end(0, Some(("v2", "two")))
        .rejected(Rule::Regions);
    begun()
        .write(0, patch("two"), Outcome::Unknown)
        .naming(&[], &[])
        .end(0, Some(("v1", "one")))
        .rejected(Rule::Regions);
}

#[test]
fn all_regions_but_one() {
    everywhere(&["near"], &[]).end(0, Some(("v2", "two"))).rejected(Rule::Regions);
    everywhere(&["near"], &["far"]).end(0, Some(("v2", "two"))).rejected(Rule::Regions);
}

#[test]
fn a_region_that_came_to_count_meanwhile_need_not_be_named() {
    let later = committed("v2", 11, true, &REGIONS);
    let first = Story::begun().during(0, 100).naming(&["near"], &[]);
    let story = first.write(0, patch("two").everywhere(), later).during(40, 60);
    story.naming(&REGIONS, &[]).end(0, Some(("v2", "two"))).accepted();
}

//! Policies, as far as an answer promises something about them:
//!
//! - An organization's own set is an entry in the log of its home group. No write of its keys after the set,
//!   and before the next one, is committed if the set forbids it.
//! - A home group's log notes revisions of the cluster-wide set. No write after such an entry is committed
//!   if that revision and all later ones forbid it. When a revision is noted is not promised.
//! - An own set that was answered 2xx decides every later fresh read, of all regions or of the caller's:
//!   one that it forbids is not answered. The cluster-wide set promises nothing to reads.
//! - A request is denied only where a set that forbids it can have been in force at the node that was asked.
//!   A fresh denial is by no own set that a later one was promised to have replaced.
//!
//! A set whose outcome is unknown may be anywhere after its request.

use std::time::Duration;

use super::{
    order::{Fate, Order, Written},
    violation::{Rule, Violation},
};
use crate::clients::{
    history::{History, Operation, Outcome, PolicyDenial, Position},
    policies::{Noted, PolicyChange, PolicyHistory},
};

/// Judges it.
///
/// # Errors
/// With the first request that was answered as no policies allow.
pub fn policies(history: &History, known: &PolicyHistory) -> Result<(), Violation> {
    if known.changes.is_empty() && history.policy_denials.is_empty() {
        return Ok(());
    }
    let order = Order::of(history)?;
    for write in &order.writes {
        let Fate::Committed(position) = write.fate else { continue };
        own_set_allows(known, write, position)?;
        noted_sets_allow(known, write, position)?;
    }
    let read = |it: &&Operation| matches!(it.outcome, Outcome::Seen { unmarked: true, .. });
    history.operations.iter().filter(read).try_for_each(|read| is_allowed(known, read))?;
    history.policy_denials.iter().try_for_each(|denial| has_reason(known, denial))
}

fn own<'a>(known: &'a PolicyHistory, org: &'a str) -> impl Iterator<Item = &'a PolicyChange> {
    known.changes.iter().filter(move |it| it.org.as_deref() == Some(org) && it.may_happen())
}

/// When a write was first known to have happened.
fn known_at(write: &Written<'_>) -> Duration {
    write.known.map_or(Duration::MAX, |(known, _)| known)
}

/// The last own set before a write does not forbid it.
fn own_set_allows(
    known: &PolicyHistory,
    write: &Written<'_>,
    position: Position,
) -> Result<(), Violation> {
    let asked = write.attempts[0];
    let before = own(known, &asked.org).filter(|it| it.position().is_some_and(|it| it < position));
    let Some(last) = before.max_by_key(|it| it.position()) else { return Ok(()) };
    let may_be_between =
        |it: &PolicyChange| it.position().is_none() && it.invoked < known_at(write);
    if !last.forbids(asked) || own(known, &asked.org).any(may_be_between) {
        return Ok(());
    }
    let what = format!("it was committed at {position}, and the set before it forbids it: {last}");
    Err(Violation::new(Rule::Forbidden, what, write.attempts.iter().copied()))
}

/// Some revision of the cluster-wide set that the write's node can have known, the last that its group had
/// noted or a later one, does not forbid it.
fn noted_sets_allow(
    known: &PolicyHistory,
    write: &Written<'_>,
    position: Position,
) -> Result<(), Violation> {
    let asked = write.attempts[0];
    let before = |it: &&Noted| it.group == position.group && it.index < position.index;
    let noted = known.noted.iter().filter(before).map(|it| it.revision).max();
    let Some(noted) = noted.filter(|noted| *noted > 0) else { return Ok(()) };
    let last = known.revisions.iter().map(|(revision, _)| *revision).max().unwrap_or_default();
    for revision in noted..=last {
        // One that was not seen may allow anything.
        let Some(change) = of_revision(known, revision) else { return Ok(()) };
        if change.invoked < known_at(write) && !change.forbids(asked) {
            return Ok(());
        }
    }
    if of_revision(known, noted).is_none() {
        return Ok(());
    }
    let what = format!(
        "it was committed at {position}, after revision {noted} of the cluster-wide set was noted there"
    );
    Err(Violation::new(Rule::Forbidden, what, write.attempts.iter().copied()))
}

fn of_revision(known: &PolicyHistory, revision: u64) -> Option<&PolicyChange> {
    let (_, text) = known.revisions.iter().find(|(it, _)| *it == revision)?;
    known.changes.iter().find(|it| it.org.is_none() && it.text == *text)
}

/// No own set that a fresh read must know forbids it.
fn is_allowed(known: &PolicyHistory, read: &Operation) -> Result<(), Violation> {
    let promised = |it: &&PolicyChange| it.is_promised(&read.region, read.invoked);
    let Some(least) = own(known, &read.org).filter(promised).max_by_key(|it| it.position()) else {
        return Ok(());
    };
    let may_be_in_force = |it: &&PolicyChange| {
        let is_earlier = it.position().is_some_and(|place| Some(place) < least.position());
        !is_earlier && it.invoked < read.completed
    };
    let mut sets = own(known, &read.org).filter(may_be_in_force);
    if sets.any(|it| !it.forbids(read)) {
        return Ok(());
    }
    let what = format!("it was answered fresh, and a set that it must know forbids it: {least}");
    Err(Violation::new(Rule::Forbidden, what, [read]))
}

/// A set that forbids a denied request can have been in force where it was asked.
fn has_reason(known: &PolicyHistory, denial: &PolicyDenial) -> Result<(), Violation> {
    let PolicyDenial { operation: asked, unmarked } = denial;
    let is_replaced = |set: &PolicyChange| {
        let is_later = |it: &PolicyChange| {
            let order = it.position().zip(set.position());
            order.is_some_and(|(it, set)| it > set)
        };
        let Some(org) = set.org.as_deref().filter(|_| *unmarked) else { return false };
        own(known, org).any(|it| is_later(it) && it.is_promised(&asked.region, asked.invoked))
    };
    let may_deny = |it: &PolicyChange| {
        it.may_happen() && it.forbids(asked) && it.invoked < asked.completed && !is_replaced(it)
    };
    if known.changes.iter().any(may_deny) {
        return Ok(());
    }
    let mark = if *unmarked { "unmarked" } else { "marked stale" };
    let what =
        format!("it was answered 403, {mark}, and no set that forbids it can have been there");
    Err(Violation::new(Rule::Denied, what, [asked]))
}

//! The promises of an answer to later reads: after 2xx to `all_regions` every fresh read anywhere,
//! after 2xx to `local_region` every one in the caller's region, after a receipt every one in a
//! region that it lists as applied, sees the write or something newer. A refusal promises the same
//! for the state that it was decided on. A read that asks for a state from a position on gets it, marked or
//! not. And fresh reads of one node never go back.
//!
//! Other stale reads promise only to show a value that was once true; `order.rs` checks the origin of
//! values.

use std::{collections::BTreeMap, time::Duration};

use super::{
    order::{Order, Register, Written, register},
    summary::Summary,
    violation::{Rule, Violation},
};
use crate::clients::history::{
    Action, BoundedRead, Change, Found, History, Operation, Outcome, Position, Required,
};

/// The reads that a promise covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope<'a> {
    Everywhere,
    Region(&'a str),
    Node(usize),
}

/// The least that reads of a scope must show from some time on.
#[derive(Debug, Clone, Copy)]
struct Floor<'a> {
    register: Register<'a>,
    scope: Scope<'a>,
    since: Duration,
    position: Position,
    rule: Rule,
    by: &'a Operation,
}

/// Judges it.
///
/// # Errors
/// With the first promise that was not kept.
pub fn promises(history: &History) -> Result<Summary, Violation> {
    let (summary, mut broken) = broken_promises(history)?;
    if broken.is_empty() { Ok(summary) } else { Err(broken.swap_remove(0)) }
}

/// All reads that break a promise, in order of time.
///
/// # Errors
/// When the history is wrong in itself.
pub fn broken_promises(history: &History) -> Result<(Summary, Vec<Violation>), Violation> {
    let mut broken = Vec::new();
    let order = Order::of(history)?;
    let mut floors = floors(history, &order);
    floors.sort_by_key(|floor| floor.since);
    let mut floors = floors.into_iter().peekable();
    let mut highest: BTreeMap<(Register<'_>, Scope<'_>), Floor<'_>> = BTreeMap::new();
    let mut summary = order.summary(history);
    for (read, found) in unmarked(history) {
        while let Some(floor) = floors.next_if(|floor| floor.since < read.invoked) {
            let slot = highest.entry((floor.register, floor.scope)).or_insert(floor);
            if slot.position < floor.position {
                *slot = floor;
            }
        }
        let scopes = [Scope::Everywhere, Scope::Region(&read.region), Scope::Node(read.node)];
        let over = scopes.iter().filter_map(|scope| highest.get(&(register(read), *scope)));
        let over: Vec<&Floor<'_>> = over.collect();
        summary.bound += usize::from(!over.is_empty());
        broken.extend(over.into_iter().find_map(|floor| judge(&order, floor, read, found).err()));
    }
    broken.extend(history.bounded_reads.iter().filter_map(|it| judge_bound(&order, it).err()));
    Ok((summary, broken))
}

/// Judges a read from a position on, marked or not: the newest write up to there is the least.
fn judge_bound(order: &Order<'_>, bounded: &BoundedRead) -> Result<(), Violation> {
    let by = &bounded.read;
    let Outcome::Seen { found, .. } = &by.outcome else { return Ok(()) };
    let committed = order.placed(register(by)).rev().filter(|it| it.is_committed());
    let mut committed = committed.filter_map(|it| it.fate.position());
    let Some(position) = committed.find(|it| *it <= bounded.at_least) else { return Ok(()) };
    let floor = Floor {
        register: register(by),
        scope: Scope::Node(by.node),
        since: by.invoked,
        position,
        rule: Rule::AtLeast,
        by,
    };
    judge(order, &floor, by, found.as_ref())
}

/// Unmarked reads in order of their beginning.
fn unmarked(history: &History) -> Vec<(&Operation, Option<&Found>)> {
    let mut reads = Vec::new();
    for operation in &history.operations {
        if let Outcome::Seen { found, unmarked: true } = &operation.outcome {
            reads.push((operation, found.as_ref()));
        }
    }
    reads.sort_by_key(|(read, _)| read.invoked);
    reads
}

fn floors<'a>(history: &'a History, order: &Order<'a>) -> Vec<Floor<'a>> {
    let mut floors = Vec::new();
    for operation in &history.operations {
        let (by, since) = (operation, operation.completed);
        let of = register(by);
        let floor =
            |scope, rule, position| Floor { register: of, scope, since, position, rule, by };
        match (&by.action, &by.outcome) {
            (Action::Write(write), Outcome::Committed { achieved, position, applied, .. }) => {
                floors.extend(achieved.then(|| match write.required {
                    Required::AllRegions => floor(Scope::Everywhere, Rule::AllRegions, *position),
                    Required::LocalRegion => {
                        floor(Scope::Region(&by.region), Rule::LocalRegion, *position)
                    }
                }));
                let listed = applied.iter().map(|region| Scope::Region(region));
                floors.extend(listed.map(|scope| floor(scope, Rule::Receipt, *position)));
            }
            // The state that a refusal was decided on has reached the same regions.
            (Action::Write(write), Outcome::Refused { achieved: true, position, .. }) => {
                let decided = order.placed(of).rev().filter(|it| it.is_committed());
                let mut decided = decided.filter_map(|it| it.fate.position());
                let upon = decided.find(|it| it < position);
                floors.extend(upon.map(|position| match write.required {
                    Required::AllRegions => floor(Scope::Everywhere, Rule::AllRegions, position),
                    Required::LocalRegion => {
                        floor(Scope::Region(&by.region), Rule::LocalRegion, position)
                    }
                }));
            }
            (Action::Read, Outcome::Seen { found: Some(found), unmarked: true }) => {
                let seen = order.of_value(of, &found.value).and_then(|it| it.fate.position());
                let node = Scope::Node(by.node);
                floors.extend(seen.map(|position| floor(node, Rule::NodeOrder, position)));
            }
            _ => {}
        }
    }
    floors
}

fn judge(
    order: &Order<'_>,
    floor: &Floor<'_>,
    read: &Operation,
    found: Option<&Found>,
) -> Result<(), Violation> {
    let of = register(read);
    let Some(least) = order.at(of.0, floor.position) else { return Ok(()) };
    let seen = found.and_then(|found| order.of_value(of, &found.value));
    let is_kept = match seen {
        Some(seen) => is_as_new(order, seen, least),
        None => may_be_gone(order, least, read),
    };
    if is_kept {
        return Ok(());
    }
    let what = match floor.rule {
        Rule::AllRegions => "it was applied in all regions, and then an unmarked read missed it",
        Rule::LocalRegion => "it was applied in this region, and then an unmarked read missed it",
        Rule::Receipt => "a receipt lists the region as applied, and an unmarked read missed it",
        Rule::NodeOrder => "this node has answered unmarked with something newer before",
        Rule::AtLeast => "it was asked for from a position on, and shows what was before that",
        Rule::History
        | Rule::Once
        | Rule::Kept
        | Rule::RealTime
        | Rule::Decided
        | Rule::Origin
        | Rule::Told
        | Rule::Absent
        | Rule::Regions
        | Rule::Forbidden
        | Rule::Denied => "no promise at all",
    };
    let seen = seen.map(Written::shown).into_iter().flatten();
    let shown = least.shown().into_iter().chain(seen).chain([floor.by, read]);
    Err(Violation::new(floor.rule, what, shown))
}

fn is_as_new(order: &Order<'_>, seen: &Written<'_>, least: &Written<'_>) -> bool {
    match seen.fate.position() {
        Some(position) => Some(position) >= least.fate.position(),
        None => order.may_follow(seen, least),
    }
}

/// Whether the credential can have been deleted: by the write itself or by a later one.
fn may_be_gone(order: &Order<'_>, least: &Written<'_>, read: &Operation) -> bool {
    let began = |write: &Written<'_>| write.is_delete() && write.invoked <= read.completed;
    let of = register(read);
    let mut committed =
        order.placed(of).rev().take_while(|it| it.fate.position() > least.fate.position());
    matches!(least.write.change, Change::Delete)
        || committed.any(|it| it.is_committed() && began(it))
        || order.unknown(of).any(|it| began(it) && order.may_follow(it, least))
}

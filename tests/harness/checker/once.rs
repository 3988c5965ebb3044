//! Every acknowledged write happened exactly once and is kept; an unknown one at most once.
//!
//! `order.rs` checks that each has one position and one version, and each position and version one
//! write. Here the final value of each credential is compared with the order: an older value means
//! that something newer was lost, or that the older write happened once more.

use std::collections::BTreeMap;

use super::{
    order::{Order, Register, Written, register},
    summary::Summary,
    violation::{Rule, Violation},
};
use crate::clients::history::{Found, History, Operation, Outcome};

/// Checks it; `final_reads` are reads after the last write, at least one of each credential.
///
/// # Errors
/// With the lost or doubled write.
pub fn once(history: &History, final_reads: &[Operation]) -> Result<Summary, Violation> {
    let mut all = history.clone();
    all.operations.extend_from_slice(final_reads);
    let order = Order::of(&all)?;
    let mut last: BTreeMap<Register<'_>, Vec<(&Operation, Option<&Found>)>> = BTreeMap::new();
    for read in final_reads {
        if let Outcome::Seen { found, .. } = &read.outcome {
            last.entry(register(read)).or_default().push((read, found.as_ref()));
        }
    }
    for of in order.registers() {
        let committed = order.placed(of).rev().find(|write| write.is_committed());
        let reads = last.get(&of).map(Vec::as_slice).unwrap_or_default();
        let Some((first, expected)) = reads.first() else {
            let what = format!("nobody looked at {}/{} in the end", of.0, of.1);
            return Err(Violation::new(Rule::History, what, []));
        };
        if let Some((other, _)) = reads.iter().find(|(_, found)| found != expected) {
            let what = "two nodes differ in the end";
            return Err(Violation::new(Rule::Kept, what, [*first, *other]));
        }
        judge(&order, committed, first, *expected)?;
    }
    Ok(order.summary(&all))
}

fn judge(
    order: &Order<'_>,
    committed: Option<&Written<'_>>,
    read: &Operation,
    found: Option<&Found>,
) -> Result<(), Violation> {
    let of = register(read);
    let Some(last) = committed else { return Ok(()) };
    let seen = found.and_then(|found| order.of_value(of, &found.value));
    let is_kept = match seen {
        Some(seen) => std::ptr::eq(seen, last) || can_be_last(order, seen, last),
        None => {
            let mut deletes = order.unknown(of).filter(|unknown| unknown.is_delete());
            last.is_delete() || deletes.any(|delete| order.may_follow(delete, last))
        }
    };
    if is_kept {
        return Ok(());
    }
    let what =
        "the last write is not there in the end: it was lost, or an older one happened again";
    let seen = seen.map(Written::shown).into_iter().flatten();
    Err(Violation::new(Rule::Kept, what, last.shown().into_iter().chain(seen).chain([read])))
}

/// Whether a write of unknown outcome can be after the last one that has a position.
fn can_be_last(order: &Order<'_>, seen: &Written<'_>, last: &Written<'_>) -> bool {
    seen.fate.position().is_none() && order.may_follow(seen, last)
}

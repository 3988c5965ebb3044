//! The regions in receipts: no receipt is empty; a write that has reached all regions names each of
//! them, and as applied. The regions are known from earlier receipts: a region that once counted
//! for an organization's writes counts for all later ones, through every failover and move, until
//! an operator removes it. No recorded run removes one.

use std::{collections::BTreeMap, time::Duration};

use super::violation::{Rule, Violation};
use crate::clients::history::{Action, History, Outcome, Receipt, Required};

/// Judges it.
///
/// # Errors
/// With the first receipt that leaves a region out.
pub fn receipts(history: &History) -> Result<(), Violation> {
    let mut named: BTreeMap<(&str, &str), (Duration, &Receipt)> = BTreeMap::new();
    for receipt in &history.receipts {
        let of = &receipt.attempt;
        if lines(receipt).next().is_none() {
            return Err(Violation::new(Rule::Regions, "its receipt names no region", [of]));
        }
        // Where nothing is known of the write, the node may not know the group's regions either.
        if !matches!(of.outcome, Outcome::Committed { .. }) {
            continue;
        }
        for region in lines(receipt) {
            let first = named.entry((&of.org, region)).or_insert((of.completed, receipt));
            if of.completed < first.0 {
                *first = (of.completed, receipt);
            }
        }
    }
    history.receipts.iter().filter(|it| is_everywhere(it)).try_for_each(|it| complete(&named, it))
}

fn lines(receipt: &Receipt) -> impl Iterator<Item = &str> {
    receipt.applied.iter().chain(&receipt.pending).map(String::as_str)
}

/// Whether the answer says that the write has reached all regions.
fn is_everywhere(receipt: &Receipt) -> bool {
    let Action::Write(write) = &receipt.attempt.action else { return false };
    let is_achieved = matches!(receipt.attempt.outcome, Outcome::Committed { achieved: true, .. });
    is_achieved && write.required == Required::AllRegions
}

fn complete(
    named: &BTreeMap<(&str, &str), (Duration, &Receipt)>,
    receipt: &Receipt,
) -> Result<(), Violation> {
    let of = &receipt.attempt;
    if let Some(region) = receipt.pending.first() {
        let what = format!("it has reached all regions, and {region} is pending");
        return Err(Violation::new(Rule::Regions, what, [of]));
    }
    let counted = named.iter().filter(|((org, _), _)| *org == of.org);
    for ((_, region), (since, first)) in counted {
        if *since < of.invoked && !receipt.applied.iter().any(|applied| applied == region) {
            let what = format!("it has reached all regions but {region}, which counted before");
            return Err(Violation::new(Rule::Regions, what, [&first.attempt, of]));
        }
    }
    Ok(())
}

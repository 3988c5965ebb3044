//! The receipt: what is known of a write at the moment it is answered.
//!
//! It never lists a region as applied that had not; what is not known is pending.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{
    consistency::{Outcome, Position, Receipt, RegionReceipt, RequiredConsistency},
    id::WriteId,
    region::Region,
};

/// What a receipt is made of.
#[derive(Debug, Clone)]
pub struct ReceiptParts<'a> {
    /// What the caller asked for.
    pub required: RequiredConsistency,
    /// Where the request landed.
    pub caller_region: &'a Region,
    /// The write's name.
    pub write_id: WriteId,
    /// Its place, when it is known to be committed; without one the outcome is unknown.
    pub position: Option<Position>,
    /// Since the request was accepted.
    pub elapsed: Duration,
    /// Every region of the membership, and whether the write has reached it now.
    pub regions: Vec<(Region, bool)>,
    /// Since the request was accepted until it was learned that a region was reached. Such a region
    /// stays reached whatever is heard later.
    pub reached_after: &'a BTreeMap<Region, Duration>,
}

/// The receipt of a write.
#[must_use]
pub fn receipt(parts: ReceiptParts<'_>) -> Receipt {
    let committed = parts.position.is_some();
    let mut lines: BTreeMap<Region, bool> = parts.regions.into_iter().collect();
    for region in parts.reached_after.keys() {
        lines.insert(region.clone(), true);
    }
    let regions: Vec<RegionReceipt> = lines
        .into_iter()
        .map(|(region, reached)| {
            let applied = committed && reached;
            let applied_after =
                if applied { parts.reached_after.get(&region).copied() } else { None };
            RegionReceipt { region, applied, applied_after }
        })
        .collect();
    let achieved = match parts.required {
        RequiredConsistency::LocalRegion => {
            regions.iter().any(|line| line.region == *parts.caller_region && line.applied)
        }
        RequiredConsistency::AllRegions => {
            !regions.is_empty() && regions.iter().all(|line| line.applied)
        }
    };
    Receipt {
        required: parts.required,
        achieved,
        outcome: if committed { Outcome::Committed } else { Outcome::Unknown },
        write_id: parts.write_id,
        position: parts.position,
        elapsed: parts.elapsed,
        regions,
    }
}

#[cfg(test)]
mod tests {
    use concordat_proto::{id::GroupId, log::LogIndex};

    use super::*;

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    fn made(required: RequiredConsistency, committed: bool, here: bool, there: bool) -> Receipt {
        let position = Position { epoch: 1, group: GroupId(1), index: LogIndex(7) };
        receipt(ReceiptParts {
            required,
            caller_region: &region("here"),
            write_id: WriteId::from_bytes([1; 16]),
            position: committed.then_some(position),
            elapsed: Duration::from_millis(3),
            regions: vec![(region("there"), there), (region("here"), here)],
            reached_after: &BTreeMap::from([(region("there"), Duration::from_millis(2))])
                .into_iter()
                .filter(|_| there)
                .collect(),
        })
    }

    #[test]
    fn lists_regions_by_name_and_when_they_were_reached() {
        let receipt = made(RequiredConsistency::AllRegions, true, true, true);
        assert!(receipt.achieved);
        assert_eq!(receipt.outcome, Outcome::Committed);
        let lines: Vec<_> = receipt
            .regions
            .iter()
            .map(|line| (line.region.as_str(), line.applied, line.applied_after))
            .collect();
        let expected = [("here", true, None), ("there", true, Some(Duration::from_millis(2)))];
        assert_eq!(lines, expected);
    }

    #[test]
    fn achieved_is_what_was_asked_for() {
        use RequiredConsistency::{AllRegions, LocalRegion};
        for (required, here, there, achieved) in [
            (LocalRegion, true, false, true),
            (LocalRegion, false, true, false),
            (AllRegions, true, false, false),
            (AllRegions, false, true, false),
            (AllRegions, true, true, true),
        ] {
            assert_eq!(made(required, true, here, there).achieved, achieved, "{required}");
        }
    }

    #[test]
    fn an_unknown_outcome_has_no_place_and_no_applied_region() {
        let receipt = made(RequiredConsistency::LocalRegion, false, true, true);
        assert!(!receipt.achieved && receipt.position.is_none());
        assert_eq!(receipt.outcome, Outcome::Unknown);
        assert!(receipt.regions.iter().all(|line| !line.applied && line.applied_after.is_none()));
    }

    #[test]
    fn a_region_once_reached_stays_so() {
        let reached = BTreeMap::from([(region("here"), Duration::ZERO)]);
        let receipt = receipt(ReceiptParts {
            required: RequiredConsistency::AllRegions,
            caller_region: &region("here"),
            write_id: WriteId::from_bytes([1; 16]),
            position: Some(Position { epoch: 1, group: GroupId(1), index: LogIndex(7) }),
            elapsed: Duration::ZERO,
            regions: vec![(region("here"), false)],
            reached_after: &reached,
        });
        assert!(receipt.achieved);
    }
}

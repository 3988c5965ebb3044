//! Receipts: from the progress of a write's replication to a [`Receipt`].

use std::time::Duration;

use concordat_cluster::planted;
use concordat_cluster::{
    consistency::Scope,
    raft::{Progress, RegionProgress},
};
use concordat_proto::{
    consistency::{Outcome, Position, Receipt, RegionReceipt, RequiredConsistency},
    id::WriteId,
    region::Region,
    reply::Applied,
};
use tokio::time::Instant;

use crate::node::Node;

/// The regions that must have applied a write, for a caller of this node.
pub(crate) fn scope(node: &Node, required: RequiredConsistency) -> Scope {
    match required {
        RequiredConsistency::LocalRegion => Scope::Region(node.groups.region().clone()),
        RequiredConsistency::AllRegions => Scope::All,
    }
}

/// The receipt of a write that the log has decided: done, or refused.
pub(crate) fn decided(
    required: RequiredConsistency,
    applied: &Applied,
    position: Position,
    progress: Progress,
    accepted: Instant,
) -> Receipt {
    Receipt {
        required,
        achieved: progress.reached,
        outcome: match applied.outcome {
            Ok(_) => Outcome::Committed,
            Err(_) => Outcome::Refused,
        },
        write_id: applied.write_id,
        position: Some(position),
        elapsed: accepted.elapsed(),
        regions: progress.regions.into_iter().map(|region| line(region, accepted)).collect(),
    }
}

/// The receipt of a write with an unknown outcome: it may have happened, may still happen, or
/// never.
pub(crate) fn unknown(
    required: RequiredConsistency,
    write_id: WriteId,
    regions: Vec<Region>,
    accepted: Instant,
) -> Receipt {
    nowhere(Outcome::Unknown, required, write_id, regions, accepted)
}

/// The receipt of a write that a failover has lost: no region has it, and none ever will.
pub(crate) fn lost(write_id: WriteId, regions: Vec<Region>, accepted: Instant) -> Receipt {
    nowhere(Outcome::Lost, RequiredConsistency::AllRegions, write_id, regions, accepted)
}

fn nowhere(
    outcome: Outcome,
    required: RequiredConsistency,
    write_id: WriteId,
    regions: Vec<Region>,
    accepted: Instant,
) -> Receipt {
    let pending = |region| RegionReceipt { region, applied: false, applied_after: None };
    Receipt {
        required,
        achieved: false,
        outcome,
        write_id,
        position: None,
        elapsed: accepted.elapsed(),
        regions: regions.into_iter().map(pending).collect(),
    }
}

fn line(region: RegionProgress, accepted: Instant) -> RegionReceipt {
    let since = |at: Instant| at.checked_duration_since(accepted).unwrap_or(Duration::ZERO);
    RegionReceipt {
        region: region.region,
        applied: planted::on_receipt_line(region.applied),
        applied_after: region.at.map(since),
    }
}

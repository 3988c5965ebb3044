//! When a write has arrived: what is known of every replica's progress, who waits for it, and the
//! receipt that tells of it.
//!
//! Pure: time comes in as a span since the process began. Nothing here waits, wakes or sends.
//!
//! # Reached
//! A region has been reached by the entry at an index when at least one of its replicas has
//! reported it, and every replica of it that was heard of within [`HEARD_WINDOW`] has. A replica
//! that has fallen silent is not waited for longer than that; it must by then have stopped to answer
//! reads as current.
//!
//! This is the first form of the rule. The place of *danger sets* is [`ProgressTable::reached`]: with
//! leases, "heard of within the window" becomes "may hold a lease granted before the entry was
//! committed", and only the leader's answer tells which replicas those are.

use std::time::Duration;

#[cfg(test)]
mod model;
pub mod progress;
#[cfg(test)]
mod progress_test;
pub mod receipt;
pub mod waiters;

pub use progress::{ProgressTable, RegionLag};
pub use receipt::{ReceiptParts, receipt};
pub use waiters::{Arrival, WaiterId, Waiters, WaitersFull};

/// A replica not heard of for longer than this is not waited for.
pub const HEARD_WINDOW: Duration = Duration::from_secs(1);

//! When a write has arrived: who may still answer without it, what is known of every replica's
//! progress, who waits for it, and the receipt that tells of it.
//!
//! Pure: time comes in as a span since the process began. Nothing here waits, wakes or sends.
//!
//! # The promise
//! After a 2xx to `local_region`, every unmarked read that starts at a node of the caller's region
//! sees the write or something newer; after one to `all_regions`, every unmarked read anywhere.
//!
//! # Leases ([`lease`])
//! A replica answers reads unmarked only under a lease that its group's leader granted, until the
//! lease's length has passed since the replica *asked*, and only once it has applied the commit
//! index that the lease names. The leader first registers the lease, then in one step proves its
//! lead and reads its commit index, then answers. The order is what matters: were the index read
//! first, an entry could be committed and its danger set taken in between, and the lease would let
//! its holder answer without that entry while nobody counts it.
//!
//! # Danger sets ([`danger`])
//! Once an entry is committed, the replicas that may answer without it are those that hold a lease
//! from before: the set is told with the leader's answer and only shrinks, for every later lease
//! covers the entry. A new leader counts everybody for one lease, since it does not know what those
//! before it granted. Who knows an entry to be committed and no leader's set counts everybody for
//! one lease from when its own replica showed the entry.
//!
//! # Reached ([`waiters`])
//! A region has been reached by an entry when at least one of its replicas has reported it, and
//! every one that may answer without it has reported it or its time is over. So a replica that is
//! dead, hung or behind delays a write by one lease at most; a region that is dead as a whole is
//! never reached, and only those who ask for it notice.
//!
//! # Keeping pace ([`pace`])
//! A replica that shows entries and does not report them, because its disk hangs or its reports do not
//! get through, would hold up each write by the lease that it goes on renewing. So it stops asking for
//! leases when its disk is late, and a leader refuses leases to a replica whose reports are late. Then
//! such a replica, too, costs one lease, once.
//!
//! # Coming and going
//! A replica serves (is granted leases, and makes its region count) once the group's log marks it as
//! serving; it is removed when the log marks it as leaving (no lease from then on) and its last lease
//! is over. A region that counts goes on counting until an operator removes it or its nodes: a node
//! that was replaced is marked as leaving once another one of its region serves, and the successor of
//! a closed group begins with that group's members and marks. A group in which no replica serves yet
//! takes no write of an organisation: it would be judged against no region.
//!
//! A new leader grants nothing until an entry of its own term is *applied* here: only then do the
//! marks that it looks at stand as far as those before it committed. Danger sets are made from a
//! state that has applied the entry, for the same reason.
//!
//! # The proof
//! `model` searches every state of small clusters with this protocol, and finds each of its rules to
//! be needed: without it an unmarked read misses a write that was answered.
//!
//! # What this rests on
//! Monotonic clocks of two nodes run apart by no more than the lease terms say. A voter helps no
//! second leader up within the leader lease, nor within one leader lease after it was started, for
//! it has then forgotten which one it granted.

use std::time::Duration;

pub mod clocks;
pub mod cost;
pub mod danger;
pub mod inheritance;
pub mod lease;
#[cfg(test)]
mod model;
pub mod outlook;
pub mod pace;
pub mod progress;
#[cfg(test)]
mod progress_test;
pub mod readiness;
pub mod runs;
pub mod scope;
pub mod shown;
pub mod waiters;
#[cfg(test)]
mod waiters_test;

pub use clocks::PeerClocks;
pub use cost::{DangerCost, WaitCost};
pub use danger::{Danger, Members, RegionMembers, SeenHistory};
pub use inheritance::Fate;
pub use lease::{HeldLeases, LeaseTable};
pub use progress::{ProgressTable, RegionLag};
pub use runs::Runs;
pub use scope::Scope;
pub use shown::ShownHistory;
pub use waiters::{Standing, WaiterId, Waiters, WaitersFull};

/// A replica not heard of for longer than this counts as not there when placement plans and when
/// people look. No promise rests on it.
pub const HEARD_WINDOW: Duration = Duration::from_secs(1);

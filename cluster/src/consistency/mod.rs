//! When a write has been reached: which replicas may still answer without it, the known progress of
//! every replica, the waits, and the metrics of waits.
//!
//! Pure: time is passed in as a duration since the process began. Nothing here waits, wakes or
//! sends.
//!
//! # The promise
//! After a 2xx to `local_region`, every fresh read that starts at a node of the caller's region
//! sees the write or something newer; after one to `all_regions`, every fresh read anywhere. A
//! fresh read is answered with `Concordat-Read: current`.
//!
//! # Leases ([`lease`])
//! A replica answers fresh reads only under a lease that its group's leader granted, until the
//! lease's length has passed since the replica *asked*, and only once it has applied the commit
//! index in the lease. The leader first registers the lease, then proves its leadership and reads
//! its commit index in one step, then answers. The order matters: if the index were read first, an
//! entry could be committed and its stale readers computed in between, and the lease would let its
//! holder answer without that entry while the set does not count it.
//!
//! # Stale readers ([`stale_readers`])
//! Once an entry is committed, the replicas that may answer without it are those that hold a lease
//! from before. The leader's answer contains this set, and the set only shrinks, because every
//! later lease covers the entry. A new leader counts every replica for the length of one lease,
//! since it does not know the leases of earlier leaders. A node that knows an entry to be committed
//! and has no leader's set counts every replica for one lease from when its own replica showed the
//! entry.
//!
//! # Reached ([`waiters`])
//! An entry has reached a region when at least one of the region's replicas has reported it, and
//! every replica there that may answer without it has reported it or its lease has expired. So a
//! replica that is dead, hung or behind delays a write by one lease at most. A region that is dead
//! as a whole is never reached; only writes that require it notice.
//!
//! # Keeping pace ([`pace`])
//! A replica that shows entries and does not report them, because its disk hangs or its reports are
//! lost, would delay each write by the lease that it continues to renew. So it stops asking for
//! leases when its disk is late, and a leader refuses leases to a replica whose reports are late.
//! Then such a replica, too, costs one lease, once.
//!
//! # Joining and leaving
//! A replica serves (it gets leases, and its region counts) once the group's log marks it as
//! serving. It is removed when the log marks it as leaving (no lease from then on) and its last
//! lease has expired. A region that counts continues to count until an operator removes it or its
//! nodes: a node that was replaced is marked as leaving once another one of its region serves, and
//! the successor of a closed group begins with that group's members and marks. A group in which no
//! replica serves yet accepts no write of an organization: no region would count for it.
//!
//! A new leader grants nothing until an entry of its own term is *applied* here: only then does it
//! see all marks that earlier leaders committed. The stale readers of an entry are computed from a
//! state that has applied the entry, for the same reason.
//!
//! # The proof
//! `model` searches every state of small clusters with this protocol. It also shows that each rule
//! is needed: without it, a fresh read misses a write that was answered.
//!
//! # Assumptions
//! The monotonic clocks of two nodes drift by no more than the lease terms say. A voter does not
//! vote for a second leader within the leader lease, nor within one leader lease after it was
//! started, because it has then forgotten which leader lease it granted.

pub mod clocks;
pub mod cost;
pub mod failover;
pub mod group_config;
pub mod inheritance;
pub mod lease;
#[cfg(test)]
mod model;
pub mod pace;
pub mod progress;
#[cfg(test)]
mod progress_test;
pub mod read;
pub mod readiness;
pub mod runs;
pub mod scope;
pub mod stale_readers;
pub mod visibility;
pub mod waiters;
#[cfg(test)]
mod waiters_test;
pub mod write_availability;

pub use clocks::PeerClocks;
pub use cost::{LeaseWaitCost, WaitCost};
pub use group_config::GroupConfigView;
pub use inheritance::Fate;
pub use lease::{HeldLeases, LeaseTable};
pub use progress::{LIVE_WINDOW, ProgressTable, RegionLag};
pub use runs::Runs;
pub use scope::Scope;
pub use stale_readers::{AppliedTimes, Members, RegionMembers, StaleReaders};
pub use visibility::VisibilityHistory;
pub use waiters::{RegionWait, WaiterId, Waiters, WaitersFull};

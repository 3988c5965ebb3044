//! Where replicas belong: the membership that a group should have, from its nodes and regions; and where
//! each node may be found.
//!
//! Pure, and the same on every node. This module computes the desired membership; [`next_step`]
//! computes the next single safe change; `raft/membership` carries it out.
//!
//! # Rules
//! - Every node that is present (neither replaced nor removed) has a replica of every group.
//! - Only full members vote and lead: a node that is drained or leaving keeps its replicas as a
//!   learner. A region that is leaving votes in its own group only.
//! - A **home group** has up to three voters, all in its home region: a commit needs no round trip
//!   to another region, and the group survives the loss of one node. If it must survive the loss of
//!   a region (`survival_goal=region`), it has five voters, two of them in the home region and no
//!   more than two in any region; or three, each in another region, if there are too few nodes. The
//!   number is always odd, and no region has half of the voters: so the group survives the loss of
//!   any one region.
//! - The **system group** has at most five voters, spread over the regions: at most two in one
//!   (unless there is only one region), and an odd number if that costs no region its voter. So
//!   three regions of three nodes give 2-2-1, and the group survives the loss of a region.
//! - Voters stay voters: membership changes only when nodes join or leave. A node that is down
//!   keeps its role for any length of time; only an operator removes it.

mod addresses;
mod desired;
mod lead;
mod leave;
mod leaving;
mod notes;
mod plan;

#[cfg(test)]
mod placement_test;
#[cfg(test)]
mod simulation_test;

pub use addresses::{Addresses, rotated, some_of};
pub use desired::{
    Desired, GroupView, HOME_VOTERS_MAX, SPREAD_REGIONS_MIN, SPREAD_VOTERS_MAX,
    SPREAD_VOTERS_PER_REGION_MAX, SYSTEM_VOTERS_ALONE_MAX, SYSTEM_VOTERS_MAX,
    SYSTEM_VOTERS_PER_REGION_MAX, desired,
};
pub use lead::{next_leader, to_be_timed, wants_wide_area};
pub use leave::{
    RecreateBlocker, RegionBlocker, RemovalBlocker, blocker, is_free, node_blocker,
    recreate_blocker, region_blocker,
};
pub use leaving::{Leaving, is_seen_by_all, leaving, votes_nowhere};
pub use notes::{NoteView, has_left, may_remove};
pub use plan::{CAUGHT_UP_ENTRIES, Step, next_step};

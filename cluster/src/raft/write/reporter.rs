//! The groups that have advanced since the last report, and the nodes that wait for them beside the
//! leader.
//!
//! It sends nothing: `report.rs` does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use concordat_proto::id::{GroupId, NodeId};
use tokio::{sync::Notify, time::Instant};

use crate::locks::locked;

/// For how long a stall is shown.
const STALL_KEPT: Duration = Duration::from_mins(1);

/// The groups that have advanced since the last report, and the nodes that wait for them beside the
/// leader.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    origins: Mutex<BTreeMap<GroupId, BTreeSet<NodeId>>>,
    pub(crate) advanced: Notify,
    /// The longest time that the node was late with its reports to every peer, and when: it had no
    /// processor, or the runtime's thread was blocked.
    stall: Mutex<Option<(Instant, Duration)>>,
}

impl Reporter {
    /// Notes that a group's replica advanced; `origins` get a report beside the leader.
    pub(crate) fn on_advanced(&self, group: GroupId, origins: &[NodeId]) {
        let mut waiting = locked(&self.origins);
        waiting.entry(group).or_default().extend(origins);
        drop(waiting);
        self.advanced.notify_one();
    }

    pub(crate) fn on_stall(&self, by: Duration) {
        let mut stall = locked(&self.stall);
        let known = stall.filter(|(at, _)| at.elapsed() < STALL_KEPT);
        if known.is_none_or(|(_, known)| known <= by) {
            *stall = Some((Instant::now(), by));
        }
    }

    /// The longest stall of the runtime within the last minute.
    pub(crate) fn stall(&self) -> Duration {
        let stall = *locked(&self.stall);
        let recent = stall.filter(|(at, _)| at.elapsed() < STALL_KEPT);
        recent.map_or(Duration::ZERO, |(_, by)| by)
    }

    pub(crate) fn take(&self) -> BTreeMap<GroupId, BTreeSet<NodeId>> {
        std::mem::take(&mut *locked(&self.origins))
    }
}

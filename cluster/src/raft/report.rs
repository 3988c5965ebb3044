//! Progress reports: what has become visible here *and* is in this node's synced log, told to the
//! leaders and to the nodes that wait for it.
//!
//! Coalesced: one frame a peer for all groups, sent when something advanced, and to everybody a few
//! times a second, so that silence means something. A report is never ahead of what a read that
//! starts now would see.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
    wire::{
        Wire,
        peer::{GroupProgress, Notice},
    },
};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior},
};

use super::groups::Groups;

/// Between reports to everybody. Four fit into the window in which a silent node counts as there.
const TO_ALL_EVERY: Duration = Duration::from_millis(250);
/// So many reports to everybody for each word on what time it is: about one a second.
const CLOCK_EVERY: u64 = 4;
/// For how long a stall is shown.
const STALL_KEPT: Duration = Duration::from_mins(1);

/// What has advanced since the last report, and who waits for it beside the leader.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    origins: Mutex<BTreeMap<GroupId, BTreeSet<NodeId>>>,
    advanced: Notify,
    /// The longest time that the node was late with its reports to everybody, and when: it had no
    /// processor, or something held the runtime's thread up.
    stall: Mutex<Option<(Instant, Duration)>>,
}

impl Reporter {
    /// Takes note that a group's replica advanced; `origins` are told beside the leader.
    pub(crate) fn on_advanced(&self, group: GroupId, origins: &[NodeId]) {
        let mut waiting = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(group).or_default().extend(origins);
        drop(waiting);
        self.advanced.notify_one();
    }

    fn on_stall(&self, by: Duration) {
        let mut stall = self.stall.lock().unwrap_or_else(PoisonError::into_inner);
        let known = stall.filter(|(at, _)| at.elapsed() < STALL_KEPT);
        if known.is_none_or(|(_, known)| known <= by) {
            *stall = Some((Instant::now(), by));
        }
    }

    /// The longest stall of the runtime within the last minute.
    pub(crate) fn stall(&self) -> Duration {
        let stall = *self.stall.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = stall.filter(|(at, _)| at.elapsed() < STALL_KEPT);
        recent.map_or(Duration::ZERO, |(_, by)| by)
    }

    fn take(&self) -> BTreeMap<GroupId, BTreeSet<NodeId>> {
        std::mem::take(&mut *self.origins.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reports until the node stops.
pub(crate) async fn run(groups: Groups) {
    let mut tick = tokio::time::interval(TO_ALL_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Origins stay noted until the index they wait for is synced too, not only visible.
    let mut waiting: BTreeMap<GroupId, BTreeSet<NodeId>> = BTreeMap::new();
    let mut sent = BTreeMap::new();
    let mut ticks = 0_u64;
    loop {
        let to_all = tokio::select! {
            () = groups.reporter().advanced.notified() => false,
            due = tick.tick() => {
                groups.reporter().on_stall(due.elapsed());
                true
            }
        };
        for (group, origins) in groups.reporter().take() {
            waiting.entry(group).or_default().extend(origins);
        }
        send(&groups, &mut waiting, &mut sent, to_all);
        if to_all {
            if ticks.is_multiple_of(CLOCK_EVERY) {
                tell_time(&groups);
            }
            ticks += 1;
        }
    }
}

/// Says to everybody what this node's wall clock says.
fn tell_time(groups: &Groups) {
    let notice = Notice::Clock { now: groups.environment().clock.now() };
    let body = Bytes::from(notice.encode());
    for peer in groups.peers() {
        groups.environment().transport.notify(peer, body.clone());
    }
}

fn send(
    groups: &Groups,
    waiting: &mut BTreeMap<GroupId, BTreeSet<NodeId>>,
    sent: &mut BTreeMap<GroupId, LogIndex>,
    to_all: bool,
) {
    let mut frames: BTreeMap<NodeId, Vec<GroupProgress>> = BTreeMap::new();
    let peers = if to_all { groups.peers() } else { Vec::new() };
    for replica in groups.replicas() {
        let group = replica.group;
        let applied = replica.reportable();
        let origins = waiting.get(&group);
        if !to_all && (origins.is_none() || sent.get(&group) == Some(&applied)) {
            continue;
        }
        sent.insert(group, applied);
        groups.on_report(groups.node(), group, applied);
        let progress = GroupProgress { group, applied };
        let mut targets: BTreeSet<NodeId> = peers.iter().copied().collect();
        targets.extend(origins.into_iter().flatten());
        targets.extend(replica.leader());
        targets.remove(&groups.node());
        for target in targets {
            frames.entry(target).or_default().push(progress);
        }
        if replica.visible.load(std::sync::atomic::Ordering::Acquire) <= applied.0 {
            waiting.remove(&group);
        }
    }
    for (target, entries) in frames {
        let notice = Notice::Report { entries };
        groups.environment().transport.notify(target, Bytes::from(notice.encode()));
    }
}

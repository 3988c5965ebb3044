//! Progress reports: the entries that are visible here *and* in this node's synced log, sent to the
//! leaders and to the nodes that wait for them.
//!
//! Coalesced: one frame to a peer for all groups, sent when something advanced, and to every peer a
//! few times a second, so that silence has a meaning. A report is never ahead of what a read that
//! starts now would see.

use std::{
    collections::{BTreeMap, BTreeSet},
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
use tokio::time::MissedTickBehavior;

use crate::raft::core::Core;

/// The interval of reports to every peer. Four fit into the window in which a silent node counts as
/// live.
const TO_ALL_EVERY: Duration = Duration::from_millis(250);
/// The number of reports to every peer per report of the wall clock: about one a second.
const CLOCK_EVERY: u64 = 4;

/// Reports until the node stops.
pub(crate) async fn run(core: Core) {
    let mut tick = tokio::time::interval(TO_ALL_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Origins stay noted until the index they wait for is synced too, not only visible.
    let mut waiting: BTreeMap<GroupId, BTreeSet<NodeId>> = BTreeMap::new();
    let mut sent = BTreeMap::new();
    let mut ticks = 0_u64;
    loop {
        let to_all = tokio::select! {
            () = core.reporter().advanced.notified() => false,
            due = tick.tick() => {
                core.reporter().on_stall(due.elapsed());
                true
            }
        };
        for (group, origins) in core.reporter().take() {
            waiting.entry(group).or_default().extend(origins);
        }
        send(&core, &mut waiting, &mut sent, to_all);
        if to_all {
            if ticks.is_multiple_of(CLOCK_EVERY) {
                broadcast_clock(&core);
            }
            ticks += 1;
        }
    }
}

/// Sends this node's wall clock to every peer.
fn broadcast_clock(core: &Core) {
    let notice = Notice::Clock { now: core.environment().clock.now() };
    let body = Bytes::from(notice.encode());
    for peer in core.peers() {
        core.environment().transport.notify(peer, body.clone());
    }
}

fn send(
    core: &Core,
    waiting: &mut BTreeMap<GroupId, BTreeSet<NodeId>>,
    sent: &mut BTreeMap<GroupId, LogIndex>,
    to_all: bool,
) {
    let mut frames: BTreeMap<NodeId, Vec<GroupProgress>> = BTreeMap::new();
    let peers = if to_all { core.peers() } else { Vec::new() };
    for replica in core.replicas() {
        let group = replica.group;
        let applied = replica.reportable();
        let origins = waiting.get(&group);
        if !to_all && (origins.is_none() || sent.get(&group) == Some(&applied)) {
            continue;
        }
        sent.insert(group, applied);
        core.on_report(core.node(), group, applied);
        let progress = GroupProgress { group, applied };
        let mut targets: BTreeSet<NodeId> = peers.iter().copied().collect();
        targets.extend(origins.into_iter().flatten());
        targets.extend(replica.leader());
        targets.remove(&core.node());
        for target in targets {
            frames.entry(target).or_default().push(progress);
        }
        if replica.visible.load(std::sync::atomic::Ordering::Acquire) <= applied.0 {
            waiting.remove(&group);
        }
    }
    for (target, entries) in frames {
        let notice = Notice::Report { entries };
        core.environment().transport.notify(target, Bytes::from(notice.encode()));
    }
}

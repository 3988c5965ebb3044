//! A home group's timing profile: for voters in one region, or in several.
//!
//! The library's timings are fixed at its start, so a replica changes them by being reopened, from
//! its log and its state. That takes milliseconds, in which it behaves like a node that was
//! restarted (and, like one, it does not vote for one leader lease, since it has forgotten the
//! leader lease that it granted).
//!
//! # The order, when voters are to spread (`survival_goal=region`)
//! 1. Learners take the new timings as soon as they see the setting: nothing depends on them.
//! 2. The leader asks the voters, present and future, one at a time, and continues only when each
//!    has answered that it has them: so no quorum is ever reopened at once, and no node votes
//!    across regions with the timings of one. One that does not answer blocks the change.
//! 3. The leader transfers leadership to a voter that has the new timings, and takes them as a
//!    follower.
//! 4. Only then does it take the step that spreads the voters.
//!
//! In the other direction: first the voters return to the home region, then the timings, in the
//! same order. A node that has the setting, or whose own group's voters are in several regions,
//! never goes back, even on a leader's request: an old leader's request may be late.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};

use crate::{
    machine::SystemView,
    placement::{self, GroupView},
    raft::{
        core::Core,
        fault::Fault,
        membership::{step_error::StepError, transfer},
        replica::{Replica, spread::is_spread},
        transport::Channel,
    },
};

/// For one node to open its replica again.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

fn wants_wide_area(system: &SystemView, replica: &Replica) -> bool {
    let is_spread = is_spread(&replica.metrics().membership_config);
    placement::wants_wide_area(replica.group, system.survival_goal(), is_spread)
}

/// Takes the timings that no other node has to wait for, or that are overdue.
pub(crate) async fn adjust(core: &Core, system: &SystemView) -> Result<(), Fault> {
    for replica in core.replicas() {
        let wanted = wants_wide_area(system, &replica);
        if replica.group == GroupId::SYSTEM || wanted == replica.wide_area {
            continue;
        }
        let membership = replica.metrics().membership_config;
        let votes = membership.voter_ids().any(|id| id == core.node().0);
        let overdue = wanted && is_spread(&membership);
        if (!votes || overdue) && !replica.receiving.load(Ordering::Acquire) {
            reopen(core, replica.group, wanted).await?;
        }
    }
    Ok(())
}

async fn reopen(core: &Core, group: GroupId, wide_area: bool) -> Result<(), Fault> {
    tracing::info!(%group, wide_area, "reopening the replica with another timing profile");
    core.reopen(group, wide_area).await
}

/// A leader's request.
pub(crate) async fn answer(core: &Core, group: GroupId, wide_area: bool) -> PeerReply {
    let refused = |reason: &str| PeerReply::Refused(reason.to_owned());
    let Some(replica) = core.replica(group).filter(|_| group != GroupId::SYSTEM) else {
        return refused("no replica of this group");
    };
    if replica.wide_area == wide_area {
        return PeerReply::TimingProfileSet { wide_area };
    }
    if !wide_area && wants_wide_area(&core.system(), &replica) {
        return PeerReply::TimingProfileSet { wide_area: true };
    }
    if replica.leader() == Some(core.node()) || replica.receiving.load(Ordering::Acquire) {
        return refused("not now: it leads, or receives a snapshot");
    }
    drop(replica);
    match reopen(core, group, wide_area).await {
        Ok(()) => PeerReply::TimingProfileSet { wide_area },
        Err(fault) => {
            core.fail(&fault);
            refused("it could not be opened again")
        }
    }
}

/// Whether a group that this node leads may have these voters; when they do not have the right
/// timings, one step toward that is taken instead.
pub(crate) async fn is_ready_for(
    core: &Core,
    system: &SystemView,
    replica: &Replica,
    view: &GroupView,
    target: &BTreeSet<NodeId>,
) -> Result<bool, StepError> {
    let is_spread = is_spread(&replica.metrics().membership_config);
    let Some(all) = placement::to_be_timed(view, &system.nodes, target, is_spread) else {
        return Ok(true);
    };
    become_timed(core, replica, view, &all, true).await
}

/// Ensures that the next leader after this node has the wanted timings, if this node has them:
/// otherwise it would transfer leadership back at once to take them, and get it again for being a
/// voter that stays.
pub(crate) async fn prepare(
    core: &Core,
    system: &SystemView,
    replica: &Replica,
    next: NodeId,
) -> Result<(), StepError> {
    if replica.group != GroupId::SYSTEM && replica.wide_area && wants_wide_area(system, replica) {
        tell(core, replica.group, next, true).await?;
    }
    Ok(())
}

/// Returns a group that this node leads, whose voters are where they should be, to the timings of
/// one region.
pub(crate) async fn go_back(
    core: &Core,
    system: &SystemView,
    replica: &Replica,
    view: &GroupView,
) -> Result<(), StepError> {
    if replica.group == GroupId::SYSTEM || !replica.wide_area || wants_wide_area(system, replica) {
        return Ok(());
    }
    let live: BTreeSet<NodeId> = view.voters.intersection(&view.live).copied().collect();
    become_timed(core, replica, view, &live, false).await.map(drop)
}

/// True when all these nodes, this leader among them, have the timings.
async fn become_timed(
    core: &Core,
    replica: &Replica,
    view: &GroupView,
    nodes: &BTreeSet<NodeId>,
    wide_area: bool,
) -> Result<bool, StepError> {
    let own = core.node();
    for node in nodes.iter().filter(|node| **node != own) {
        tell(core, replica.group, *node, wide_area).await?;
    }
    if replica.wide_area == wide_area {
        return Ok(true);
    }
    match placement::next_leader(view, &core.system().nodes, own, nodes) {
        Some(successor) => transfer::to(replica, own, successor).await?,
        // No node to hand over to: its group pauses for one election.
        None => reopen(core, replica.group, wide_area).await.map_err(StepError::NotReopened)?,
    }
    Ok(false)
}

async fn tell(core: &Core, group: GroupId, node: NodeId, wide_area: bool) -> Result<(), StepError> {
    let body = Bytes::from(PeerRequest::SetTimingProfile { group, wide_area }.encode());
    let transport = &core.environment().transport;
    let answer = transport.request(node, Channel::Control, body, ANSWER_LIMIT).await;
    let answer = answer.map_err(|error| StepError::TimingsNotSent { node, error })?;
    match PeerReply::decode(&answer) {
        Ok(PeerReply::TimingProfileSet { wide_area: taken }) if taken == wide_area => Ok(()),
        answer => Err(StepError::TimingsNotTaken { node, answer }),
    }
}

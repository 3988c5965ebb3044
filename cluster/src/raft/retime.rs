//! A home group's timings: those of one region, or those of voters that are regions apart.
//!
//! The library's timings are fixed at its start, so a replica takes others by being opened again,
//! from its log and its state: a matter of milliseconds, in which it is like a node that was stopped
//! and started (and, like one, it votes for nobody for one leader lease, since it has forgotten which
//! leader it granted one).
//!
//! # The order, when voters are to spread (`survive = "region"`)
//! 1. Learners take the new timings as soon as they see the setting: nothing depends on them.
//! 2. The leader tells the voters, those there are and those there will be, one at a time, and goes
//!    on only when each has answered that it has them: so no quorum is ever opened again at once, and
//!    nobody votes across regions with the timings of one. One that does not answer holds the change
//!    up; it does not go without it.
//! 3. The leader hands the lead to a voter that has the new timings, and takes them as a follower.
//! 4. Only then does it take the step that spreads the voters.
//!
//! Back again: first the voters return to the home region, then the timings, in the same order. A
//! node that has the setting, or whose own group's voters are apart, never goes back, whoever tells
//! it to: an old leader's word may be late.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    org::Survive,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};

use super::{
    fault::Fault,
    group::Replica,
    groups::{Groups, SystemView},
    machine_store::{position_of, read_applied},
    transfer,
    transport::Channel,
    types::StoredMembership,
};
use crate::placement::GroupView;

/// For one node to open its replica again.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Whether a membership's voters are in several regions.
fn is_spread(membership: &StoredMembership) -> bool {
    let region = |id| membership.get_node(&id).map(|member| member.region.clone());
    let regions: BTreeSet<_> = membership.voter_ids().filter_map(region).collect();
    regions.len() > 1
}

fn wants_across(system: &SystemView, replica: &Replica) -> bool {
    system.survive() == Survive::Region || is_spread(&replica.metrics().membership_config)
}

/// The timings to open a group's replica with, as far as the state tells.
pub(crate) fn wanted_at_start(groups: &Groups, group: GroupId) -> Result<bool, Fault> {
    if group == GroupId::SYSTEM || groups.system().survive() == Survive::Region {
        return Ok(true);
    }
    let doing = |error| Fault::caused(format!("reading the position of group {group}"), error);
    let applied = read_applied(&**groups.slotted(), group).map_err(doing)?;
    let (_, membership) = position_of(&applied).map_err(doing)?;
    Ok(is_spread(&membership))
}

/// Takes the timings that nobody else has to wait for, or that are overdue.
pub(crate) async fn settle(groups: &Groups, system: &SystemView) -> Result<(), Fault> {
    for replica in groups.replicas() {
        let wanted = wants_across(system, &replica);
        if replica.group == GroupId::SYSTEM || wanted == replica.across {
            continue;
        }
        let membership = replica.metrics().membership_config;
        let votes = membership.voter_ids().any(|id| id == groups.node().0);
        let overdue = wanted && is_spread(&membership);
        if (!votes || overdue) && !replica.receiving.load(Ordering::Acquire) {
            reopen(groups, replica.group, wanted).await?;
        }
    }
    Ok(())
}

async fn reopen(groups: &Groups, group: GroupId, across: bool) -> Result<(), Fault> {
    tracing::info!(%group, across, "opening the replica again with other timings");
    groups.reopen(group, across).await
}

/// A leader's word.
pub(crate) async fn answer(groups: &Groups, group: GroupId, across: bool) -> PeerReply {
    let refused = |reason: &str| PeerReply::Refused(reason.to_owned());
    let Some(replica) = groups.replica(group).filter(|_| group != GroupId::SYSTEM) else {
        return refused("no replica of this group");
    };
    if replica.across == across {
        return PeerReply::Retimed { across };
    }
    if !across && wants_across(&groups.system(), &replica) {
        return PeerReply::Retimed { across: true };
    }
    if replica.leader() == Some(groups.node()) || replica.receiving.load(Ordering::Acquire) {
        return refused("not now: it leads, or receives a snapshot");
    }
    drop(replica);
    match reopen(groups, group, across).await {
        Ok(()) => PeerReply::Retimed { across },
        Err(fault) => {
            groups.fail(&fault);
            refused("it could not be opened again")
        }
    }
}

/// Whether a group that this node leads may have these voters; when their timings are not those,
/// one step towards it is taken instead.
pub(crate) async fn is_ready_for(
    groups: &Groups,
    system: &SystemView,
    replica: &Replica,
    view: &GroupView,
    target: &BTreeSet<NodeId>,
) -> Result<bool, String> {
    let region = |node: &NodeId| system.nodes.get(node).map(|record| &record.region);
    let spread = target.iter().map(region).collect::<BTreeSet<_>>().len() > 1;
    if replica.group == GroupId::SYSTEM || !spread {
        return Ok(true);
    }
    let all: BTreeSet<NodeId> = if is_spread(&replica.metrics().membership_config) {
        // Those that vote already have them, or take them by themselves: a dead one among them must
        // not keep another's seat from being filled.
        target.difference(&view.voters).copied().collect()
    } else {
        // Those that leave vote until the change is done, if they live.
        let old = view.voters.iter().filter(|node| view.live.contains(node));
        target.iter().chain(old).copied().collect()
    };
    become_timed(groups, replica, view, &all, true).await
}

/// Sees to it that whoever is to lead after this node has the timings that are wanted, where this
/// node has them: it would hand the lead back at once to take them, and be handed it again for being
/// a voter that stays.
pub(crate) async fn prepare(
    groups: &Groups,
    system: &SystemView,
    replica: &Replica,
    next: NodeId,
) -> Result<(), String> {
    if replica.group != GroupId::SYSTEM && replica.across && wants_across(system, replica) {
        tell(groups, replica.group, next, true).await?;
    }
    Ok(())
}

/// Returns a group that this node leads, whose voters are where they should be, to the timings of
/// one region.
pub(crate) async fn go_back(
    groups: &Groups,
    system: &SystemView,
    replica: &Replica,
    view: &GroupView,
) -> Result<(), String> {
    if replica.group == GroupId::SYSTEM || !replica.across || wants_across(system, replica) {
        return Ok(());
    }
    let live: BTreeSet<NodeId> = view.voters.intersection(&view.live).copied().collect();
    become_timed(groups, replica, view, &live, false).await.map(drop)
}

/// True when all these nodes, this leader among them, have the timings.
async fn become_timed(
    groups: &Groups,
    replica: &Replica,
    view: &GroupView,
    nodes: &BTreeSet<NodeId>,
    across: bool,
) -> Result<bool, String> {
    let own = groups.node();
    for node in nodes.iter().filter(|node| **node != own) {
        tell(groups, replica.group, *node, across).await?;
    }
    if replica.across == across {
        return Ok(true);
    }
    match transfer::successor(&groups.system(), view, own, nodes) {
        Some(successor) => transfer::to(replica, own, successor).await?,
        // Nobody to hand over to: its group pauses for one election.
        None => reopen(groups, replica.group, across).await.map_err(|fault| fault.to_string())?,
    }
    Ok(false)
}

async fn tell(groups: &Groups, group: GroupId, node: NodeId, across: bool) -> Result<(), String> {
    let body = Bytes::from(PeerRequest::Retime { group, across }.encode());
    let transport = &groups.environment().transport;
    let answer = transport.request(node, Channel::Control, body, ANSWER_LIMIT).await;
    let answer = answer.map_err(|error| format!("node {node} was told its timings: {error}"))?;
    match PeerReply::decode(&answer) {
        Ok(PeerReply::Retimed { across: taken }) if taken == across => Ok(()),
        other => Err(format!("node {node} does not take the timings: {other:?}")),
    }
}

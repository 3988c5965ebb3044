//! Carries failovers out: asks the survivors of a closed group for the ends of their logs, names
//! the most advanced one, and creates the successor there. A level-triggered reconciliation loop:
//! the next leader finishes what a dead one left undone. The rules are the machine's
//! (`machine/failover/mod.rs`, `succession.rs`).
//!
//! # Why nothing acknowledged everywhere is lost
//! The survivors' logs are compared by `consistency/failover/survivors.rs`, which has the reason. That
//! holds because a survivor answers what it has only when its replica is closed ([`closed_log_end`]).
//!
//! # Why no node answers from the closed group unmarked
//! A leader in the lost region grants nothing any more (`fencing.rs`): on the operator's word
//! since before the group was closed, otherwise since [`FENCE`](crate::consistency::failover::fence::FENCE) after. Any other one grants nothing
//! once its own node has closed the group, which all survivors have when they have answered. One
//! lease after both, whatever was granted before is over. The successor is named only then, so nothing
//! can be acknowledged there before.
//!
//! # Why the founder acknowledges nothing alone
//! It begins as the only voter. Until placement has given the group its other voters, in a region
//! that has them, writes of organizations are not proposed: the loss of one node must not cost what
//! was acknowledged ([`Core::is_founding_alone`]).

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    command::Command,
    failover::ClosedGroup,
    id::{GroupId, NodeId},
    log::{LogId, LogIndex},
    region::Region,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::future::join_all;

use crate::{
    consistency::failover::{
        blocker::{self, FailoverBlocker},
        survivors::{self, ClosedSince, Founding, SurvivorLog},
    },
    machine::SystemView,
    raft::{
        core::Core,
        engine::{applied::read_applied, convert},
        replica::Replica,
        transport::Channel,
        write::propose::{Proposed, propose_to_system},
    },
};

/// The interval between checks of closed groups.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// For a survivor's answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Names successors until the node stops, whenever it leads the system group.
pub(crate) async fn run(core: Core) {
    let mut seen: BTreeMap<GroupId, ClosedSince> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if core.leader_of(GroupId::SYSTEM) != Some(core.node()) {
            seen.clear();
            continue;
        }
        let system = core.system();
        for closed in system.closed.values().filter(|closed| needs_successor(&core, closed)) {
            let now = core.environment().steady.now();
            let since = seen.entry(closed.group).or_insert(ClosedSince::new(now));
            if !since.may_ask(fence_delay(&core, closed), now) {
                continue;
            }
            let Some(had) = ask_all(&core, &system, closed).await else {
                since.on_silence();
                continue;
            };
            if since.on_answers(lease_time(&core), core.environment().steady.now()) {
                name_successor(&core, &system, closed, &had).await;
            }
        }
    }
}

fn needs_successor(core: &Core, closed: &ClosedGroup) -> bool {
    let has_any = |group, node| core.tracker().applied_of(group, node) > Some(LogIndex(0));
    let has_own = |group| core.has_state(group);
    let system = core.system();
    let of_region = system.regions.get(&closed.region).map(|record| record.group);
    survivors::needs_successor(&system.nodes, closed, of_region, has_any, has_own)
}

fn fence_delay(core: &Core, closed: &ClosedGroup) -> Duration {
    let leases = core.tracker().group_config(GroupId::SYSTEM).leases;
    survivors::fence_delay(closed.basis, &leases)
}

/// The time after which no lease can be held any more, once no node grants one.
fn lease_time(core: &Core) -> Duration {
    // The system group's record knows the longest that was ever set, wherever it came into force.
    core.tracker().group_config(GroupId::SYSTEM).longest_lease()
}

/// What all survivors have; nothing as long as one does not answer.
async fn ask_all(
    core: &Core,
    system: &SystemView,
    closed: &ClosedGroup,
) -> Option<Vec<SurvivorLog>> {
    let survivors = survivors::asked(&system.nodes, closed);
    let asked = survivors.iter().map(|node| ask_closed(core, *node, closed.group));
    let mut had = Vec::new();
    for (node, answer) in survivors.iter().zip(join_all(asked).await) {
        let Some((last, applied)) = answer else {
            tracing::warn!(group = %closed.group, %node, "a failover waits for a survivor");
            return None;
        };
        had.push(SurvivorLog { node: *node, last, applied });
    }
    Some(had)
}

async fn name_successor(
    core: &Core,
    system: &SystemView,
    closed: &ClosedGroup,
    had: &[SurvivorLog],
) {
    let Some(Founding { founder, last, safe_index }) =
        survivors::founding(&system.nodes, closed, had)
    else {
        return;
    };
    let command = Command::FoundSuccessor { closed: closed.group, founder, last, safe_index };
    match propose_to_system(core, command).await {
        Proposed::Committed { applied, .. } => match applied.outcome {
            Ok(_) => {
                tracing::info!(group = %closed.group, %founder, ?last, "a successor is named");
            }
            Err(refusal) => {
                tracing::warn!(group = %closed.group, %founder, ?last, %refusal, "no successor");
            }
        },
        Proposed::NotProposed
        | Proposed::Busy
        | Proposed::Queued { .. }
        | Proposed::Unknown
        | Proposed::Closed => {
            tracing::info!(group = %closed.group, "no successor yet: the system group is silent");
        }
    }
}

async fn ask_closed(core: &Core, node: NodeId, group: GroupId) -> Option<(LogId, LogIndex)> {
    if node == core.node() {
        return closed_log_end(core, group);
    }
    let body = Bytes::from(PeerRequest::Closed { group }.encode());
    let transport = &core.environment().transport;
    let reply = transport.request(node, Channel::Control, body, ANSWER_LIMIT).await.ok()?;
    match PeerReply::decode(&reply) {
        Ok(PeerReply::Closed { last, applied }) => Some((last, applied)),
        Ok(_) | Err(_) => None,
    }
}

/// A survivor's answer.
pub(crate) fn answer_closed(core: &Core, group: GroupId) -> PeerReply {
    match closed_log_end(core, group) {
        Some((last, applied)) => PeerReply::Closed { last, applied },
        None => PeerReply::Refused("the group is not closed here yet".to_owned()),
    }
}

/// The newest entry that this node has of a closed group, in its log or applied, and the newest
/// that it has applied; nothing while its replica is open. Nor where it has anything of the successor
/// that was named: another one must not take that one's place.
fn closed_log_end(core: &Core, group: GroupId) -> Option<(LogId, LogIndex)> {
    let system = core.system();
    let closed = system.closed.get(&group).filter(|_| core.replica(group).is_none())?;
    if closed.succession.is_some_and(|succession| core.has_state(succession.group)) {
        return None;
    }
    let applied = read_applied(&**core.shadow_store(), group).ok()?.log_id.unwrap_or_default();
    let last = core.environment().log.state(group.0).last;
    let last = last.map(|id| convert::log_id(convert::record_log_id(id))).unwrap_or_default();
    Some((survivors::closed_end(last, applied), applied.index))
}

impl Core {
    /// Whether this node leads a group that it has founded as a successor, and other live nodes
    /// that could vote with it do not vote yet.
    pub(crate) fn is_founding_alone(&self, replica: &Replica) -> bool {
        let system = self.system();
        if system.predecessor(replica.group).is_none() {
            return false;
        }
        let voter_region = system.voter_region_of(replica.group);
        let voters = replica.metrics().membership_config.voter_ids().count();
        let is_live = |node| self.tracker().is_live(node);
        survivors::is_founding_alone(
            &system.nodes,
            self.node(),
            voter_region.as_ref(),
            voters,
            is_live,
        )
    }

    /// Why a region's group cannot be failed over to another region now, as far as this node knows.
    pub(crate) fn failover_blocker(
        &self,
        region: &Region,
        to: &Region,
        absent: &[NodeId],
    ) -> Option<FailoverBlocker> {
        let system = self.system();
        let record = system.regions.get(region)?;
        if system.is_closed(record.group) {
            return None; // Under way: a repeat may only name further nodes.
        }
        let leader = self.leader_of(record.group);
        blocker::blocker(&system.nodes, record, (to, absent), leader, |node| self.is_heard(node))
    }
}

//! Carries failovers out: asks the survivors of a closed group what they have, names the most
//! advanced one, and founds the successor there. By level, so that whatever a dead node left undone
//! is found undone by the next one; the rules are the machine's (`failover.rs`, `succession.rs`).
//!
//! # Why nothing acknowledged everywhere is lost
//! A survivor answers what it has only when its replica is closed: no entry comes to its log any
//! more. Whoever has reported an entry as applied has it in its synced log, and behind it an entry of
//! the own term of a leader that had it committed ([`Replica::reportable`]); of the logs of all
//! survivors the one that ends last, by term and then by index, holds every entry that any of them has
//! reported (what elections rest on; `consistency/model/failover.rs` shows why the term is needed).
//! That log is carried to its end. Its last entries may never have been committed: their writers were
//! told nothing or "unknown", so they may happen.
//!
//! # Why nobody answers from the closed group unmarked
//! A leader in the lost region grants nothing any more ([`super::clearance`]): on the operator's word
//! since before the group was closed, otherwise since [`FENCE`] after. Any other one grants nothing
//! once its own node has closed the group, which all survivors have when they have answered. One
//! lease after both, whatever was granted before is over. The successor is named only then, so nothing
//! can be acknowledged there before.
//!
//! # Why the founder acknowledges nothing alone
//! It begins as the only voter. Until placement has given the group its other voters, in a region
//! that has them, writes of organisations are not proposed: the loss of one node must not cost what
//! was acknowledged ([`Groups::is_founding_alone`]).

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    command::Command,
    failover::{ClosedGroup, FailoverBasis, Succession},
    id::{GroupId, NodeId},
    log::{LogId, LogIndex},
    org::{NodeRecord, WhenIsolated},
    region::Region,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::future::join_all;

use super::{
    clearance::FENCE,
    convert,
    group::Replica,
    groups::{Groups, SystemView},
    machine_store::read_applied,
    operate,
    propose::Proposed,
    transport::Channel,
};
use crate::store::{Reader, keys};

/// Between looks at what is closed.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// For a survivor's answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Names successors until the node stops, whenever it leads the system group.
pub(crate) async fn run(groups: Groups) {
    let mut seen: BTreeMap<GroupId, Seen> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if groups.leader_of(GroupId::SYSTEM) != Some(groups.node()) {
            seen.clear();
            continue;
        }
        let system = groups.system();
        for closed in system.closed.values().filter(|closed| wants_founder(&groups, closed)) {
            let now = groups.environment().steady.now();
            let of = seen.entry(closed.group).or_insert(Seen { closed: now, by_all: None });
            if now.saturating_sub(of.closed) < lost_leader_time(&groups, closed) {
                continue;
            }
            let Some(had) = ask_all(&groups, &system, closed).await else {
                of.by_all = None;
                continue;
            };
            let now = groups.environment().steady.now();
            let by_all = *of.by_all.get_or_insert(now);
            if now.saturating_sub(by_all) >= lease_time(&groups) {
                name_successor(&groups, &system, closed, &had).await;
            }
        }
    }
}

/// When this leader first saw a group closed, and closed at all its survivors.
#[derive(Debug, Clone, Copy)]
struct Seen {
    closed: Duration,
    by_all: Option<Duration>,
}

/// Whether somebody is still to be named: nobody was, or the one who was has been removed, and nobody
/// has anything of what it was to found.
fn wants_founder(groups: &Groups, closed: &ClosedGroup) -> bool {
    let Some(Succession { group, founder, .. }) = closed.succession else { return true };
    let system = groups.system();
    let is_gone = system.nodes.get(&founder).is_some_and(|node| !node.is_there());
    let has_any = |node: &NodeId| groups.tracker().applied_of(group, *node) > Some(LogIndex(0));
    is_gone && !groups.has_state(group) && !system.nodes.keys().any(has_any)
}

/// Until a leader in the lost region grants nothing any more, from when the group was seen closed.
fn lost_leader_time(groups: &Groups, closed: &ClosedGroup) -> Duration {
    match closed.basis {
        FailoverBasis::Fenced => Duration::ZERO,
        FailoverBasis::Isolation { .. } => {
            groups.tracker().facts(GroupId::SYSTEM).leases.stretched(FENCE)
        }
    }
}

/// Until no lease can be held any more, from when nobody grants one.
fn lease_time(groups: &Groups) -> Duration {
    // The system group's record knows the longest that was ever set, wherever it came into force.
    let leases = groups.tracker().facts(GroupId::SYSTEM).leases;
    leases.stretched(leases.longest)
}

/// What one survivor has: its newest entry, and the newest that it has applied.
type Had = (NodeId, LogId, LogIndex);

/// What all survivors have; nothing as long as one does not answer.
async fn ask_all(groups: &Groups, system: &SystemView, closed: &ClosedGroup) -> Option<Vec<Had>> {
    let survivors = survivors(system, closed);
    let asked = survivors.iter().map(|node| ask_closed(groups, *node, closed.group));
    let mut had = Vec::new();
    for (node, answer) in survivors.iter().zip(join_all(asked).await) {
        let Some((last, applied)) = answer else {
            tracing::warn!(group = %closed.group, %node, "a failover waits for a survivor");
            return None;
        };
        had.push((*node, last, applied));
    }
    Some(had)
}

/// Those whose answer is awaited.
fn survivors(system: &SystemView, closed: &ClosedGroup) -> Vec<NodeId> {
    let asked = |node: &&NodeRecord| {
        node.is_there() && node.region != closed.lost && !closed.absent.contains(&node.id)
    };
    system.nodes.values().filter(asked).map(|node| node.id).collect()
}

async fn name_successor(groups: &Groups, system: &SystemView, closed: &ClosedGroup, had: &[Had]) {
    let is_near =
        |node: NodeId| system.nodes.get(&node).is_some_and(|record| record.region == closed.to);
    let rank = |(node, last, _): &&Had| (last.term, last.index, is_near(*node), Reverse(*node));
    let Some((founder, last, _)) = had.iter().max_by_key(rank) else { return };
    let certain = had.iter().map(|(_, _, applied)| *applied).max().unwrap_or_default();
    let command =
        Command::FoundSuccessor { closed: closed.group, founder: *founder, last: *last, certain };
    match operate::propose(groups, command).await {
        Proposed::Committed { applied, .. } => {
            tracing::info!(group = %closed.group, %founder, ?last, outcome = ?applied.outcome,
                "a successor is named");
        }
        Proposed::NotProposed | Proposed::Queued { .. } | Proposed::Unknown | Proposed::Closed => {
            tracing::info!(group = %closed.group, "no successor yet: the system group is silent");
        }
    }
}

async fn ask_closed(groups: &Groups, node: NodeId, group: GroupId) -> Option<(LogId, LogIndex)> {
    if node == groups.node() {
        return what_is_left(groups, group);
    }
    let body = Bytes::from(PeerRequest::Closed { group }.encode());
    let transport = &groups.environment().transport;
    let reply = transport.request(node, Channel::Control, body, ANSWER_LIMIT).await.ok()?;
    match PeerReply::decode(&reply) {
        Ok(PeerReply::Closed { last, applied }) => Some((last, applied)),
        Ok(_) | Err(_) => None,
    }
}

/// A survivor's answer.
pub(crate) fn answer_closed(groups: &Groups, group: GroupId) -> PeerReply {
    match what_is_left(groups, group) {
        Some((last, applied)) => PeerReply::Closed { last, applied },
        None => PeerReply::Refused("the group is not closed here yet".to_owned()),
    }
}

/// The newest entry that this node has of a closed group, in its log or applied, and the newest
/// that it has applied; nothing while its replica is open. Nor where it has anything of the successor
/// that was named: another one must not take that one's place.
fn what_is_left(groups: &Groups, group: GroupId) -> Option<(LogId, LogIndex)> {
    let system = groups.system();
    let closed = system.closed.get(&group).filter(|_| groups.replica(group).is_none())?;
    if closed.succession.is_some_and(|succession| groups.has_state(succession.group)) {
        return None;
    }
    let applied = read_applied(&**groups.slotted(), group).ok()?.log_id.unwrap_or_default();
    let last = groups.environment().log.state(group.0).last;
    let last = last.map(|id| convert::log_id(convert::record_log_id(id))).unwrap_or_default();
    let newest =
        if (last.term, last.index) > (applied.term, applied.index) { last } else { applied };
    Some((newest, applied.index))
}

impl Groups {
    /// Whether this node has any state of a group.
    pub(crate) fn has_state(&self, group: GroupId) -> bool {
        self.slotted().get(&keys::applied(group)).is_ok_and(|found| found.is_some())
    }

    /// Whether a group is closed, as far as this node knows.
    #[must_use]
    pub fn is_closed(&self, group: GroupId) -> bool {
        self.system().is_closed(group)
    }

    /// What took a closed group's place, at the end of the line; the group itself if it is open, or
    /// closed without a successor yet.
    #[must_use]
    pub fn successor(&self, group: GroupId) -> GroupId {
        self.system().successor(group)
    }

    /// The closed group's record, if it is closed.
    #[must_use]
    pub fn closed(&self, group: GroupId) -> Option<ClosedGroup> {
        self.system().closed.get(&group).cloned()
    }

    /// Whether this node leads a group that it has founded as a closed one's successor, and others
    /// who live and could vote with it do not yet.
    pub(crate) fn is_founding_alone(&self, replica: &Replica) -> bool {
        let system = self.system();
        if system.predecessor(replica.group).is_none() {
            return false;
        }
        let Some(seat) = system.seat_of(replica.group) else { return true };
        let could_vote = |node: &&NodeRecord| {
            let lives = node.id != self.node() && self.tracker().is_live(node.id);
            lives && node.region == seat && node.may_vote()
        };
        let others = system.nodes.values().filter(could_vote);
        let voters = replica.metrics().membership_config.voter_ids().count();
        voters < 2 && others.count() > 0
    }

    /// The regions whose groups stand in this node's region, with these groups.
    #[must_use]
    pub fn seated_here(&self) -> Vec<(Region, GroupId)> {
        let system = self.system();
        let here = system.regions.values().filter(|record| record.seat == *self.region());
        here.map(|record| (record.region.clone(), record.group)).collect()
    }

    /// Why a region's group cannot be failed over to another region now, as far as this node sees.
    #[must_use]
    pub fn failover_obstacle(
        &self,
        region: &Region,
        to: &Region,
        absent: &[NodeId],
    ) -> Option<String> {
        let system = self.system();
        let record = system.regions.get(region)?;
        if system.is_closed(record.group) {
            return None; // Under way: a repeat may only name further nodes.
        }
        // Who was not answered in time asks again, and must not be told to stop the nodes there.
        if record.seat == *to {
            return Some(format!("the group of region {region} stands in region {to} already"));
        }
        let lives = |node: &&NodeRecord| {
            node.is_there() && (node.id == self.node() || self.tracker().is_live(node.id))
        };
        let mut lost = system.nodes.values().filter(|node| node.region == record.seat);
        if let Some(node) = lost.find(lives) {
            let (id, seat) = (node.id, &record.seat);
            return Some(format!("node {id} of region {seat} is alive: stop it, or move the seat"));
        }
        let leads = |node: &&NodeRecord| Some(node.id) == self.leader_of(record.group);
        if let Some(leader) = system.nodes.values().find(|node| leads(node) && lives(node)) {
            let (id, of) = (leader.id, &leader.region);
            return Some(format!(
                "node {id} of region {of} leads the group: move its seat instead"
            ));
        }
        let mut named = system.nodes.values().filter(|node| absent.contains(&node.id));
        if let Some(node) = named.find(lives) {
            return Some(format!("node {} is alive and will be asked", node.id));
        }
        let is_silent = |node: &&NodeRecord| {
            let is_asked = node.region != record.seat && !absent.contains(&node.id);
            is_asked && node.is_there() && !lives(node)
        };
        let silent = system.nodes.values().filter(is_silent).map(|node| node.id.to_string());
        let silent: Vec<String> = silent.collect();
        (!silent.is_empty()).then(|| {
            let silent = silent.join(", ");
            format!("these nodes do not answer, and may have what no other has: {silent}")
        })
    }

    /// Whether a region's group fences its own leaders, by a setting that is still the present one:
    /// its generation.
    #[must_use]
    pub fn fences_itself(&self, region: &Region) -> Option<u32> {
        let system = self.system();
        let present = system.cluster.as_ref()?.isolation;
        let group = system.regions.get(region)?.group;
        let noted = self.tracker().facts(group).isolation;
        let fences = noted == present && noted.when == WhenIsolated::Fence;
        fences.then_some(noted.generation)
    }
}

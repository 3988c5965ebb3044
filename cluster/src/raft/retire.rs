//! Removes the nodes and regions that are leaving, once nothing needs them any more: on the system
//! group's leader, whoever that is, so that the death of one only passes the work on.
//!
//! # When a node is not needed
//! It votes in no group, and has not for a while in which everybody alive has seen that it is
//! leaving: so no group's leader is still about to give it a vote. Should one be all the same, the
//! group is as if one voter had died, and replaces it; nothing is lost by it.
//!
//! # When a region is not needed
//! All its nodes vote in no group but the region's own, and no organisation is at home there. It is
//! never removed on the mere word of the operator's node that there was none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId},
    log::LogIndex,
    org::{NodeState, RegionRecord, RegionState},
    region::Region,
};
use tokio::time::Instant;

use super::{
    blocking,
    groups::{Groups, SystemView},
    membership, operate,
    propose::Proposed,
};
use crate::placement;

/// How long something must be unneeded. Several reports between nodes, and the commit of a step
/// that was planned before, fit into it.
const UNNEEDED_FOR: Duration = Duration::from_secs(2);

/// What is leaving.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Leaver {
    Node(NodeId),
    Region(Region),
}

/// What this leader has seen of them.
#[derive(Debug, Default)]
pub(crate) struct Retiring {
    /// The applied index of the system group at which each was first seen leaving.
    seen: BTreeMap<Leaver, LogIndex>,
    unneeded_since: BTreeMap<Leaver, Instant>,
}

impl Retiring {
    /// Looks at all that is leaving, and removes what has become unneeded.
    pub(crate) async fn look(&mut self, groups: &Groups, system: &SystemView) {
        let leavers = leavers(system);
        self.seen.retain(|leaver, _| leavers.contains_key(leaver));
        self.unneeded_since.retain(|leaver, _| leavers.contains_key(leaver));
        for (leaver, nodes) in leavers {
            let at =
                *self.seen.entry(leaver.clone()).or_insert_with(|| groups.applied(GroupId::SYSTEM));
            let own_group = own_group(system, &leaver);
            if !is_seen_by_all(groups, at) || !votes_nowhere(groups, system, &nodes, own_group) {
                self.unneeded_since.remove(&leaver);
                continue;
            }
            let since = *self.unneeded_since.entry(leaver.clone()).or_insert_with(Instant::now);
            if since.elapsed() >= UNNEEDED_FOR {
                remove(groups, leaver).await;
            }
        }
    }

    /// Forgets all: another node leads.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn leavers(system: &SystemView) -> BTreeMap<Leaver, BTreeSet<NodeId>> {
    let nodes = system.nodes.values().filter(|node| node.is_there());
    let nodes = nodes.filter(|node| node.state == NodeState::Leaving);
    let single = nodes.map(|node| (Leaver::Node(node.id), BTreeSet::from([node.id])));
    let leaving = |record: &&RegionRecord| record.state == RegionState::Leaving;
    let regions = system.regions.values().filter(leaving).map(|record| {
        let of = system.nodes.values().filter(|node| node.region == record.region);
        (Leaver::Region(record.region.clone()), of.map(|node| node.id).collect())
    });
    single.chain(regions).collect()
}

/// The group that goes with a leaver.
fn own_group(system: &SystemView, leaver: &Leaver) -> Option<GroupId> {
    match leaver {
        Leaver::Node(_) => None,
        Leaver::Region(region) => system.regions.get(region).map(|record| record.group),
    }
}

fn is_seen_by_all(groups: &Groups, at: LogIndex) -> bool {
    let tracker = groups.tracker();
    let applied = |node| tracker.applied_of(GroupId::SYSTEM, node).unwrap_or_default();
    tracker.live(groups.node()).into_iter().all(|node| applied(node) >= at)
}

fn votes_nowhere(
    groups: &Groups,
    system: &SystemView,
    nodes: &BTreeSet<NodeId>,
    but: Option<GroupId>,
) -> bool {
    let others = groups.replicas().into_iter().filter(|replica| Some(replica.group) != but);
    let mut views = others.map(|replica| membership::observed(groups, system, &replica));
    views.all(|view| placement::is_free(&view, nodes))
}

async fn remove(groups: &Groups, leaver: Leaver) {
    let command = match &leaver {
        Leaver::Node(node) => Command::SetNodeState { node: *node, state: NodeState::Removed },
        Leaver::Region(region) => {
            match org_at_home(groups, region).await {
                Ok(None) => {}
                Ok(Some(org)) => {
                    tracing::warn!(%region, %org, "the region stays: an organization is at home there");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%region, %error, "looking for organizations of the region");
                    return;
                }
            }
            Command::SetRegionState { region: region.clone(), state: RegionState::Removed }
        }
    };
    match operate::propose(groups, command).await {
        Proposed::Committed { applied, .. } => {
            tracing::info!(?leaver, outcome = ?applied.outcome, "removed");
        }
        Proposed::NotProposed | Proposed::Queued { .. } | Proposed::Unknown | Proposed::Closed => {
            tracing::info!(?leaver, "not removed yet: no answer from the system group");
        }
    }
}

/// Waits until this node has what the leader of each home group had a moment ago: an organisation
/// that has moved is looked for where it is now.
async fn catch_up(groups: &Groups) -> Result<(), String> {
    for (group, _) in groups.home_groups() {
        let leader = groups.leader_of(group);
        let applied = leader.and_then(|leader| groups.tracker().applied_of(group, leader));
        let deadline = Instant::now() + UNNEEDED_FOR;
        if !groups.wait_visible(group, applied.unwrap_or_default(), deadline).await {
            return Err(format!("this node is behind with group {group}"));
        }
    }
    Ok(())
}

async fn org_at_home(
    groups: &Groups,
    region: &Region,
) -> Result<Option<concordat_proto::id::OrgId>, String> {
    catch_up(groups).await?;
    let (store, system) = (Arc::clone(groups.slotted()), groups.system());
    let region = region.clone();
    // It may look at every claim: not on the thread that keeps the groups alive.
    let read = Arc::clone(&store);
    let look = move || operate::org_at_home(&*read, &system, &region);
    let found = blocking::run(&store, look).await.map_err(|error| error.to_string())?;
    found.map_err(|error| error.to_string())
}

//! What operators ask of the cluster's membership: how nodes and regions stand, and why a change
//! would be refused.
//!
//! The reasons are a forecast from what this node sees, for people. What must never happen is
//! prevented elsewhere: by the machine's rules and by placement's steps. Nothing here changes
//! anything.

use std::{collections::BTreeMap, time::Duration};

use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId, OrgId},
    lease::LeaseTerms,
    log::LogIndex,
    org::{NodeRecord, NodeState, RegionRecord, RegionState, Survive},
    region::Region,
};
use tokio::time::Instant;

use super::{
    blocking,
    groups::{Groups, SystemView},
    membership,
    propose::Proposed,
};
use crate::{
    machine::query,
    placement::{self, GroupView},
    store::{Reader, StoreError},
};

/// For an entry of the system group that the cluster itself proposes.
const PROPOSE_LIMIT: Duration = Duration::from_secs(5);
/// Claims read at a time.
const PAGE_CLAIMS: usize = 256;

/// How a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStanding {
    /// What the system group's state says of it.
    pub record: NodeRecord,
    /// Heard of within the last second.
    pub live: bool,
    /// Groups in which it votes.
    pub votes: Vec<GroupId>,
    /// Groups that it leads.
    pub leads: Vec<GroupId>,
    /// Groups of which it is a member.
    pub replicas: Vec<GroupId>,
}

/// How a region stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionStanding {
    /// What the system group's state says of it.
    pub record: RegionRecord,
    /// Whether its group is closed, and its successor not named yet.
    pub is_closed: bool,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
    /// Who leads its group.
    pub leader: Option<NodeId>,
    /// The voters of its group, and where they are.
    pub voters: Vec<(NodeId, Region)>,
}

impl Groups {
    /// All nodes that belong to the cluster, and those that left it and are still members of a
    /// group.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeStanding> {
        let system = self.system();
        let views = self.views(&system);
        let nodes = system.nodes.values().map(|record| self.standing(record, &views));
        nodes.filter(|node| node.record.is_there() || !node.replicas.is_empty()).collect()
    }

    /// One node, also when it has left.
    #[must_use]
    pub fn node_standing(&self, id: NodeId) -> Option<NodeStanding> {
        let system = self.system();
        Some(self.standing(system.nodes.get(&id)?, &self.views(&system)))
    }

    /// The regions that belong to the cluster.
    #[must_use]
    pub fn regions(&self) -> Vec<RegionStanding> {
        let system = self.system();
        system.regions.values().map(|record| self.region_standing(&system, record)).collect()
    }

    /// The names of regions that nodes may join in and none has.
    #[must_use]
    pub fn empty_regions(&self) -> Vec<Region> {
        let system = self.system();
        let is_empty = |name: &&Region| !system.regions.contains_key(*name);
        system.names.iter().filter(is_empty).cloned().collect()
    }

    /// Whether a region stays, as far as this node knows: it may take organisations in.
    #[must_use]
    pub fn is_open(&self, region: &Region) -> bool {
        let system = self.system();
        system.regions.get(region).is_some_and(|record| record.state == RegionState::Open)
    }

    /// What home groups must outlive.
    #[must_use]
    pub fn survive(&self) -> Survive {
        self.system().survive()
    }

    /// The lease terms that operators have set.
    #[must_use]
    pub fn lease_terms(&self) -> LeaseTerms {
        self.tracker().facts(GroupId::SYSTEM).leases.terms
    }

    fn views(&self, system: &SystemView) -> Vec<GroupView> {
        let replicas = self.replicas();
        replicas.iter().map(|replica| membership::observed(self, system, replica)).collect()
    }

    fn standing(&self, record: &NodeRecord, views: &[GroupView]) -> NodeStanding {
        let id = record.id;
        let votes = |view: &&GroupView| {
            view.voters.contains(&id)
                || view.outgoing_voters.as_ref().is_some_and(|voters| voters.contains(&id))
        };
        let group = |view: &GroupView| view.group;
        let leads = views.iter().map(group).filter(|group| self.leader_of(*group) == Some(id));
        NodeStanding {
            record: record.clone(),
            live: id == self.node() || self.tracker().is_live(id),
            votes: views.iter().filter(votes).map(group).collect(),
            leads: leads.collect(),
            replicas: views
                .iter()
                .filter(|view| votes(view) || view.learners.contains(&id))
                .map(group)
                .collect(),
        }
    }

    fn region_standing(&self, system: &SystemView, record: &RegionRecord) -> RegionStanding {
        let there = system.nodes.values().filter(|node| node.is_there());
        let nodes = there.filter(|node| node.region == record.region).map(|node| node.id);
        let replica = self.replica(record.group);
        let voters = replica.map(|replica| membership::observed(self, system, &replica).voters);
        let place = |id: NodeId| Some((id, system.nodes.get(&id)?.region.clone()));
        RegionStanding {
            record: record.clone(),
            is_closed: system.is_closed(record.group),
            nodes: nodes.collect(),
            leader: self.leader_of(record.group),
            voters: voters.unwrap_or_default().into_iter().filter_map(place).collect(),
        }
    }

    /// Why a node cannot get into a state now, as far as this node sees.
    #[must_use]
    pub fn node_obstacle(&self, id: NodeId, state: NodeState) -> Option<String> {
        if state == NodeState::Member {
            return None;
        }
        let system = self.system();
        let mut after = system.nodes.clone();
        after.get_mut(&id)?.state = state;
        self.obstacle(&system, &after)
    }

    /// Why a region cannot leave now, as far as this node sees.
    ///
    /// # Errors
    /// When the store is broken.
    pub async fn region_obstacle(&self, region: &Region) -> Result<Option<String>, StoreError> {
        let system = self.system();
        let Some(record) = system.regions.get(region) else { return Ok(None) };
        if let Some(org) = self.org_at_home(region).await? {
            let reason = format!("organization {org} is at home there: move it to another region");
            return Ok(Some(reason));
        }
        let mut after = system.nodes.clone();
        after.retain(|_, node| node.region != *region);
        let others = self.views(&system).into_iter().filter(|view| view.group != record.group);
        Ok(others
            .filter_map(|view| placement::obstacle(&view, &after))
            .map(|it| it.to_string())
            .next())
    }

    /// Why a region's group cannot be founded anew: somebody has something of it.
    #[must_use]
    pub fn founding_obstacle(&self, region: &Region) -> Option<String> {
        let system = self.system();
        let group = system.regions.get(region)?.group;
        let begun = |node: &NodeId| {
            self.tracker().applied_of(group, *node).unwrap_or_default() > LogIndex(0)
        };
        let own = self.replica(group).is_some_and(|replica| {
            replica.metrics().last_log_index.is_some() || self.applied(group) > LogIndex(0)
        });
        let other = system.nodes.keys().find(|node| begun(node));
        let holder = if own { Some(self.node()) } else { other.copied() }?;
        Some(format!("group {group} has been founded: node {holder} has entries of it"))
    }

    /// An organisation that is at home in a region, or was claimed for it and has not begun.
    ///
    /// # Errors
    /// When the store is broken.
    pub async fn org_at_home(&self, region: &Region) -> Result<Option<OrgId>, StoreError> {
        let (store, system) = (std::sync::Arc::clone(self.slotted()), self.system());
        let region = region.clone();
        // It may look at every claim: not on the thread that keeps the groups alive.
        let read = std::sync::Arc::clone(&store);
        let look = move || org_at_home(&*read, &system, &region);
        let found = blocking::run(&store, look).await;
        found.map_err(|error| StoreError::caused("looking for organizations", error))?
    }

    fn obstacle(
        &self,
        system: &SystemView,
        after: &BTreeMap<NodeId, NodeRecord>,
    ) -> Option<String> {
        let views = self.views(system);
        // A group that was never founded has no members, and nothing to lose.
        let founded = views.iter().filter(|view| !view.voters.is_empty());
        founded.filter_map(|view| placement::obstacle(view, after)).map(|it| it.to_string()).next()
    }
}

/// Proposes what the cluster itself has to say.
pub(crate) async fn propose(groups: &Groups, command: Command) -> Proposed {
    let id = groups.internal_write_id();
    let proposal = groups.own_proposal(GroupId::SYSTEM, id, command);
    groups.propose(GroupId::SYSTEM, proposal, Instant::now() + PROPOSE_LIMIT).await
}

/// An organisation that is at home in a region: its group holds it, or it was claimed for the
/// region and no group holds it yet. One that has moved away is in another group, with a higher
/// epoch.
pub(crate) fn org_at_home(
    reader: &dyn Reader,
    system: &SystemView,
    region: &Region,
) -> Result<Option<OrgId>, StoreError> {
    let Some(record) = system.regions.get(region) else { return Ok(None) };
    let others = || system.regions.values().filter(|other| other.group != record.group);
    let elsewhere = |id: OrgId, least: u32| -> Result<bool, StoreError> {
        for other in others() {
            let home = query::home(reader, other.group, id)?;
            if home.is_some_and(|home| home.org.epoch >= least) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    // One that was let go towards it counts: it may be here at any moment.
    for other in others() {
        for id in query::on_move(reader, other.group)? {
            let release = query::home(reader, other.group, id)?.and_then(|home| home.release);
            if release.is_some_and(|release| system.successor(release.to) == record.group) {
                return Ok(Some(id));
            }
        }
    }
    let mut after = None;
    loop {
        let held = query::homes(reader, record.group, after, PAGE_CLAIMS)?;
        let Some(last) = held.last() else { break };
        after = Some(last.org.id);
        for org in held.into_iter().map(|home| home.org) {
            if !elsewhere(org.id, org.epoch.saturating_add(1))? {
                return Ok(Some(org.id));
            }
        }
    }
    let mut after = None;
    loop {
        let claims = query::claims(reader, after, PAGE_CLAIMS)?;
        let Some(last) = claims.last() else { return Ok(None) };
        after = Some(last.id);
        for claim in claims.iter().filter(|claim| claim.home_region == *region) {
            if !elsewhere(claim.id, 0)? {
                return Ok(Some(claim.id));
            }
        }
    }
}

/// Regions that are leaving.
pub(crate) fn leaving(system: &SystemView) -> std::collections::BTreeSet<Region> {
    let regions = system.regions.values().filter(|record| record.state == RegionState::Leaving);
    regions.map(|record| record.region.clone()).collect()
}

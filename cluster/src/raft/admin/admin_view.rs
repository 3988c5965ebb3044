//! The operator's view of the membership: the state of nodes and regions, and why a change would be
//! refused.
//!
//! The reasons are a forecast from this node's view, for people. Safety is ensured elsewhere: by
//! the machine's rules and by placement's steps. Nothing here changes anything.

use concordat_proto::{
    id::{GroupId, NodeId},
    lease::LeaseTerms,
    log::LogIndex,
    org::{NodeRecord, NodeState, RegionRecord, RegionState, SurvivalGoal},
    region::Region,
};

use crate::{
    machine::SystemView,
    placement::{self, GroupView, RecreateBlocker, RegionBlocker, RemovalBlocker},
    raft::{core::Core, membership::view},
    store::StoreError,
};

/// A node, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its record in the system group's state.
    pub record: NodeRecord,
    /// Heard of within the last second.
    pub live: bool,
    /// Groups in which it votes.
    pub votes: Vec<GroupId>,
    /// Groups that it leads.
    pub leads: Vec<GroupId>,
    /// Groups that it is a member of.
    pub replicas: Vec<GroupId>,
}

/// A region, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionView {
    /// Its record in the system group's state.
    pub record: RegionRecord,
    /// Whether its group is closed and has no successor yet.
    pub is_closed: bool,
    /// Its nodes.
    pub nodes: Vec<NodeId>,
    /// The leader of its group.
    pub leader: Option<NodeId>,
    /// The voters of its group, and where they are.
    pub voters: Vec<(NodeId, Region)>,
}

impl Core {
    /// All nodes that belong to the cluster, and those that left it and are still members of a
    /// group.
    pub(crate) fn nodes(&self) -> Vec<NodeView> {
        let system = self.system();
        let views = self.views(&system);
        let nodes = system.nodes.values().map(|record| self.view_of(record, &views));
        nodes.filter(|node| node.record.is_there() || !node.replicas.is_empty()).collect()
    }

    /// One node, also when it has left.
    pub(crate) fn node_view(&self, id: NodeId) -> Option<NodeView> {
        let system = self.system();
        Some(self.view_of(system.nodes.get(&id)?, &self.views(&system)))
    }

    /// The regions that belong to the cluster.
    pub(crate) fn regions(&self) -> Vec<RegionView> {
        let system = self.system();
        system.regions.values().map(|record| self.region_view(&system, record)).collect()
    }

    /// The names of regions that nodes may join in and none has.
    pub(crate) fn empty_regions(&self) -> Vec<Region> {
        let system = self.system();
        let is_empty = |name: &&Region| !system.regions.contains_key(*name);
        system.names.iter().filter(is_empty).cloned().collect()
    }

    /// Whether a region is open, as far as this node knows: organizations may be created in it or
    /// move to it.
    pub(crate) fn is_open(&self, region: &Region) -> bool {
        let system = self.system();
        system.regions.get(region).is_some_and(|record| record.state == RegionState::Open)
    }

    /// The survival goal of home groups.
    pub(crate) fn survival_goal(&self) -> SurvivalGoal {
        self.system().survival_goal()
    }

    /// The lease terms that operators have set.
    pub(crate) fn lease_terms(&self) -> LeaseTerms {
        self.tracker().group_config(GroupId::SYSTEM).leases.terms
    }

    fn views(&self, system: &SystemView) -> Vec<GroupView> {
        let replicas = self.replicas();
        replicas.iter().map(|replica| view::observed(self, system, replica)).collect()
    }

    fn view_of(&self, record: &NodeRecord, views: &[GroupView]) -> NodeView {
        let id = record.id;
        let votes = |view: &&GroupView| {
            view.voters.contains(&id)
                || view.outgoing_voters.as_ref().is_some_and(|voters| voters.contains(&id))
        };
        let group = |view: &GroupView| view.group;
        let leads = views.iter().map(group).filter(|group| self.leader_of(*group) == Some(id));
        NodeView {
            record: record.clone(),
            live: self.is_heard(id),
            votes: views.iter().filter(votes).map(group).collect(),
            leads: leads.collect(),
            replicas: views
                .iter()
                .filter(|view| votes(view) || view.learners.contains(&id))
                .map(group)
                .collect(),
        }
    }

    fn region_view(&self, system: &SystemView, record: &RegionRecord) -> RegionView {
        let there = system.nodes.values().filter(|node| node.is_there());
        let nodes = there.filter(|node| node.region == record.region).map(|node| node.id);
        let replica = self.replica(record.group);
        let voters = replica.map(|replica| view::observed(self, system, &replica).voters);
        let place = |id: NodeId| Some((id, system.nodes.get(&id)?.region.clone()));
        RegionView {
            record: record.clone(),
            is_closed: system.is_closed(record.group),
            nodes: nodes.collect(),
            leader: self.leader_of(record.group),
            voters: voters.unwrap_or_default().into_iter().filter_map(place).collect(),
        }
    }

    /// Why a node cannot get into a state now, as far as this node sees.
    pub(crate) fn node_blocker(&self, id: NodeId, state: NodeState) -> Option<RemovalBlocker> {
        let system = self.system();
        placement::node_blocker(&self.views(&system), &system.nodes, id, state)
    }

    /// Why a region cannot be removed now, as far as this node knows.
    ///
    /// # Errors
    /// When the store is broken.
    pub(crate) async fn region_blocker(
        &self,
        region: &Region,
    ) -> Result<Option<RegionBlocker>, StoreError> {
        let system = self.system();
        let Some(record) = system.regions.get(region) else { return Ok(None) };
        if let Some(org) = self.org_at_home(region).await? {
            return Ok(Some(RegionBlocker::OrgAtHome { org }));
        }
        let blocker = placement::region_blocker(&self.views(&system), &system.nodes, record);
        Ok(blocker.map(RegionBlocker::from))
    }

    /// Why a region's group cannot be created anew: a node has something of it.
    pub(crate) fn recreate_blocker(&self, region: &Region) -> Option<RecreateBlocker> {
        let system = self.system();
        let group = system.regions.get(region)?.group;
        let has_own = self.replica(group).is_some_and(|replica| {
            replica.metrics().last_log_index.is_some() || self.applied(group) > LogIndex(0)
        });
        let has_entries =
            |node| self.tracker().applied_of(group, node).unwrap_or_default() > LogIndex(0);
        let nodes = system.nodes.keys().copied();
        placement::recreate_blocker(group, (self.node(), has_own), nodes, has_entries)
    }
}

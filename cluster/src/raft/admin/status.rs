//! The cluster's status, for people and probes. It is read from the replicas' present knowledge; it
//! sends no request and promises nothing beyond the stated age.

use std::{io, sync::Arc, time::Duration};

pub use concordat_proto::api::cluster::ReplicaRole as Role;
use concordat_proto::{
    id::{ClusterId, GroupId, NodeId},
    log::LogIndex,
    region::Region,
};

use crate::{
    consistency::write_availability::{self, WriteBlocker},
    machine::SystemView,
    machine::digest,
    raft::{
        admin::health::NodeHealth,
        blocking,
        core::Core,
        engine::applied::read_applied,
        fault::Fault,
        membership::view,
        replica::Replica,
        write::tracker::{LeaseWaitStats, RegionLag},
    },
    store::Store,
};

/// The whole cluster as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster: Option<ClusterId>,
    /// Its nodes, in order of id, without those that were replaced.
    pub nodes: Vec<NodeStatus>,
    /// Its groups, in order of id.
    pub groups: Vec<GroupStatus>,
    /// The health of this node.
    pub health: NodeHealth,
}

/// One node as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// The node.
    pub id: NodeId,
    /// Its region.
    pub region: Region,
    /// For clients.
    pub api_url: String,
    /// Heard of within the last second.
    pub live: bool,
    /// Time since its last message; zero for this node.
    pub last_heard_ms: Option<u64>,
    /// Its role in each group, and its applied index.
    pub groups: Vec<(GroupId, Role, LogIndex)>,
}

/// One group as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// Which.
    pub group: GroupId,
    /// Its home region; none for the system group.
    pub region: Option<Region>,
    /// The leader, as far as this node knows.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// This node's applied index.
    pub applied: LogIndex,
    /// The voters.
    pub voters: Vec<NodeId>,
    /// The learners.
    pub learners: Vec<NodeId>,
    /// Each region's progress.
    pub regions: Vec<RegionLag>,
    /// What blocks a `local_region` write at this node.
    pub local_region: Vec<WriteBlocker>,
    /// What blocks an `all_regions` write.
    pub all_regions: Vec<WriteBlocker>,
    /// The replicas that are late, and for how long this node has shown entries that they have not
    /// reported.
    pub late: Vec<(NodeId, Duration)>,
    /// Whom this node, as the leader, grants no lease, for its reports are late, and for how long.
    pub refused: Vec<(NodeId, Duration)>,
}

/// Counters and gauges of one group's replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupsMetrics {
    /// Per group: id, term, applied index, last log index, whether this node leads it.
    pub groups: Vec<(GroupId, u64, u64, u64, bool)>,
    /// Writes of this node that wait for their consistency.
    pub waiters: usize,
    /// Per group: time since this node asked for its newest lease, and how many replicas may hold
    /// one that it has granted.
    pub leases: Vec<(GroupId, Option<Duration>, usize)>,
    /// The delays of writes by read leases.
    pub lease_waits: LeaseWaitStats,
    /// The groups as this node sees them.
    pub statuses: Vec<GroupStatus>,
    /// This node's health.
    pub health: NodeHealth,
}

impl Core {
    /// The cluster as this node sees it.
    pub(crate) async fn status(&self) -> ClusterStatus {
        let system = self.system();
        let groups = self.group_statuses(&system);
        let nodes = system.nodes.values().filter(|node| node.is_there());
        let nodes = nodes.map(|node| {
            let own = node.id == self.node();
            let last_heard_ms = if own { Some(0) } else { self.tracker().last_heard_ms(node.id) };
            NodeStatus {
                id: node.id,
                region: node.region.clone(),
                api_url: node.api_url.clone(),
                live: own || self.tracker().is_live(node.id),
                last_heard_ms,
                groups: groups.iter().filter_map(|group| self.role(group, node.id)).collect(),
            }
        });
        let nodes = nodes.collect();
        ClusterStatus { cluster: self.cluster(), nodes, groups, health: self.health() }
    }

    fn role(&self, group: &GroupStatus, node: NodeId) -> Option<(GroupId, Role, LogIndex)> {
        let role = if group.leader == Some(node) {
            Role::Leader
        } else if group.voters.contains(&node) {
            Role::Voter
        } else if group.learners.contains(&node) {
            Role::Learner
        } else {
            return None;
        };
        let applied = self.tracker().applied_of(group.group, node).unwrap_or_default();
        Some((group.group, role, applied))
    }

    fn group_statuses(&self, system: &SystemView) -> Vec<GroupStatus> {
        self.replicas().iter().map(|replica| self.group_status(system, replica)).collect()
    }

    fn group_status(&self, system: &SystemView, replica: &Arc<Replica>) -> GroupStatus {
        let metrics = replica.metrics();
        let membership = &metrics.membership_config;
        let voters: Vec<NodeId> = membership.voter_ids().map(NodeId).collect();
        let all = membership.nodes().map(|(id, _)| NodeId(*id));
        let learners = all.filter(|id| !voters.contains(id)).collect();
        let facts = self.tracker().group_config(replica.group);
        let known = write_availability::Known {
            leader: replica.leader(),
            quorums: membership.get_joint_config().iter().map(view::node_ids).collect(),
            members: &facts.members,
            applied: self.tracker().applied(replica.group),
            live: self.tracker().live(self.node()),
        };
        GroupStatus {
            group: replica.group,
            region: system.home_of(replica.group),
            leader: replica.leader(),
            term: metrics.current_term,
            applied: self.applied(replica.group),
            voters,
            learners,
            regions: self.tracker().region_lags(replica.group),
            local_region: write_availability::of_region(&known, self.region()),
            all_regions: write_availability::of_all(&known),
            late: self.tracker().late_replicas(replica.group),
            refused: self.refused(replica).into_iter().collect(),
        }
    }

    /// The state's digest of one group and the index it belongs to.
    ///
    /// # Errors
    /// When the store is broken.
    pub(crate) async fn digest(&self, group: GroupId) -> Result<(LogIndex, u128), Fault> {
        let store = Arc::clone(self.shadow_store());
        let read = move || -> Result<(LogIndex, u128), Fault> {
            let context = |error: io::Error| Fault::caused("reading the state's position", error);
            let mut result = Ok((LogIndex(0), 0));
            store
                .read_snapshot(&mut |reader| {
                    let digest = digest::of_group(reader, group)?.sum;
                    let applied = read_applied(reader, group).map_err(context);
                    result = applied.map(|record| {
                        (record.log_id.map(|id| id.index).unwrap_or_default(), digest)
                    });
                    Ok(())
                })
                .map_err(|error| Fault::caused("computing the state's digest", error))?;
            result
        };
        let joined = blocking::run(self.shadow_store(), read).await;
        joined.map_err(|error| Fault::caused("computing the state's digest", error))?
    }

    /// The groups of this node: term, applied, last in the log, whether it is the leader.
    pub(crate) fn indexes(&self) -> Vec<(GroupId, u64, u64, u64, bool)> {
        let gauges = |replica: &Arc<Replica>| {
            let metrics = replica.metrics();
            let leads = replica.leader() == Some(self.node());
            let last = metrics.last_log_index.unwrap_or(0);
            (replica.group, metrics.current_term, self.applied(replica.group).0, last, leads)
        };
        self.replicas().iter().map(gauges).collect()
    }

    /// Gauges for the metrics page.
    pub(crate) fn metrics(&self) -> GroupsMetrics {
        let now = self.environment().steady.now();
        let leases = |replica: &Arc<Replica>| {
            let (age, holders) = replica.leasing.ages(now);
            (replica.group, age, holders)
        };
        GroupsMetrics {
            groups: self.indexes(),
            waiters: self.tracker().waiters(),
            leases: self.replicas().iter().map(leases).collect(),
            lease_waits: self.tracker().lease_wait_stats(),
            statuses: self.group_statuses(&self.system()),
            health: self.health(),
        }
    }

    /// The regions that count in a group's membership, for receipts. A node that has nothing of the
    /// group yet uses the group that this one has succeeded, or else the cluster's list of regions:
    /// a receipt always lists some region.
    pub(crate) fn member_regions(&self, group: GroupId) -> Vec<Region> {
        let system = self.system();
        let mut of = Some(group);
        while let Some(group) = of {
            let facts = self.tracker().group_config(group);
            let counting = facts.members.iter().filter(|(_, members)| members.counts);
            let counting: Vec<Region> = counting.map(|(region, _)| region.clone()).collect();
            if !counting.is_empty() {
                return counting;
            }
            of = system.predecessor(group).map(|(closed, _)| closed.group);
        }
        system.regions.keys().cloned().collect()
    }
}

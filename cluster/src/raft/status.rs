//! How things stand, for people and probes. Read from what replicas know already; it asks nobody
//! and promises nothing beyond the age it states.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use concordat_proto::{
    id::{ClusterId, GroupId, NodeId},
    log::LogIndex,
    region::Region,
    time::LogTime,
};

use super::{
    blocking,
    fault::Fault,
    group::Replica,
    groups::{Groups, SystemView},
    health::NodeHealth,
    machine_store::read_applied,
    membership,
    wait::DangerStats,
};
use crate::planted::{self, Bug};
use crate::{
    consistency::outlook::{self, Obstacle},
    machine::digest,
    store::Store,
};

/// What a node is to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It orders the writes.
    Leader,
    /// It votes.
    Voter,
    /// It only follows.
    Learner,
}

impl Role {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Voter => "voter",
            Self::Learner => "learner",
        }
    }
}

/// Whether this node's replica of a group may answer reads unmarked: it holds a lease, and has
/// applied what the lease covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It is.
    Current,
    /// It may not.
    Stale {
        /// As of when its state is at least.
        as_of: AsOf,
    },
}

/// As of when a state is, that is not proved to be current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// Nothing is here: no entry of the group that has a time has been applied.
    Nothing,
    /// The log time of the newest entry that was applied. This process has never been current with
    /// the group, so nobody knows how much is missing: what is not in the state may be in the
    /// cluster since long.
    Applied(LogTime),
    /// The process has been current with the group: its own wall time when it asked for the newest
    /// lease whose index it has applied, or a log time beyond that. What is not in the state was not
    /// in the cluster then.
    Proven(LogTime),
}

impl AsOf {
    /// Of two states that an answer is computed from: the earlier moment, and the weaker proof.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::Proven(one), Self::Proven(two)) => Self::Proven(one.min(two)),
            (Self::Applied(one) | Self::Proven(one), Self::Applied(two) | Self::Proven(two)) => {
                Self::Applied(one.min(two))
            }
        }
    }

    /// The moment; none where nothing is here.
    #[must_use]
    pub const fn time(self) -> Option<LogTime> {
        match self {
            Self::Nothing => None,
            Self::Applied(time) | Self::Proven(time) => Some(time),
        }
    }
}

impl Freshness {
    /// Whether it may be said that something is not there: the state is current, or this process has
    /// been current with it.
    #[must_use]
    pub const fn knows_absence(self) -> bool {
        matches!(self, Self::Current | Self::Stale { as_of: AsOf::Proven(_) })
    }
}

/// The whole cluster as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster: Option<ClusterId>,
    /// Its nodes, in order of id, without those that were replaced.
    pub nodes: Vec<NodeStatus>,
    /// Its groups, in order of id.
    pub groups: Vec<GroupStatus>,
    /// How the node that tells this is itself.
    pub health: NodeHealth,
}

/// One node as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Who.
    pub id: NodeId,
    /// Where.
    pub region: Region,
    /// For clients.
    pub api_url: String,
    /// Heard of within the last second.
    pub live: bool,
    /// Since it was last heard of; zero for this node.
    pub heard_ms_ago: Option<u64>,
    /// What it is to each group and how far it has applied.
    pub groups: Vec<(GroupId, Role, LogIndex)>,
}

/// One group as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// Which.
    pub group: GroupId,
    /// Its home region; none for the system group.
    pub region: Option<Region>,
    /// Who leads, as far as this node knows.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// What this node has applied.
    pub applied: LogIndex,
    /// Who votes.
    pub voters: Vec<NodeId>,
    /// Who follows.
    pub learners: Vec<NodeId>,
    /// How far each region is.
    pub regions: Vec<RegionLag>,
    /// What is in the way of a `local_region` write made at this node.
    pub local_region: Vec<Obstacle>,
    /// What is in the way of an `all_regions` write.
    pub all_regions: Vec<Obstacle>,
    /// For how long this node has shown what a replica has not reported, for those that are late.
    pub late: Vec<(NodeId, Duration)>,
    /// Whom this node, as the leader, grants no lease, for its reports are late, and for how long.
    pub refused: Vec<(NodeId, Duration)>,
}

/// How far a region is with a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionLag {
    /// The region.
    pub region: Region,
    /// What every live replica of it has applied.
    pub applied: LogIndex,
    /// Behind the furthest replica known.
    pub lag_entries: u64,
    /// For how long the node that tells this has shown what the region lacks, since it was started
    /// at most; zero when it lacks nothing. Never more than the truth, and less by no more than an
    /// eighth of it or 20 ms.
    pub lag_ms: u64,
    /// Age of the oldest report this is taken from.
    pub age_ms: Option<u64>,
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
    /// What waiting for replicas that may answer without a write has cost.
    pub danger: DangerStats,
    /// The groups as this node sees them.
    pub statuses: Vec<GroupStatus>,
    /// How this node is itself.
    pub health: NodeHealth,
}

impl Groups {
    /// Whether this node's replica of a group may answer reads that start now unmarked.
    #[must_use]
    pub fn freshness(&self, group: GroupId) -> Freshness {
        let visible = |replica: &Replica| LogIndex(replica.visible.load(Ordering::Acquire));
        self.freshness_at(group, visible)
    }

    /// Whether the list of groups that this node goes by is as new as the system group's log: what is
    /// in none of them may be in one that it does not know of.
    #[must_use]
    pub fn list_freshness(&self) -> Freshness {
        let index = self.system().index;
        self.freshness_at(GroupId::SYSTEM, |_| index)
    }

    fn freshness_at(&self, group: GroupId, shown: impl FnOnce(&Replica) -> LogIndex) -> Freshness {
        let Some(replica) = self.replica(group) else {
            return Freshness::Stale { as_of: self.as_applied(group) };
        };
        let now = self.environment().steady.now();
        let visible = shown(&replica);
        let leads = || replica.leader() == Some(self.node());
        if replica.leasing.is_current(visible, now)
            || planted::is(Bug::AlwaysCurrent)
            || (planted::is(Bug::LeaderReadsFreely) && leads())
        {
            return Freshness::Current;
        }
        let proven = replica.leasing.as_of(visible).map(AsOf::Proven);
        Freshness::Stale { as_of: proven.unwrap_or_else(|| self.as_applied(group)) }
    }

    /// How far a state is by its own record. A record that cannot be read ends the process
    /// elsewhere.
    fn as_applied(&self, group: GroupId) -> AsOf {
        let applied = read_applied(&**self.slotted(), group).unwrap_or_default();
        // A log's first entries are the library's own, and have no time.
        match applied.log_time {
            LogTime(0) => AsOf::Nothing,
            time => AsOf::Applied(time),
        }
    }

    /// The cluster as this node sees it.
    pub async fn status(&self) -> ClusterStatus {
        let system = self.system();
        let groups = self.group_statuses(&system);
        let nodes = system.nodes.values().filter(|node| node.is_there());
        let nodes = nodes.map(|node| {
            let own = node.id == self.node();
            let heard_ms_ago = if own { Some(0) } else { self.tracker().heard_ms_ago(node.id) };
            NodeStatus {
                id: node.id,
                region: node.region.clone(),
                api_url: node.api_url.clone(),
                live: own || self.tracker().is_live(node.id),
                heard_ms_ago,
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
        let facts = self.tracker().facts(replica.group);
        let known = outlook::Known {
            leader: replica.leader(),
            quorums: membership.get_joint_config().iter().map(membership::node_ids).collect(),
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
            local_region: outlook::of_region(&known, self.region()),
            all_regions: outlook::of_all(&known),
            late: self.tracker().late_replicas(replica.group),
            refused: self.refused(replica).into_iter().collect(),
        }
    }

    /// The newest entry visible to reads that start now on this node.
    #[must_use]
    pub fn applied(&self, group: GroupId) -> LogIndex {
        let visible = self.replica(group).map(|replica| replica.visible.load(Ordering::Acquire));
        LogIndex(visible.unwrap_or(0))
    }

    /// The state's digest of one group and the index it belongs to.
    ///
    /// # Errors
    /// When the store is broken.
    pub async fn digest(&self, group: GroupId) -> Result<(LogIndex, u128), Fault> {
        let store = Arc::clone(self.slotted());
        let read = move || -> Result<(LogIndex, u128), Fault> {
            let doing = |error: io::Error| Fault::caused("reading the state's position", error);
            let mut result = Ok((LogIndex(0), 0));
            store
                .read_snapshot(&mut |reader| {
                    let digest = digest::of_group(reader, group)?.sum;
                    let applied = read_applied(reader, group).map_err(doing);
                    result = applied.map(|record| {
                        (record.log_id.map(|id| id.index).unwrap_or_default(), digest)
                    });
                    Ok(())
                })
                .map_err(|error| Fault::caused("computing the state's digest", error))?;
            result
        };
        let joined = blocking::run(self.slotted(), read).await;
        joined.map_err(|error| Fault::caused("computing the state's digest", error))?
    }

    /// Gauges for the metrics page.
    #[must_use]
    pub fn metrics(&self) -> GroupsMetrics {
        let gauges = |replica: &Arc<Replica>| {
            let metrics = replica.metrics();
            let leads = replica.leader() == Some(self.node());
            let last = metrics.last_log_index.unwrap_or(0);
            (replica.group, metrics.current_term, self.applied(replica.group).0, last, leads)
        };
        let now = self.environment().steady.now();
        let leases = |replica: &Arc<Replica>| {
            let (age, holders) = replica.leasing.ages(now);
            (replica.group, age, holders)
        };
        GroupsMetrics {
            groups: self.replicas().iter().map(gauges).collect(),
            waiters: self.tracker().waiters(),
            leases: self.replicas().iter().map(leases).collect(),
            danger: self.tracker().danger_stats(),
            statuses: self.group_statuses(&self.system()),
            health: self.health(),
        }
    }

    /// The regions that count in a group's membership, for what a receipt lists. A node that has
    /// nothing of the group yet goes by the group that this one has succeeded, and without one by
    /// the cluster's list of regions: a receipt always names some.
    #[must_use]
    pub fn member_regions(&self, group: GroupId) -> Vec<Region> {
        let system = self.system();
        let mut of = Some(group);
        while let Some(group) = of {
            let facts = self.tracker().facts(group);
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

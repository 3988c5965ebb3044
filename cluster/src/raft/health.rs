//! How this node is itself: its replicas, its disk, its clock, its runtime, the peers that it hears;
//! and whether that makes it ready. What is judged by which rule is [`crate::consistency::readiness`]'s.
//!
//! It asks nobody. It must never take a leader that is only known by name for one that leads.

use std::{
    iter,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::LogIndex,
};

use openraft::Instant as _;

use super::{
    group::Replica,
    groups::{Groups, SystemView},
    membership,
    status::Freshness,
};
use crate::{
    consistency::{
        HEARD_WINDOW,
        outlook::{self, Obstacle},
        readiness::{Lead, Purpose, ReplicaHealth, Staleness},
    },
    placement,
};

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHealth {
    /// Who.
    pub node: NodeId,
    /// It is known to the cluster, as far as its own state says.
    pub has_joined: bool,
    /// Its replicas of all groups that there are, in order of id.
    pub replicas: Vec<ReplicaHealth>,
    /// How many other nodes there are.
    pub peers: usize,
    /// Those that are not heard of.
    pub silent_peers: Vec<NodeId>,
    /// For how long it has shown what its disk has not synced.
    pub unsynced: Duration,
    /// Its disk does not keep pace: it asks for no leases.
    pub is_disk_late: bool,
    /// By how much its wall clock is ahead of what most clocks say, in milliseconds.
    pub clock_ahead_ms: i64,
    /// For how long at most its runtime stood still at a stretch within the last minute.
    pub stall: Duration,
}

impl NodeHealth {
    /// A node of which nothing is known yet.
    #[must_use]
    pub const fn unknown(node: NodeId) -> Self {
        Self {
            node,
            has_joined: false,
            replicas: Vec::new(),
            peers: 0,
            silent_peers: Vec::new(),
            unsynced: Duration::ZERO,
            is_disk_late: false,
            clock_ahead_ms: 0,
            stall: Duration::ZERO,
        }
    }

    /// What is in the way, for people; nothing when the node is ready.
    #[must_use]
    pub fn obstacles(&self, purpose: Purpose) -> Vec<String> {
        if !self.has_joined {
            return vec!["this node has not joined a cluster yet".to_owned()];
        }
        let of = |replica: &ReplicaHealth| {
            let (group, lacks) = (replica.group, replica.obstacles(purpose));
            lacks.into_iter().map(|lack| format!("group {group}: {lack}")).collect::<Vec<_>>()
        };
        self.replicas.iter().flat_map(of).collect()
    }
}

impl Groups {
    /// Whether this node is a full member of a cluster that is whole as far as it sees: ready for
    /// [`Purpose::Writes`].
    ///
    /// # Errors
    /// What is in the way, for people.
    pub fn ready(&self) -> Result<(), String> {
        self.ready_for(Purpose::Writes)
    }

    /// Whether this node is ready.
    ///
    /// # Errors
    /// What is in the way, for people.
    pub fn ready_for(&self, purpose: Purpose) -> Result<(), String> {
        let obstacles = self.health().obstacles(purpose);
        if obstacles.is_empty() { Ok(()) } else { Err(obstacles.join("; ")) }
    }

    /// How this node is.
    #[must_use]
    pub fn health(&self) -> NodeHealth {
        let system = self.system();
        let groups = iter::once(GroupId::SYSTEM)
            .chain(system.regions.values().map(|record| record.group))
            // One that is being failed over is no fault of this node's.
            .filter(|group| !system.is_closed(*group));
        let replicas: Vec<ReplicaHealth> =
            groups.map(|group| self.replica_health(&system, group)).collect();
        let peers = self.peers();
        let silent = peers.iter().filter(|peer| !self.tracker().is_live(**peer)).copied();
        let (own, agreed) = (self.environment().clock.now().0, self.agreed_wall().0);
        NodeHealth {
            node: self.node(),
            has_joined: system.nodes.contains_key(&self.node()),
            unsynced: replicas.iter().map(|it| it.unsynced).max().unwrap_or_default(),
            is_disk_late: replicas.iter().any(|it| it.is_disk_late),
            silent_peers: silent.collect(),
            peers: peers.len(),
            replicas,
            clock_ahead_ms: i64::try_from(own).unwrap_or(0) - i64::try_from(agreed).unwrap_or(0),
            stall: self.reporter().stall(),
        }
    }

    fn replica_health(&self, system: &SystemView, group: GroupId) -> ReplicaHealth {
        let region = system.home_of(group);
        let Some(replica) = self.replica(group) else {
            return ReplicaHealth {
                group,
                region,
                is_open: false,
                is_member: false,
                has_been_current: false,
                lead: Lead::default(),
                stale: None,
                missing_voters: Vec::new(),
                unsynced: Duration::ZERO,
                is_disk_late: false,
                change: None,
            };
        };
        let (facts, now) = (self.tracker().facts(group), self.environment().steady.now());
        let is_disk_late = replica.leasing.disk_behind_for(now).is_some();
        ReplicaHealth {
            group,
            region,
            is_open: true,
            is_member: replica.metrics().membership_config.get_node(&self.node().0).is_some(),
            has_been_current: facts.is_serving(self.node()),
            lead: self.lead(system, &replica, is_disk_late),
            stale: self.staleness(&replica),
            missing_voters: self.missing_voters(&replica),
            unsynced: self.disk_late(&replica),
            is_disk_late,
            change: self.due_change(system, &replica),
        }
    }

    /// A lead counts when it was proved with a quorum: by a lease. Only a replica that asks for none
    /// goes by what it hears of the leader itself.
    fn lead(&self, system: &SystemView, replica: &Replica, is_disk_late: bool) -> Lead {
        let facts = self.tracker().facts(replica.group);
        let home = system.seat_of(replica.group);
        let lease = facts.length_in(self.region(), home.as_ref());
        let leader = replica.leader();
        let (proved, _) = replica.leasing.ages(self.environment().steady.now());
        if facts.is_serving(self.node()) && !is_disk_late {
            return Lead { leader, heard: proved, counts_for: lease };
        }
        let heard = match leader {
            Some(leader) if leader == self.node() => {
                replica.metrics().last_quorum_acked.map(|acked| acked.elapsed())
            }
            Some(leader) => self.tracker().heard_ms_ago(leader).map(Duration::from_millis),
            None => None,
        };
        let counts_for = lease.max(HEARD_WINDOW).max(replica.timings.election_max);
        Lead { leader, heard: heard.into_iter().chain(proved).min(), counts_for }
    }

    fn staleness(&self, replica: &Replica) -> Option<Staleness> {
        let Freshness::Stale { as_of } = self.freshness(replica.group) else { return None };
        let visible = LogIndex(replica.visible.load(Ordering::Acquire));
        let ended = replica.leasing.ended(visible);
        let now = self.environment().steady.now();
        let as_of = as_of.time().unwrap_or_default();
        Some(Staleness { as_of, since: ended.map(|ended| now.saturating_sub(ended)) })
    }

    fn missing_voters(&self, replica: &Replica) -> Vec<NodeId> {
        let membership = replica.metrics().membership_config;
        let quorums: Vec<_> =
            membership.get_joint_config().iter().map(membership::node_ids).collect();
        let live = self.tracker().live(self.node());
        let silent = outlook::of_quorums(&quorums, &live);
        let of = |obstacle| match obstacle {
            Obstacle::NoQuorum(nodes) => nodes,
            Obstacle::NoLeader(_)
            | Obstacle::NotServed(_)
            | Obstacle::Silent(..)
            | Obstacle::Behind(..) => Vec::new(),
        };
        silent.into_iter().flat_map(of).collect()
    }

    /// The next step of a group that this node leads.
    fn due_change(&self, system: &SystemView, replica: &Arc<Replica>) -> Option<String> {
        if replica.leader() != Some(self.node()) {
            return None;
        }
        let view = membership::view(self, system, replica)?;
        placement::next_step(&view, &system.nodes).map(|step| format!("{step:?}"))
    }
}

//! This node's health: its replicas, its disk, its clock, its runtime, the peers that it can reach;
//! and whether it is ready. The rules are in [`crate::consistency::readiness`].
//!
//! It sends no request. It must never take a leader that is only known by name for one that leads.

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

use crate::{
    consistency::{
        read::freshness::Freshness,
        readiness::{Hindrance, Lead, NotReady, Purpose, ReplicaHealth, Staleness, hindrances},
        write_availability::{self, WriteBlocker},
    },
    machine::SystemView,
    placement,
    raft::{core::Core, membership::view, replica::Replica},
};

/// A node's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHealth {
    /// The node.
    pub node: NodeId,
    /// Whether it is a member of the cluster, by its own state.
    pub has_joined: bool,
    /// Its replicas of all groups that there are, in order of id.
    pub replicas: Vec<ReplicaHealth>,
    /// The number of other nodes.
    pub peers: usize,
    /// Those that are unreachable.
    pub silent_peers: Vec<NodeId>,
    /// For how long it has shown entries that its disk has not synced.
    pub unsynced: Duration,
    /// Its disk does not keep pace: it asks for no leases.
    pub is_disk_late: bool,
    /// By how much its wall clock is ahead of the cluster's median, in milliseconds.
    pub clock_ahead_ms: i64,
    /// The longest time for which its runtime did not run within the last minute.
    pub stall: Duration,
}

impl NodeHealth {
    /// The health of a node that has just started.
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

    /// What is in the way of a purpose; nothing when the node is ready for it.
    #[must_use]
    pub fn blockers(&self, purpose: Purpose) -> Vec<Hindrance> {
        hindrances(self.has_joined, &self.replicas, purpose)
    }
}

impl Core {
    /// Whether this node is a full member of a cluster that is whole in its view: ready for
    /// [`Purpose::Writes`].
    ///
    /// # Errors
    /// What is in the way, for people.
    pub(crate) fn ready(&self) -> Result<(), NotReady> {
        self.ready_for(Purpose::Writes)
    }

    /// Whether this node is ready.
    ///
    /// # Errors
    /// What is in the way, for people.
    pub(crate) fn ready_for(&self, purpose: Purpose) -> Result<(), NotReady> {
        let blockers = self.health().blockers(purpose);
        if blockers.is_empty() { Ok(()) } else { Err(NotReady(blockers)) }
    }

    /// This node's health.
    pub(crate) fn health(&self) -> NodeHealth {
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
        let (facts, now) = (self.tracker().group_config(group), self.environment().steady.now());
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

    /// Leadership counts when it was proved by a quorum: by a lease. Only a replica that asks for
    /// no lease counts the messages of the leader itself.
    fn lead(&self, system: &SystemView, replica: &Replica, is_disk_late: bool) -> Lead {
        let facts = self.tracker().group_config(replica.group);
        let home = system.voter_region_of(replica.group);
        let lease = facts.length_in(self.region(), home.as_ref());
        let leader = replica.leader();
        let (proved, _) = replica.leasing.ages(self.environment().steady.now());
        if facts.is_serving(self.node()) && !is_disk_late {
            return Lead::by_lease(leader, proved, lease);
        }
        let heard = match leader {
            Some(leader) if leader == self.node() => {
                replica.metrics().last_quorum_acked.map(|acked| acked.elapsed())
            }
            Some(leader) => self.tracker().last_heard_ms(leader).map(Duration::from_millis),
            None => None,
        };
        Lead::by_hearing(leader, (heard, proved), (lease, replica.timings.election_max))
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
        let quorums: Vec<_> = membership.get_joint_config().iter().map(view::node_ids).collect();
        let live = self.tracker().live(self.node());
        let silent = write_availability::of_quorums(&quorums, &live);
        let of = |blocker| match blocker {
            WriteBlocker::NoQuorum(nodes) => nodes,
            WriteBlocker::NoLeader(_)
            | WriteBlocker::NotServed(_)
            | WriteBlocker::Silent(..)
            | WriteBlocker::Behind(..) => Vec::new(),
        };
        silent.into_iter().flat_map(of).collect()
    }

    /// The next step of a group that this node leads.
    fn due_change(&self, system: &SystemView, replica: &Arc<Replica>) -> Option<String> {
        if replica.leader() != Some(self.node()) {
            return None;
        }
        let view = view::view(self, system, replica)?;
        placement::next_step(&view, &system.nodes).map(|step| format!("{step:?}"))
    }
}

//! The façade: starts and stops a node's replicas and their tasks. Other modules see only this
//! type.
//!
//! Nothing is decided here: each method calls the core, or the task that has the answer.

use std::{fmt, sync::Arc, time::Duration};

use concordat_proto::{
    command::Proposal,
    consistency::Position,
    failover::{ClosedGroup, DivergedWrite},
    id::{ClusterId, GroupId, NodeId, OrgId, WriteId},
    lease::LeaseTerms,
    log::LogIndex,
    org::{NodeState, SurvivalGoal},
    region::Region,
    time::LogTime,
};
use tokio::{sync::watch, time::Instant};

use crate::{
    consistency::{
        Fate, Scope, StaleReaders,
        failover::blocker::FailoverBlocker,
        read::freshness::Freshness,
        readiness::{NotReady, Purpose},
    },
    placement::{self, RecreateBlocker, RegionBlocker},
    raft::{
        admin::{
            admin_view::{NodeView, RegionView},
            health::NodeHealth,
            status::{ClusterStatus, GroupsMetrics},
        },
        config::{Environment, GroupsConfig},
        core::Core,
        failover::{
            fencing,
            lost_writes_query::{Divergence, LeftBehind},
            survivors,
        },
        fault::Fault,
        join::{bootstrap, peer_discovery, rollback_check},
        lease::renew,
        log_retention,
        membership::{apply_step, transfer},
        org_move::drive,
        service::Service,
        transport::PeerService,
        write::{arrivals::Expected, propose::Proposed, relay, report, tracker::Progress},
    },
    store::{Store, StoreError, changes::Stamp},
};

/// All replicas of a node. Cheap to clone.
#[derive(Clone)]
pub struct Groups {
    core: Core,
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Groups(node {})", self.core.node())
    }
}

impl Groups {
    /// Starts the node's replicas from its log and store. The node creates or joins its cluster in
    /// the background; the caller gives [`Groups::service`] to the transport.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub async fn start(environment: Environment, config: GroupsConfig) -> Result<Self, Fault> {
        let core = Core::new(environment, config)?;
        let joining = core.clone();
        core.spawn(async move {
            let fault = bootstrap::run(joining.clone()).await;
            joining.fail(&fault);
        });
        core.spawn(report::run(core.clone()));
        core.spawn(relay::run(core.clone()));
        core.spawn(renew::run(core.clone(), core.leader_news()));
        core.spawn(apply_step::run(core.clone()));
        core.spawn(drive::run(core.clone()));
        core.spawn(peer_discovery::run(core.clone()));
        core.spawn(fencing::run(core.clone()));
        core.spawn(survivors::run(core.clone()));
        core.spawn(rollback_check::run(core.clone()));
        core.spawn(log_retention::run(core.clone()));
        Ok(Self { core })
    }

    /// The receiving side, for the transport.
    #[must_use]
    pub fn service(&self) -> Arc<dyn PeerService> {
        Arc::new(Service(self.core.clone()))
    }

    /// Transfers the leadership of all groups that this node leads, where another voter can take it
    /// within some seconds. For a node that is about to stop.
    pub async fn hand_over(&self) {
        transfer::all(&self.core).await;
    }

    /// The shared state, for tests that act as a peer.
    #[cfg(test)]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Turns to `Some` when the process must stop, with the reason.
    #[must_use]
    pub fn faulted(&self) -> watch::Receiver<Option<String>> {
        self.core.faulted()
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.core.node()
    }

    /// Its region.
    #[must_use]
    pub fn region(&self) -> &Region {
        self.core.region()
    }

    /// The state of all groups, for reading.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.core.store()
    }

    /// The groups that receive a snapshot: nothing else is in a spare slot.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn used_spares(&self) -> Result<Vec<GroupId>, StoreError> {
        self.core.shadow_store().used_spares()
    }

    /// The home groups and their regions, in order of region.
    #[must_use]
    pub fn home_groups(&self) -> Vec<(GroupId, Region)> {
        self.core.home_groups()
    }

    /// The groups that this node believes it leads, and the terms.
    #[must_use]
    pub fn led(&self) -> Vec<(GroupId, u64)> {
        self.core.led()
    }

    /// The groups in which this node looks for organizations: the home groups; and the closed one
    /// that one of them has succeeded, as long as nothing of the successor is here.
    #[must_use]
    pub fn readable_groups(&self) -> Vec<GroupId> {
        self.core.readable_groups()
    }

    /// The cluster, once the node belongs to one.
    #[must_use]
    pub fn cluster(&self) -> Option<ClusterId> {
        self.core.cluster()
    }

    /// Stops the replicas and their tasks. Acknowledged entries are on disk already.
    pub async fn shutdown(&self) {
        self.core.shutdown().await
    }

    /// The present moment in the changes of where an organization is and who may act for it, on this node: what
    /// is read of that between two equal ones is one state, and that of now. None while it is being changed.
    #[must_use]
    pub fn stamp(&self, org: OrgId) -> Option<Stamp> {
        self.core.shadow_store().stamp(org)
    }

    /// Whether a group is closed, as far as this node knows.
    #[must_use]
    pub fn is_closed(&self, group: GroupId) -> bool {
        self.core.is_closed(group)
    }

    /// The last successor of a closed group; the group itself if it is open, or closed without a
    /// successor yet.
    #[must_use]
    pub fn successor(&self, group: GroupId) -> GroupId {
        self.core.successor(group)
    }

    /// The closed group's record, if it is closed.
    #[must_use]
    pub fn closed(&self, group: GroupId) -> Option<ClosedGroup> {
        self.core.closed(group)
    }

    /// The newest entry visible to reads that start now on this node.
    #[must_use]
    pub fn applied(&self, group: GroupId) -> LogIndex {
        self.core.applied(group)
    }

    /// The cluster's feature level, as far as this node has applied it: commands up to it may be
    /// proposed.
    #[must_use]
    pub fn feature_level(&self) -> u32 {
        self.core.feature_level()
    }

    /// The time of a group's log, as far as this node knows: limits in log time are counted from
    /// it.
    #[must_use]
    pub fn log_now(&self, group: GroupId) -> LogTime {
        self.core.log_now(group)
    }

    /// Proposes at the group's leader until the outcome is known or the deadline has passed.
    pub async fn propose(&self, group: GroupId, proposal: Proposal, deadline: Instant) -> Proposed {
        self.core.propose(group, proposal, deadline).await
    }

    /// A write's own wait: returns when the entry at `index` has reached the scope, or at the
    /// deadline, and counts the delay by leases. `stale_readers` are the stale readers: from
    /// [`Groups::propose`] or [`Groups::stale_readers`].
    pub async fn wait(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: StaleReaders,
        deadline: Instant,
    ) -> Progress {
        self.core.wait(group, index, scope, stale_readers, deadline).await
    }

    /// The same for a write that was answered before, for receipts.
    pub async fn wait_again(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: StaleReaders,
        deadline: Instant,
    ) -> Progress {
        self.core.wait_again(group, index, scope, stale_readers, deadline).await
    }

    /// The stale readers of an entry that this node's own replica shows, without a leader's set:
    /// every replica, for one lease from when this node first showed the entry.
    #[must_use]
    pub fn stale_readers(&self, group: GroupId, index: LogIndex) -> StaleReaders {
        self.core.stale_readers(group, index)
    }

    /// The present state of every region that counts in the group's membership.
    #[must_use]
    pub fn progress(
        &self,
        group: GroupId,
        index: LogIndex,
        scope: &Scope,
        stale_readers: StaleReaders,
    ) -> Progress {
        self.core.progress(group, index, scope, stale_readers)
    }

    /// Returns true when reads on this node see the entry at `index`, false at the deadline.
    pub async fn wait_visible(&self, group: GroupId, index: LogIndex, deadline: Instant) -> bool {
        self.core.wait_visible(group, index, deadline).await
    }

    /// Begins a wait for a write to be decided in a group of this node. One that comes by a snapshot, or with an
    /// organization that moves, does not end it: look again after a while.
    #[must_use]
    pub fn expect(&self, write: WriteId) -> Expected {
        self.core.arrivals().expect(write)
    }

    /// Whether there are too many pending writes to accept another one.
    #[must_use]
    pub fn waits_are_full(&self) -> bool {
        self.core.waits_are_full()
    }

    /// The present position of an organization in its group: that of reads that begin now.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn position(&self, epoch: u32, group: GroupId) -> Result<Position, StoreError> {
        self.core.position(epoch, group)
    }

    /// The fate of the entry at a position of a closed group; none where the group is open, or its
    /// successor is not named, as far as this node knows.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn fate(&self, position: &Position) -> Result<Option<Fate>, StoreError> {
        self.core.fate(position)
    }

    /// Whether this node has the state of a closed group's successor.
    ///
    /// # Errors
    /// When the store is broken.
    pub fn has_local_successor(&self, closed: GroupId) -> Result<bool, StoreError> {
        self.core.has_local_successor(closed)
    }

    /// Whether this node's replica of a group may answer fresh reads that start now.
    #[must_use]
    pub fn freshness(&self, group: GroupId) -> Freshness {
        self.core.freshness(group)
    }

    /// Whether this node's list of groups is as new as the system group's log: an object in none of
    /// them may be in a group that this node does not know of.
    #[must_use]
    pub fn list_freshness(&self) -> Freshness {
        self.core.list_freshness()
    }

    /// The cluster as this node sees it.
    pub async fn status(&self) -> ClusterStatus {
        self.core.status().await
    }

    /// The state's digest of one group and the index it belongs to.
    ///
    /// # Errors
    /// When the store is broken.
    pub async fn digest(&self, group: GroupId) -> Result<(LogIndex, u128), Fault> {
        self.core.digest(group).await
    }

    /// Gauges for the metrics page.
    #[must_use]
    pub fn metrics(&self) -> GroupsMetrics {
        self.core.metrics()
    }

    /// For each group: the term, the indexes of the last applied and of the last entry, and whether this node is the
    /// leader. The part of [`Self::metrics`] that costs little.
    #[must_use]
    pub fn indexes(&self) -> Vec<(GroupId, u64, u64, u64, bool)> {
        self.core.indexes()
    }

    /// The regions that count in a group's membership, for receipts. A node that has nothing of the
    /// group yet uses the group that this one has succeeded, or else the cluster's list of regions:
    /// a receipt always lists some region.
    #[must_use]
    pub fn member_regions(&self, group: GroupId) -> Vec<Region> {
        self.core.member_regions(group)
    }

    /// Whether this node is a full member of a cluster that is whole in its view: ready for
    /// [`Purpose::Writes`].
    ///
    /// # Errors
    /// What is in the way, for people.
    pub fn ready(&self) -> Result<(), NotReady> {
        self.core.ready()
    }

    /// Whether this node is ready.
    ///
    /// # Errors
    /// What is in the way, for people.
    pub fn ready_for(&self, purpose: Purpose) -> Result<(), NotReady> {
        self.core.ready_for(purpose)
    }

    /// This node's health.
    #[must_use]
    pub fn health(&self) -> NodeHealth {
        self.core.health()
    }

    /// All nodes that belong to the cluster, and those that left it and are still members of a
    /// group.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        self.core.nodes()
    }

    /// One node, also when it has left.
    #[must_use]
    pub fn node_view(&self, id: NodeId) -> Option<NodeView> {
        self.core.node_view(id)
    }

    /// The regions that belong to the cluster.
    #[must_use]
    pub fn regions(&self) -> Vec<RegionView> {
        self.core.regions()
    }

    /// The names of regions that nodes may join in and none has.
    #[must_use]
    pub fn empty_regions(&self) -> Vec<Region> {
        self.core.empty_regions()
    }

    /// Whether a region is open, as far as this node knows: organizations may be created in it or
    /// move to it.
    #[must_use]
    pub fn is_open(&self, region: &Region) -> bool {
        self.core.is_open(region)
    }

    /// The survival goal of home groups.
    #[must_use]
    pub fn survival_goal(&self) -> SurvivalGoal {
        self.core.survival_goal()
    }

    /// The lease terms that operators have set.
    #[must_use]
    pub fn lease_terms(&self) -> LeaseTerms {
        self.core.lease_terms()
    }

    /// Why a node's state cannot be changed like this now, as far as this node knows.
    #[must_use]
    pub fn node_blocker(&self, id: NodeId, state: NodeState) -> Option<placement::RemovalBlocker> {
        self.core.node_blocker(id, state)
    }

    /// Why a region cannot be removed now, as far as this node knows.
    ///
    /// # Errors
    /// When the store is broken.
    pub async fn region_blocker(
        &self,
        region: &Region,
    ) -> Result<Option<RegionBlocker>, StoreError> {
        self.core.region_blocker(region).await
    }

    /// Why a region's group cannot be recreated: some node has entries of it.
    #[must_use]
    pub fn recreate_blocker(&self, region: &Region) -> Option<RecreateBlocker> {
        self.core.recreate_blocker(region)
    }

    /// An organization that is at home in a region, or was claimed for it and has not begun.
    ///
    /// # Errors
    /// When the store is broken.
    pub async fn org_at_home(&self, region: &Region) -> Result<Option<OrgId>, StoreError> {
        self.core.org_at_home(region).await
    }

    /// For how long yet this node, as a group's leader, counts with answers of another one that lack
    /// an entry that it has committed; none when it does not lead, or has not counted in its term yet.
    #[must_use]
    pub fn lease_left_without(
        &self,
        group: GroupId,
        node: NodeId,
        index: LogIndex,
    ) -> Option<Duration> {
        self.core.lease_left_without(group, node, index)
    }

    /// For how long this node has shown what another one has not reported of a group; and for how long
    /// any lease may be that was ever granted in it.
    #[must_use]
    pub fn lateness(&self, group: GroupId, node: NodeId) -> (Duration, Duration) {
        self.core.lateness(group, node)
    }

    /// Whether a group's leader on this node pauses because it is partitioned with its region.
    #[must_use]
    pub fn is_fenced(&self, group: GroupId) -> bool {
        self.core.is_fenced(group)
    }

    /// The regions whose groups have their voters in this node's region, with these groups.
    #[must_use]
    pub fn hosted_here(&self) -> Vec<(Region, GroupId)> {
        self.core.hosted_here()
    }

    /// Why a region's group cannot be failed over to another region now, as far as this node knows.
    #[must_use]
    pub fn failover_blocker(
        &self,
        region: &Region,
        to: &Region,
        absent: &[NodeId],
    ) -> Option<FailoverBlocker> {
        self.core.failover_blocker(region, to, absent)
    }

    /// Whether a region's group fences its own leaders, under a policy that is still the present
    /// one: its generation.
    #[must_use]
    pub fn fences_itself(&self, region: &Region) -> Option<u32> {
        self.core.fences_itself(region)
    }

    /// The writes that the replicas of a region's closed groups have and their successors lack,
    /// from those nodes that answer; and the nodes that do not answer.
    pub async fn divergence(&self, region: &Region) -> (Vec<Divergence>, Vec<NodeId>) {
        self.core.divergence(region).await
    }

    /// The fate of a write that no state has, if a closed group's replica has it.
    pub async fn left_behind(&self, write: WriteId) -> LeftBehind {
        self.core.left_behind(write).await
    }

    /// Puts on record in a group that a write is lost, which was proved ([`LeftBehind::Lost`]): from
    /// then on that is answered from the group's state, whether its holder is there or not, and no
    /// copy of it is carried out there. Whether it is on record, and known wherever unmarked answers
    /// are given.
    pub async fn note_lost(
        &self,
        group: GroupId,
        closed: GroupId,
        write: &DivergedWrite,
        deadline: Instant,
    ) -> bool {
        self.core.note_lost(group, closed, write, deadline).await
    }

    /// Waits until an entry has reached all regions, or no replica can hold a lease from before it
    /// any more: then no replica answers fresh reads without it.
    pub async fn until_known(&self, group: GroupId, index: LogIndex, stale_readers: StaleReaders) {
        self.core.until_known(group, index, stale_readers).await
    }
}

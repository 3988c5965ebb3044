//! Grants read leases: register, then prove leadership, then answer.
//!
//! That order must never change: a leader that removes a replica must see each lease that the
//! replica may get.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use concordat_proto::{
    id::{GroupId, NodeId},
    lease::LeaseGrant,
    log::{LogId, LogIndex, Term},
};
use openraft::raft::linearizable_read::LinearizerOption;

use crate::{
    consistency::pace::DISK_LATE_MIN,
    locks::locked,
    raft::{core::Core, engine::convert, planted, replica::Replica},
};

impl Core {
    /// For how long yet this node, as a group's leader, counts with answers of another one that lack
    /// an entry that it has committed; none when it does not lead, or has not counted in its term yet.
    pub(crate) fn lease_left_without(
        &self,
        group: GroupId,
        node: NodeId,
        index: LogIndex,
    ) -> Option<Duration> {
        let replica = self.replica(group).filter(|it| it.leader() == Some(self.node()))?;
        let facts = self.tracker().group_config(group);
        if facts.region_of(node).is_none() {
            return Some(Duration::ZERO);
        }
        let now = self.environment().steady.now();
        let term = Term(replica.metrics().current_term);
        replica.leasing.left_in(term, (node, index), &facts, now)
    }

    /// A replica has reported; where this node leads, late reports cost it its lease.
    pub(crate) fn on_report(&self, node: NodeId, group: GroupId, applied: LogIndex) {
        let late = self.tracker().on_report(node, group, applied);
        // Most reports: no limit is lower.
        if late < DISK_LATE_MIN {
            return;
        }
        let Some(replica) = self.replica(group) else { return };
        let now = self.environment().steady.now();
        if node == self.node() {
            replica.leasing.on_own_report(late, now);
        }
        if replica.leader() == Some(self.node()) {
            locked(&replica.leasing.table).on_report(node, late, now);
        }
    }

    /// Whom this node grants no lease of a group that it leads, for its reports are late.
    pub(crate) fn refused(&self, replica: &Replica) -> BTreeMap<NodeId, Duration> {
        match replica.leader() == Some(self.node()) {
            true => replica.leasing.refused(self.environment().steady.now()),
            false => BTreeMap::new(),
        }
    }

    /// For how long this node has shown entries that it could not report yet, because its disk has
    /// not synced them.
    pub(crate) fn disk_late(&self, replica: &Replica) -> Duration {
        self.tracker().shown_beyond(replica.group, replica.reportable())
    }

    /// For how long this node has shown what another one has not reported of a group; and for how long
    /// any lease may be that was ever granted in it.
    pub(crate) fn lateness(&self, group: GroupId, node: NodeId) -> (Duration, Duration) {
        let longest = self.tracker().group_config(group).longest_lease();
        (self.tracker().late(group, node), longest)
    }

    /// Grants leases to a peer, or to this node itself.
    pub(crate) async fn grant_leases(&self, to: NodeId, groups: &[GroupId]) -> Vec<LeaseGrant> {
        let mut grants = Vec::new();
        for group in groups {
            if let Some(replica) = self.replica(*group) {
                grants.extend(self.grant(&replica, to).await);
            }
        }
        grants
    }

    async fn grant(&self, replica: &Replica, to: NodeId) -> Option<LeaseGrant> {
        let clock = &*self.environment().steady;
        let facts = self.tracker().group_config(replica.group);
        let home = self.system().voter_region_of(replica.group);
        let length = facts.length(to, home.as_ref())?;
        let stretched = facts.leases.stretched(length);
        let late = self.tracker().late(replica.group, to);
        if !locked(&replica.leasing.table).keeps_pace(to, late, length, clock.now()) {
            return None;
        }
        let early = planted::early_proof(self.prove_lead(replica)).await;
        let ticket = locked(&replica.leasing.table).register(to, stretched, clock.now());
        let proof = match early {
            Some(proof) => proof,
            None => self.prove_lead(replica).await,
        };
        // Checked again, for two reasons. A mark that was applied before the registration may have
        // come too late for the first check, and the leader that then removed the replica did not
        // see this lease. And a new leader's state has all that earlier leaders committed only once
        // an entry of its own term is applied, which the proof ensures.
        let facts = self.tracker().group_config(replica.group);
        // Whether the group may be closed is checked last: the lease ends at the latest one lease
        // length after the last moment at which this node could consider the group open.
        let may_grant = facts.is_serving(to) && self.may_lead(replica.group);
        let Some((term, covers)) = proof.filter(|_| may_grant) else {
            locked(&replica.leasing.table).withdraw(ticket);
            return None;
        };
        let now = clock.now();
        replica.leasing.begin(term, &facts, now);
        let granted = locked(&replica.leasing.table).grant(ticket, term, covers, now);
        granted.then_some(LeaseGrant { group: replica.group, term, covers, length })
    }

    /// While a home group's replicas change their timings, a voter may count the leader lease by the
    /// others than its leader does: the shorter one holds.
    fn shortest_leader_lease(&self, group: GroupId) -> Duration {
        let (home, system) = (self.config().home_timings, self.config().system_timings);
        if group == GroupId::SYSTEM {
            return system.election_max;
        }
        home.election_max.min(system.election_max)
    }

    /// In one step: this node leads, by answers of a quorum with a margin, no transfer has begun,
    /// and its commit index is this.
    async fn prove_lead(&self, replica: &Replica) -> Option<(Term, LogIndex)> {
        let leader_lease = self.shortest_leader_lease(replica.group);
        let visible = || LogIndex(replica.visible.load(Ordering::Acquire));
        let believes = || replica.leader() == Some(self.node());
        let own = || (Term(replica.metrics().current_term), visible());
        if let Some(believed) = planted::believed_lead(believes, own) {
            return Some(believed);
        }
        if self.sleep_watch().slept_within(&*self.environment().steady, leader_lease) {
            return None;
        }
        let option = LinearizerOption::new(Some(leader_lease * 9 / 10), false)
            .with_wait_timeout(Duration::ZERO);
        let proof = replica.raft.get_read_linearizer(option).await.ok()?;
        if self.sleep_watch().slept_within(&*self.environment().steady, leader_lease) {
            return None;
        }
        let LogId { term, index } = convert::log_id(*proof.read_log_id().log_id());
        let visible = visible();
        let is_established = replica.leasing.is_established(term, index, visible);
        planted::on_established(is_established.then_some((term, index)), (term, visible))
    }
}

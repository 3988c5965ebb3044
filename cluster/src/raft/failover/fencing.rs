//! Whether this node may act for a home group: propose to it and grant leases in it. Not when the
//! group is closed; and not when it may have been closed without this node's knowledge. The rules are
//! in `consistency/failover/fence.rs`; here are the questions to peers. Nothing is decided here.
//!
//! A failover closes a group whose region cannot be reached, so the group's leader cannot be
//! notified. One of two things guarantees that the leader stops.
//!
//! **The operator's confirmation** (`partition_policy=serve`): all nodes of the lost region are
//! stopped. A process that is started later must find out before it acts. It *knows that its groups
//! are open* once it has the system group's state as of a moment after its start, as a lease of
//! that group proves; or once a node of its own region answers that it knows so itself. The second
//! is sound because such a node was stopped too when the operator confirmed, if it ran then: so it
//! learned later, in the end from the system group's state, which contained the closing. Without
//! the second rule a partitioned region could restart none of its nodes. A process that did not run
//! for long counts as restarted: the operator may have taken it for stopped.
//!
//! **The group's own log** (`partition_policy=fence`): a leader acts only while it has the system
//! group's state as of the last [`FENCE`]; the node that closes the group waits at least that long.

use std::time::Duration;

use bytes::Bytes;
use concordat_proto::{
    id::{GroupId, NodeId},
    region::Region,
    wire::{
        Wire,
        peer::{PeerReply, PeerRequest},
    },
};
use futures::future::join_all;

use crate::{
    consistency::failover::fence::{LeadView, fencing_generation},
    raft::{core::Core, planted, transport::Channel},
};

/// Between questions while this node is not cleared.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// For an answer.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);

impl Core {
    /// Whether this node may propose to a group and grant leases in it now.
    pub(crate) fn may_lead(&self, group: GroupId) -> bool {
        let now = self.environment().steady.now();
        let may = group == GroupId::SYSTEM || self.lead_view(group, now).may_lead(now);
        planted::on_may_lead(may)
    }

    /// Whether a group's leader on this node pauses because it is partitioned with its region.
    pub(crate) fn is_fenced(&self, group: GroupId) -> bool {
        let now = self.environment().steady.now();
        self.lead_view(group, now).is_fenced(self.may_lead(group))
    }

    /// Whether this process knows that its region's groups were not closed before it was started.
    pub(crate) fn knows_group_is_open(&self) -> bool {
        let now = self.environment().steady.now();
        self.fence_state().knows_groups_are_open(self.system().proven, now)
    }

    fn lead_view(&self, group: GroupId, now: Duration) -> LeadView {
        let system = self.system();
        LeadView {
            is_closed: system.is_closed(group),
            when: self.tracker().group_config(group).partition_policy.when,
            knows_groups_are_open: self.fence_state().knows_groups_are_open(system.proven, now),
            proven: system.proven,
        }
    }

    /// The regions whose groups stand in this node's region, with these groups.
    pub(crate) fn hosted_here(&self) -> Vec<(Region, GroupId)> {
        let system = self.system();
        let here = system.regions.values().filter(|record| record.voter_region == *self.region());
        here.map(|record| (record.region.clone(), record.group)).collect()
    }

    /// Whether a region's group fences its own leaders, by a setting that is still the present one:
    /// its generation.
    pub(crate) fn fences_itself(&self, region: &Region) -> Option<u32> {
        let system = self.system();
        let present = system.cluster.as_ref()?.partition_policy;
        let group = system.regions.get(region)?.group;
        fencing_generation(present, self.tracker().group_config(group).partition_policy)
    }
}

/// Sees to it that this node is cleared, until it stops.
pub(crate) async fn run(core: Core) {
    loop {
        core.fence_state().tick(core.environment().steady.now());
        if !core.knows_group_is_open() {
            ask(&core).await;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Asks the other nodes of this region.
async fn ask(core: &Core) {
    let system = core.system();
    let near = |node: &NodeId| {
        system.nodes.get(node).is_some_and(|record| record.region == *core.region())
    };
    let asked = core.environment().steady.now();
    let body = Bytes::from(PeerRequest::GroupsOpen.encode());
    let transport = &core.environment().transport;
    let peers = core.peers().into_iter().filter(near);
    let answers = join_all(
        peers.map(|node| transport.request(node, Channel::Control, body.clone(), ANSWER_LIMIT)),
    );
    for answer in answers.await.into_iter().flatten() {
        if let Ok(PeerReply::GroupsOpen { is_known: true }) = PeerReply::decode(&answer) {
            core.fence_state().on_peer(asked);
        }
    }
}

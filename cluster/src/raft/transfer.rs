//! Hands a group's lead over to another voter.
//!
//! Why writes are held back: the library's transfer begins an election that only a voter whose log
//! equals the leader's takes up, and until somebody is elected nobody proposes anything. Under load
//! no voter is level for longer than a moment. So the leader takes no writes for as long as the
//! chosen one needs to draw level (a round trip), and then hands over; whoever asked it meanwhile was
//! told that nothing was appended, and asks again.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use concordat_proto::id::NodeId;
use futures::future::join_all;
use tokio::time::Instant;

use super::{
    group::Replica,
    groups::{Groups, SystemView},
    membership,
};
use crate::placement::GroupView;

/// For the chosen one to draw level. Longer than a round trip between any two regions, shorter than
/// what a client would notice as an outage.
const LEVEL_LIMIT: Duration = Duration::from_secs(1);
/// For the new leader to be known, after which the hold is let go either way.
const ELECTED_LIMIT: Duration = Duration::from_secs(2);
/// Between two looks.
const POLL: Duration = Duration::from_millis(2);

/// Writes are taken again when it is dropped, however this ended.
struct Hold<'a>(&'a Replica);

impl<'a> Hold<'a> {
    fn on(replica: &'a Replica) -> Self {
        replica.handing_over.store(true, Ordering::Release);
        Self(replica)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.handing_over.store(false, Ordering::Release);
    }
}

/// Lets another voter lead.
pub(crate) async fn to(replica: &Replica, own: NodeId, to: NodeId) -> Result<(), String> {
    let hold = Hold::on(replica);
    if !holds_within(LEVEL_LIMIT, || is_level(replica, to)).await {
        return Err(format!("node {to} does not draw level"));
    }
    replica.raft.trigger().transfer_leader(to.0).await.map_err(|error| error.to_string())?;
    let handed_over = || replica.leader().is_some_and(|leader| leader != own);
    let elected = holds_within(ELECTED_LIMIT, handed_over).await;
    drop(hold);
    if elected { Ok(()) } else { Err(format!("node {to} has not taken the lead over yet")) }
}

/// Who is to lead after this node, of those given: a voter in the group's seat, else any.
pub(crate) fn successor(
    system: &SystemView,
    view: &GroupView,
    own: NodeId,
    among: &BTreeSet<NodeId>,
) -> Option<NodeId> {
    let region = |node: &NodeId| system.nodes.get(node).map(|it| it.region.clone());
    let at_home = |node: &NodeId| region(node) == view.home;
    let mut others = view.voters.intersection(among).copied().filter(|node| *node != own);
    others.clone().find(at_home).or_else(|| others.next())
}

/// Hands over whatever this node leads, for it is about to stop: nobody has to miss it for an
/// election timeout first. What nobody takes over in time it goes on leading until it stops.
pub(crate) async fn all(groups: &Groups) {
    let (own, system) = (groups.node(), groups.system());
    let led = groups.replicas().into_iter().filter(|replica| replica.leader() == Some(own));
    let handing_over = led.map(async |replica| {
        let view = membership::observed(groups, &system, &replica);
        let Some(successor) = successor(&system, &view, own, &view.live) else { return };
        match to(&replica, own, successor).await {
            Ok(()) => tracing::info!(group = %replica.group, to = %successor, "handed over"),
            Err(error) => tracing::info!(group = %replica.group, error, "not handed over"),
        }
    });
    join_all(handing_over).await;
}

/// Whether a voter has all that this leader has.
fn is_level(replica: &Replica, node: NodeId) -> bool {
    let metrics = replica.metrics();
    let matched = metrics.replication.as_ref().and_then(|of| of.get(&node.0).copied().flatten());
    matched.map(|id| id.index) == metrics.last_log_index
}

async fn holds_within(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        // First the pause: what was let in before the hold must show.
        tokio::time::sleep(POLL).await;
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
    }
}

//! Transfers a group's leadership to another voter.
//!
//! Why writes are paused: the library's transfer begins an election that only a voter whose log
//! equals the leader's joins, and until a leader is elected no entry is proposed. Under load no
//! voter is equal for longer than a moment. So the leader accepts no writes for as long as the
//! target needs to catch up (a round trip), and then transfers. A proposer that asked it meanwhile
//! learns that nothing was appended, and retries.

use std::{sync::atomic::Ordering, time::Duration};

use concordat_proto::id::NodeId;
use futures::future::join_all;
use tokio::time::Instant;

use crate::{
    placement::next_leader,
    raft::{
        core::Core,
        membership::{step_error::StepError, view},
        replica::Replica,
    },
};

/// The time for the target to catch up. Longer than a round trip between any two regions, shorter
/// than an outage that clients would notice.
const LEVEL_LIMIT: Duration = Duration::from_secs(1);
/// The time for the new leader to be known; then the pause ends either way.
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
pub(crate) async fn to(replica: &Replica, own: NodeId, to: NodeId) -> Result<(), StepError> {
    let hold = Hold::on(replica);
    if !holds_within(LEVEL_LIMIT, || is_level(replica, to)).await {
        return Err(StepError::NotLevel(to));
    }
    replica.raft.trigger().transfer_leader(to.0).await.map_err(StepError::library)?;
    let handed_over = || replica.leader().is_some_and(|leader| leader != own);
    let elected = holds_within(ELECTED_LIMIT, handed_over).await;
    drop(hold);
    if elected { Ok(()) } else { Err(StepError::NotElected(to)) }
}

/// Transfers the leadership of all groups that this node leads, because it is about to stop: so the
/// groups do not wait for an election timeout. It continues to lead a group that no voter takes
/// over in time, until it stops.
pub(crate) async fn all(core: &Core) {
    let (own, system) = (core.node(), core.system());
    let led = core.replicas().into_iter().filter(|replica| replica.leader() == Some(own));
    let handing_over = led.map(async |replica| {
        let view = view::observed(core, &system, &replica);
        let Some(successor) = next_leader(&view, &system.nodes, own, &view.live) else { return };
        match to(&replica, own, successor).await {
            Ok(()) => {
                tracing::info!(group = %replica.group, to = %successor, "leadership transferred")
            }
            Err(error) => {
                tracing::info!(group = %replica.group, %error, "leadership not transferred")
            }
        }
    });
    join_all(handing_over).await;
}

/// Whether a voter has all entries that this leader has.
fn is_level(replica: &Replica, node: NodeId) -> bool {
    let metrics = replica.metrics();
    let matched = metrics.replication.as_ref().and_then(|of| of.get(&node.0).copied().flatten());
    matched.map(|id| id.index) == metrics.last_log_index
}

async fn holds_within(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        // First the pause: entries that were accepted before it must show.
        tokio::time::sleep(POLL).await;
        if holds() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
    }
}

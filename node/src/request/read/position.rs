//! The wait of a read for its required position.

use concordat_cluster::raft::Freshness;
use concordat_proto::{
    consistency::Position,
    id::{GroupId, OrgId},
};
use tokio::time::Instant;

use crate::{
    api::outcome::{Answer, Malformed, Outcome, Unavailable},
    node::Node,
    request::{
        freshness, locate,
        locate::Waited,
        timing::Timing,
        unavailable::{broken, unavailable},
    },
};

/// Waits until this node has applied a position, or an adoption that contains it. A bounded number of an organization's
/// reads may wait.
pub(super) async fn at_least(
    node: &Node,
    org: Option<OrgId>,
    position: Position,
    timing: Timing,
) -> Result<(), Answer> {
    let at_once = Timing { deadline: Instant::now(), ..timing };
    if reached(node, org, position, at_once).await.is_ok() {
        return Ok(());
    }
    let Some(_place) = node.places.wait(org) else {
        return Err(unavailable(Unavailable::TooManyWaits));
    };
    reached(node, org, position, timing).await
}

async fn reached(
    node: &Node,
    org: Option<OrgId>,
    position: Position,
    timing: Timing,
) -> Result<(), Answer> {
    known(node, position.group, timing).await?;
    match locate::at_least(node, org, position, timing.deadline).await {
        Ok(Waited::Reached) => Ok(()),
        Ok(Waited::Lost) => {
            let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
            Err(freshness::mark(Outcome::PositionLost, fresh))
        }
        Ok(Waited::TimedOut) => {
            let fresh = freshness::of(&node.groups, &[position.group]);
            Err(freshness::mark(Outcome::PositionPending, fresh))
        }
        Err(error) => Err(broken("waiting for a position", &error)),
    }
}

/// Waits until this node knows a position's group. A group that is too new for this node may exist
/// all the same; only a node that knows all groups answers that it does not.
async fn known(node: &Node, group: GroupId, timing: Timing) -> Result<(), Answer> {
    loop {
        let fresh = node.groups.list_freshness();
        let seen = locate::applied_indexes(node);
        let is_known = group == GroupId::SYSTEM
            || node.groups.closed(group).is_some()
            || node.home_groups().contains(&group);
        if is_known {
            return Ok(());
        }
        if fresh == Freshness::Current {
            let malformed = Outcome::Malformed(Malformed::ForeignPosition);
            return Err(freshness::mark(malformed, fresh));
        }
        if Instant::now() >= timing.deadline {
            return Err(freshness::mark(Outcome::PositionPending, fresh));
        }
        locate::wait_for_progress(node, &seen, timing.deadline).await;
    }
}

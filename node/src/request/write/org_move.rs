//! An organization's change of home, for operators: the one entry that begins it or cancels it. The
//! leaders of the two groups do all further steps.
//!
//! If other moves between the same two homes are in progress, the request waits for its turn at the
//! leader of the organization's group (`cluster/src/raft/org_move/queue.rs`), and the organization
//! accepts writes meanwhile. Nothing here waits for the move's end: clients read the organization
//! to see it.

use concordat_cluster::machine::locate::Located;
use concordat_proto::{
    api::organization::OrganizationMove, command::Command, id::OrgId, refusal::Refusal,
};

use super::commit::{
    Home, WriteRequest, as_operator, finish, followed, proposal, propose, refused_here, repeated,
};
use crate::{
    api::outcome::{Answer, Outcome, Unavailable, Value},
    node::Node,
    request::{
        freshness, locate,
        org_view::{absent, home_group, view},
        unavailable::{broken, unavailable},
    },
};

/// Begins an organization's move, or takes it back.
pub(super) async fn change(
    node: &Node,
    org: OrgId,
    wanted: OrganizationMove,
    request: &WriteRequest,
) -> Answer {
    let fresh = freshness::of_all(node);
    let located = match locate::living(node, org) {
        Ok(Some(located)) => located,
        Ok(None) => return absent(node),
        Err(error) => return broken("locating an organization", &error),
    };
    if located.is_closed {
        return freshness::mark(unavailable(Unavailable::FailingOver), fresh);
    }
    let is_back = wanted == OrganizationMove::Cancel;
    let home = Home { group: located.group, epoch: located.home.org.epoch };
    let applied = match repeated(node, home.group, Some(&located.home), request) {
        Ok(Some(first)) => first,
        Ok(None) => {
            let command = match next(node, &located, wanted) {
                Ok(command) => command,
                Err(outcome) => return refused_here(outcome, fresh, request),
            };
            // It may wait for its turn; what takes a move back does not.
            let _place = match node.moves.try_acquire() {
                Ok(place) => Some(place),
                Err(_) if is_back => None,
                Err(_) => return unavailable(Unavailable::TooManyMoves),
            };
            let proposal = as_operator(proposal(node, request, None, command));
            match propose(node, home.group, proposal, request).await {
                Ok(applied) => applied,
                Err(not) => return not.answer(node, home.group, request).await,
            }
        }
        Err(answer) => return answer,
    };
    let answer = finish(node, home, applied, request).await;
    // One that is back is where it was; nothing is to follow.
    if is_back { answer } else { followed(answer) }
}

/// What is to be proposed, or the outcome where nothing is.
fn next(node: &Node, located: &Located, wanted: OrganizationMove) -> Result<Command, Outcome> {
    let refused = |refusal| Err(Outcome::refused(refusal));
    let (org, release) = (located.home.org.id, located.home.release);
    match wanted {
        OrganizationMove::Cancel => match release {
            // The log decides whether it is too late.
            Some(release) => Ok(Command::MoveAbort { org, epoch: release.epoch.saturating_add(1) }),
            None => refused(Refusal::NotReleased),
        },
        OrganizationMove::To(region) => {
            let Some(to) = home_group(node, &region) else {
                return refused(Refusal::RegionNotFound);
            };
            let shown = || Value::Organization(Box::new(view(node, located.home.clone())));
            match release {
                Some(release) if node.groups.successor(release.to) == to => {
                    Err(Outcome::Underway(shown()))
                }
                Some(release) => refused(Refusal::Moved { to: release.to, epoch: release.epoch }),
                None if located.group == to => Err(Outcome::Found(shown())),
                None if !node.groups.is_open(&region) => refused(Refusal::RegionLeaving),
                None => {
                    let epoch = located.home.org.epoch.saturating_add(1);
                    Ok(Command::MoveFreeze { org, to, epoch })
                }
            }
        }
    }
}

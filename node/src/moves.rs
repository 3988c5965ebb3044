//! An organisation's change of home, as operators ask for it: the one entry that begins it or takes it
//! back. Everything after that is done by the leaders of the two groups.
//!
//! Where other moves between the same two homes are under way, the request waits for its turn at the
//! leader of the organisation's group (`cluster/raft/turns.rs`), and the organisation is written to
//! meanwhile. Nothing here waits for the move's end: that is asked for by looking at the organisation.

use concordat_cluster::machine::{locate::Located, query};
use concordat_proto::{
    command::Command,
    id::{GroupId, OrgId},
    movement::HomeRecord,
    refusal::Refusal,
    region::Region,
};

use crate::{
    dialect::{
        Answer, MoveDraft, Operation,
        slashid::render::{self, OrgStanding},
    },
    freshness,
    http::status,
    locate,
    node::Node,
    orgs, refuse,
    write::{self, Asked, Home},
};

/// An organisation as operators see it.
pub(crate) fn standing(node: &Node, home: HomeRecord) -> OrgStanding {
    let moving_to = home.release.and_then(|release| region_of(node, release.to));
    OrgStanding { org: home.org, moving_to, settings: None }
}

fn region_of(node: &Node, group: GroupId) -> Option<Region> {
    let group = node.groups.successor(group);
    let mut groups = node.groups.home_groups().into_iter();
    groups.find_map(|(home, region)| (home == group).then_some(region))
}

/// `GET /v1/organizations/{id}`.
pub(crate) fn show(node: &Node, org: OrgId) -> Answer {
    let fresh = freshness::of_all(node);
    let Located { group, home, .. } = match locate::now(node, org) {
        Ok(Some(located)) => located,
        Ok(None) => return absent(node),
        Err(error) => {
            return freshness::mark(refuse::broken("locating an organisation", &error), fresh);
        }
    };
    let answer = match query::org_settings(node.state(), group, home.org.id) {
        Ok(settings) => {
            let standing = standing(node, home);
            render::org(&OrgStanding { settings: Some(settings), ..standing })
        }
        Err(error) => refuse::broken("reading an organisation's settings", &error),
    };
    freshness::mark(answer, fresh)
}

/// This node knows of no such organisation.
pub(crate) fn absent(node: &Node) -> Answer {
    freshness::mark(render::not_found("organization"), freshness::of_absence(node))
}

/// `POST /v1/organizations/{id}/move`.
pub(crate) async fn change(node: &Node, org: OrgId, draft: MoveDraft, asked: &Asked) -> Answer {
    let fresh = freshness::of_all(node);
    let located = match locate::now(node, org) {
        Ok(Some(located)) => located,
        Ok(None) => return absent(node),
        Err(error) => return refuse::broken("locating an organisation", &error),
    };
    if located.is_closed {
        return freshness::mark(refuse::failing_over(), fresh);
    }
    let is_back = draft == MoveDraft::Back;
    let home = Home { group: located.group, epoch: located.home.org.epoch };
    let applied = match write::repeated(node, home.group, Some(&located.home), asked) {
        Ok(Some(first)) => first,
        Ok(None) => {
            let command = match next(node, &located, draft) {
                Ok(command) => command,
                Err(answer) => return write::refused_here(answer, fresh, asked),
            };
            // It may wait for its turn; what takes a move back does not.
            let _place = match node.moves.try_acquire() {
                Ok(place) => Some(place),
                Err(_) if is_back => None,
                Err(_) => return refuse::too_many_moves(),
            };
            let proposal = write::operators(write::proposal(node, asked, None, command));
            match write::propose(node, home.group, proposal, asked).await {
                Ok(applied) => applied,
                Err(not) => return not.answer(node, home.group, asked).await,
            }
        }
        Err(answer) => return answer,
    };
    let mut answer = write::told(node, Operation::OrgMove, home, applied, asked).await;
    if is_back && answer.status == status::ACCEPTED {
        answer.status = status::OK; // It is back; nothing is to follow.
    }
    answer
}

/// What is to be proposed, or the answer where nothing is.
fn next(node: &Node, located: &Located, draft: MoveDraft) -> Result<Command, Answer> {
    let refused = |refusal| Err(render::refused(&refusal, None));
    let (org, release) = (located.home.org.id, located.home.release);
    match draft {
        MoveDraft::Back => match release {
            // The log decides whether it is too late.
            Some(release) => Ok(Command::Restore { org, epoch: release.epoch.saturating_add(1) }),
            None => refused(Refusal::NotReleased),
        },
        MoveDraft::To(region) => {
            let Some(to) = orgs::home_group(node, &region) else {
                return refused(Refusal::RegionNotFound);
            };
            let standing = || standing(node, located.home.clone());
            match release {
                Some(release) if node.groups.successor(release.to) == to => {
                    Err(render::move_accepted(&standing()))
                }
                Some(release) => refused(Refusal::Moved { to: release.to, epoch: release.epoch }),
                None if located.group == to => Err(render::org(&standing())),
                None if !node.groups.is_open(&region) => refused(Refusal::RegionLeaving),
                None => {
                    let epoch = located.home.org.epoch.saturating_add(1);
                    Ok(Command::Release { org, to, epoch })
                }
            }
        }
    }
}

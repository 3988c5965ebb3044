//! Reads: from local state, across no region, marked with how fresh they are.
//!
//! The order is what makes an unmarked answer true: the request is whole, then the position it asks
//! for is reached, then freshness is judged, then the state is read.

use std::sync::Arc;

use concordat_cluster::{
    machine::{locate::Located, query},
    raft::Freshness,
};
use concordat_proto::{
    command::Precondition,
    consistency::Position,
    header,
    id::{ClientId, GroupId, WriteId},
    oidc::Provider,
};
use tokio::time::Instant;

use crate::{
    admin,
    auth::{Authorised, OrgPrincipal, Principal},
    client_secret,
    dialect::{Action, Answer, CommonHeaders, DemoTarget, Page, Rejection, slashid::render},
    freshness,
    http::status,
    locate, members, moves,
    node::Node,
    orgs, refuse,
    serve::Timing,
    writes,
};

/// Answers a read, or does what the demo is asked to.
pub(crate) async fn answer(
    node: &Arc<Node>,
    request: Authorised<Action>,
    common: CommonHeaders,
    timing: Timing,
) -> Answer {
    let (principal, action) = request.into_parts();
    if let Some(position) = common.at_least
        && let Err(answer) = at_least(node, &principal, position, timing).await
    {
        return answer;
    }
    match (principal, action) {
        (principal, Action::ReceiptGet(query)) => {
            writes::answer(node, &principal, query, timing).await
        }
        (Principal::Org(org), Action::OidcList { provider, page }) => {
            of_org(node, &org, |at| oidc_list(node, at, provider, page))
        }
        (Principal::Org(org), Action::OidcGet(client_id)) => {
            let tags = common.if_none_match.as_ref();
            of_org(node, &org, |at| Found::Something(oidc_get(node, at, &client_id, tags)))
        }
        (Principal::Org(org), Action::SecretGet(client_id)) => {
            client_secret::answer(node, &org, &common, &client_id)
        }
        (Principal::Operator { .. }, Action::OrgList(page)) => {
            let fresh = freshness::of_absence(node);
            orgs::list(node, page).await.marked(fresh)
        }
        (Principal::Operator { .. }, Action::OrgGet(org)) => moves::show(node, org),
        (Principal::Operator { .. }, Action::ClusterGet) => admin::cluster(node).await,
        (Principal::Operator { .. }, Action::NodeList) => of_system(node, || members::nodes(node)),
        (Principal::Operator { .. }, Action::RegionList) => {
            of_system(node, || members::regions(node))
        }
        (Principal::Operator { .. }, Action::DivergenceGet(region)) => {
            let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
            freshness::mark(members::divergence(node, &region).await, fresh)
        }
        (Principal::Operator { .. }, Action::DemoCut(target)) => demo(node, &target, true),
        (Principal::Operator { .. }, Action::DemoHeal(target)) => demo(node, &target, false),
        _ => render::forbidden(),
    }
}

/// Waits until this node has applied a position, or an adoption that contains it.
async fn at_least(
    node: &Node,
    principal: &Principal,
    position: Position,
    timing: Timing,
) -> Result<(), Answer> {
    let closed = node.groups.closed(position.group);
    // What stands between the newest entry that a survivor had applied and the end of the founder's
    // log may be the very entry that was acknowledged: it is not called lost, but waited for in vain.
    if let Some(succession) = closed.as_ref().and_then(|closed| closed.succession)
        && position.index > succession.last.index
    {
        let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
        return Err(freshness::mark(render::position_lost(), fresh));
    }
    known(node, position.group, timing).await?;
    let org = match principal {
        Principal::Org(org) => Some(org.id()),
        Principal::Operator { .. } => None,
    };
    match locate::at_least(node, org, position, timing.deadline).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            let fresh = freshness::of(&node.groups, &[position.group]);
            Err(freshness::mark(render::read_timed_out(), fresh))
        }
        Err(error) => Err(refuse::broken("waiting for a position", &error)),
    }
}

/// Waits until this node knows a position's group. One that is so new that it does not may be a
/// position all the same; only a node that knows all groups says that it is none.
async fn known(node: &Node, group: GroupId, timing: Timing) -> Result<(), Answer> {
    loop {
        let fresh = node.groups.list_freshness();
        let seen = locate::seen(node);
        let is_known = group == GroupId::SYSTEM
            || node.groups.closed(group).is_some()
            || node.home_groups().contains(&group);
        if is_known {
            return Ok(());
        }
        if fresh == Freshness::Current {
            let message = "Concordat-At-Least is not a position of this cluster".to_owned();
            let rejection = Rejection { status: status::BAD_REQUEST, message };
            return Err(freshness::mark(render::rejected(&rejection), fresh));
        }
        if Instant::now() >= timing.deadline {
            return Err(freshness::mark(render::read_timed_out(), fresh));
        }
        locate::advance(node, &seen, timing.deadline).await;
    }
}

/// The same for what the system group's state holds.
fn of_system(node: &Node, read: impl FnOnce() -> Answer) -> Answer {
    let fresh = freshness::of(&node.groups, &[GroupId::SYSTEM]);
    freshness::mark(read(), fresh)
}

/// What a look has found. A refusal says of itself what it is.
pub(crate) enum Found {
    /// Something, or a refusal.
    Something(Answer),
    /// An empty list.
    Nothing(Answer),
}

impl Found {
    /// The answer with its mark.
    pub(crate) fn marked(self, fresh: Freshness) -> Answer {
        match self {
            Self::Something(answer) => freshness::mark(answer, fresh),
            Self::Nothing(answer) => freshness::mark_absence(answer, fresh),
        }
    }

    fn with_position(mut self, position: Position) -> Self {
        let (Self::Something(answer) | Self::Nothing(answer)) = &mut self;
        answer.headers.push((header::POSITION, position.to_string()));
        self
    }
}

/// Judges freshness, then reads, then marks: how fresh, and how far at least.
fn of_org(node: &Node, org: &OrgPrincipal, read: impl Fn(&Located) -> Found) -> Answer {
    // The look that let the principal in may be old: it has waited for a position since.
    let read = |at: &Located| {
        let (epoch, group) = (at.home.org.epoch, at.group);
        let position = Position { epoch, group, index: node.groups.applied(group) };
        read(at).with_position(position)
    };
    let read = match locate::now(node, org.id()) {
        Ok(Some(at)) => locate::reading(node, at, read),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    match read {
        Ok(Some((found, fresh))) => found.marked(fresh),
        // It has left, and has not arrived here yet: another node may know more.
        Ok(None) => freshness::mark(refuse::moving(), freshness::of_absence(node)),
        Err(error) => refuse::broken("locating an organisation", &error),
    }
}

fn oidc_list(node: &Node, at: &Located, provider: Option<Provider>, page: Page) -> Found {
    let filter = query::OidcFilter { provider, offset: page.offset, limit: page.limit };
    match query::oidc_page(node.state(), at.group, at.home.org.id, &filter) {
        Ok(found) => {
            let answer = render::credential_list(&found.items, page, found.total_count);
            let is_empty = found.total_count == 0;
            if is_empty { Found::Nothing(answer) } else { Found::Something(answer) }
        }
        Err(error) => Found::Something(refuse::broken("listing credentials", &error)),
    }
}

fn oidc_get(
    node: &Node,
    at: &Located,
    client_id: &ClientId,
    if_none_match: Option<&Precondition>,
) -> Answer {
    match query::oidc(node.state(), at.group, at.home.org.id, client_id) {
        Ok(Some(found)) if matches(if_none_match, found.version) => {
            render::not_modified(found.version)
        }
        Ok(Some(found)) => render::credential(&found),
        Ok(None) => render::not_found("credential"),
        Err(error) => refuse::broken("reading a credential", &error),
    }
}

fn matches(precondition: Option<&Precondition>, version: WriteId) -> bool {
    match precondition {
        None => false,
        Some(Precondition::Exists) => true,
        Some(Precondition::AnyOf(versions)) => versions.contains(&version),
    }
}

fn demo(node: &Node, target: &DemoTarget, is_cut: bool) -> Answer {
    let Some(cuts) = &node.cuts else { return render::route_not_found() };
    let is_known = if is_cut { cuts.cut(target) } else { cuts.heal(target) };
    match (is_known, target) {
        (true, _) => render::done(),
        (false, DemoTarget::Region(_)) => render::not_found("region"),
        (false, DemoTarget::Node(_)) => render::not_found("node"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_compares_versions() {
        let (one, two) = (WriteId::from_bytes([1; 16]), WriteId::from_bytes([2; 16]));
        assert!(!matches(None, one));
        assert!(matches(Some(&Precondition::Exists), one));
        assert!(matches(Some(&Precondition::AnyOf(vec![two, one])), one));
        assert!(!matches(Some(&Precondition::AnyOf(vec![two])), one));
    }
}

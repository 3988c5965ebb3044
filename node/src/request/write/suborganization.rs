//! Suborganizations: made by a key of the organization that they belong to, in the group of that one.
//!
//! They live where their parent lives. A parent moves alone, and [`follow`] begins the moves of its
//! suborganizations once it has arrived. It also removes the parent's record of one that has ended while the
//! two were apart.

use std::time::Duration;

use concordat_cluster::{machine::suborganization, raft::Proposed, store::StoreError};
use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, OrgId, WriteId},
    limits,
    org::Org,
    resource::{ResourceChange, ResourceKind},
    version,
};
use futures::future::join_all;
use tokio::time::Instant;

use super::{
    commit::WriteRequest,
    key::of_caller,
    org_create::first_key,
    org_write::{self, Draft},
};
use crate::{
    api::{
        draft::SuborganizationDraft,
        outcome::{Answer, NewOrg, Outcome, Unavailable, Written},
    },
    auth::{self, OrgPrincipal},
    entropy,
    node::Node,
    request::{
        locate,
        org_view::home_group,
        unavailable::{no_key, unavailable},
    },
    seal::Field,
};

/// How long a step of a suborganization is tried. A move that waits longer for its turn is asked for again.
const STEP_TIME_MAX: Duration = Duration::from_secs(5);
/// Suborganizations looked at, and at most moved, at a time.
const PAGE: usize = 64;

/// Makes a suborganization.
pub(super) async fn create(
    node: &Node,
    org: Box<OrgPrincipal>,
    wanted: SuborganizationDraft,
    mut request: WriteRequest,
) -> Answer {
    if node.groups.feature_level() < version::LEVEL_OF_REGISTRATIONS {
        return unavailable(Unavailable::FeatureLevel);
    }
    // It shows a key: only to the key that asked first.
    request.digest = of_caller(&request.digest, org.key);
    let parent = org.id();
    let child = Box::new(new_child(node, &org.at.home.org, wanted.name, request.write_id));
    let draft = Draft::Suborganization { org, child, admins: wanted.admins };
    let mut answer = org_write::answer(node, draft, request).await;
    if let Outcome::Written { value, .. } = &mut answer.outcome
        && let Written::Organization(made) = value
    {
        match first_key(node, made) {
            Ok(key) => {
                let new = NewOrg { org: (**made).clone(), parent: Some(parent), key };
                *value = Written::NewOrganization(Box::new(new));
            }
            Err(error) => return no_key(error),
        }
    }
    answer
}

fn new_child(node: &Node, parent: &Org, org_name: String, write_id: WriteId) -> Org {
    let (clock, entropy) = (&*node.environment.clock, &*node.environment.entropy);
    let id = entropy::suborganization_id(clock, entropy);
    let (data_key, wrapped) = node.sealer.new_data_key(id);
    let (key_text, first_key) = auth::new_org_key(id, entropy);
    Org {
        id,
        org_name,
        tenant_name: parent.tenant_name.clone(),
        // It begins where its parent is by then.
        home_region: parent.home_region.clone(),
        epoch: 1,
        data_key: wrapped,
        first_key,
        first_key_sealed: data_key.seal(&key_text, Field::FirstApiKey, write_id),
    }
}

/// Takes the next step for each suborganization of a parent in the groups that this node leads; how many
/// steps were taken. Harmless at any time and on any node.
///
/// # Errors
/// When the store is broken.
pub(crate) async fn follow(node: &Node) -> Result<usize, StoreError> {
    let mut taken = 0;
    for group in led(node) {
        let mut after = None;
        loop {
            let page = suborganization::page(node.state(), group, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            let steps: Result<Vec<_>, StoreError> = page
                .iter()
                .filter_map(|(parent, child)| next_step(node, group, *parent, *child).transpose())
                .collect();
            let proposed = steps?.into_iter().map(|(at, command)| proposed(node, at, command));
            taken += join_all(proposed).await.into_iter().filter(|is_done| *is_done).count();
            tokio::task::yield_now().await;
        }
    }
    Ok(taken)
}

/// The home groups that this node leads.
fn led(node: &Node) -> Vec<GroupId> {
    let led = node.groups.metrics().groups;
    let leads = |group: GroupId| led.iter().any(|(led, .., leads)| *led == group && *leads);
    node.home_groups().into_iter().filter(|group| leads(*group)).collect()
}

/// What is to be proposed for a suborganization of a parent in a group, and where.
fn next_step(
    node: &Node,
    group: GroupId,
    parent: OrgId,
    child: OrgId,
) -> Result<Option<(GroupId, Command)>, StoreError> {
    let is_here = locate::now(node, parent)?.is_some_and(|at| at.group == group && at.is_settled());
    let Some(at) = locate::now(node, child)?.filter(|_| is_here) else { return Ok(None) };
    if at.home.is_ended() {
        let (kind, name) = (ResourceKind::Suborganization, suborganization::name(child));
        let change = Box::new(ResourceChange::Delete { kind, name, is_absent_ok: true });
        let forget = Command::ChangeResource { org: parent, change, precondition: None };
        return Ok(Some((group, forget)));
    }
    let is_open = node.groups.home_groups().into_iter().any(|(home, region)| {
        home == group && node.groups.is_open(&region) && home_group(node, &region) == Some(group)
    });
    if at.group == group || !at.is_settled() || !is_open {
        return Ok(None);
    }
    let epoch = at.home.org.epoch.saturating_add(1);
    Ok(Some((at.group, Command::MoveFreeze { org: child, to: group, epoch })))
}

async fn proposed(node: &Node, group: GroupId, command: Command) -> bool {
    let (clock, entropy) = (&*node.environment.clock, &*node.environment.entropy);
    let proposal = Proposal {
        write_id: entropy::write_id(clock, entropy),
        stamped: node.now(),
        not_after: node.groups.log_now(group).after(limits::NOT_AFTER),
        origin: node.groups.node(),
        idempotency: None,
        // Its parent was moved, or its end was authorized.
        authorized_by: None,
        policies: None,
        command,
    };
    let until = Instant::now() + STEP_TIME_MAX;
    matches!(node.groups.propose(group, proposal, until).await, Proposed::Committed { .. })
}

//! Suborganizations: made by a key of the organization that they belong to, in the group of that one.
//!
//! They live where their parent lives. A parent moves alone, and [`follow`] begins the moves of its
//! suborganizations once it has arrived. It also removes the parent's record of one that has ended while the
//! two were apart: never before all regions have applied the end, which a failover may void until then.

use std::sync::Arc;

use concordat_cluster::{
    machine::{locate::Located, suborganization},
    store::StoreError,
};
use concordat_proto::{
    command::Command,
    id::{GroupId, OrgId, WriteId},
    org::Org,
    resource::{ResourceChange, ResourceKind},
    version,
};
use futures::future::join_all;

use super::{
    commit::WriteRequest,
    key::of_caller,
    org_create::first_key,
    org_end::{is_known_everywhere, proposed},
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
        unavailable::{no_key, unavailable},
    },
    seal::Field,
};

/// Suborganizations looked at, and at most moved, at a time.
const PAGE: usize = 64;

/// Makes a suborganization.
pub(super) async fn create(
    node: &Node,
    org: Arc<OrgPrincipal>,
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
                let new = NewOrg { org: (**made).clone(), parent: Some(parent), key, domain: None };
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

/// Takes the next step for each suborganization of a parent in a group that this node leads; how many it looked
/// at. Harmless at any time and on any node.
///
/// # Errors
/// When the store is broken.
pub(crate) async fn follow(node: &Node, group: GroupId) -> Result<usize, StoreError> {
    let (mut looked, mut after) = (0, None);
    loop {
        let page = suborganization::page(node.state(), group, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(looked) };
        after = Some(*last);
        looked += page.len();
        let steps: Result<Vec<_>, StoreError> = page
            .iter()
            .filter_map(|(parent, child)| next_step(node, group, *parent, *child).transpose())
            .collect();
        let steps = steps?.into_iter().map(|step| carried_out(node, group, step));
        join_all(steps).await;
        tokio::task::yield_now().await;
    }
}

/// What is to be done for a suborganization.
enum Step {
    /// It has ended: its parent's record of it goes.
    Forget { parent: OrgId, child: Located },
    /// It is elsewhere: it moves here.
    Fetch { child: Located },
}

/// What is to be done for a suborganization of a parent in a group.
fn next_step(
    node: &Node,
    group: GroupId,
    parent: OrgId,
    child: OrgId,
) -> Result<Option<Step>, StoreError> {
    let is_here = locate::now(node, parent)?.is_some_and(|at| at.group == group && at.is_settled());
    let Some(child) = locate::now(node, child)?.filter(|_| is_here) else { return Ok(None) };
    if child.home.is_ended() {
        return Ok(Some(Step::Forget { parent, child }));
    }
    let mut homes = node.groups.home_groups().into_iter();
    let is_open = homes.any(|(home, region)| home == group && node.groups.is_open(&region));
    let is_elsewhere = child.group != group && child.is_settled() && is_open;
    Ok(is_elsewhere.then_some(Step::Fetch { child }))
}

async fn carried_out(node: &Node, group: GroupId, step: Step) -> bool {
    match step {
        Step::Forget { parent, child } => {
            let (kind, name) =
                (ResourceKind::Suborganization, suborganization::name(child.home.org.id));
            let change = Box::new(ResourceChange::Delete { kind, name, is_absent_ok: true });
            let forget = Command::ChangeResource { org: parent, change, precondition: None };
            is_known_everywhere(node, &child) && proposed(node, group, forget).await
        }
        Step::Fetch { child } => {
            let (org, epoch) = (child.home.org.id, child.home.org.epoch.saturating_add(1));
            proposed(node, child.group, Command::MoveFreeze { org, to: group, epoch }).await
        }
    }
}

//! Organizations: created by a claim in the system group, then in their home group; listed over all
//! home groups.
//!
//! # The life of a creation
//! 1. The claim, by the operator's key, with everything that makes the organization. A repeat of
//!    the request returns the first claim.
//! 2. The claim of its enterprise domain, where it was asked for with one. A domain that is taken is refused
//!    before the first step; taken in between, it stays the other's, and the answer does not show it.
//! 3. The creation in the home group, under the same write id, proposed by a task that outlives the
//!    request; and by [`resume`] when its node died in between. After that nothing changes.

use std::{sync::Arc, time::Duration};

use concordat_cluster::{
    machine::{query, registered},
    raft::{Freshness, Proposed},
    store::StoreError,
};
use concordat_proto::{
    api::organization::OrganizationCreate,
    command::{Command, Proposal},
    consistency::Receipt,
    id::{GroupId, KeyId, OrgId, WriteId},
    limits,
    log::LogIndex,
    org::Org,
    refusal::Refusal,
    reply::{Applied, Reply},
    secret::Secret,
    version,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::commit::{
    Committed, Home, WriteRequest, finish, operators_key, pending, proposal, propose, refused_here,
    repeated, replicated, unknown,
};
use crate::{
    api::outcome::{Answer, NewOrg, Outcome, Unavailable, Written},
    auth, entropy,
    node::Node,
    request::{
        freshness,
        org_view::home_group,
        unavailable::{broken, no_key, unavailable},
    },
    seal::{Field, SealError},
};

/// How long the creation is retried, whether or not the request still waits for it.
const BEGIN_TIME_MAX: Duration = Duration::from_secs(60);
/// The interval between checks for a region's group that this node is about to learn of.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Organizations read from a group at a time.
const PAGE_ORGS: usize = 256;

/// An organization that is claimed.
struct Claimed {
    org: Org,
    /// The write that claims and makes it.
    write_id: WriteId,
    /// The claim's place in the system group's log.
    index: LogIndex,
}

/// Makes an organization.
pub(super) async fn create(
    node: &Arc<Node>,
    key: KeyId,
    wanted: OrganizationCreate,
    request: &WriteRequest,
) -> Answer {
    if let Err(answer) = refuse_taken(node, &wanted, request) {
        return answer;
    }
    let domain = wanted.enterprise_domain.clone();
    let claim = Command::ClaimOrg(new_org(node, wanted, request.write_id));
    let claim = proposal(node, request, Some(key), claim);
    let committed = match propose(node, GroupId::SYSTEM, claim, request).await {
        Ok(committed) => committed,
        Err(not) => return not.answer(node, GroupId::SYSTEM, request).await,
    };
    let Applied { write_id, index, .. } = committed.applied;
    let claimed = match &committed.applied.outcome {
        Ok(Reply::Org(claimed)) => Claimed { org: (**claimed).clone(), write_id, index },
        Ok(_) | Err(_) => return finish(node, Home::SYSTEM, committed, request).await,
    };
    let domain = match domain {
        Some(domain) => claim_domain(node, &claimed, domain, request).await,
        None => Ok(None),
    };
    match domain {
        Ok(domain) => begin(node, claimed, domain, request).await,
        Err(NotKnown) => {
            let until = Instant::now() + BEGIN_TIME_MAX;
            let Claimed { org, write_id, .. } = claimed;
            drop(node.detached.spawn(proposed(Arc::clone(node), org, write_id, until)));
            sleep_until(request.timing.deadline).await;
            pending(unknown(node, GroupId::SYSTEM, write_id, request))
        }
    }
}

/// Refuses a domain that another organization has, before anything is made. The owner is looked up first: if
/// this request has made it so, the record of that is there too.
fn refuse_taken(
    node: &Node,
    wanted: &OrganizationCreate,
    request: &WriteRequest,
) -> Result<(), Answer> {
    let Some(domain) = &wanted.enterprise_domain else { return Ok(()) };
    if node.groups.feature_level() < version::LEVEL_OF_REGISTRATIONS {
        return Err(unavailable(Unavailable::FeatureLevel));
    }
    let fresh = freshness::of_all(node);
    let owner = registered::domain_owner(node.state(), domain);
    let owner = owner.map_err(|error| broken("looking for a domain's owner", &error))?;
    let is_free = owner.is_none_or(|owner| Some(owner) == wanted.id);
    if is_free || repeated(node, GroupId::SYSTEM, None, request)?.is_some() {
        return Ok(());
    }
    Err(refused_here(Outcome::refused(Refusal::DomainTaken), fresh, request))
}

/// Whether an organization has its domain is not known in time, or not everywhere that was asked for.
struct NotKnown;

/// Claims the domain of an organization that is claimed; none where another one has taken it meanwhile. A repeat
/// of the request gets the first one's result, whatever domain the organization has by then.
async fn claim_domain(
    node: &Node,
    claimed: &Claimed,
    domain: String,
    request: &WriteRequest,
) -> Result<Option<String>, NotKnown> {
    let write_id = entropy::write_id(&*node.environment.clock, &*node.environment.entropy);
    let of_domain = WriteRequest { write_id, ..request.clone() };
    let command = Command::ClaimDomain { org: claimed.org.id, domain: domain.clone() };
    // The claim of the organization was authorized.
    let mut proposal = Proposal { policies: None, ..proposal(node, &of_domain, None, command) };
    if let Some(idempotency) = &mut proposal.idempotency {
        idempotency.key = operators_key(&format!("the domain of {}", claimed.write_id));
    }
    let committed = propose(node, GroupId::SYSTEM, proposal, &of_domain).await;
    let committed = committed.map_err(|_| NotKnown)?;
    if !replicated(node, Home::SYSTEM, &committed, &of_domain).await.achieved {
        return Err(NotKnown);
    }
    match committed.applied.outcome {
        Ok(_) => Ok(Some(domain)),
        Err(Refusal::DomainTaken | Refusal::OrgNotFound) => Ok(None),
        Err(_) => Err(NotKnown),
    }
}

fn new_org(node: &Node, wanted: OrganizationCreate, write_id: WriteId) -> Org {
    let (clock, entropy) = (&*node.environment.clock, &*node.environment.entropy);
    let id = wanted.id.unwrap_or_else(|| entropy::org_id(clock, entropy));
    let (data_key, wrapped) = node.sealer.new_data_key(id);
    let (key_text, first_key) = auth::new_org_key(id, entropy);
    Org {
        id,
        tenant_name: wanted.tenant_name.unwrap_or_else(|| wanted.org_name.clone()),
        org_name: wanted.org_name,
        home_region: wanted.home_region.unwrap_or_else(|| node.groups.region().clone()),
        epoch: 1,
        data_key: wrapped,
        first_key,
        first_key_sealed: data_key.seal(&key_text, Field::FirstApiKey, write_id),
    }
}

async fn begin(
    node: &Arc<Node>,
    Claimed { org: claimed, write_id, index }: Claimed,
    domain: Option<String>,
    request: &WriteRequest,
) -> Answer {
    let deadline = request.timing.deadline;
    let not_known = |group| pending(unknown(node, group, write_id, request));
    // The region may be so new that this node does not know its group yet.
    node.groups.wait_visible(GroupId::SYSTEM, index, deadline).await;
    let group = loop {
        match home_group(node, &claimed.home_region) {
            Some(group) => break group,
            None if Instant::now() >= deadline => return not_known(GroupId::SYSTEM),
            None => sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await,
        }
    };
    let home = Home { group, epoch: claimed.epoch };
    let until = deadline.max(Instant::now() + BEGIN_TIME_MAX);
    let task = node.detached.spawn(proposed(Arc::clone(node), claimed, write_id, until));
    let Ok(Ok(Proposed::Committed { applied, stale_readers })) = timeout_at(deadline, task).await
    else {
        // Never early: a task that ended at once leaves the caller its time all the same.
        sleep_until(deadline).await;
        return not_known(group);
    };
    let committed = Committed { applied, stale_readers };
    match &committed.applied.outcome {
        Ok(Reply::Org(org)) => {
            let receipt = replicated(node, home, &committed, request).await;
            created(node, org, domain, receipt)
        }
        Ok(_) | Err(_) => finish(node, home, committed, request).await,
    }
}

fn created(node: &Node, org: &Org, domain: Option<String>, receipt: Receipt) -> Answer {
    let outcome = match first_key(node, org) {
        // Without the key: the repeat under the same idempotency key shows it.
        Ok(_) if !receipt.achieved => Outcome::Pending { receipt, refusal: None },
        Ok(key) => {
            let new = NewOrg { org: org.clone(), parent: None, key, domain };
            let value = Written::NewOrganization(Box::new(new));
            Outcome::Written { value, follows: false, receipt }
        }
        Err(error) => return no_key(error),
    };
    freshness::mark(outcome, Freshness::Current)
}

pub(super) fn first_key(node: &Node, org: &Org) -> Result<Secret, SealError> {
    let data_key = node.sealer.data_key(org.id, &org.data_key)?;
    data_key.open(&org.first_key_sealed, Field::FirstApiKey)
}

/// Proposes the beginning, wherever the region's group is, until it is decided or the time is over.
async fn proposed(node: Arc<Node>, org: Org, write_id: WriteId, until: Instant) -> Proposed {
    let now = node.now();
    let proposal = Proposal {
        write_id,
        stamped: now,
        not_after: now,
        origin: node.groups.node(),
        idempotency: None,
        // The claim was authorized; the home group follows it.
        authorized_by: None,
        policies: None,
        decided_for: None,
        command: Command::CreateOrg(org.clone()),
    };
    loop {
        if let Some(group) = home_group(&node, &org.home_region) {
            let not_after = node.groups.log_now(group).after(limits::NOT_AFTER);
            let proposal = Proposal { not_after, ..proposal.clone() };
            let proposed = node.groups.propose(group, proposal, until).await;
            if proposed != Proposed::Closed {
                return proposed;
            }
        }
        if Instant::now() >= until {
            return Proposed::Unknown;
        }
        sleep_until(until.min(Instant::now() + LOOK_EVERY)).await;
    }
}

/// Creates those claimed organizations whose group has its voters in this node's region and whose
/// creation was interrupted. Harmless at any time and on any node: the claim decides everything.
pub(crate) async fn resume(node: &Arc<Node>) -> Result<usize, StoreError> {
    let hosted = node.groups.hosted_here();
    let mut after = None;
    let mut finished = 0;
    loop {
        let claims = query::claims(node.state(), after, PAGE_ORGS)?;
        let Some(last) = claims.last() else { return Ok(finished) };
        after = Some(last.org.id);
        for claim in claims.into_iter().filter(|claim| !claim.is_ended()).map(|claim| claim.org) {
            let mut homes = hosted.iter().filter(|(region, _)| *region == claim.home_region);
            let Some((_, group)) = homes.next() else { continue };
            if !has_begun(node, *group, claim.id)? {
                let write_id = claim.first_key_sealed.sealed_by;
                let until = Instant::now() + BEGIN_TIME_MAX;
                let outcome = proposed(Arc::clone(node), claim, write_id, until).await;
                finished += usize::from(matches!(outcome, Proposed::Committed { .. }));
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Whether an organization is in its first home, or was and has moved since.
fn has_begun(node: &Node, group: GroupId, org: OrgId) -> Result<bool, StoreError> {
    let state = node.state();
    Ok(query::home(state, group, org)?.is_some() || query::away(state, group, org)?.is_some())
}

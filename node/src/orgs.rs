//! Organisations: made by a claim in the system group, then in their home group; listed over all
//! home groups.
//!
//! # The life of a creation
//! 1. The claim, by the operator's key, with everything that makes the organisation. Whoever
//!    repeats the request is answered with the first claim.
//! 2. The beginning in the home group, under the same write id, proposed by a task that outlives
//!    the request; and by [`finish`] when its node died in between. Once begun, nothing changes.

use std::{sync::Arc, time::Duration};

use concordat_cluster::{
    machine::query,
    raft::Proposed,
    store::{Reader, Store, StoreError},
};
use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, KeyId, OrgId, WriteId},
    limits,
    movement::HomeRecord,
    org::Org,
    region::Region,
    reply::{Applied, Reply},
    secret::Secret,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    auth,
    dialect::{Answer, Operation, OrgDraft, Page, slashid::render},
    entropy, freshness, moves,
    node::Node,
    read::Found,
    refuse,
    seal::{Field, SealError},
    write::{self, Asked, Committed, Home},
};

/// How long the beginning is tried for, whether or not the request still waits for it.
const BEGIN_TIME_MAX: Duration = Duration::from_secs(60);
/// Between two looks for a region's group that this node is about to learn of.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Organisations read from a group at a time.
const PAGE_ORGS: usize = 256;

/// Makes an organisation.
pub(crate) async fn create(node: &Arc<Node>, key: KeyId, draft: OrgDraft, asked: &Asked) -> Answer {
    let claim = Command::ClaimOrg(new_org(node, draft, asked.write_id));
    let proposal = write::proposal(node, asked, Some(key), claim);
    let committed = match write::propose(node, GroupId::SYSTEM, proposal, asked).await {
        Ok(committed) => committed,
        Err(not) => return not.answer(node, GroupId::SYSTEM, asked).await,
    };
    let Applied { write_id, index, .. } = committed.applied;
    match &committed.applied.outcome {
        Ok(Reply::Org(claimed)) => begin(node, (**claimed).clone(), write_id, index, asked).await,
        Ok(_) | Err(_) => {
            write::told(node, Operation::OrgCreate, Home::SYSTEM, committed, asked).await
        }
    }
}

fn new_org(node: &Node, draft: OrgDraft, write_id: WriteId) -> Org {
    let (clock, entropy) = (&*node.environment.clock, &*node.environment.entropy);
    let id = draft.id.unwrap_or_else(|| entropy::org_id(clock, entropy));
    let (data_key, wrapped) = node.sealer.new_data_key(id);
    let (key_text, first_key) = auth::new_org_key(id, entropy);
    Org {
        id,
        org_name: draft.org_name,
        tenant_name: draft.tenant_name,
        home_region: draft.home_region.unwrap_or_else(|| node.groups.region().clone()),
        epoch: 1,
        data_key: wrapped,
        first_key,
        first_key_sealed: data_key.seal(&key_text, Field::FirstApiKey, write_id),
    }
}

async fn begin(
    node: &Arc<Node>,
    claimed: Org,
    write_id: WriteId,
    claim_index: concordat_proto::log::LogIndex,
    asked: &Asked,
) -> Answer {
    let deadline = asked.timing.deadline;
    let unknown = |group| render::timed_out(&write::unknown(node, group, write_id, asked));
    // The region may be so new that this node has yet to learn of its group.
    node.groups.wait_visible(GroupId::SYSTEM, claim_index, deadline).await;
    let group = loop {
        match home_group(node, &claimed.home_region) {
            Some(group) => break group,
            None if Instant::now() >= deadline => return unknown(GroupId::SYSTEM),
            None => sleep_until(deadline.min(Instant::now() + LOOK_EVERY)).await,
        }
    };
    let home = Home { group, epoch: claimed.epoch };
    let until = deadline.max(Instant::now() + BEGIN_TIME_MAX);
    let task = node.detached.spawn(proposed(Arc::clone(node), claimed, write_id, until));
    let Ok(Ok(Proposed::Committed { applied, danger })) = timeout_at(deadline, task).await else {
        // Never early: a task that ended at once leaves the caller its time all the same.
        sleep_until(deadline).await;
        return unknown(group);
    };
    let committed = Committed { applied, danger };
    match &committed.applied.outcome {
        Ok(Reply::Org(org)) => created(node, home, org, &committed, asked).await,
        Ok(_) | Err(_) => write::told(node, Operation::OrgCreate, home, committed, asked).await,
    }
}

async fn created(
    node: &Node,
    home: Home,
    org: &Org,
    committed: &Committed,
    asked: &Asked,
) -> Answer {
    let receipt = write::travelled(node, home, committed, asked).await;
    let answer = match first_key(node, org) {
        Ok(key) => render::org_created(org, &key, &receipt),
        Err(error) => return refuse::no_key(error),
    };
    freshness::mark(answer, concordat_cluster::raft::Freshness::Current)
}

fn first_key(node: &Node, org: &Org) -> Result<Secret, SealError> {
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
        // The claim was authorised; the home group follows it.
        authorised_by: None,
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

pub(crate) fn home_group(node: &Node, region: &Region) -> Option<GroupId> {
    let groups = node.groups.home_groups();
    groups.into_iter().find_map(|(group, home)| (home == *region).then_some(group))
}

/// Begins those claimed organisations whose group stands in this node's region and whose making was
/// interrupted.
/// Harmless at any time and on any node: the claim decides everything.
pub(crate) async fn finish(node: &Arc<Node>) -> Result<usize, StoreError> {
    let seated = node.groups.seated_here();
    let mut after = None;
    let mut finished = 0;
    loop {
        let claims = query::claims(node.state(), after, PAGE_ORGS)?;
        let Some(last) = claims.last() else { return Ok(finished) };
        after = Some(last.id);
        for claim in claims {
            let mut homes = seated.iter().filter(|(region, _)| *region == claim.home_region);
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

/// Whether an organisation is in its first home, or was and has left since.
fn has_begun(node: &Node, group: GroupId, org: OrgId) -> Result<bool, StoreError> {
    let state = node.state();
    Ok(query::home(state, group, org)?.is_some() || query::away(state, group, org)?.is_some())
}

/// A page of all organisations, in order of id.
pub(crate) async fn list(node: &Arc<Node>, page: Page) -> Found {
    let home_groups = node.home_groups();
    let store = Arc::clone(&node.store);
    // It looks at every organisation to count them: not on the threads that answer requests.
    let read = tokio::task::spawn_blocking(move || merged(&*store, &home_groups, page)).await;
    match read {
        Ok(Ok((orgs, total_count))) => {
            // Without a limit the whole list is the page, unless that is longer than any may be.
            let is_cut = page.limit.is_some() || total_count > limits::PAGE_ITEMS_MAX;
            let shown = Page { limit: is_cut.then_some(page_items(page)), ..page };
            let standing = |home| moves::standing(node, home);
            let orgs: Vec<_> = orgs.into_iter().map(standing).collect();
            let answer = render::org_list(&orgs, shown, total_count);
            if total_count == 0 { Found::Nothing(answer) } else { Found::Something(answer) }
        }
        Ok(Err(error)) => Found::Something(refuse::broken("listing organisations", &error)),
        Err(error) => {
            tracing::error!(%error, "listing organisations");
            Found::Something(refuse::overloaded())
        }
    }
}

fn page_items(page: Page) -> usize {
    page.limit.unwrap_or(limits::PAGE_ITEMS_MAX).min(limits::PAGE_ITEMS_MAX)
}

/// One group's organisations, a few at a time.
struct Cursor<'a> {
    store: &'a dyn Reader,
    group: GroupId,
    ready: std::collections::VecDeque<HomeRecord>,
    after: Option<OrgId>,
    is_done: bool,
}

impl Cursor<'_> {
    fn fill(&mut self) -> Result<(), StoreError> {
        if self.ready.is_empty() && !self.is_done {
            let homes = query::homes(self.store, self.group, self.after, PAGE_ORGS)?;
            self.is_done = homes.len() < PAGE_ORGS;
            self.after = homes.last().map(|home| home.org.id).or(self.after);
            self.ready.extend(homes);
        }
        Ok(())
    }
}

/// The wanted page, and how many there are in all.
fn merged(
    store: &dyn Store,
    home_groups: &[GroupId],
    page: Page,
) -> Result<(Vec<HomeRecord>, usize), StoreError> {
    let limit = page_items(page);
    let cursor = |group: &GroupId| Cursor {
        store,
        group: *group,
        ready: Default::default(),
        after: None,
        is_done: false,
    };
    let mut cursors: Vec<Cursor<'_>> = home_groups.iter().map(cursor).collect();
    let (mut wanted, mut total_count) = (Vec::new(), 0);
    loop {
        for cursor in &mut cursors {
            cursor.fill()?;
        }
        let Some(next) =
            cursors.iter().filter_map(|c| c.ready.front()).map(|home| home.org.id).min()
        else {
            return Ok((wanted, total_count));
        };
        // One that has moved stands in two groups; the newer record counts.
        let mut same = Vec::new();
        for cursor in &mut cursors {
            same.extend(cursor.ready.pop_front_if(|home| home.org.id == next));
        }
        let newest = same.into_iter().max_by_key(|home| home.org.epoch);
        if total_count >= page.offset && wanted.len() < limit {
            wanted.extend(newest);
        }
        total_count += 1;
    }
}

#[cfg(test)]
mod tests {
    use concordat_cluster::store::{WriteBatch, keys, memory::MemoryStore};
    use concordat_proto::{
        org::{ApiKey, Rights, WrappedKey},
        secret::Sealed,
        wire::Wire,
    };

    use super::*;

    fn put(store: &MemoryStore, group: u32, id: u8, epoch: u32) {
        let org = Org {
            id: OrgId::from_bytes([id; 16]),
            org_name: format!("of group {group}"),
            tenant_name: "a tenant".into(),
            home_region: Region::new("us").unwrap(),
            epoch,
            data_key: WrappedKey { keyring_key: 1, bytes: vec![1; 73] },
            first_key: ApiKey {
                id: KeyId::from_bytes([1; 16]),
                hash: [0; 32],
                rights: Rights::ALL,
            },
            first_key_sealed: Sealed {
                sealed_by: WriteId::from_bytes([1; 16]),
                bytes: vec![1; 73],
            },
        };
        let changes = vec![(keys::org(GroupId(group), org.id), Some(org.encode()))];
        store.write(WriteBatch { changes, ..WriteBatch::default() }).unwrap();
    }

    #[test]
    fn a_page_is_cut_from_all_groups_in_order_of_id() {
        let store = MemoryStore::default();
        for (group, id, epoch) in [(1, 1, 1), (2, 2, 1), (1, 3, 1), (2, 3, 2), (3, 4, 1)] {
            put(&store, group, id, epoch);
        }
        let homes = [GroupId(1), GroupId(2), GroupId(3)];
        let ids = |limit, offset| {
            let (orgs, total) = merged(&store, &homes, Page { limit, offset }).unwrap();
            assert_eq!(total, 4, "one that moved counts once");
            let shown = |home: &HomeRecord| (home.org.id.to_bytes()[0], home.org.epoch);
            orgs.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, 0), [(1, 1), (2, 1), (3, 2), (4, 1)]);
        assert_eq!(ids(Some(2), 1), [(2, 1), (3, 2)]);
        assert_eq!(ids(Some(9), 9), []);
    }
}

//! Organizations, as operators read them: one, or a page of all home groups.

use std::sync::Arc;

use concordat_cluster::{
    machine::query,
    store::{Reader, Store, StoreError},
};
use concordat_proto::{
    id::{GroupId, OrgId},
    movement::HomeRecord,
};

use crate::{
    api::{
        operation::Page,
        outcome::{Answer, List, OrgView, Outcome, Unavailable, Value},
    },
    node::Node,
    request::{
        freshness, locate,
        org_view::{absent, view, view_with_parent},
        unavailable::{broken, unavailable},
    },
};

/// Organizations read from a group at a time.
const PAGE_ORGS: usize = 256;

/// One organization, with its settings.
pub(super) fn show(node: &Node, org: OrgId) -> Answer {
    let fresh = freshness::of_all(node);
    let located = match locate::living(node, org) {
        Ok(Some(located)) => located,
        Ok(None) => return absent(node),
        Err(error) => return freshness::mark(broken("locating an organization", &error), fresh),
    };
    let read = query::org_settings(node.state(), located.group, org);
    match read.and_then(|settings| Ok((settings, view_with_parent(node, &located)?))) {
        Ok((settings, view)) => {
            let view = OrgView { settings: Some(settings), ..view };
            freshness::mark(Outcome::Found(Value::Organization(Box::new(view))), fresh)
        }
        Err(error) => freshness::mark(broken("reading an organization's settings", &error), fresh),
    }
}

/// A page of all organizations, in order of id.
pub(super) async fn list(node: &Arc<Node>, page: Page) -> Answer {
    let fresh = freshness::for_not_found(node);
    let home_groups = node.home_groups();
    let store = Arc::clone(&node.store);
    // It looks at every organization to count them: not on the threads that answer requests.
    let wanted = page.clone();
    let read = node.aside(move || merged(&*store, &home_groups, &wanted)).await;
    match read {
        Ok(Ok((orgs, total_count))) => {
            let items = orgs.into_iter().map(|home| view(node, home)).collect();
            let list = List { items, page, total_count, next: None };
            freshness::mark(Outcome::Found(Value::Organizations(list)), fresh)
        }
        Ok(Err(error)) => freshness::mark(broken("listing organizations", &error), fresh),
        Err(error) => {
            tracing::error!(%error, "listing organizations");
            freshness::mark(unavailable(Unavailable::Overloaded), fresh)
        }
    }
}

/// One group's organizations, a few at a time.
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
    page: &Page,
) -> Result<(Vec<HomeRecord>, usize), StoreError> {
    let limit = page.items_max();
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
        // One that has moved is in two groups; the newer record counts.
        let mut same = Vec::new();
        for cursor in &mut cursors {
            same.extend(cursor.ready.pop_front_if(|home| home.org.id == next));
        }
        let newest = same.into_iter().max_by_key(|home| home.org.epoch);
        let Some(newest) = newest.filter(|home| !home.is_ended()) else { continue };
        if total_count >= page.offset && wanted.len() < limit {
            wanted.push(newest);
        }
        total_count += 1;
    }
}

#[cfg(test)]
mod tests {
    use concordat_cluster::store::{WriteBatch, keys, memory::MemoryStore};
    use concordat_proto::{
        id::{KeyId, WriteId},
        org::{ApiKey, Org, Rights, WrappedKey},
        region::Region,
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
            let (orgs, total) =
                merged(&store, &homes, &Page { limit, offset, after: None }).unwrap();
            assert_eq!(total, 4, "one that moved counts once");
            let shown = |home: &HomeRecord| (home.org.id.to_bytes()[0], home.org.epoch);
            orgs.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(ids(None, 0), [(1, 1), (2, 1), (3, 2), (4, 1)]);
        assert_eq!(ids(Some(2), 1), [(2, 1), (3, 2)]);
        assert_eq!(ids(Some(9), 9), []);
    }
}

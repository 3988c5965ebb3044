//! The list of an organization's keys: without their texts, which no node keeps, and without those that open
//! nothing.

use concordat_cluster::{
    machine::{locate::Located, org_keys},
    store::StoreError,
};
use concordat_proto::key::OrgKey;

use crate::{
    api::{
        operation::Page,
        outcome::{Answer, List, Outcome, Value},
    },
    auth::OrgPrincipal,
    node::Node,
    request::unavailable::broken,
};

/// A page of the keys, the oldest first.
pub(super) fn list(node: &Node, org: &OrgPrincipal, at: &Located, page: &Page) -> Answer {
    match living(node, at) {
        Ok(keys) => {
            let total_count = keys.len();
            let items = keys.into_iter().skip(page.offset).take(page.items_max()).collect();
            let list = List { items, page: page.clone(), total_count, next: None };
            Outcome::Found(Value::Keys(org.key, list)).into()
        }
        Err(error) => broken("listing keys", &error),
    }
}

fn living(node: &Node, at: &Located) -> Result<Vec<OrgKey>, StoreError> {
    let mut keys = org_keys::all(node.state(), at.group, at.home.org.id)?;
    let now = node.now();
    keys.retain(|key| key.lives(now));
    keys.sort_by_key(|key| (key.created_at, key.key.id));
    Ok(keys)
}

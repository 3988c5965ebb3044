//! An organization that has ended has no data, in every state that knows the end: no key record but that of
//! the key that asked, which opens only the receipt; no credential; no resource. And it never comes back: no
//! later state of that group has it alive, and no other group has it in a later epoch.
//!
//! The second part must not be checked once groups may close: an end that not all regions had may be void then.

use std::collections::BTreeMap;

use concordat_cluster::{
    machine::{list::Wanted, org_keys, query, registered, resource},
    store::Reader,
};
use concordat_proto::{
    id::{GroupId, OrgId},
    movement::HomeRecord,
    resource::ResourceKind,
};

use crate::world::World;

/// More than a seed makes.
const ORGS_MAX: usize = 64;
/// A suborganization's end is its own.
const KINDS: [ResourceKind; 5] = [
    ResourceKind::Saml,
    ResourceKind::External,
    ResourceKind::Attribute,
    ResourceKind::Policies,
    ResourceKind::Suborganization,
];

/// Where an organization has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    group: GroupId,
    epoch: u32,
    index: u64,
}

/// All that were seen.
#[derive(Default)]
pub(in crate::invariants) struct Ends {
    known: BTreeMap<OrgId, End>,
    /// By node and group: the applied index of the last look.
    looked: BTreeMap<(usize, GroupId), u64>,
}

impl Ends {
    pub(in crate::invariants) fn look(
        &mut self,
        world: &World,
        groups_may_close: bool,
    ) -> Result<(), String> {
        for (number, node) in world.nodes() {
            for (group, _, applied, ..) in node.groups().indexes() {
                let last = self.looked.insert((number, group), applied);
                if group == GroupId::SYSTEM || last == Some(applied) {
                    continue;
                }
                let homes = query::homes(node.state(), group, None, ORGS_MAX).unwrap_or_default();
                for home in homes {
                    if home.is_ended() {
                        has_no_data(node.state(), group, home.org.id)?;
                    }
                    if !groups_may_close {
                        self.note(group, applied, &home)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, group: GroupId, applied: u64, home: &HomeRecord) -> Result<(), String> {
        let (org, epoch) = (home.org.id, home.org.epoch);
        if let Some(ended) = &home.ended {
            self.known.entry(org).or_insert(End { group, epoch, index: ended.index.0 });
            return Ok(());
        }
        let Some(end) = self.known.get(&org) else { return Ok(()) };
        let is_later = (group == end.group && applied >= end.index) || epoch > end.epoch;
        if home.is_open() && is_later {
            return Err(format!(
                "ended: {org} ended at {end:?}, and lives in {group} at {applied} in epoch {epoch}"
            ));
        }
        Ok(())
    }
}

fn has_no_data(state: &dyn Reader, group: GroupId, org: OrgId) -> Result<(), String> {
    let text = |error: concordat_cluster::store::StoreError| error.to_string();
    let keys = org_keys::all(state, group, org).map_err(text)?;
    if let Some(key) = keys.iter().find(|key| key.replaced.is_none()) {
        return Err(format!("ended: {org} has ended in {group}, and its key {} lives", key.key.id));
    }
    let credentials = registered::all(state, group, org).map_err(text)?;
    if !credentials.is_empty() {
        let count = credentials.len();
        return Err(format!("ended: {org} has ended in {group}, and has {count} credentials"));
    }
    for kind in KINDS {
        let part = resource::list(state, group, org, kind, Wanted::FIRST).map_err(text)?;
        let count = part.total_count;
        if count > 0 {
            return Err(format!("ended: {org} has ended in {group}, and has {count} of {kind:?}"));
        }
    }
    Ok(())
}

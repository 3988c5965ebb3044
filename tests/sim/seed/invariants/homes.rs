//! An organisation has one home: of two groups that both have it, the one of the older epoch is known
//! to the other to have let it go, and has not come as far as that yet.
//!
//! Of each group only the furthest replica that was ever seen counts, for replicas lag. It must not be
//! asked once groups may close: what a closed one has counts no more.

use std::collections::BTreeMap;

use concordat_cluster::machine::query;
use concordat_proto::{
    id::{GroupId, OrgId},
    movement::HomeRecord,
};

use crate::world::World;

/// More than a seed makes.
const ORGS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Homes(BTreeMap<GroupId, (u64, BTreeMap<OrgId, HomeRecord>)>);

impl Homes {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (_, node) in world.nodes() {
            for (group, _, applied, ..) in node.groups().metrics().groups {
                let known = self.0.entry(group).or_default();
                if group == GroupId::SYSTEM || known.0 >= applied {
                    continue;
                }
                let homes = query::homes(node.state(), group, None, ORGS_MAX).unwrap_or_default();
                let here = homes.into_iter().filter(|home| home.release.is_none());
                *known = (applied, here.map(|home| (home.org.id, home)).collect());
            }
        }
        for (group, (applied, homes)) in &self.0 {
            for (org, home) in homes {
                for (other, (_, others)) in self.0.iter().filter(|(other, _)| *other != group) {
                    let Some(newer) = others.get(org) else { continue };
                    if newer.org.epoch < home.org.epoch {
                        continue;
                    }
                    let past = newer.arrival.iter().flat_map(|arrival| &arrival.past);
                    let mut stays =
                        past.filter(|it| (it.group, it.epoch) == (*group, home.org.epoch));
                    if stays.any(|stay| stay.release.0 > *applied) {
                        continue;
                    }
                    return Err(format!(
                        "homes: {org} is in group {group} at {applied} in epoch {} and in group \
                         {other} in epoch {}",
                        home.org.epoch, newer.org.epoch
                    ));
                }
            }
        }
        Ok(())
    }
}

//! An organization has one home: of two groups that both have it, the other one knows that the one
//! of the older epoch has released it, at an index that the older one has not applied yet.
//!
//! Of each group only the furthest replica that was ever seen counts, because replicas lag. It must
//! not be checked once groups may close: a closed one's state does not count any more.

mod ended;

use std::collections::BTreeMap;

use concordat_cluster::machine::query;
use concordat_proto::{
    id::{GroupId, OrgId},
    movement::PreviousHome,
};

pub(super) use self::ended::Ends;
use crate::world::World;

/// More than a seed makes.
const ORGS_MAX: usize = 64;

/// A group's record of an organization: its epoch there, and its earlier homes.
type Stay = (u32, Vec<PreviousHome>);

/// By group: the furthest index, and its organizations.
#[derive(Default)]
pub(super) struct Homes(BTreeMap<GroupId, (u64, BTreeMap<OrgId, Stay>)>);

impl Homes {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (_, node) in world.nodes() {
            for (group, _, applied, ..) in node.groups().indexes() {
                let known = self.0.entry(group).or_default();
                if group == GroupId::SYSTEM || known.0 >= applied {
                    continue;
                }
                let homes = query::homes(node.state(), group, None, ORGS_MAX).unwrap_or_default();
                let here = homes.into_iter().filter(|home| home.release.is_none());
                let stays = here.map(|home| {
                    let past = home.arrival.map(|arrival| arrival.past);
                    (home.org.id, (home.org.epoch, past.unwrap_or_default()))
                });
                *known = (applied, stays.collect());
            }
        }
        self.judge()
    }

    fn judge(&self) -> Result<(), String> {
        for (group, (applied, homes)) in &self.0 {
            for (org, (epoch, _)) in homes {
                for (other, (_, others)) in self.0.iter().filter(|(other, _)| *other != group) {
                    let Some((newer, past)) = others.get(org) else { continue };
                    if newer < epoch {
                        continue;
                    }
                    let mut stays =
                        past.iter().filter(|it| (it.group, it.epoch) == (*group, *epoch));
                    if stays.any(|stay| stay.release.0 > *applied) {
                        continue;
                    }
                    return Err(format!(
                        "homes: {org} is in group {group} at {applied} in epoch {epoch} and in group \
                         {other} in epoch {newer}"
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use concordat_proto::log::LogIndex;

    use super::*;

    const OLD: GroupId = GroupId(1);
    const NEW: GroupId = GroupId(2);

    /// An organization is in the old group's state as of an index, and in the new one's in an epoch; the
    /// old one let it go at entry 20.
    fn both(old_at: u64, epoch: u32) -> Result<(), String> {
        let org = OrgId::from_bytes([7; 16]);
        let past = vec![PreviousHome { epoch: 1, group: OLD, release: LogIndex(20) }];
        Homes(BTreeMap::from([
            (OLD, (old_at, BTreeMap::from([(org, (1, vec![]))]))),
            (NEW, (9, BTreeMap::from([(org, (epoch, past))]))),
        ]))
        .judge()
    }

    #[test]
    fn an_organization_has_one_home() {
        assert_eq!(both(19, 2), Ok(()), "the old one has not come as far");
        assert!(both(20, 2).is_err(), "it has, and has it still");
        let mut twice = Homes::default();
        for group in [OLD, NEW] {
            twice.0.insert(group, (9, BTreeMap::from([(OrgId::from_bytes([7; 16]), (1, vec![]))])));
        }
        assert!(twice.judge().is_err(), "nobody let it go");
    }
}

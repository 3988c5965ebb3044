//! A number means one organization or one credential, in every state and for good.
//!
//! Records of a closed group count like those of its successor: a number moves with its credential.

use std::collections::BTreeMap;

use concordat_cluster::machine::{query, registered};
use concordat_proto::{
    id::{GroupId, OrgId, WriteId},
    registration::Number,
};

use crate::world::World;

/// More than a seed makes.
const ORGS_MAX: usize = 64;

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Organization(OrgId),
    Credential(OrgId, WriteId),
}

/// All that were ever seen.
#[derive(Default)]
pub(super) struct Numbers {
    known: BTreeMap<Number, Meaning>,
    /// By node and group: the applied index of the last look.
    looked: BTreeMap<(usize, GroupId), u64>,
}

impl Numbers {
    pub(super) fn look(&mut self, world: &World) -> Result<(), String> {
        for (number, node) in world.nodes() {
            for (group, _, applied, ..) in node.groups().indexes() {
                let last = self.looked.insert((number, group), applied);
                if group == GroupId::SYSTEM || last == Some(applied) {
                    continue;
                }
                for home in query::homes(node.state(), group, None, ORGS_MAX).unwrap_or_default() {
                    let org = home.org.id;
                    let profile = registered::profile(node.state(), group, org);
                    let profile = profile.map_err(|error| error.to_string())?;
                    self.note(profile.number, Meaning::Organization(org))?;
                    let entries = registered::all(node.state(), group, org);
                    for entry in entries.map_err(|error| error.to_string())? {
                        let registration = entry.registration;
                        let meaning = Meaning::Credential(org, registration.id);
                        self.note(registration.number, meaning)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, number: Number, meaning: Meaning) -> Result<(), String> {
        let known = *self.known.entry(number).or_insert(meaning);
        if known == meaning {
            return Ok(());
        }
        Err(format!("numbers: {number:?} means {known:?} and {meaning:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_means_one_thing() {
        let mut numbers = Numbers::default();
        let (org, other) = (OrgId::from_bytes([1; 16]), OrgId::from_bytes([2; 16]));
        let one = Meaning::Credential(org, WriteId::from_bytes([3; 16]));
        assert_eq!(numbers.note(Number(7), one), Ok(()));
        assert_eq!(numbers.note(Number(7), one), Ok(()));
        assert_eq!(numbers.note(Number(8), Meaning::Organization(org)), Ok(()));
        assert!(numbers.note(Number(7), Meaning::Organization(other)).is_err());
    }
}

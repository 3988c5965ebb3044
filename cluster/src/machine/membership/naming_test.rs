//! The names of regions: by examples, and by a naive set of names over random commands.

use std::collections::BTreeSet;

use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId},
    limits,
    org::{ClusterRecord, NodeRecord, RegionState},
    refusal::{FullOf, Refusal},
    region::Region,
    reply::Reply,
};
use proptest::{collection::vec, prelude::*};

use super::naming::refuse_unnamed;
use crate::machine::{
    query,
    testkit::{BEGIN, Replica, form, node, proposal, region, system_command},
};

/// A cluster of this feature level that begins with these names, and with a node in the first of them.
fn formed(level: u32, names: &[u8]) -> Replica {
    let replica = Replica::new(GroupId::SYSTEM);
    replica.done(250, beginning(level, names));
    replica.done(251, Command::RegisterNode(node(0, 0, 0)));
    replica
}

fn beginning(level: u32, names: &[u8]) -> Command {
    let Command::Form { cluster, operator_key } = form() else { unreachable!() };
    let cluster = ClusterRecord { feature_level: level, ..cluster };
    let regions: Vec<Region> = names.iter().copied().map(region).collect();
    match regions.is_empty() {
        true => Command::Form { cluster, operator_key },
        false => Command::FormWithRegions { cluster, operator_key, regions },
    }
}

fn register(id: u8, of_region: u8) -> Command {
    Command::RegisterNode(node(id, of_region, id))
}

fn set_region(number: u8, state: RegionState) -> Command {
    Command::SetRegionState { region: region(number), state }
}

fn not_named(number: u8, named: &[u8]) -> Refusal {
    let named = named.iter().copied().map(region).collect();
    Refusal::RegionNotNamed { region: region(number), named }
}

fn names(replica: &Replica) -> BTreeSet<Region> {
    query::region_names(&*replica.store).unwrap()
}

fn there(replica: &Replica) -> BTreeSet<Region> {
    let records = query::regions(&*replica.store).unwrap().into_iter();
    let there = records.filter(|record| record.state != RegionState::Removed);
    there.map(|record| record.region).collect()
}

#[test]
fn a_node_joins_only_in_a_region_that_was_named() {
    let replica = formed(2, &[0, 1]);
    let refused = replica.refused(1, register(1, 3));
    assert_eq!(refused, not_named(3, &[0, 1]));
    let message = refused.to_string();
    assert!(
        message.contains("only r0, r1:") && message.contains("concordat region add r3"),
        "{message}"
    );
    replica.done(2, register(2, 1));
    replica.done(3, register(3, 1));
    assert_eq!(there(&replica), BTreeSet::from([region(0), region(1)]));
    replica.done(4, Command::AddRegion(region(3)));
    assert_eq!(there(&replica).len(), 2, "a name is no region");
    let joined = replica.done(5, register(1, 3));
    assert_eq!(joined, Reply::NodeRegistered { group: GroupId(3) });
}

#[test]
fn naming_a_region_twice_changes_nothing() {
    let replica = formed(2, &[0]);
    replica.done(1, Command::AddRegion(region(1)));
    let named = names(&replica);
    assert_eq!(replica.done(2, Command::AddRegion(region(1))), Reply::Done);
    assert_eq!(replica.done(3, Command::AddRegion(region(0))), Reply::Done);
    assert_eq!(names(&replica), named);
}

#[test]
fn there_are_only_so_many_names() {
    let replica = formed(2, &[0]);
    let most = u8::try_from(limits::REGIONS_MAX).unwrap();
    for number in 1..most {
        replica.done(number, Command::AddRegion(region(number)));
    }
    let refused = replica.refused(200, Command::AddRegion(region(most)));
    assert_eq!(refused, Refusal::ClusterFull { what: FullOf::Regions });
    replica.done(201, Command::AddRegion(region(1)));
}

/// For a cluster that an earlier release created.
#[test]
fn where_no_name_is_recorded_the_regions_that_are_there_are_named() {
    let replica = formed(1, &[]);
    replica.done(1, register(1, 1));
    replica.done(2, register(2, 2));
    let known_by = vec![NodeId(0), NodeId(1), NodeId(2)];
    replica.done(3, Command::RaiseFeatureLevel { level: 2, known_by });
    assert_eq!(replica.refused(4, register(3, 3)), not_named(3, &[0, 1, 2]));
    replica.done(5, register(4, 1));
    replica.done(6, set_region(2, RegionState::Leaving));
    replica.done(7, set_region(2, RegionState::Removed));
    assert_eq!(replica.refused(8, register(3, 2)), not_named(2, &[0, 1]));
    replica.done(9, Command::AddRegion(region(3)));
    assert_eq!(names(&replica), [0, 1, 3].map(region).into());
    replica.done(10, register(3, 3));
}

#[test]
fn a_name_goes_with_its_region() {
    let replica = formed(2, &[0, 1]);
    replica.done(1, register(1, 1));
    replica.done(2, set_region(1, RegionState::Leaving));
    assert_eq!(replica.refused(3, Command::AddRegion(region(1))), Refusal::RegionLeaving);
    replica.done(4, set_region(1, RegionState::Open));
    replica.done(5, set_region(1, RegionState::Leaving));
    replica.done(6, set_region(1, RegionState::Removed));
    // One of its machines restarts with an empty disk.
    assert_eq!(replica.refused(7, register(2, 1)), not_named(1, &[0]));
    replica.done(8, Command::AddRegion(region(1)));
    let again = replica.done(9, register(2, 1));
    assert_eq!(again, Reply::NodeRegistered { group: GroupId(3) }, "another region of that name");
}

#[test]
fn a_name_without_nodes_is_taken_back() {
    let replica = formed(2, &[0, 1]);
    replica.done(1, Command::AddRegion(region(7)));
    assert_eq!(replica.refused(2, set_region(7, RegionState::Open)), Refusal::RegionNotFound);
    replica.done(3, set_region(7, RegionState::Leaving));
    assert_eq!(replica.refused(4, register(1, 7)), not_named(7, &[0, 1]));
    assert_eq!(replica.refused(5, set_region(7, RegionState::Leaving)), Refusal::RegionNotFound);
    replica.done(6, set_region(1, RegionState::Leaving));
    assert_eq!(replica.refused(7, set_region(0, RegionState::Leaving)), Refusal::LastRegion);
}

#[test]
fn a_cluster_without_nodes_keeps_a_name() {
    let replica = Replica::new(GroupId::SYSTEM);
    replica.done(1, beginning(2, &[4]));
    assert_eq!(replica.refused(2, set_region(4, RegionState::Leaving)), Refusal::LastRegion);
    assert_eq!(replica.refused(3, beginning(2, &[5])), Refusal::AlreadyFormed);
    assert_eq!(names(&replica), [4].map(region).into());
}

#[test]
fn below_its_level_nobody_is_refused() {
    let named = [0, 1].map(region).into();
    assert_eq!(refuse_unnamed(1, &named, &region(9)), None);
    assert_eq!(refuse_unnamed(2, &named, &region(1)), None);
    assert_eq!(refuse_unnamed(2, &BTreeSet::new(), &region(9)), None, "the first node of all");
    assert_eq!(refuse_unnamed(2, &named, &region(9)), Some(not_named(9, &[0, 1])));
}

/// A naive set of names, without the machine's representation.
#[derive(Debug, Default)]
struct Said(BTreeSet<Region>);

impl Said {
    /// Takes note of a command that was carried out while these regions were there.
    fn note(&mut self, command: &Command, there: &BTreeSet<Region>) {
        if let Command::FormWithRegions { regions, .. } = command {
            self.0.extend(regions.iter().cloned());
        } else if let Command::AddRegion(region) = command {
            self.0.insert(region.clone());
        } else if let Command::SetRegionState { region, state } = command {
            let is_taken_back = *state == RegionState::Leaving && !there.contains(region);
            if *state == RegionState::Removed || is_taken_back {
                self.0.remove(region);
            }
        }
    }
}

proptest! {
    /// Whatever the commands, no region is created without a name; every region's name stays for as
    /// long as the region; and no name exists that was not added.
    #[test]
    fn no_region_comes_to_be_that_nobody_named(
        commands in vec(system_command(), 1..60),
        first in vec(0_u8..3, 0..3),
    ) {
        let replica = Replica::new(GroupId::SYSTEM);
        let begun = beginning(2, &[&[0], &first[..]].concat());
        let mut said = Said::default();
        for (number, command) in (1..).zip([begun].into_iter().chain(commands)) {
            let before = there(&replica);
            let made = proposal(number, BEGIN, command);
            let outcome = replica.one(&made).outcome;
            if outcome.is_ok() {
                said.note(&made.command, &before);
            }
            let (after, named) = (there(&replica), names(&replica));
            let new: Vec<&Region> = after.difference(&before).collect();
            prop_assert!(new.iter().all(|region| said.0.contains(*region)), "{new:?} of {said:?}");
            prop_assert!(after.is_subset(&named), "{after:?} of {named:?}");
            prop_assert!(named.is_subset(&said.0), "{named:?} of {said:?}");
            if let Command::RegisterNode(record) = &made.command
                && !said.0.contains(&record.region)
            {
                prop_assert!(outcome.is_err());
            }
        }
    }

    /// A cluster that begins at the first level behaves as before, until its level is raised.
    #[test]
    fn a_raised_level_ends_no_region(joins in vec((1_u8..9, 0_u8..5), 0..12)) {
        let replica = formed(1, &[]);
        for (write, (id, of_region)) in (1..).zip(&joins) {
            replica.one(&proposal(write, BEGIN, register(*id, *of_region)));
        }
        let before = there(&replica);
        let known_by = (0..9).map(NodeId).collect();
        replica.done(100, Command::RaiseFeatureLevel { level: 2, known_by });
        prop_assert_eq!(&names(&replica), &before);
        for (write, region) in (101..).zip(before.iter()) {
            let more = NodeRecord {
                region: region.clone(),
                ..node(write, 0, write)
            };
            replica.done(write, Command::RegisterNode(more));
        }
        prop_assert!(replica.one(&proposal(200, BEGIN, register(30, 9))).outcome.is_err());
    }
}

//! The life cycle of nodes and regions, by examples.

use concordat_proto::{
    command::Command,
    id::{GroupId, NodeId},
    org::{NodeState, Org, RegionState, SurvivalGoal},
    refusal::Refusal,
    reply::Reply,
};

use crate::machine::{
    query,
    testkit::{Replica, node, org, region},
};

/// A system group with this many nodes in each of the regions `r0`, `r1` …, numbered through.
fn formed(sizes: &[u8]) -> Replica {
    let replica = Replica::new(GroupId::SYSTEM);
    replica.done(250, crate::machine::testkit::form());
    let mut id = 0;
    for (of_region, size) in (0_u8..).zip(sizes) {
        for _ in 0..*size {
            replica.done(100 + id, Command::RegisterNode(node(id, of_region, id)));
            id += 1;
        }
    }
    replica
}

fn set_node(id: u64, state: NodeState) -> Command {
    Command::SetNodeState { node: NodeId(id), state }
}

fn set_region(number: u8, state: RegionState) -> Command {
    Command::SetRegionState { region: region(number), state }
}

fn refound(number: u8, founder: u64) -> Command {
    Command::RefoundRegion { region: region(number), founder: NodeId(founder) }
}

fn node_state(replica: &Replica, id: u64) -> NodeState {
    query::node(&*replica.store, NodeId(id)).unwrap().unwrap().state
}

fn group_of(replica: &Replica, number: u8) -> (u32, u64) {
    let record = query::region(&*replica.store, &region(number)).unwrap().unwrap();
    (record.group.0, record.founder.0)
}

#[test]
fn a_node_is_drained_taken_back_and_removed_for_good() {
    let replica = formed(&[2]);
    replica.done(1, set_node(0, NodeState::Draining));
    replica.done(2, set_node(0, NodeState::Member));
    assert_eq!(replica.refused(3, set_node(0, NodeState::Removed)), Refusal::NodeNotLeaving);
    replica.done(4, set_node(0, NodeState::Leaving));
    replica.done(5, Command::RegisterNode(node(0, 0, 0)));
    assert_eq!(node_state(&replica, 0), NodeState::Leaving, "a registration changes no state");
    replica.done(6, set_node(0, NodeState::Removed));
    replica.done(7, set_node(0, NodeState::Removed));
    for state in [NodeState::Member, NodeState::Draining, NodeState::Leaving] {
        assert_eq!(replica.refused(8, set_node(0, state)), Refusal::NodeRemoved);
    }
    assert_eq!(replica.refused(9, Command::RegisterNode(node(0, 0, 7))), Refusal::NodeRemoved);
    assert_eq!(replica.refused(10, set_node(9, NodeState::Draining)), Refusal::NodeNotFound);
    // Its address is free; no node is recorded as its replacement.
    replica.done(11, Command::RegisterNode(node(7, 0, 0)));
    let gone = query::node(&*replica.store, NodeId(0)).unwrap().unwrap();
    assert_eq!(gone.replaced_by, None);
}

#[test]
fn a_region_keeps_somebody_who_may_vote() {
    let replica = formed(&[2, 1]);
    assert_eq!(replica.refused(1, set_node(2, NodeState::Draining)), Refusal::LastVoterOfRegion);
    replica.done(2, set_node(0, NodeState::Draining));
    assert_eq!(replica.refused(3, set_node(1, NodeState::Leaving)), Refusal::LastVoterOfRegion);
    replica.done(4, set_node(0, NodeState::Member));
    replica.done(5, set_node(1, NodeState::Leaving));
}

#[test]
fn a_replaced_node_stays_replaced() {
    let replica = formed(&[2]);
    replica.done(1, Command::RegisterNode(node(5, 0, 0)));
    assert_eq!(replica.refused(2, set_node(0, NodeState::Draining)), Refusal::NodeRemoved);
    assert_eq!(replica.refused(3, set_node(0, NodeState::Member)), Refusal::NodeRemoved);
}

#[test]
fn a_region_leaves_with_its_nodes_and_its_groups_number() {
    let replica = formed(&[2, 2]);
    assert_eq!(replica.refused(1, set_region(9, RegionState::Leaving)), Refusal::RegionNotFound);
    let too_early = replica.refused(2, set_region(1, RegionState::Removed));
    assert_eq!(too_early, Refusal::RegionNotLeaving);
    replica.done(3, set_region(1, RegionState::Leaving));
    assert_eq!(replica.refused(4, set_region(0, RegionState::Leaving)), Refusal::LastRegion);
    let claim = Command::ClaimOrg(Org { home_region: region(1), ..org(1) });
    assert_eq!(replica.refused(5, claim.clone()), Refusal::RegionLeaving);
    assert_eq!(replica.refused(6, Command::RegisterNode(node(9, 1, 9))), Refusal::RegionLeaving);
    replica.done(7, Command::RegisterNode(node(2, 1, 2)));
    replica.done(8, set_region(1, RegionState::Open));
    replica.done(9, set_region(1, RegionState::Leaving));
    replica.done(10, set_region(1, RegionState::Removed));
    assert_eq!([2, 3].map(|id| node_state(&replica, id)), [NodeState::Removed; 2]);
    assert_eq!(replica.refused(11, claim), Refusal::RegionNotFound);
    assert_eq!(replica.refused(12, set_region(1, RegionState::Open)), Refusal::RegionNotFound);
    // Another region of that name is another one.
    let again = replica.done(13, Command::RegisterNode(node(9, 1, 9)));
    assert_eq!(again, Reply::NodeRegistered { group: GroupId(3) });
    let third = replica.done(14, Command::RegisterNode(node(10, 2, 10)));
    assert_eq!(third, Reply::NodeRegistered { group: GroupId(4) });
}

#[test]
fn surviving_a_region_takes_three() {
    let replica = formed(&[1, 1]);
    let survival_goal = || Command::SetSurvivalGoal(SurvivalGoal::Region);
    assert_eq!(replica.refused(1, survival_goal()), Refusal::TooFewRegions);
    replica.done(2, Command::RegisterNode(node(5, 2, 5)));
    replica.done(3, survival_goal());
    let record = query::cluster(&*replica.store).unwrap().unwrap();
    assert_eq!(record.survival_goal, SurvivalGoal::Region);
    assert_eq!(replica.refused(4, set_region(0, RegionState::Leaving)), Refusal::TooFewRegions);
    replica.done(5, Command::RegisterNode(node(6, 3, 6)));
    replica.done(6, set_region(0, RegionState::Leaving));
    assert_eq!(replica.refused(7, set_region(1, RegionState::Leaving)), Refusal::TooFewRegions);
    replica.done(8, Command::SetSurvivalGoal(SurvivalGoal::Node));
    replica.done(9, set_region(1, RegionState::Leaving));
}

#[test]
fn another_node_founds_only_after_the_first_is_gone() {
    let replica = formed(&[1, 2]);
    assert_eq!(group_of(&replica, 1), (2, 1));
    assert_eq!(replica.refused(1, refound(1, 2)), Refusal::FounderIsMember);
    replica.done(2, set_node(1, NodeState::Leaving));
    assert_eq!(replica.refused(3, refound(1, 2)), Refusal::FounderIsMember);
    replica.done(4, set_node(1, NodeState::Removed));
    assert_eq!(replica.refused(5, refound(1, 0)), Refusal::NotOfRegion);
    replica.done(6, refound(1, 2));
    assert_eq!(group_of(&replica, 1), (3, 2), "a group of its own");
    replica.done(7, refound(1, 2));
    assert_eq!(group_of(&replica, 1), (3, 2), "a repeat does nothing");
}

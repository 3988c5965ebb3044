//! Failovers and voter regions, rule by rule, in the system group's state. The organizations are
//! tested with their moves (`movement/world.rs`).

use concordat_proto::{
    command::Command,
    failover::{ClosedGroup, FailoverBasis},
    id::{GroupId, NodeId},
    lease::ReplicaMark,
    log::{LogId, LogIndex, Term},
    org::{NodeState, PartitionPolicy, PartitionPolicyRecord, RegionRecord, RegionState},
    refusal::Refusal,
    reply::Reply,
    wire::Wire,
};

use super::succession::{self, SuccessorSpec};
use crate::{
    machine::{
        query,
        testkit::{HOME, Replica, form, node, region},
    },
    store::{Pair, keys},
};

/// Two nodes in each of the regions `r0`, `r1` and `r2`, numbered through.
fn formed() -> Replica {
    let replica = Replica::new(GroupId::SYSTEM);
    replica.done(250, form());
    for id in 0..6 {
        replica.done(100 + id, Command::RegisterNode(node(id, id / 2, id)));
    }
    replica
}

fn record(replica: &Replica, number: u8) -> RegionRecord {
    query::region(&*replica.store, &region(number)).unwrap().unwrap()
}

fn closed(replica: &Replica, group: GroupId) -> ClosedGroup {
    query::closed_group(&*replica.store, group).unwrap().unwrap()
}

fn voter_region(of: u8, voter_region: u8) -> Command {
    Command::SetVoterRegion { region: region(of), voter_region: region(voter_region) }
}

fn close_with(of: u8, to: u8, basis: FailoverBasis, absent: &[u64]) -> Command {
    let absent = absent.iter().copied().map(NodeId).collect();
    Command::CloseGroup { region: region(of), to: region(to), basis, absent }
}

fn close(of: u8, to: u8) -> Command {
    close_with(of, to, FailoverBasis::Fenced, &[])
}

fn found(closed: GroupId, founder: u64) -> Command {
    let last = LogId { term: Term(2), index: LogIndex(9) };
    Command::FoundSuccessor { closed, founder: NodeId(founder), last, safe_index: LogIndex(8) }
}

fn set_node(id: u64, state: NodeState) -> Command {
    Command::SetNodeState { node: NodeId(id), state }
}

#[test]
fn a_closed_group_gets_one_successor_in_another_seat() {
    let replica = formed();
    let old = record(&replica, 0);
    assert_eq!(replica.refused(1, found(old.group, 2)), Refusal::StaleFailover, "it is open");
    assert_eq!(replica.refused(2, close(0, 0)), Refusal::AlreadyHosted);
    assert_eq!(replica.refused(3, close(9, 1)), Refusal::RegionNotFound);
    assert_eq!(replica.refused(4, close(0, 9)), Refusal::RegionNotFound);
    assert_eq!(replica.done(5, close(0, 1)), Reply::Done);
    assert_eq!(replica.refused(6, close(0, 2)), Refusal::FailingOver, "elsewhere");
    assert_eq!(replica.refused(7, voter_region(0, 2)), Refusal::FailingOver);
    let refound = Command::RefoundRegion { region: region(0), founder: NodeId(1) };
    assert_eq!(replica.refused(8, refound.clone()), Refusal::FailingOver);
    replica.done(9, close_with(0, 1, FailoverBasis::Fenced, &[5, 4]));
    assert_eq!(closed(&replica, old.group).absent, [NodeId(4), NodeId(5)]);
    assert_eq!(record(&replica, 0), old, "nothing takes its place yet");
    assert_eq!(replica.refused(10, found(old.group, 77)), Refusal::NodeNotFound);
    replica.done(11, found(old.group, 2));
    replica.done(12, found(old.group, 2));
    let new = record(&replica, 0);
    assert_eq!((new.group, new.founder, new.voter_region), (GroupId(4), NodeId(2), region(1)));
    assert_eq!(replica.refused(13, found(old.group, 3)), Refusal::StaleFailover);
    assert_eq!(replica.refused(14, refound), Refusal::FailingOver, "it would be empty");
    // Its founder is lost before it founded anything.
    replica.done(15, set_node(2, NodeState::Leaving));
    replica.done(16, set_node(2, NodeState::Removed));
    replica.done(17, found(old.group, 3));
    assert_eq!(record(&replica, 0).group, GroupId(5), "a number of its own");
    assert_eq!(closed(&replica, old.group).succession.unwrap().group, GroupId(5));
}

#[test]
fn a_successor_can_be_lost_too() {
    let replica = formed();
    let first = record(&replica, 0).group;
    replica.done(1, close(0, 1));
    replica.done(2, found(first, 2));
    let second = record(&replica, 0).group;
    replica.done(3, close(0, 2));
    assert_eq!(closed(&replica, second).lost, region(1));
    assert_eq!(replica.refused(4, found(first, 4)), Refusal::StaleFailover, "of the first");
    replica.done(5, found(second, 4));
    assert_eq!(record(&replica, 0).voter_region, region(2));
    // The region that was lost first takes it back.
    replica.done(6, voter_region(0, 0));
    assert_eq!(record(&replica, 0).voter_region, region(0));
}

#[test]
fn a_group_is_closed_without_a_word_only_by_the_present_setting() {
    let replica = formed();
    let by = |generation| close_with(0, 1, FailoverBasis::SelfFencing { generation }, &[]);
    assert_eq!(replica.refused(1, by(0)), Refusal::NotFenced);
    for (write, when) in [(2, PartitionPolicy::Fence), (3, PartitionPolicy::Fence)] {
        replica.done(write, Command::SetPartitionPolicy(when));
    }
    assert_eq!(replica.refused(4, by(0)), Refusal::NotFenced);
    replica.done(5, Command::SetPartitionPolicy(PartitionPolicy::Serve));
    assert_eq!(replica.refused(6, by(2)), Refusal::NotFenced, "it is off");
    replica.done(7, Command::SetPartitionPolicy(PartitionPolicy::Fence));
    // A group that has noted the first may have noted that it was taken back.
    assert_eq!(replica.refused(8, by(1)), Refusal::NotFenced);
    replica.done(9, by(3));
}

#[test]
fn a_successor_inherits_who_made_the_regions_count() {
    let replica = Replica::with_orgs();
    let marks = [(NodeId(1), ReplicaMark::Serving), (NodeId(2), ReplicaMark::Leaving)];
    replica.done(1, Command::MarkReplicas { marks: marks.to_vec() });
    let spec = SuccessorSpec {
        closed: HOME,
        group: GroupId(9),
        safe_index: LogIndex(0),
        keeps_names: true,
    };
    let mut inherited = Vec::new();
    let put = &mut |pairs: Vec<Pair>| {
        inherited.extend(pairs);
        Ok(())
    };
    succession::build_successor_state(&*replica.store, spec, put).unwrap();
    for (node, mark) in marks {
        let pair = (keys::replica_mark(spec.group, node), mark.encode());
        assert!(inherited.contains(&pair), "{node} as {mark:?}");
    }
}

#[test]
fn a_group_notes_only_newer_settings() {
    let replica = Replica::with_orgs();
    let noted = |generation, when| {
        let write = u8::try_from(generation).unwrap();
        replica
            .done(write, Command::NotePartitionPolicy(PartitionPolicyRecord { when, generation }));
        query::partition_policy(&*replica.store, HOME).unwrap()
    };
    let second = noted(2, PartitionPolicy::Fence);
    assert_eq!(second, PartitionPolicyRecord { when: PartitionPolicy::Fence, generation: 2 });
    assert_eq!(noted(1, PartitionPolicy::Serve), second);
    assert_eq!(noted(3, PartitionPolicy::Serve).when, PartitionPolicy::Serve);
}

#[test]
fn a_seat_keeps_somebody_who_may_vote() {
    let replica = formed();
    assert_eq!(replica.refused(1, voter_region(0, 9)), Refusal::RegionNotFound);
    replica.done(2, voter_region(0, 1));
    // A region that hosts no group needs no voter any more.
    for (write, id) in [(3, 0), (4, 1)] {
        replica.done(write, set_node(id, NodeState::Leaving));
    }
    assert_eq!(
        replica.refused(5, voter_region(0, 0)),
        Refusal::NotOfRegion,
        "nobody is left there"
    );
    replica.done(6, set_node(2, NodeState::Draining));
    assert_eq!(replica.refused(7, set_node(3, NodeState::Draining)), Refusal::LastVoterOfRegion);
    let leave =
        |number| Command::SetRegionState { region: region(number), state: RegionState::Leaving };
    assert_eq!(replica.refused(8, leave(1)), Refusal::HostsOtherGroup);
    replica.done(9, voter_region(0, 2));
    replica.done(10, leave(1));
    assert_eq!(replica.refused(11, voter_region(0, 1)), Refusal::RegionLeaving);
}

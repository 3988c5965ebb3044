//! Moves: the rules one by one, and then random steps, in any order, late and twice.
//!
//! Bugs that these found when they were planted: an end without a commit step; a restore after it;
//! an epoch that is not higher; parts in any order; records removed by another move's step; a
//! refusal that is remembered where the organization no longer is; writes that are left behind; no
//! deduplication horizon, or one that the home after the next does not inherit; a creation that
//! resurrects; the remains of an expired key that remove a new key of the same name.

use concordat_proto::{
    command::Command,
    consistency::Position,
    id::GroupId,
    limits,
    log::LogIndex,
    movement::{Arrival, HomeRecord, MovedRecord, PreviousHome},
    record::KeyRecord,
    refusal::Refusal,
    reply::{Applied, Reply},
    time::LogTime,
    wire::Wire,
};
use proptest::{collection::vec, option, prelude::*};

use super::{
    model::Write,
    world::{GROUPS, Step, World},
};
use crate::{
    machine::{
        query,
        testkit::{BEGIN, HOME, Replica, keyed, org, org_id, proposal, write_id},
    },
    store::{Store, WriteBatch, keys},
};

const OTHER: GroupId = GroupId(2);

fn release(epoch: u32) -> Command {
    Command::MoveFreeze { org: org_id(0), to: OTHER, epoch }
}

fn restore(epoch: u32) -> Command {
    Command::MoveAbort { org: org_id(0), epoch }
}

fn delete() -> Command {
    Command::DeleteOidc {
        org: org_id(0),
        client_id: crate::machine::testkit::client(0),
        precondition: None,
    }
}

fn begin(epoch: u32) -> Command {
    let past = vec![PreviousHome { epoch: epoch - 1, group: HOME, release: LogIndex(9) }];
    let org = concordat_proto::org::Org { epoch, ..org(0) };
    Command::ImportBegin { org, past, dedup_horizon: LogTime(BEGIN) }
}

#[test]
fn a_released_organization_takes_no_writes_and_leaves_no_trace_of_them() {
    let replica = Replica::with_orgs();
    assert_eq!(replica.refused(1, release(3)), Refusal::StaleMove);
    assert_eq!(replica.done(2, release(2)), Reply::Done);
    assert_eq!(replica.done(3, release(2)), Reply::Done, "a repeat");
    let moved = Refusal::Moved { to: OTHER, epoch: 2 };
    assert_eq!(replica.refused(4, delete()), moved);
    assert_eq!(query::write(&*replica.store, HOME, write_id(4)).unwrap(), None);
    let to = Command::MoveFreeze { org: org_id(0), to: GroupId(3), epoch: 2 };
    assert_eq!(replica.refused(5, to), moved);
    assert_eq!(replica.done(6, Command::CreateOrg(org(0))), Reply::Org(Box::new(org(0))));
    // Taken back, the very same write is carried out.
    replica.done(7, restore(3));
    assert_eq!(replica.refused(4, delete()), Refusal::CredentialNotFound);
}

#[test]
fn what_was_handed_over_cannot_be_taken_back_and_the_other_way_round() {
    let hand_over = |epoch| Command::MoveCommit { org: org_id(0), epoch };
    let replica = Replica::with_orgs();
    assert_eq!(replica.refused(1, restore(2)), Refusal::NotReleased);
    replica.done(2, release(2));
    assert_eq!(replica.refused(3, restore(2)), Refusal::StaleMove);
    assert_eq!(replica.done(4, restore(3)), Reply::Done);
    assert_eq!(replica.done(5, restore(3)), Reply::Done, "a repeat");
    assert_eq!(replica.refused(6, hand_over(2)), Refusal::StaleMove);
    replica.done(7, release(4));
    assert_eq!(replica.refused(8, hand_over(2)), Refusal::StaleMove, "of the move taken back");
    replica.done(9, hand_over(4));
    assert_eq!(replica.refused(10, restore(5)), Refusal::HandedOver);
    let forget = |epoch| Command::MoveCleanup { org: org_id(0), epoch };
    assert_eq!(replica.refused(11, forget(2)), Refusal::StaleMove);
    replica.done(12, forget(4));
    assert_eq!(replica.refused(13, restore(5)), Refusal::HandedOver);
    assert_eq!(replica.refused(14, delete()), Refusal::Moved { to: OTHER, epoch: 4 });
    assert_eq!(query::home(&*replica.store, HOME, org_id(0)).unwrap(), None);
    let yes = Reply::Org(Box::new(org(0)));
    assert_eq!(replica.done(15, Command::CreateOrg(org(0))), yes, "it began here");
    assert_eq!(query::home(&*replica.store, HOME, org_id(0)).unwrap(), None, "a resurrection");
}

#[test]
fn only_a_higher_epoch_is_adopted_and_only_whole() {
    let replica = Replica::new(OTHER);
    let org = org_id(0);
    let end = |attempt, digest| Command::ImportFinish { org, attempt: write_id(attempt), digest };
    let part = |attempt, sequence, is_last| Command::ImportChunk {
        org,
        attempt: write_id(attempt),
        sequence,
        moved_records: Vec::new(),
        is_last,
    };
    let nothing = super::digest_part(&Default::default(), &[]);
    replica.done(1, begin(2));
    assert_eq!(replica.refused(2, delete()), Refusal::Moving { epoch: 2 });
    assert_eq!(replica.refused(3, end(1, nothing)), Refusal::StaleMove, "not whole");
    assert_eq!(replica.refused(4, part(1, 1, true)), Refusal::StaleMove, "a part is missing");
    assert_eq!(replica.refused(5, part(9, 0, true)), Refusal::StaleMove, "another attempt's");
    replica.done(6, part(1, 0, true));
    assert_eq!(replica.refused(7, part(1, 1, true)), Refusal::StaleMove, "beyond the last");
    replica.done(8, begin(2));
    assert_eq!(replica.refused(9, end(1, nothing)), Refusal::StaleMove, "it was begun anew");
    replica.done(10, part(8, 0, true));
    assert_eq!(replica.done(11, end(8, [7; 32])), Reply::ImportDropped);
    assert_eq!(replica.refused(12, delete()), Refusal::OrgNotFound, "nothing is left");
    replica.done(13, begin(2));
    replica.done(14, part(13, 0, true));
    assert_eq!(replica.done(15, end(13, nothing)), Reply::Done);
    assert_eq!(replica.refused(16, end(13, nothing)), Refusal::StaleMove);
    for epoch in [2, 3] {
        let write = 20 + u8::try_from(epoch).unwrap();
        assert_eq!(replica.refused(write, begin(epoch)), Refusal::StaleMove, "it lives here");
    }
    let mut old = proposal(17, BEGIN, delete());
    old.not_after = LogTime(BEGIN - 1);
    old.stamped = LogTime(BEGIN - 2);
    assert_eq!(Replica::one(&replica, &old).outcome, Err(Refusal::Expired));
}

#[test]
fn a_write_that_may_have_been_forgotten_elsewhere_is_refused() {
    let replica = Replica::new(OTHER);
    let org_record = concordat_proto::org::Org { epoch: 2, ..org(0) };
    let past = vec![PreviousHome { epoch: 1, group: HOME, release: LogIndex(9) }];
    let arrival =
        Some(Arrival { index: LogIndex(3), dedup_horizon: LogTime(BEGIN + 20_000), past });
    let home = HomeRecord { org: org_record, arrival, release: None, ended: None };
    let changes = vec![(keys::org(OTHER, org_id(0)), Some(home.encode()))];
    let batch = WriteBatch { cleared_prefixes: vec![], changes };
    replica.store.write(batch).unwrap();
    // This group's clock is behind that of the home before: by itself it would take the write.
    assert_eq!(replica.refused(1, delete()), Refusal::Expired);
    let later = replica.one(&proposal(2, BEGIN + 10_001, delete()));
    assert_eq!(later.outcome, Err(Refusal::CredentialNotFound));
    let position = Position { epoch: 2, group: OTHER, index: later.index, term: None };
    assert_eq!(later.position, Some(position));
}

#[test]
fn a_key_that_left_is_not_counted_twice_when_it_comes_back() {
    let replica = Replica::with_orgs();
    let made = replica.one(&keyed(proposal(1, BEGIN, delete()), 1, 1, 60_000));
    assert_eq!(made.outcome, Err(Refusal::CredentialNotFound));
    replica.done(2, release(2));
    replica.done(3, Command::MoveCommit { org: org_id(0), epoch: 2 });
    replica.done(4, Command::MoveCleanup { org: org_id(0), epoch: 2 });
    assert_eq!(query::idempotency_keys(&*replica.store, HOME, org_id(0)).unwrap(), 0);
    // Its entry of what to forget is worked off and finds nothing.
    replica.one(&proposal(5, BEGIN + 100_000, Command::CreateOrg(org(1))));
    replica.one(&proposal(6, BEGIN + 100_001, Command::CreateOrg(org(1))));
    assert_eq!(query::idempotency_keys(&*replica.store, HOME, org_id(0)).unwrap(), 0);
}

#[test]
fn what_is_left_of_a_key_does_not_forget_the_one_that_came_back() {
    let replica = Replica::with_orgs();
    let write = |number, at: u64| keyed(proposal(number, BEGIN + at, delete()), 1, 1, 60_000);
    let made = replica.one(&write(1, 0));
    replica.done(2, release(2));
    replica.done(3, Command::MoveCommit { org: org_id(0), epoch: 2 });
    replica.done(4, Command::MoveCleanup { org: org_id(0), epoch: 2 });
    // Elsewhere it was used anew, and lives longer.
    let position = Position { epoch: 2, group: OTHER, index: LogIndex(5), term: None };
    let record = KeyRecord {
        expires: LogTime(BEGIN + 120_000),
        digest: [1; 32],
        write_id: write_id(9),
        applied: Applied { write_id: write_id(9), position: Some(position), ..made },
    };
    let moved_records = vec![MovedRecord::IdempotencyKey { key: "key-1".into(), record }];
    let digest = super::digest_part(&Default::default(), &moved_records);
    let (org, attempt) = (org_id(0), write_id(5));
    let past = vec![PreviousHome { epoch: 2, group: OTHER, release: LogIndex(9) }];
    let adopted = concordat_proto::org::Org { epoch: 3, ..crate::machine::testkit::org(0) };
    replica.done(5, Command::ImportBegin { org: adopted, past, dedup_horizon: LogTime(BEGIN) });
    let part = Command::ImportChunk { org, attempt, sequence: 0, moved_records, is_last: true };
    replica.done(6, part);
    replica.done(7, Command::ImportFinish { org, attempt, digest });
    for (number, at) in [(10, 70_000), (11, 70_001), (12, 110_000)] {
        let again = replica.one(&write(number, at));
        assert_eq!((again.write_id, again.position), (write_id(9), Some(position)), "at {at}");
        assert_eq!(query::idempotency_keys(&*replica.store, HOME, org).unwrap(), 1);
    }
}

/// An organization that is being imported, or has been, consists of its parts: no key may be added
/// to it.
#[test]
fn the_key_of_a_step_of_a_move_is_noted_only_where_nothing_is_on_its_way() {
    let replica = Replica::with_orgs();
    let step = |write, command, name| keyed(proposal(write, BEGIN, command), name, name, 60_000);
    let noted = || query::idempotency_keys(&*replica.store, HOME, org_id(0)).unwrap();
    let first = replica.one(&step(1, release(2), 1));
    assert_eq!((noted(), &first.outcome), (1, &Ok(Reply::Done)));
    // Released: a repeat is found; neither another yes nor a no leaves anything.
    assert_eq!(replica.one(&step(2, release(2), 1)).write_id, first.write_id);
    assert_eq!(replica.one(&step(3, release(2), 2)).outcome, Ok(Reply::Done));
    let elsewhere = Command::MoveFreeze { org: org_id(0), to: GroupId(3), epoch: 2 };
    assert!(replica.one(&step(4, elsewhere, 3)).outcome.is_err());
    assert_eq!(noted(), 1);
    let restored = replica.one(&step(5, restore(3), 4));
    assert_eq!((noted(), &restored.outcome), (2, &Ok(Reply::Done)));
    // The first result is still returned for its request, and freezes nothing anew.
    assert_eq!(replica.one(&step(6, release(4), 1)).write_id, first.write_id);
    assert!(query::home(&*replica.store, HOME, org_id(0)).unwrap().unwrap().release.is_none());
    assert_eq!(replica.one(&step(7, restore(3), 4)).write_id, restored.write_id);
}

#[test]
fn operators_words_need_no_room_among_an_organizations_keys() {
    let replica = Replica::with_orgs();
    let count = keys::idempotency_count(HOME, org_id(0));
    let full = vec![(count, Some(limits::IDEMPOTENCY_KEYS_MAX.encode()))];
    replica.store.write(WriteBatch { changes: full, ..WriteBatch::default() }).unwrap();
    let refused = replica.one(&keyed(proposal(1, BEGIN, delete()), 1, 1, 60_000));
    assert_eq!(refused.outcome, Err(Refusal::IdempotencyKeysFull));
    let released = replica.one(&keyed(proposal(2, BEGIN, release(2)), 2, 2, 60_000));
    assert_eq!(released.outcome, Ok(Reply::Done));
}

/// Found by the simulation: a repeat that came after a move had been taken back was answered with the
/// index of the first answer and the epoch of the present stay, a position that never was.
#[test]
fn a_repeat_after_a_restore_names_the_epoch_of_the_first_answer() {
    let replica = Replica::with_orgs();
    let epoch = query::home(&*replica.store, HOME, org_id(0)).unwrap().unwrap().org.epoch;
    let write = keyed(proposal(1, BEGIN, delete()), 1, 1, 60_000);
    let first = replica.one(&write);
    let position = Position { epoch, group: HOME, index: first.index, term: None };
    assert_eq!(first.position, Some(position));
    replica.done(2, release(epoch + 1));
    replica.done(3, restore(epoch + 2));
    let again = replica.one(&keyed(proposal(4, BEGIN + 1, delete()), 1, 1, 60_000));
    assert_eq!((again.write_id, again.position), (first.write_id, Some(position)));
    let anew = replica.one(&proposal(5, BEGIN + 2, delete()));
    assert_eq!(anew.position.map(|position| position.epoch), Some(epoch + 2));
}

#[test]
fn positions_of_earlier_homes_are_contained_up_to_the_release() {
    let home = |epoch| PreviousHome { epoch, group: GroupId(epoch), release: LogIndex(10) };
    let arrival =
        Arrival { index: LogIndex(3), dedup_horizon: LogTime(0), past: vec![home(2), home(3)] };
    let org = concordat_proto::org::Org { epoch: 4, ..org(0) };
    let record = HomeRecord { org, arrival: Some(arrival), release: None, ended: None };
    let at = |epoch, group, index| {
        let position =
            Position { epoch, group: GroupId(group), index: LogIndex(index), term: None };
        record.contains_earlier(&position)
    };
    assert_eq!(at(3, 3, 10), Some(true));
    assert_eq!(at(3, 3, 11), Some(false), "it never was");
    assert_eq!(at(3, 2, 10), None, "another organization's");
    assert_eq!(at(1, 9, 10), Some(true), "too old to be remembered");
    assert_eq!(at(4, 4, 1), None, "of this epoch");
}

/// Few runs end early: an organization that has ended has little left to lose.
fn write() -> impl Strategy<Value = Write> {
    prop_oneof![100 => change(), 1 => Just(Write::End)]
}

fn change() -> impl Strategy<Value = Write> {
    prop_oneof![
        3 => (0_u8..3).prop_map(Write::Create),
        4 => (0_u8..3, 0_u8..9).prop_map(|(number, label)| Write::Label(number, label)),
        2 => (0_u8..3).prop_map(Write::Delete),
        2 => (0_u8..3, 0_u8..4).prop_map(|(from, to)| Write::Rename(from, to)),
        2 => (0_u8..2, option::of(0_u8..3))
            .prop_map(|(name, value)| Write::Attribute(name, value)),
        2 => (0_u8..3).prop_map(Write::Issue),
        1 => (0_u8..3).prop_map(Write::Revoke),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..GROUPS.len();
    prop_oneof![
        8 => (at(), write(), option::weighted(0.4, 0_u8..2))
            .prop_map(|(at, command, key)| Step::Write { at, command, key }),
        5 => (any::<usize>(), at()).prop_map(|(which, at)| Step::Repeat { which, at }),
        2 => at().prop_map(|to| Step::Move { to }),
        1 => Just(Step::Back),
        14 => at().prop_map(|at| Step::Look { at, is_behind: false }),
        4 => at().prop_map(|at| Step::Look { at, is_behind: true }),
        1 => at().prop_map(|at| Step::Freeze { at }),
        5 => (any::<usize>(), any::<bool>())
            .prop_map(|(which, renamed)| Step::Late { which, renamed }),
        1 => at().prop_map(|at| Step::FailOver { at }),
        2 => (at(), prop_oneof![0_u64..2_000, 5_000_u64..40_000])
            .prop_map(|(at, by)| Step::Tick { at, by }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_lost_doubled_or_resurrected(steps in vec(step(), 0..250)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.settle();
    }
}

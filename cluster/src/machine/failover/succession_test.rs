//! Which writes a successor can prove to be lost, long after it began.

use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, WriteId},
    limits,
    log::{LogId, Term},
    oidc::Provider,
    record::{AppliedRecord, InheritedNames},
    refusal::Refusal,
    time::LogTime,
    wire::Wire,
};

use super::succession::{self, Began, SuccessorSpec, began, repeated_as};
use crate::{
    machine::{
        query,
        testkit::{BEGIN, HOME, Replica, client, credential, org_id, proposal, write_id},
    },
    store::{Store, WriteBatch, keys, memory::MemoryStore},
};

const NEXT: GroupId = GroupId(7);
const LAST: GroupId = GroupId(8);

fn create(number: u8) -> Command {
    Command::CreateOidc { org: org_id(0), credential: credential(number, Provider::Google, 1) }
}

/// Another group takes the place of a closed one, with all that it has.
fn succeed(closed: &Replica, group: GroupId, keeps_names: bool) -> Replica {
    let AppliedRecord { log_id, log_time, .. } = closed.applied();
    let safe_index = log_id.map(|id| id.index).unwrap_or_default();
    let spec = SuccessorSpec { closed: closed.group, group, safe_index, keeps_names };
    let successor = Replica::new(group);
    let put = |pairs: Vec<(Vec<u8>, Vec<u8>)>| {
        let changes = pairs.into_iter().map(|(key, value)| (key, Some(value))).collect();
        successor.store.write(WriteBatch { cleared_prefixes: Vec::new(), changes })
    };
    succession::build_successor_state(&*closed.store, spec, &mut |pairs| put(pairs))
        .expect("it works");
    let first = LogId { term: Term(0), index: succession::FIRST_INDEX };
    let position = AppliedRecord { log_id: Some(first), log_time, membership: Vec::new() };
    put(vec![(keys::applied(group), position.encode())]).expect("it works");
    successor
}

fn of(replica: &Replica, closed: GroupId, write: u8) -> Began {
    began(&*replica.store, replica.group, closed, write_id(write)).expect("it reads")
}

#[test]
fn what_a_successor_began_with_is_known_when_its_records_are_forgotten() {
    let closed = Replica::with_orgs();
    closed.done(1, create(1));
    let successor = succeed(&closed, NEXT, true);
    let began_at = closed.applied().log_time;
    let home = query::home(&*successor.store, NEXT, org_id(0)).unwrap();
    let remembered = |id| {
        let found = query::remembered(&*successor.store, NEXT, home.as_ref(), write_id(id));
        found.expect("it reads").is_some()
    };
    assert!(remembered(1));
    // So late that the records of all writes before are forgotten.
    for number in 10..14 {
        let late = BEGIN + 10_000_000 + u64::from(number);
        let mut proposal = proposal(number, late, create(number));
        proposal.not_after = LogTime(late + 1);
        assert!(successor.one(&proposal).outcome.is_ok());
    }
    assert!(!remembered(1), "it is not forgotten, so nothing is shown");
    assert_eq!(of(&successor, HOME, 1), Began::With);
    assert_eq!(of(&successor, HOME, 2), Began::Without { log_time: began_at });
    assert_eq!(of(&successor, HOME, 10), Began::Without { log_time: began_at }, "its own");
    // The next one in the line knows as much of the first, and its own beginning.
    let last = succeed(&successor, LAST, true);
    assert_eq!(of(&last, HOME, 1), Began::With);
    assert_eq!(of(&last, HOME, 10), Began::Without { log_time: began_at });
    assert_eq!(of(&last, NEXT, 13), Began::With);
    assert!(matches!(of(&last, NEXT, 2), Began::Without { log_time } if log_time > began_at));
    assert_eq!(of(&last, GroupId(3), 1), Began::NotKept);
}

#[test]
fn nothing_is_said_where_the_names_were_not_kept() {
    let closed = Replica::with_orgs();
    closed.done(1, create(1));
    let successor = succeed(&closed, NEXT, false);
    assert_eq!(of(&successor, HOME, 1), Began::NotKept);
    assert_eq!(of(&successor, HOME, 2), Began::NotKept);
}

#[test]
fn more_names_than_one_record_holds() {
    let id = |number: u64| {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&(number * 3).to_be_bytes());
        WriteId::from_bytes(bytes)
    };
    let count = 2 * limits::INHERITED_NAMES_MAX as u64 + 5;
    let store = MemoryStore::default();
    let closed = Replica::with_orgs();
    let template = query::write(&*closed.store, HOME, write_id(200)).unwrap().unwrap().encode();
    let changes =
        (0..count).map(|it| (keys::write(HOME, id(it)), Some(template.clone()))).collect();
    store.write(WriteBatch { cleared_prefixes: Vec::new(), changes }).expect("it works");
    let successor = succeed(&closed.copied_into(store), NEXT, true);
    for number in 0..count {
        let found = began(&*successor.store, NEXT, HOME, id(number)).expect("it reads");
        assert_eq!(found, Began::With, "{number}");
    }
    for name in [1, 2, 3 * count, u64::MAX - 1] {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&name.to_be_bytes());
        let other = WriteId::from_bytes(bytes);
        assert_eq!(InheritedNames::name(other), name);
        let found = began(&*successor.store, NEXT, HOME, other).expect("it reads");
        assert!(matches!(found, Began::Without { .. }), "{name}");
    }
}

#[test]
fn what_was_called_lost_is_never_carried_out_and_stays_lost_until_it_expires() {
    let closed = Replica::with_orgs();
    closed.done(1, create(1));
    let successor = succeed(&closed, NEXT, true);
    let lost = |write, not_after| Proposal {
        not_after: LogTime(not_after),
        ..proposal(write, BEGIN, Command::NoteLost { org: org_id(0), closed: HOME })
    };
    let copy = |write| proposal(write, BEGIN, create(2));
    let until = copy(2).not_after.0 + 1000;
    let no = successor.one(&lost(2, until));
    assert_eq!(no.outcome, Err(Refusal::Lost));
    // The same at another time, a copy of it, and a remembered write of another organization.
    assert_eq!(successor.one(&lost(2, until + 500)), no);
    assert_eq!(successor.one(&copy(2)).outcome, Err(Refusal::Lost));
    assert_eq!(query::oidc(&*successor.store, NEXT, org_id(0), &client(2)).unwrap(), None);
    let home = query::home(&*successor.store, NEXT, org_id(0)).unwrap();
    let remembered = |id| {
        query::remembered(&*successor.store, NEXT, home.as_ref(), write_id(id)).expect("it reads")
    };
    let record = remembered(2).expect("it is remembered");
    assert_eq!((record.org, record.expires), (Some(org_id(0)), LogTime(until)));
    // A write that was executed here is answered; one that was carried over and has expired is not
    // lost.
    assert!(successor.one(&copy(3)).outcome.is_ok());
    assert!(successor.one(&lost(3, until)).outcome.is_ok());
    for number in 10..14 {
        let mut late = proposal(number, until + u64::from(number), create(number));
        late.not_after = LogTime(until + 100);
        assert!(successor.one(&late).outcome.is_ok());
    }
    assert_eq!(remembered(2), None, "it has expired");
    assert_eq!(successor.one(&copy(2)).outcome, Err(Refusal::Expired), "and so has every copy");
    assert_eq!(remembered(1), None, "it is not forgotten, so nothing is shown");
    assert_eq!(successor.one(&lost(1, until + 900)).outcome, Err(Refusal::StaleFailover));
    assert_eq!(remembered(1), None, "that leaves no trace");
    // It goes with its organization, like every remembered write.
    assert_eq!(successor.one(&lost(4, until + 900)).outcome, Err(Refusal::Lost));
    let last = succeed(&successor, LAST, true);
    assert_eq!(last.one(&copy(4)).outcome, Err(Refusal::Lost));
    let elsewhere = Replica::new(GroupId(9));
    assert_eq!(elsewhere.one(&lost(5, until + 900)).outcome, Err(Refusal::OrgNotFound));
}

#[test]
fn a_repeat_has_a_name_of_its_own_and_always_the_same() {
    let write =
        WriteId::from_bytes([0x01, 2, 3, 4, 5, 6, 0x7f, 8, 0xb9, 10, 11, 12, 13, 14, 15, 16]);
    let repeat = repeated_as(write, HOME);
    assert_eq!(repeat, repeated_as(write, HOME));
    assert_ne!(repeat, write);
    assert_ne!(repeat, repeated_as(write, NEXT));
    assert_eq!(repeat.0.get_version_num(), 7, "{repeat}");
    assert_eq!(repeat.to_bytes()[..6], write.to_bytes()[..6], "it sorts with its time");
    assert_eq!(repeat.0.get_variant(), write.0.get_variant());
}

//! Which writes of a closed group's replica are called lost, by a log of a few entries.

use concordat_proto::{
    failover::FailoverBasis,
    id::NodeId,
    log::Term,
    oidc::Provider,
    record::{AppliedRecord, InheritedNames},
    region::Region,
    wire::Wire,
};

use super::*;
use crate::{
    machine::testkit::{BEGIN, HOME, Replica, client, credential, org, org_id, proposal, write_id},
    store::{Store, WriteBatch, memory::MemoryStore},
};

const NEXT: GroupId = GroupId(7);
const LAST: GroupId = GroupId(9);

fn succession(group: GroupId, last: u64) -> Succession {
    let last = LogId { term: Term(1), index: LogIndex(last) };
    Succession { group, founder: NodeId(1), last, safe_index: last.index }
}

fn id(term: u64, index: u64) -> LogId {
    LogId { term: Term(term), index: LogIndex(index) }
}

fn create(number: u8) -> Command {
    Command::CreateOidc { org: org_id(0), credential: credential(number, Provider::Google, 1) }
}

/// What a successor has that began with these writes, at this log time.
fn successor(began_with: &[u8], log_time: u64) -> MemoryStore {
    let store = MemoryStore::default();
    let mut names: Vec<u64> =
        began_with.iter().map(|write| InheritedNames::name(write_id(*write))).collect();
    names.sort_unstable();
    let part = InheritedNames { log_time: LogTime(log_time), names };
    let changes = vec![
        (keys::applied(NEXT), Some(AppliedRecord::default().encode())),
        (keys::inherited(NEXT, HOME, u64::MAX), Some(part.encode())),
    ];
    store.write(WriteBatch { changes, ..WriteBatch::default() }).expect("written");
    store
}

/// The log of a returning node: entries from index 6 on are beyond the successor's beginning.
fn rest(replica: &Replica, entries: &[(LogId, Proposal)]) -> Rest {
    let mut reading =
        RestReader::new(&*replica.store, HOME, succession(NEXT, 5), Some(1)).expect("it reads");
    for (log_id, proposal) in entries {
        reading.take(*log_id, proposal).expect("it reads");
    }
    reading.finish()
}

fn spec(store: &MemoryStore) -> HeirState<'_> {
    let found = HeirState::find(store, &BTreeMap::new(), HOME, &succession(NEXT, 5));
    found.expect("it reads").expect("its state is here")
}

/// Nothing, or whether it is lost for certain.
fn judged(rest: &Rest, spec: &HeirState<'_>, write: u8) -> Option<bool> {
    let page = rest.of_one(spec, write_id(write)).expect("it reads");
    page.writes.first().map(|_| page.unlisted == 0)
}

#[test]
fn a_write_is_lost_only_where_nobody_can_have_carried_it_over() {
    let replica = Replica::with_orgs();
    let released = Command::MoveFreeze { org: org_id(1), to: NEXT, epoch: 2 };
    let other = Command::SetOrgSettings { org: org_id(1), settings: Default::default() };
    let rest = rest(
        &replica,
        &[
            (id(1, 5), proposal(1, BEGIN, create(1))),
            (id(1, 6), proposal(2, BEGIN, create(2))),
            (id(1, 7), proposal(3, BEGIN, create(3))),
            (id(1, 8), proposal(4, BEGIN, Command::CreateOrg(org(2)))),
            (id(2, 9), proposal(5, BEGIN, released)),
            (id(2, 10), proposal(6, BEGIN, other)),
        ],
    );
    let store = successor(&[3], BEGIN);
    let spec = spec(&store);
    assert_eq!(judged(&rest, &spec, 1), None, "the successor was made from it");
    assert_eq!(judged(&rest, &spec, 2), Some(true));
    assert_eq!(judged(&rest, &spec, 3), Some(false), "the successor began with it");
    assert_eq!(judged(&rest, &spec, 4), Some(false), "it is proposed to other groups, too");
    assert_eq!(judged(&rest, &spec, 6), Some(false), "its organization had left");
    assert_eq!(judged(&rest, &spec, 9), None, "never heard of");
    // A write that was over before the successor began may have been forgotten.
    let late = successor(&[], BEGIN + 1_000_000_000);
    assert_eq!(judged(&rest, &self::spec(&late), 2), Some(false));
}

#[test]
fn a_page_lists_what_the_successor_is_not_known_to_have() {
    let replica = Replica::with_orgs();
    let first = u64::try_from(PAGE_WRITES).expect("few") + 6;
    let entry = |index: u64| {
        let write = u8::try_from(index % 100).expect("few");
        (id(1, index), proposal(write, BEGIN, create(1)))
    };
    let entries: Vec<_> = (6..first + 10).map(entry).collect();
    let rest = rest(&replica, &entries);
    let store = successor(&[7], BEGIN);
    let spec = spec(&store);
    let page = rest.page(&spec, LogIndex(0)).expect("it reads");
    assert_eq!(page.writes.len(), PAGE_WRITES);
    assert!(page.writes.iter().all(|write| write.write_id != write_id(7)), "it has that one");
    assert_eq!(page.writes[0].client_id, Some(client(1)));
    let next = page.next.expect("there are more");
    let more = rest.page(&spec, next).expect("it reads");
    assert_eq!(more.next, None);
    assert!(more.writes.iter().all(|write| write.log_id.index > next));
    let without = entries.iter().filter(|(_, it)| it.write_id == write_id(7)).count();
    assert_eq!(page.writes.len() + more.writes.len(), entries.len() - without);
}

#[test]
fn what_the_log_does_not_hold_any_more_is_counted() {
    let replica = Replica::with_orgs();
    let counted = |first| {
        let reading = RestReader::new(&*replica.store, HOME, succession(NEXT, 5), first);
        let store = successor(&[], BEGIN);
        let page = reading.expect("it reads").finish().page(&spec(&store), LogIndex(0));
        page.expect("it reads").unlisted
    };
    assert_eq!(counted(Some(1)), 0);
    assert_eq!(counted(Some(9)), 3, "entries 6 to 8");
    assert_eq!(counted(None), 0, "an empty log");
}

#[test]
fn the_heir_is_the_last_one_in_the_line_whose_state_is_here() {
    let region = Region::new("east").unwrap();
    let closed = |group, next| ClosedGroup {
        group,
        region: region.clone(),
        lost: region.clone(),
        to: region.clone(),
        basis: FailoverBasis::Fenced,
        absent: Vec::new(),
        succession: Some(next),
    };
    let line = BTreeMap::from([(NEXT, closed(NEXT, succession(LAST, 3)))]);
    let store = MemoryStore::default();
    let here = |store: &MemoryStore| {
        local_successor(store, &line, &succession(NEXT, 5)).expect("it reads")
    };
    assert_eq!(here(&store), None);
    for group in [NEXT, LAST] {
        let changes = vec![(keys::applied(group), Some(AppliedRecord::default().encode()))];
        store.write(WriteBatch { changes, ..WriteBatch::default() }).expect("written");
        assert_eq!(here(&store), Some(group));
    }
}

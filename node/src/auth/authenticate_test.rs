//! One answer for every problem with a key, and its look-ups counted.

use std::cell::Cell;

use concordat_cluster::store::{
    Pair, Store, WriteBatch, keys, memory::MemoryStore, shadow::ShadowStore,
};
use concordat_proto::{
    id::WriteId,
    key::Replaced,
    log::LogIndex,
    movement::{Ended, HomeRecord, Import, MovedAwayRecord, PreviousHome},
    org::{ApiKey, Org, WrappedKey},
    region::Region,
    secret::Sealed,
    wire::Wire,
};

use super::*;
use crate::{
    auth::key::{new_operator_key, new_org_key},
    clock::SystemClock,
    entropy::{OsEntropy, org_id},
};

const HOMES: [GroupId; 3] = [GroupId(1), GroupId(2), GroupId(3)];

struct Counted<'a> {
    store: &'a MemoryStore,
    gets: Cell<usize>,
}

impl Reader for Counted<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.gets.set(self.gets.get() + 1);
        self.store.get(key)
    }
    fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Pair>, StoreError> {
        unreachable!("authentication looks up, it never searches")
    }
}

fn put(store: &MemoryStore, key: Vec<u8>, value: Vec<u8>) {
    let changes = vec![(key, Some(value))];
    store.write(WriteBatch { changes, ..WriteBatch::default() }).unwrap();
}

fn add_org(store: &MemoryStore, group: GroupId, epoch: u32, id: OrgId) -> String {
    let (text, first_key) = new_org_key(id, &OsEntropy);
    let write = WriteId::from_bytes([7; 16]);
    let org = Org {
        id,
        org_name: "an organization".into(),
        tenant_name: "a tenant".into(),
        home_region: Region::new("us").unwrap(),
        epoch,
        data_key: WrappedKey { keyring_key: 1, bytes: vec![1; 73] },
        first_key: first_key.clone(),
        first_key_sealed: Sealed { sealed_by: write, bytes: vec![1; 73] },
    };
    put(store, keys::org(group, id), org.encode());
    put(store, keys::api_key(group, id, &first_key.hash), first_key.encode());
    text.expose().to_owned()
}

const NOW: LogTime = LogTime(1000);
/// Without a memory.
fn look(state: &dyn Reader) -> Look<'_> {
    Look { state, home_groups: &HOMES, now: NOW, memory: None }
}

const ORG: Caller = Caller::Organization(Rights::READ);

fn presented<'a>(org: Option<&'a str>, key: Option<&'a str>) -> Presented<'a> {
    let organization = match org {
        None => ClaimedOrg::Absent,
        Some("") => ClaimedOrg::Ambiguous,
        Some(text) => ClaimedOrg::Named(text.as_bytes()),
    };
    Presented { key: key.unwrap_or_default().as_bytes(), organization }
}

#[test]
fn all_that_is_wrong_with_a_key_is_one_answer_after_the_same_work() {
    let store = MemoryStore::default();
    let (one, two) = (org_id(&SystemClock, &OsEntropy), org_id(&SystemClock, &OsEntropy));
    let key = add_org(&store, GroupId(2), 1, one);
    let foreign = add_org(&store, GroupId(1), 1, two);
    let (one, absent) = (one.to_string(), org_id(&SystemClock, &OsEntropy).to_string());
    let cases = [
        (one.as_str(), None),
        (one.as_str(), Some("")),
        (one.as_str(), Some("ck_wrong")),
        (one.as_str(), Some(foreign.as_str())),
        (absent.as_str(), Some(key.as_str())),
        ("not an id", Some(key.as_str())),
        ("ffffffffffffffffffffffffffffffff", Some(key.as_str())),
    ];
    for (org, key) in cases {
        let counted = Counted { store: &store, gets: Cell::new(0) };
        let denied = authenticate(&look(&counted), &presented(Some(org), key), ORG);
        assert!(matches!(denied, Err(Denied::Unauthenticated)), "{org} {key:?}");
        assert_eq!(counted.gets.get(), HOMES.len() + 1, "{org} {key:?}");
    }
    let counted = Counted { store: &store, gets: Cell::new(0) };
    let found = authenticate(&look(&counted), &presented(Some(&one), Some(&key)), ORG);
    assert!(matches!(found, Ok(Principal::Org(org)) if org.at.group == GroupId(2)));
    let gets = HOMES.len() + 2;
    assert_eq!(
        counted.gets.get(),
        gets,
        "of a right key the organization's policies are looked up, too"
    );
}

#[test]
fn a_key_is_remembered_until_what_was_read_of_it_changes() {
    let inner = Arc::new(MemoryStore::default());
    let id = org_id(&SystemClock, &OsEntropy);
    let key = add_org(&inner, GroupId(2), 1, id);
    let store = ShadowStore::open(inner).unwrap();
    let (remembered, named) = (Remembered::default(), id.to_string());
    let stamp = |org| store.stamp(org);
    let let_in = |state: &dyn Reader, groups: &[GroupId], now, key: &str| {
        let memory = Some((&remembered, &stamp as &dyn Fn(OrgId) -> _));
        let look = Look { state, home_groups: groups, now, memory };
        authenticate(&look, &presented(Some(&named), Some(key)), ORG).is_ok()
    };
    assert!(let_in(&store, &HOMES, NOW, &key));
    // Nothing is read again, for this key in these groups.
    let empty = MemoryStore::default();
    assert!(let_in(&empty, &HOMES, NOW, &key));
    assert!(!let_in(&empty, &HOMES, NOW, &format!("{key}x")));
    assert!(!let_in(&empty, &HOMES[1..], NOW, &key));
    // Its record changes: it has an end now.
    let hash = hash_key(key.as_bytes());
    let api_key = |reader: &dyn Reader| query::api_key(reader, GroupId(2), id, &hash).unwrap();
    let over = OrgKey { expires_at: Some(LogTime(NOW.0 + 5)), ..api_key(&store).unwrap() };
    let changes = vec![(keys::api_key(GroupId(2), id, &hash), Some(over.encode()))];
    store.write(WriteBatch { changes, ..WriteBatch::default() }).unwrap();
    assert!(!let_in(&empty, &HOMES, NOW, &key));
    assert!(let_in(&store, &HOMES, NOW, &key));
    assert!(let_in(&empty, &HOMES, LogTime(NOW.0 + 4), &key));
    assert!(!let_in(&empty, &HOMES, LogTime(NOW.0 + 5), &key), "it ends while it is remembered");
    let gone = vec![(keys::api_key(GroupId(2), id, &hash), None)];
    store.write(WriteBatch { changes: gone, ..WriteBatch::default() }).unwrap();
    assert!(!let_in(&store, &HOMES, NOW, &key));
}

#[test]
fn an_operator_acts_for_the_organization_that_is_named_beside_the_key() {
    let store = MemoryStore::default();
    let (one, ended) = (org_id(&SystemClock, &OsEntropy), org_id(&SystemClock, &OsEntropy));
    let own_key = add_org(&store, GroupId(2), 1, one);
    add_org(&store, GroupId(3), 1, ended);
    let home: HomeRecord = query::home(&store, GroupId(3), ended).unwrap().expect("it is there");
    let by = Ended { by: WriteId::from_bytes([8; 16]), index: LogIndex(9) };
    put(&store, keys::org(GroupId(3), ended), HomeRecord { ended: Some(by), ..home }.encode());
    // It was made in another group.
    put(&store, keys::org_number(GroupId(1), Number(77)), one.to_bytes().to_vec());
    let (operator, record) = new_operator_key(&OsEntropy);
    put(&store, keys::operator_key(&record.hash), record.encode());
    let by = |key: &str, named: &str| {
        let organization = ClaimedOrg::OfKeyAnd(named.as_bytes());
        let presented = Presented { key: key.as_bytes(), organization };
        authenticate(&look(&store), &presented, ORG)
    };
    for named in [one.to_string(), one.to_string().to_uppercase(), "77".to_owned()] {
        let Ok(Principal::Org(org)) = by(operator.expose(), &named) else { panic!("{named}") };
        assert_eq!((org.id(), org.key, org.is_operators), (one, record.id, true));
        assert_eq!((org.authorized_by(), org.rights), (None, Rights::NONE));
        assert!(org.is_let_in(&store, GroupId(2), None, NOW).unwrap());
        put_absent(&store, keys::operator_key(&record.hash));
        assert!(!org.is_let_in(&store, GroupId(2), None, NOW).unwrap(), "it was revoked");
        put(&store, keys::operator_key(&record.hash), record.encode());
    }
    let absent = org_id(&SystemClock, &OsEntropy).to_string();
    let nil = "00000000-0000-0000-0000-000000000000";
    for named in [&absent, &ended.to_string(), "78", "-1", "x", "", nil] {
        let denied = by(operator.expose(), named);
        assert!(matches!(denied, Err(Denied::OtherOrganization)), "{named}");
    }
    for key in ["op_wrong", "", "x"] {
        assert!(matches!(by(key, "77"), Err(Denied::Unauthenticated)), "{key}");
    }
    assert!(matches!(by(&own_key, "77"), Err(Denied::OtherOrganization)), "no profile has it");
    let Ok(Principal::Org(own)) = by(&own_key, &one.to_string()) else { panic!("its own key") };
    assert_eq!((own.is_operators, own.authorized_by()), (false, Some(own.key)));
}

fn put_absent(store: &MemoryStore, key: Vec<u8>) {
    let changes = vec![(key, None)];
    store.write(WriteBatch { changes, ..WriteBatch::default() }).unwrap();
}

#[test]
fn what_is_no_id_is_nobody_even_where_the_store_has_the_nil_organization() {
    let store = MemoryStore::default();
    // As in a cluster that created it before this id was refused.
    let key = add_org(&store, GroupId(2), 1, OrgId::from_bytes([0; 16]));
    let nil = "00000000-0000-0000-0000-000000000000";
    for org in ["not an id", "what'); --", nil, &"f".repeat(32), &nil.replace('0', "f")] {
        let denied = authenticate(&look(&store), &presented(Some(org), Some(&key)), ORG);
        assert!(matches!(denied, Err(Denied::Unauthenticated)), "{org} was let in");
    }
}

#[test]
fn no_key_is_no_operators_key() {
    let store = MemoryStore::default();
    let (_, record) = new_operator_key(&OsEntropy);
    let hash = hash_key(b"");
    put(&store, keys::operator_key(&hash), ApiKey { hash, ..record }.encode());
    for key in [None, Some("")] {
        let denied = authenticate(&look(&store), &presented(None, key), Caller::Operator);
        assert!(matches!(denied, Err(Denied::Unauthenticated)));
    }
}

#[test]
fn an_organization_on_its_way_is_known_to_be() {
    let store = MemoryStore::default();
    let id = org_id(&SystemClock, &OsEntropy);
    let text = id.to_string();
    let is_arriving = || is_arriving(&store, &HOMES, &presented(Some(&text), Some("k"))).unwrap();
    assert!(!is_arriving(), "nobody knows it");
    // The records that a move has made at the new home group.
    let key = add_org(&store, GroupId(1), 1, id);
    let org = query::home(&store, GroupId(1), id).unwrap().unwrap().org;
    let import = Import {
        attempt: WriteId::from_bytes([8; 16]),
        org,
        dedup_horizon: LogTime(1),
        past: vec![PreviousHome { epoch: 1, group: GroupId(1), release: LogIndex(9) }],
        next: 0,
        digest: [0; 32],
        is_whole: false,
    };
    let away = MovedAwayRecord { epoch: 1, to: Some(GroupId(3)), import: Some(import) };
    put(&store, keys::away(GroupId(2), id), away.encode());
    assert!(!is_arriving(), "it is here as well, with its keys");
    assert!(authenticate(&look(&store), &presented(Some(&text), Some(&key)), ORG).is_ok());
    let changes = vec![(keys::org(GroupId(1), id), None)];
    store.write(WriteBatch { changes, ..WriteBatch::default() }).unwrap();
    assert!(is_arriving());
}

#[test]
fn a_missing_organization_is_told_from_a_wrong_one() {
    let store = MemoryStore::default();
    for org in [None, Some("")] {
        let denied = authenticate(&look(&store), &presented(org, Some("x")), ORG);
        assert!(matches!(denied, Err(Denied::OrgIdMissing)));
    }
}

#[test]
fn operators_come_without_an_organization() {
    let store = MemoryStore::default();
    let (text, record) = new_operator_key(&OsEntropy);
    put(&store, keys::operator_key(&record.hash), record.encode());
    for caller in [Caller::Operator, Caller::Either] {
        let found = authenticate(&look(&store), &presented(None, Some(text.expose())), caller);
        assert!(matches!(found, Ok(Principal::Operator { key }) if key == record.id));
        let denied = authenticate(&look(&store), &presented(None, Some("op_wrong")), caller);
        assert!(matches!(denied, Err(Denied::Unauthenticated)));
    }
    let denied = authenticate(&look(&store), &presented(None, Some(text.expose())), ORG);
    assert!(matches!(denied, Err(Denied::OrgIdMissing)));
}

#[test]
fn the_highest_epoch_says_where_an_organization_stands() {
    let store = MemoryStore::default();
    let org = org_id(&SystemClock, &OsEntropy);
    let old = add_org(&store, GroupId(1), 1, org);
    let new = add_org(&store, GroupId(3), 2, org);
    let id = org.to_string();
    let found = authenticate(&look(&store), &presented(Some(&id), Some(&new)), Caller::Either);
    assert!(matches!(found, Ok(Principal::Org(org)) if org.at.group == GroupId(3)));
    let denied = authenticate(&look(&store), &presented(Some(&id), Some(&old)), ORG);
    assert!(matches!(denied, Err(Denied::Unauthenticated)), "a key left behind opens nothing");
}

#[test]
fn a_key_opens_within_its_times() {
    let store = MemoryStore::default();
    let org = org_id(&SystemClock, &OsEntropy);
    let text = add_org(&store, GroupId(2), 1, org);
    let hash = hash_key(text.as_bytes());
    let first = query::api_key(&store, GroupId(2), org, &hash).unwrap().unwrap();
    let by = WriteId::from_bytes([9; 16]);
    let let_in = |key: OrgKey| {
        put(&store, keys::api_key(GroupId(2), org, &hash), key.encode());
        let id = org.to_string();
        match authenticate(&look(&store), &presented(Some(&id), Some(&text)), ORG) {
            Ok(Principal::Org(org)) => Some(org.replaced_by),
            Ok(Principal::Operator { .. }) | Err(_) => None,
        }
    };
    let expires = |at| OrgKey { expires_at: Some(LogTime(at)), ..first.clone() };
    assert_eq!(let_in(expires(1001)), Some(None));
    assert_eq!(let_in(expires(1000)), None);
    let replaced = |until| {
        let replaced = Some(Replaced { by, until: LogTime(until) });
        OrgKey { replaced, ..first.clone() }
    };
    assert_eq!(let_in(replaced(1000)), Some(Some(by)), "its holder may ask for that write");
    assert_eq!(let_in(replaced(999)), None);
}

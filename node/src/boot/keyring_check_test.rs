//! States and keyrings that match, or do not.

use concordat_cluster::store::{Store, WriteBatch, keys, memory::MemoryStore};
use concordat_proto::{
    id::{KeyId, WriteId},
    org::{ApiKey, ClusterRecord, Org, PartitionPolicyRecord, Rights, SurvivalGoal, WrappedKey},
    region::Region,
    secret::Sealed,
    wire::Wire,
};

use super::*;
use crate::entropy::{self, OsEntropy};

const CLUSTER: ClusterId = ClusterId::from_bytes([5; 16]);

fn put(store: &MemoryStore, key: Vec<u8>, value: Vec<u8>) {
    let changes = vec![(key, Some(value))];
    store.write(WriteBatch { changes, ..WriteBatch::default() }).unwrap();
}

fn keyring() -> Arc<Keyring> {
    Arc::new(Keyring::in_memory(&OsEntropy))
}

fn sealer(keyring: &Arc<Keyring>) -> Sealer {
    Sealer::new(Arc::clone(keyring), Arc::new(OsEntropy))
}

/// A cluster that was begun with this keyring's mark, or with a random id.
fn begun(with: Option<&Keyring>) -> MemoryStore {
    let store = MemoryStore::default();
    let cluster = ClusterRecord {
        id: CLUSTER,
        feature_level: 1,
        survival_goal: SurvivalGoal::Node,
        partition_policy: PartitionPolicyRecord::default(),
    };
    put(&store, keys::cluster(), cluster.encode());
    let id = with.map_or_else(|| entropy::key_id(&OsEntropy), |keyring| keyring.mark(CLUSTER));
    let key = ApiKey { id, hash: [3; 32], rights: Rights::ALL };
    put(&store, keys::operator_key(&key.hash), key.encode());
    store
}

fn claim(store: &MemoryStore, number: u8, data_key: WrappedKey) -> OrgId {
    let id = OrgId::from_bytes([number; 16]);
    let write = WriteId::from_bytes([7; 16]);
    let org = Org {
        id,
        org_name: "an organization".into(),
        tenant_name: "a tenant".into(),
        home_region: Region::new("us").unwrap(),
        epoch: 1,
        data_key,
        first_key: ApiKey {
            id: KeyId::from_bytes([1; 16]),
            hash: [number; 32],
            rights: Rights::ALL,
        },
        first_key_sealed: Sealed { sealed_by: write, bytes: vec![1; 73] },
    };
    put(store, keys::org(GroupId::SYSTEM, id), org.encode());
    id
}

fn add_org(store: &MemoryStore, number: u8, by: &Arc<Keyring>) -> OrgId {
    let id = OrgId::from_bytes([number; 16]);
    claim(store, number, sealer(by).new_data_key(id).1)
}

fn verdict(store: &MemoryStore, keyring: &Arc<Keyring>) -> Verdict {
    let sealer = sealer(keyring);
    let mut look = Look::new(&sealer);
    while look.page(store).unwrap() {}
    look.verdict(store).unwrap()
}

#[test]
fn a_foreign_keyring_is_known_before_there_is_any_organization() {
    let (own, other) = (keyring(), keyring());
    let store = begun(Some(&own));
    assert_eq!(verdict(&store, &own), Verdict::Fits);
    assert_eq!(verdict(&store, &other), Verdict::Foreign(Foreign::Cluster(CLUSTER)));
    assert_eq!(verdict(&MemoryStore::default(), &other), Verdict::Nothing, "not formed yet");
    assert_eq!(verdict(&begun(None), &other), Verdict::Nothing, "begun by an earlier build");
}

#[test]
fn organizations_say_which_keyring_is_right() {
    let (own, other) = (keyring(), keyring());
    for store in [begun(None), begun(Some(&own))] {
        let first = add_org(&store, 1, &own);
        assert_eq!(verdict(&store, &own), Verdict::Fits);
        let differs = Foreign::Differs { key: 1, org: first };
        assert_eq!(verdict(&store, &other), Verdict::Foreign(differs), "the same id");
        let wrapped = sealer(&other).new_data_key(OrgId::from_bytes([9; 16])).1;
        let org = claim(&store, 9, WrappedKey { keyring_key: 4, ..wrapped });
        let lacks = Foreign::Lacks { key: 4, org };
        assert_eq!(verdict(&store, &own), Verdict::Foreign(lacks), "one of its keys is missing");
        assert!(lacks.to_string().contains("key 4"), "{lacks}");
    }
}

#[test]
fn a_record_that_does_not_open_is_not_the_keyrings_fault() {
    let own = keyring();
    let store = begun(Some(&own));
    // As after a corruption.
    claim(&store, 1, WrappedKey { keyring_key: 1, bytes: vec![1; 73] });
    add_org(&store, 2, &own);
    assert_eq!(verdict(&store, &own), Verdict::Fits);
}

#[test]
fn a_keyring_whose_first_key_was_retired_fits_by_its_organizations() {
    let (first, second) = (keyring(), keyring());
    let store = begun(Some(&first));
    add_org(&store, 1, &second);
    assert_eq!(verdict(&store, &second), Verdict::Fits);
}

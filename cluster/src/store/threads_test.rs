//! What the simulation cannot reach, since it has one thread: readers of a store beside a swap of its slots,
//! and stamps beside the writes that they count. Each test ends after a number of rounds, never by a clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use concordat_proto::id::{GroupId, OrgId};

use super::{Reader, Store, WriteBatch, keys, memory::MemoryStore, shadow::ShadowStore};

const GROUP: GroupId = GroupId(3);
/// Rounds of the writer.
const ROUNDS: u64 = 2000;
/// Records of each state.
const RECORDS: u64 = 5;

fn org(last: u8) -> OrgId {
    let mut bytes = [7; 16];
    bytes[15] = last;
    OrgId::from_bytes(bytes)
}

fn store() -> ShadowStore {
    ShadowStore::open(Arc::new(MemoryStore::default())).expect("memory does not fail")
}

fn name(number: u64) -> Vec<u8> {
    [&GROUP.0.to_be_bytes()[..], &number.to_be_bytes()].concat()
}

fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value.try_into().expect("eight bytes"))
}

/// A state whose records all have the same value; each state has other names than the one before.
fn state(round: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let first = round % 2 * RECORDS;
    (first..first + RECORDS).map(|it| (name(it), round.to_be_bytes().to_vec())).collect()
}

fn is_a_state(pairs: &[(Vec<u8>, Vec<u8>)]) -> bool {
    pairs.first().is_some_and(|(_, value)| pairs == state(number(value)))
}

#[test]
fn a_reader_beside_swaps_sees_one_state_and_never_an_older_one() {
    let store = store();
    store.write_shadow(GROUP, state(0)).expect("memory does not fail");
    store.swap(GROUP).expect("memory does not fail");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0..3 {
            let (store, is_over) = (&store, &is_over);
            scope.spawn(move || {
                let mut newest = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let mut seen = Vec::new();
                    if reader == 0 {
                        let read = store.read_snapshot(&mut |reader| {
                            seen = reader.scan(&GROUP.0.to_be_bytes(), None, usize::MAX)?;
                            Ok(())
                        });
                        read.expect("memory does not fail");
                    } else {
                        let all = store.scan(&GROUP.0.to_be_bytes(), None, usize::MAX);
                        seen = all.expect("memory does not fail");
                    }
                    assert!(is_a_state(&seen), "half of a state: {seen:?}");
                    let round = number(&seen[0].1);
                    assert!(round >= newest, "{round} after {newest}");
                    newest = round;
                }
            });
        }
        for round in 1..=ROUNDS {
            store.clear_shadow(GROUP).expect("memory does not fail");
            store.write_shadow(GROUP, state(round)).expect("memory does not fail");
            store.swap(GROUP).expect("memory does not fail");
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

#[test]
fn what_was_read_between_equal_stamps_is_the_present_state() {
    let store = store();
    let (key, published, is_over) =
        (keys::org(GROUP, org(1)), AtomicU64::new(0), AtomicBool::new(false));
    let put = |org: OrgId, round: u64| {
        let changes = vec![(keys::org(GROUP, org), Some(round.to_be_bytes().to_vec()))];
        store.write(WriteBatch { changes, ..WriteBatch::default() }).expect("memory does not fail");
    };
    put(org(1), 0);
    let used = AtomicU64::new(0);
    thread::scope(|scope| {
        let readers = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut known = None;
                while !is_over.load(Ordering::SeqCst) {
                    // In this order: what was published before the look is part of the present state.
                    let present = published.load(Ordering::SeqCst);
                    let stamp = store.stamp(org(1));
                    if let Some((remembered, value)) = known
                        && stamp == Some(remembered)
                    {
                        assert!(value >= present, "{value} is remembered, and {present} is there");
                        used.fetch_add(1, Ordering::SeqCst);
                        continue;
                    }
                    let read = store.get(&key).expect("memory does not fail");
                    let value = number(&read.expect("it is always there"));
                    known =
                        stamp.filter(|it| store.stamp(org(1)) == Some(*it)).map(|it| (it, value));
                }
            })
        });
        // Beside it, another organization of another counter.
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                put(org(2), 0);
            }
        });
        for round in 1..=ROUNDS {
            put(org(1), round);
            published.store(round, Ordering::SeqCst);
            if round.is_multiple_of(16) {
                let before = used.load(Ordering::SeqCst);
                let runs = || readers.iter().all(|reader| !reader.is_finished());
                while used.load(Ordering::SeqCst) == before && runs() {
                    thread::yield_now();
                }
            }
        }
        is_over.store(true, Ordering::SeqCst);
    });
}

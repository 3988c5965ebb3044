//! The store contract as a test kit: every implementation runs the same checks.
//!
//! For tests only: a violation panics. All keys begin with four bytes of a small number, like the
//! keys of groups, so that stores which know groups can be checked too; [`check_edges`] goes
//! beyond.

use std::collections::BTreeMap;

use super::{Pair, Reader, Store, StoreError, WriteBatch};

/// One step of a random test.
#[derive(Debug, Clone)]
pub enum Step {
    /// Write a batch.
    Write(WriteBatch),
    /// Read a key.
    Get(Vec<u8>),
    /// Read a range: prefix, after, limit.
    Scan(Vec<u8>, Option<Vec<u8>>, usize),
    /// Begin a snapshot, write a batch meanwhile, and read everything under the prefix from it.
    WriteDuringSnapshot(Vec<u8>, WriteBatch),
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn key(name: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1], name].concat()
}

fn put(pairs: &[(&[u8], &[u8])]) -> WriteBatch {
    let changes = pairs.iter().map(|(name, value)| (key(name), Some(value.to_vec()))).collect();
    WriteBatch { cleared_prefixes: Vec::new(), changes }
}

fn write(store: &dyn Store, batch: WriteBatch) {
    store.write(batch).expect("a store under test takes a batch");
}

fn scan(reader: &dyn Reader, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Pair> {
    reader.scan(prefix, after, limit).expect("a store under test can be read")
}

fn get(reader: &dyn Reader, key: &[u8]) -> Option<Vec<u8>> {
    reader.get(key).expect("a store under test can be read")
}

/// All of the contract but random steps. The store must be empty.
pub fn check(store: &dyn Store) {
    changes_apply_in_order(store);
    ranges(store);
    clearing(store);
    a_snapshot_stands_still(store);
    batches_are_atomic(store);
    errors_of_a_visit_come_back(store);
    store.sync().expect("a store under test can be synced");
}

fn changes_apply_in_order(store: &dyn Store) {
    let mut batch = put(&[(b"a", b"1"), (b"a", b"2"), (b"b", b"1"), (b"empty", b"")]);
    batch.changes.push((key(b"b"), None));
    batch.changes.push((key(b"never there"), None));
    write(store, batch);
    assert_eq!(get(store, &key(b"a")), Some(b"2".to_vec()), "the later change of a key wins");
    assert_eq!(get(store, &key(b"b")), None, "a removal after a set wins");
    assert_eq!(get(store, &key(b"empty")), Some(Vec::new()), "an empty value is a value");
    write(store, WriteBatch::default());
    write(store, WriteBatch { cleared_prefixes: vec![key(b"")], changes: Vec::new() });
    assert_eq!(scan(store, &key(b""), None, usize::MAX), Vec::new());
}

fn ranges(store: &dyn Store) {
    let names: [&[u8]; 7] = [b"", b"a", b"ab", b"a\0", b"a\xff", b"a\xff\xff", b"b"];
    write(store, put(&names.map(|name| (name, name))));
    write(
        store,
        WriteBatch {
            cleared_prefixes: Vec::new(),
            changes: vec![
                (vec![0, 0, 0, 2], Some(vec![1])),
                (vec![0, 0, 0, 0, 255], Some(vec![1])),
            ],
        },
    );
    let found = |prefix: &[u8], after: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
        let after = after.map(key);
        let pairs = scan(store, &key(prefix), after.as_deref(), limit);
        pairs.into_iter().map(|(_, value)| value).collect()
    };
    let all: [&[u8]; 7] = [b"", b"a", b"a\0", b"ab", b"a\xff", b"a\xff\xff", b"b"];
    assert_eq!(found(b"", None, usize::MAX), all, "in order of bytes, and of this prefix only");
    assert_eq!(found(b"a", None, 100), all[1..6]);
    assert_eq!(found(b"a\xff", None, 100), all[4..6]);
    assert_eq!(found(b"a", Some(b"a"), 100), all[2..6], "after is not included");
    assert_eq!(found(b"a", Some(b"a"), 2), all[2..4], "the limit holds");
    assert_eq!(found(b"a", Some(b"aa"), 100), all[3..6], "after need not exist");
    assert_eq!(found(b"a", Some(b""), 100), all[1..6], "after may stand before the prefix");
    assert!(found(b"a", Some(b"b"), 100).is_empty(), "after may stand behind the prefix");
    assert!(found(b"c", None, 100).is_empty());
    assert!(found(b"", None, 0).is_empty());
}

fn clearing(store: &dyn Store) {
    let mut batch = put(&[(b"a\xff", b"new")]);
    batch.cleared_prefixes = vec![key(b"a\xff"), key(b"nothing"), key(b"b")];
    write(store, batch);
    let left: Vec<Vec<u8>> =
        scan(store, &key(b""), None, 100).into_iter().map(|(_, value)| value).collect();
    let expected: [&[u8]; 5] = [b"", b"a", b"a\0", b"ab", b"new"];
    assert_eq!(left, expected, "prefixes are cleared first, then changes are made");
    assert_eq!(get(store, &[0, 0, 0, 2]), Some(vec![1]), "the neighbor is untouched");
    assert_eq!(get(store, &[0, 0, 0, 0, 255]), Some(vec![1]), "the neighbor is untouched");
}

fn a_snapshot_stands_still(store: &dyn Store) {
    let before = scan(store, &key(b""), None, 100);
    let visited = store.read_snapshot(&mut |reader| {
        let mut batch = put(&[(b"a", b"later"), (b"later", b"later")]);
        batch.cleared_prefixes = vec![key(b"")];
        write(store, batch);
        assert_eq!(scan(reader, &key(b""), None, 100), before, "a snapshot does not move");
        assert_eq!(get(reader, &key(b"later")), None, "a snapshot does not move");
        assert_eq!(get(store, &key(b"later")), Some(b"later".to_vec()), "the store does");
        Ok(())
    });
    visited.expect("a snapshot can be read");
}

fn batches_are_atomic(store: &dyn Store) {
    const ROUNDS: u64 = 200;
    let names: [&[u8]; 3] = [b"one", b"three", b"two"];
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..ROUNDS {
                let value = round.to_be_bytes();
                let mut batch = put(&names.map(|name| (name, &value[..])));
                batch.cleared_prefixes = vec![key(b"t")];
                write(store, batch);
            }
        });
        while !writer.is_finished() {
            let seen = store.read_snapshot(&mut |reader| {
                let values = names.map(|name| get(reader, &key(name)));
                assert!(values.iter().all(|v| *v == values[0]), "a batch was seen by halves");
                Ok(())
            });
            seen.expect("a snapshot can be read");
        }
    });
}

fn errors_of_a_visit_come_back(store: &dyn Store) {
    let answer = store.read_snapshot(&mut |_| Err(StoreError::new("this one")));
    assert_eq!(answer.map_err(|error| error.context), Err("this one".to_owned()));
}

/// Checks that only a store without groups can pass: prefixes at the end of the byte order, and the
/// empty prefix. Leaves the store empty.
pub fn check_edges(store: &dyn Store) {
    write(
        store,
        WriteBatch {
            cleared_prefixes: vec![Vec::new()],
            changes: [vec![1], vec![255], vec![255; 3], vec![255, 255, 1]]
                .map(|key| (key, Some(vec![7])))
                .to_vec(),
        },
    );
    assert_eq!(scan(store, &[], None, usize::MAX).len(), 4);
    assert_eq!(scan(store, &[], Some(&[1]), usize::MAX).len(), 3);
    assert_eq!(scan(store, &[255, 255], None, usize::MAX).len(), 2);
    assert_eq!(scan(store, &[255], Some(&[255]), 1), [(vec![255, 255, 1], vec![7])]);
    write(store, WriteBatch { cleared_prefixes: vec![vec![255, 255]], changes: Vec::new() });
    assert_eq!(scan(store, &[], None, usize::MAX).len(), 2);
    write(store, WriteBatch { cleared_prefixes: vec![Vec::new()], changes: Vec::new() });
    assert!(scan(store, &[], None, usize::MAX).is_empty());
}

/// Random steps against a map. The store may hold anything at first.
pub fn check_steps(store: &dyn Store, steps: &[Step]) {
    let mut model = Model::new();
    write(store, WriteBatch { cleared_prefixes: vec![key(b"")], changes: Vec::new() });
    for step in steps {
        match step {
            Step::Write(batch) => {
                apply_to_model(&mut model, batch);
                write(store, batch.clone());
            }
            Step::Get(key) => assert_eq!(get(store, key).as_ref(), model.get(key), "{step:?}"),
            Step::Scan(prefix, after, limit) => {
                let expected = scan_model(&model, prefix, after.as_deref(), *limit);
                let found = scan(store, prefix, after.as_deref(), *limit);
                assert_eq!(found, expected, "{step:?}");
            }
            Step::WriteDuringSnapshot(prefix, batch) => {
                let expected = scan_model(&model, prefix, None, usize::MAX);
                let visited = store.read_snapshot(&mut |reader| {
                    write(store, batch.clone());
                    assert_eq!(scan(reader, prefix, None, usize::MAX), expected, "{step:?}");
                    Ok(())
                });
                visited.expect("a snapshot can be read");
                apply_to_model(&mut model, batch);
            }
        }
    }
    let all = scan_model(&model, &key(b""), None, usize::MAX);
    assert_eq!(scan(store, &key(b""), None, usize::MAX), all, "at the end");
}

fn apply_to_model(model: &mut Model, batch: &WriteBatch) {
    for prefix in &batch.cleared_prefixes {
        model.retain(|key, _| !key.starts_with(prefix));
    }
    for (key, value) in &batch.changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

fn scan_model(model: &Model, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Pair> {
    model
        .iter()
        .filter(|(key, _)| key.starts_with(prefix))
        .filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after))
        .take(limit)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

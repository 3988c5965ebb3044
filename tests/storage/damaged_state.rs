//! A state whose files are altered and truncated at every 512 bytes: it does not open, or cannot be
//! read, or is exactly as it was after one of its batches. Never anything in between: replaying the
//! log on that would make a state that differs from all other replicas.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use concordat_cluster::store::{
    Reader, Store, StoreError, WriteBatch,
    rocks::{RocksOptions, RocksStore},
};
use concordat_tests::rng::Rng;

const STEP: usize = 512;
const BATCHES: u32 = 900;
/// The store is reopened after this many: each time its write-ahead log is flushed to a file.
const REOPENED_EVERY: u32 = 400;
/// So little that it is also flushed by itself; the last manifest lists these files one by one.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;
/// The key of the number of the last batch.
const LAST: &[u8] = b"last";

type State = BTreeMap<Vec<u8>, Vec<u8>>;

fn options() -> RocksOptions {
    RocksOptions::new(1024 * 1024).unwrap().with_write_buffer_bytes(WRITE_BUFFER_BYTES)
}

/// One of few keys gets another value, so that the rest of a lost batch looks whole.
fn change(number: u32) -> (Vec<u8>, Vec<u8>) {
    let key = format!("key-{:02}", number % 37).into_bytes();
    let mut rng = Rng::new(u64::from(number));
    let value = (0..20 + rng.below(30)).flat_map(|_| rng.next().to_be_bytes()).collect();
    (key, value)
}

fn after(number: u32) -> State {
    let mut state: State = (1..=number).map(change).collect();
    if number > 0 {
        state.insert(LAST.to_vec(), number.to_be_bytes().to_vec());
    }
    state
}

fn write_all(directory: &Path) {
    let mut store = RocksStore::open(directory, &options()).unwrap();
    for number in 1..=BATCHES {
        let (key, value) = change(number);
        let last = (LAST.to_vec(), Some(number.to_be_bytes().to_vec()));
        let changes = vec![(key, Some(value)), last];
        store.write(WriteBatch { cleared_prefixes: Vec::new(), changes }).unwrap();
        if number % REOPENED_EVERY == 0 {
            drop(store);
            store = RocksStore::open(directory, &options()).unwrap();
        }
    }
    store.sync().unwrap();
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for old in files(to) {
        fs::remove_file(old).unwrap();
    }
    for file in files(from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

fn read(directory: &Path) -> Result<State, StoreError> {
    let store = RocksStore::open(directory, &options())?;
    let pairs = store.scan(b"", None, usize::MAX)?;
    Ok(pairs.into_iter().collect())
}

/// Spoils one place of a copy of the store; whether it still opened, and that it was right then.
fn survives(whole: &Path, scratch: &Path, file: &Path, offset: u64, is_cut: bool) -> bool {
    copy(whole, scratch);
    let spoilt = scratch.join(file.file_name().unwrap());
    let spoilt = fs::File::options().read(true).write(true).open(spoilt).unwrap();
    if is_cut {
        spoilt.set_len(offset).unwrap();
    } else {
        let mut byte = [0];
        spoilt.read_exact_at(&mut byte, offset).unwrap();
        spoilt.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
    }
    let Ok(state) = read(scratch) else { return false };
    let last = state
        .get(LAST)
        .map_or(0, |bytes| u32::from_be_bytes(bytes[..].try_into().expect("what was written")));
    let how = if is_cut { "cut" } else { "altered" };
    assert!(state == after(last), "{file:?} {how} at {offset}: no state that ever was ({last})");
    true
}

#[test]
fn a_damaged_state_is_refused_or_is_one_that_was() {
    let [whole, scratch] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    write_all(whole.path());
    copy(whole.path(), scratch.path());
    assert!(read(scratch.path()).unwrap() == after(BATCHES), "the undamaged state");
    let (mut refused, mut right) = (0, 0);
    for file in files(whole.path()) {
        let length = fs::metadata(&file).unwrap().len();
        for offset in (0..length).step_by(STEP) {
            for is_cut in [false, true] {
                if survives(whole.path(), scratch.path(), &file, offset, is_cut) {
                    right += 1;
                } else {
                    refused += 1;
                }
            }
        }
    }
    println!(
        "damaged_state: of {} files, {refused} refused, {right} opened as they once were",
        files(whole.path()).len()
    );
    assert!(refused > 0 && right > 0, "too few to prove anything");
}

//! The log's behavior through its public interface, and helpers that the other tests share.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use super::*;

pub(super) type Outcomes = Arc<Mutex<Vec<Result<(), LogError>>>>;

/// Small segments, a small cache, no clock, no thread.
pub(super) fn small() -> LogOptions {
    LogOptions {
        segment_bytes: 4096,
        slack_segments: 1,
        carries: true,
        cache_bytes_max: 256,
        mark_idle: None,
        writer: WriterMode::Stepped,
        ..LogOptions::default()
    }
}

pub(super) fn open(files: &SimFiles, options: &LogOptions) -> Result<RaftLog, LogError> {
    RaftLog::open(Arc::new(files.clone()), options.clone())
}

pub(super) fn record(term: u64, index: u64, length: usize) -> LogRecord {
    let fill = u8::try_from((index * 7 + term) % 251).expect("below 251");
    LogRecord { id: RecordId { term, index }, payload: Bytes::from(vec![fill; length]) }
}

pub(super) fn ignore() -> Done {
    Box::new(|_| {})
}

pub(super) fn keep(outcomes: &Outcomes) -> Done {
    let outcomes = Arc::clone(outcomes);
    Box::new(move |outcome| outcomes.lock().expect("no test panics with it").push(outcome))
}

fn tell() -> (Done, Receiver<Result<(), LogError>>) {
    let (sender, receiver) = channel();
    (Box::new(move |outcome| drop(sender.send(outcome))), receiver)
}

pub(super) fn run_all(log: &RaftLog) {
    while log.step() > 0 {}
}

/// Everything a group holds.
pub(super) fn dump(log: &RaftLog, group: u32) -> (GroupState, Vec<LogRecord>) {
    let state = log.state(group);
    let records = log.read(group, state.first_index, u64::MAX, usize::MAX);
    (state, records.expect("what is live can be read"))
}

#[test]
fn what_is_queued_is_seen_at_once_and_told_after_the_sync() {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    let outcomes = Outcomes::default();
    log.append(1, vec![record(1, 1, 10), record(1, 2, 300)], keep(&outcomes));
    log.save_vote(1, Bytes::from_static(b"vote"), keep(&outcomes));
    assert_eq!(log.state(1).last, Some(RecordId { term: 1, index: 2 }));
    assert_eq!(log.read(1, 1, 3, usize::MAX).expect("in memory").len(), 2);
    assert_eq!((log.synced_index(1), outcomes.lock().expect("free").len()), (0, 0));
    assert_eq!(log.step(), 2);
    assert_eq!((log.synced_index(1), outcomes.lock().expect("free").len()), (2, 2));
    assert_eq!(log.stats().fsyncs, 1);
    log.truncate_after(1, Some(1), ignore());
    assert_eq!(log.synced_index(1), 1);
    log.append(1, vec![record(2, 2, 5)], ignore());
    assert_eq!(log.synced_index(1), 1);
    run_all(&log);
    assert_eq!(log.synced_index(1), 2);
    let before = dump(&log, 1);
    log.shutdown();
    let log = open(&files, &small()).expect("the log again");
    assert_eq!(dump(&log, 1), before);
    assert_eq!((log.synced_index(1), log.groups()), (2, vec![1]));
}

#[test]
fn a_sync_of_what_was_replaced_meanwhile_counts_for_nothing() {
    let options = LogOptions { batch_calls_max: 1, cache_bytes_max: 0, ..small() };
    let log = open(&SimFiles::new(), &options).expect("a new log");
    log.append(1, vec![record(1, 1, 9), record(1, 2, 9), record(1, 3, 9)], ignore());
    log.truncate_after(1, Some(1), ignore());
    log.append(1, vec![record(2, 2, 9)], ignore());
    assert_eq!(log.step(), 1);
    assert_eq!(log.synced_index(1), 1, "the 2 of term 2 is not on the disk");
    assert_eq!(dump(&log, 1).1, [record(1, 1, 9), record(2, 2, 9)]);
    run_all(&log);
    assert_eq!(log.synced_index(1), 2);
    assert_eq!(dump(&log, 1).1, [record(1, 1, 9), record(2, 2, 9)]);
    assert_eq!(log.stats().cache_bytes, 0);
}

#[test]
fn reads_are_bounded_and_say_what_was_purged() {
    let log = open(&SimFiles::new(), &small()).expect("a new log");
    log.append(1, (0..20).map(|index| record(1, index, 100)).collect(), ignore());
    run_all(&log);
    assert!(log.stats().cache_bytes <= 256);
    let indexes = |from, to, bytes| -> Vec<u64> {
        let records = log.read(1, from, to, bytes).expect("they are there");
        records.iter().map(|record| record.id.index).collect()
    };
    assert_eq!(indexes(0, 20, 350), [0, 1, 2]);
    assert_eq!(indexes(4, 20, 0), [4]);
    assert_eq!(indexes(17, 99, usize::MAX), [17, 18, 19]);
    assert_eq!(indexes(20, 99, usize::MAX), [0; 0]);
    assert_eq!(indexes(15, 15, usize::MAX), [0; 0]);
    log.purge(1, 4, Bytes::from_static(b"four"), ignore());
    assert!(matches!(
        log.read(1, 4, 9, usize::MAX),
        Err(LogError::Purged { wanted: 4, first_index: 5, .. })
    ));
    assert_eq!(log.read(2, 0, 9, usize::MAX).expect("an empty group"), []);
}

#[test]
fn a_purge_beyond_the_end_moves_the_log() {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    log.append(1, vec![record(1, 0, 9), record(1, 1, 9)], ignore());
    log.purge(1, 50, Bytes::from_static(b"fifty"), ignore());
    let expected = GroupState {
        vote: None,
        purged: Some(Bytes::from_static(b"fifty")),
        purged_index: 50,
        first_index: 51,
        last: None,
    };
    assert_eq!(log.state(1), expected);
    run_all(&log);
    assert_eq!(log.synced_index(1), 50);
    log.purge(1, 7, Bytes::from_static(b"seven"), ignore());
    log.truncate_after(1, None, ignore());
    log.append(1, vec![record(2, 51, 9)], ignore());
    log.shutdown();
    let log = open(&files, &small()).expect("the log again");
    assert_eq!(log.state(1).purged, expected.purged);
    assert_eq!(log.state(1).last, Some(RecordId { term: 2, index: 51 }));
}

#[test]
fn faults_of_the_caller_change_nothing_and_are_told_in_turn() {
    let options = LogOptions { queue_bytes_max: 4000, ..small() };
    let log = open(&SimFiles::new(), &options).expect("a new log");
    let outcomes = Outcomes::default();
    log.append(1, vec![record(1, 4, 1), record(1, 6, 1)], keep(&outcomes));
    log.append(1, vec![record(1, 1, 1), record(1, 3, 1)], keep(&outcomes));
    log.append(1, vec![record(1, 1, 2000)], keep(&outcomes));
    log.append(1, (1..=5).map(|index| record(1, index, 1000)).collect(), keep(&outcomes));
    log.append(1, vec![record(1, 1, 1)], keep(&outcomes));
    assert_eq!(outcomes.lock().expect("free").len(), 0);
    run_all(&log);
    log.shutdown();
    log.append(1, vec![record(1, 2, 1)], keep(&outcomes));
    let outcomes = outcomes.lock().expect("free");
    assert!(matches!(outcomes[0], Err(LogError::NotContiguous { expected: 5, found: 6, .. })));
    assert!(matches!(outcomes[1], Err(LogError::NotContiguous { expected: 2, found: 3, .. })));
    assert!(matches!(outcomes[2], Err(LogError::TooLarge { .. })));
    assert!(matches!(outcomes[3], Err(LogError::Overloaded { .. })));
    assert!(matches!(outcomes[4], Ok(())));
    assert!(matches!(outcomes[5], Err(LogError::Closed)));
    assert_eq!(log.state(1).last, Some(RecordId { term: 1, index: 1 }));
}

#[test]
fn all_that_is_queued_during_one_sync_shares_the_next() {
    let files = SimFiles::new();
    let options = LogOptions { mark_idle: None, ..LogOptions::default() };
    let options = LogOptions { segment_bytes: 1 << 20, ..options };
    let log = open(&files, &options).expect("a new log");
    let before = log.stats().fsyncs;
    files.hold_syncs();
    log.append(1, vec![record(1, 1, 100)], ignore());
    files.wait_for_held_sync();
    let (done, last) = tell();
    for group in 2..=1000 {
        log.append(group, vec![record(1, 1, 100)], ignore());
    }
    log.save_vote(1, Bytes::from_static(b"vote"), done);
    files.release_syncs();
    assert!(matches!(last.recv(), Ok(Ok(()))));
    assert_eq!(log.stats().fsyncs - before, 2);
    assert_eq!((log.stats().calls, log.stats().batches), (1001, 2));
    log.shutdown();
}

#[test]
fn an_idle_log_writes_one_mark_and_no_more() {
    let options = LogOptions { mark_idle: Some(Duration::from_millis(1)), ..LogOptions::default() };
    let options = LogOptions { segment_bytes: 1 << 20, ..options };
    let files = SimFiles::new();
    let log = open(&files, &options).expect("a new log");
    let (done, notified) = tell();
    log.append(1, vec![record(1, 1, 10)], done);
    assert!(matches!(notified.recv(), Ok(Ok(()))));
    while log.stats().lone_marks == 0 {
        thread::yield_now();
    }
    let after = files.counts();
    log.shutdown();
    assert_eq!((log.stats().lone_marks, files.counts()), (1, after));
    let reopened = open(&files, &options).expect("the log again");
    reopened.shutdown();
    assert_eq!(reopened.stats().bytes_written, 0, "opening a clean log adds nothing to it");
}

#[test]
fn the_last_synced_entry_has_its_term() {
    let log = open(&SimFiles::new(), &small()).expect("a new log");
    log.append(1, vec![record(1, 1, 1), record(1, 2, 1)], ignore());
    assert_eq!(log.synced_id(1), None);
    run_all(&log);
    let id = |term, index| Some(RecordId { term, index });
    assert_eq!(log.synced_id(1), id(1, 2));
    log.append(1, vec![record(2, 3, 1)], ignore());
    assert_eq!(log.synced_id(1), id(1, 2), "what is queued is not on the disk");
    log.truncate_after(1, Some(1), ignore());
    assert_eq!(log.synced_id(1), id(1, 1));
    log.append(1, vec![record(3, 2, 1)], ignore());
    run_all(&log);
    assert_eq!(log.synced_id(1), id(3, 2));
    log.purge(1, 2, Bytes::new(), ignore());
    assert_eq!(log.synced_id(1), None, "it is not kept");
}

#[test]
fn who_listens_is_told_how_far_each_group_is_synced() {
    let log = open(&SimFiles::new(), &small()).expect("a new log");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    log.on_synced(Arc::new(move |group, index| {
        listener.lock().expect("free").push((group, index));
    }));
    log.append(2, vec![record(1, 1, 1), record(1, 2, 1)], ignore());
    log.append(1, vec![record(1, 1, 1)], ignore());
    log.save_vote(3, Bytes::new(), ignore());
    log.purge(4, 9, Bytes::new(), ignore());
    run_all(&log);
    assert_eq!(*heard.lock().expect("free"), [(1, 1), (2, 2), (4, 9)]);
}

#[test]
fn segments_are_recycled_and_votes_outlive_them() {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    log.save_vote(9, Bytes::from_static(b"an old vote"), ignore());
    for index in 1..=400 {
        log.append(1, vec![record(1, index, 200)], ignore());
        if index % 20 == 0 {
            log.purge(1, index - 5, Bytes::from(index.to_le_bytes().to_vec()), ignore());
        }
        run_all(&log);
    }
    let stats = log.stats();
    assert!(stats.recycled > 10, "{stats:?}");
    assert!(stats.segments + stats.free_segments <= 6, "{stats:?}");
    let before = dump(&log, 1);
    log.shutdown();
    let names = files.list().expect("powered");
    assert!(names.len() <= 8, "{names:?}");
    let log = open(&files, &small()).expect("the log again");
    assert_eq!(dump(&log, 1), before);
    assert_eq!(log.state(9).vote, Some(Bytes::from_static(b"an old vote")));
}

/// The log was never given back: a group of thirteen entries held every segment for ever.
#[test]
fn a_quiet_group_does_not_hold_the_segments_of_a_busy_one() {
    let options = LogOptions { segment_bytes: 16 << 10, ..small() };
    let files = SimFiles::new();
    let log = open(&files, &options).expect("a new log");
    for index in 1..=13 {
        log.append(0, vec![record(1, index, 40)], ignore());
        log.append(1, vec![record(1, index, 40)], ignore());
        run_all(&log);
    }
    let quiet = dump(&log, 0);
    let mut written = 0;
    for round in 1..=6000u64 {
        let next = 14 + (round - 1) * 50;
        log.append(1, (next..next + 50).map(|index| record(1, index, 20)).collect(), ignore());
        if round % 10 == 0 {
            log.purge(1, next.saturating_sub(500), Bytes::from_static(b"purged"), ignore());
        }
        run_all(&log);
        let stats = log.stats();
        let twice_live = 2 * stats.live_bytes / u64::from(options.segment_bytes);
        assert!(stats.segments <= twice_live + 4, "{stats:?}");
        written = stats.bytes_written / u64::from(options.segment_bytes);
    }
    let stats = log.stats();
    assert!(stats.recycled > 900 && stats.recycled * 10 > written * 8, "{written} {stats:?}");
    assert!(stats.carried < 300_000 / 50, "few entries are copied: {stats:?}");
    assert_eq!(dump(&log, 0), quiet);
    let busy = dump(&log, 1);
    log.shutdown();
    assert!(files.list().expect("powered").len() < 12);
    let log = open(&files, &options).expect("the log again");
    assert_eq!((dump(&log, 0), dump(&log, 1)), (quiet, busy));
}

#[test]
fn live_bytes_are_those_of_the_entries_that_are_kept() {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    log.append(1, (1..=9).map(|index| record(1, index, 8)).collect(), ignore());
    assert_eq!(log.stats().live_bytes, 0, "nothing is on the disk");
    run_all(&log);
    assert_eq!(log.stats().live_bytes, 9 * 40);
    log.truncate_after(1, Some(7), ignore());
    log.purge(1, 2, Bytes::new(), ignore());
    assert_eq!((log.stats().live_bytes, log.group_bytes(1), log.group_bytes(2)), (200, 200, 0));
    let ends = [0, 1, 40, 41, 200, 999].map(|bytes| log.end_of_oldest(1, bytes));
    assert_eq!(ends, [None, Some(3), Some(3), Some(4), Some(7), Some(7)]);
    log.shutdown();
    assert_eq!(open(&files, &small()).expect("the log again").stats().live_bytes, 5 * 40);
}

/// An entry was read from its old place while it was carried over.
#[test]
fn a_reader_follows_entries_that_are_carried_over() {
    let options =
        LogOptions { writer: WriterMode::Thread, slack_segments: 0, cache_bytes_max: 0, ..small() };
    let log = open(&SimFiles::new(), &options).expect("a new log");
    log.append(0, (1..=9).map(|index| record(1, index, 100)).collect(), ignore());
    let (done, synced) = tell();
    log.mark(done);
    assert!(matches!(synced.recv(), Ok(Ok(()))));
    let quiet = dump(&log, 0);
    let (begun, has_begun) = channel();
    let reader = {
        let log = log.clone();
        thread::spawn(move || {
            while log.stats().carried < 600 && log.stats().batches < 20_000 {
                assert_eq!(dump(&log, 0), quiet);
                // The first read alone is waited for: it may come late on a busy machine.
                begun.send(()).expect("its end is waited for");
            }
        })
    };
    has_begun.recv().expect("it reads");
    let mut index = 1;
    while !reader.is_finished() {
        let (done, synced) = tell();
        log.append(1, vec![record(1, index, 900)], ignore());
        log.purge(1, index, Bytes::new(), done);
        assert!(matches!(synced.recv(), Ok(Ok(()))));
        index += 1;
    }
    reader.join().expect("no read failed");
    assert!(log.stats().carried >= 600);
}

#[test]
fn a_callback_may_call_the_log_and_drop_it() {
    let files = SimFiles::new();
    let options = LogOptions { segment_bytes: 1 << 20, ..LogOptions::default() };
    let log = open(&files, &options).expect("a new log");
    let (done, notified) = tell();
    let inner = log.clone();
    log.append(
        1,
        vec![record(1, 1, 1)],
        Box::new(move |_| {
            inner.append(1, vec![record(1, 2, 1)], done);
            inner.shutdown();
        }),
    );
    drop(log);
    assert!(matches!(notified.recv(), Ok(Ok(()))));
}

#[test]
fn a_panic_in_a_callback_fails_the_log() {
    let options = LogOptions { segment_bytes: 1 << 20, ..LogOptions::default() };
    let log = open(&SimFiles::new(), &options).expect("a new log");
    log.append(1, vec![record(1, 1, 1)], Box::new(|_| panic!("a test's panic")));
    while log.failure().is_none() {
        thread::yield_now();
    }
    let (done, notified) = tell();
    log.append(1, vec![record(1, 2, 1)], done);
    assert!(matches!(notified.recv(), Ok(Err(LogError::Failed { .. } | LogError::Closed))));
}

#[test]
fn real_files_hold_a_log_and_lock_its_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::default() };
    let files = Arc::new(RealFiles::open(&path).expect("unlocked"));
    assert!(RealFiles::open(&path).is_err());
    let log = RaftLog::open(files, options.clone()).expect("a new log");
    for index in 1..=2000 {
        log.append(1, vec![record(3, index, 100)], ignore());
    }
    log.purge(1, 700, Bytes::from_static(b"700"), ignore());
    log.shutdown();
    assert!(log.failure().is_none());
    let before = dump(&log, 1);
    assert_eq!(before.1.len(), 1300);
    drop(log);
    let files = Arc::new(RealFiles::open(&path).expect("unlocked again"));
    let log = RaftLog::open(files, options).expect("the log again");
    assert_eq!(dump(&log, 1), before);
}

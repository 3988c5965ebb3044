//! IO errors, torn tails, and records that must not come back.

use super::{
    frame::{Head, Kind, MARK_BYTES, Mark, parse_frame, push_frame, push_mark},
    log_test::{Outcomes, dump, ignore, keep, open, record, run_all, small},
    *,
};

/// A fixed run over several segments; returns how many calls were made.
fn work(log: &RaftLog, outcomes: &Outcomes) -> usize {
    let mut calls = 0;
    for index in 1..=60 {
        log.append(1, vec![record(1, index, 180)], keep(outcomes));
        calls += 1;
        if index % 3 == 0 {
            log.save_vote(2, Bytes::from(index.to_le_bytes().to_vec()), keep(outcomes));
            calls += 1;
        }
        if index % 25 == 0 {
            log.purge(1, index - 9, Bytes::from_static(b"purged"), keep(outcomes));
            calls += 1;
        }
        run_all(log);
    }
    calls
}

/// Runs into the fault; after a crash everything acknowledged is there.
fn run_into(fault: SimFault, seed: u64) -> bool {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    files.inject(fault);
    let outcomes = Outcomes::default();
    let calls = work(&log, &outcomes);
    let outcomes = outcomes.lock().expect("free").clone();
    assert_eq!(outcomes.len(), calls, "everybody was told");
    let acknowledged = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
    let failed = |outcome: &Result<(), LogError>| matches!(outcome, Err(LogError::Failed { .. }));
    assert!(outcomes[acknowledged..].iter().all(failed), "a failure is for good");
    if let Some(LogError::Failed { source }) = log.failure() {
        assert!(matches!(*source, LogError::Io { .. }));
        let before = files.counts();
        log.save_vote(5, Bytes::new(), ignore());
        run_all(&log);
        log.shutdown();
        assert_eq!(files.counts(), before, "nothing is written after a failure");
    }
    let has_failed = log.failure().is_some();
    let files = files.crash(seed);
    let log = open(&files, &small()).expect("what is left of the log");
    let appends = |count: usize| {
        // The order of the calls: see `work`.
        let mut seen = 0;
        (1..=60u64)
            .take_while(|index| {
                seen += 1;
                let kept = seen <= count;
                seen += usize::from(index % 3 == 0) + usize::from(index % 25 == 0);
                kept
            })
            .count() as u64
    };
    let last = log.state(1).last.map_or(0, |last| last.index);
    assert!(last >= appends(acknowledged), "{fault:?}: {last} of {acknowledged} calls");
    let (state, records) = dump(&log, 1);
    let indexes: Vec<u64> = records.iter().map(|record| record.id.index).collect();
    assert_eq!(indexes, (state.first_index.max(1)..=last).collect::<Vec<_>>());
    assert!(records.iter().all(|kept| *kept == record(1, kept.id.index, 180)));
    has_failed
}

#[test]
fn each_failed_write_or_sync_ends_the_log_and_loses_nothing_acknowledged() {
    let mut failures = 0;
    for after in 0..200 {
        failures += usize::from(run_into(SimFault::WriteError { after }, after));
        failures += usize::from(run_into(SimFault::SyncError { after }, after));
        failures += usize::from(run_into(SimFault::PowerOff { after }, after));
    }
    assert!(failures > 200, "{failures}");
    for bytes in (0..30_000).step_by(1000) {
        run_into(SimFault::Full { bytes }, bytes);
    }
}

/// A manifest was used although only one of its slots was on the disk. A torn write of that slot
/// brought back the manifest before it, which named other segments.
#[test]
fn a_manifest_that_was_not_synced_before_the_process_died_is_synced_before_it_is_believed() {
    let mut died = 0;
    // Few seeds tear a write within the few bytes of a slot.
    for (after, seed) in (0..30).flat_map(|after| (0..200).map(move |seed| (after, seed))) {
        let files = SimFiles::new();
        let log = open(&files, &small()).expect("a new log");
        files.inject(SimFault::SyncError { after });
        work(&log, &Outcomes::default());
        died += usize::from(log.failure().is_some());
        let mut files = files.restart();
        let log = open(&files, &small()).expect("the log after the process died");
        let next = log.state(1).last.map_or(1, |last| last.index + 1);
        let outcomes = Outcomes::default();
        log.append(1, vec![record(1, next, 180)], keep(&outcomes));
        run_all(&log);
        assert!(outcomes.lock().expect("free").iter().all(Result::is_ok));
        for recovery in 0..2 {
            files = files.crash(seed + recovery);
            files.inject(SimFault::PowerOff { after: recovery });
            drop(open(&files, &small()));
        }
        files = files.crash(seed);
        let log = open(&files, &small()).expect("what is left of the log");
        assert!(log.state(1).last.is_some_and(|last| last.index >= next), "{after} {seed}");
    }
    assert!(died == 6000, "{died}");
}

#[test]
fn a_failed_read_is_an_error_and_not_a_torn_tail() {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    work(&log, &Outcomes::default());
    log.shutdown();
    let before = dump(&log, 1);
    for after in 0..5 {
        let files = files.fork();
        files.inject(SimFault::ReadError { after });
        assert!(matches!(open(&files, &small()), Err(LogError::Io { .. })));
        let files = files.crash(after);
        assert_eq!(dump(&open(&files, &small()).expect("it reads again"), 1), before);
    }
}

#[test]
fn a_torn_tail_is_dropped_at_every_byte() {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    log.append(1, vec![record(1, 1, 100)], ignore());
    run_all(&log);
    let before = files.contents("segment-0000000001.log").expect("the segment");
    log.append(1, vec![record(1, 2, 100), record(1, 3, 100)], ignore());
    log.save_vote(1, Bytes::from_static(b"later"), ignore());
    run_all(&log);
    let after = files.contents("segment-0000000001.log").expect("the segment");
    let differs = |at: &usize| before[*at] != after[*at];
    let first = (0..after.len()).find(differs).expect("a batch was written");
    let last = (0..after.len()).rfind(differs).expect("a batch was written");
    for at in first..=last {
        let torn = files.fork();
        let file = torn.open("segment-0000000001.log").expect("the segment");
        file.write_at(&before[at..], at as u64).expect("powered");
        let log = open(&torn, &small()).expect("a torn tail is no damage");
        let (state, records) = dump(&log, 1);
        assert!(!records.is_empty() && records[0] == record(1, 1, 100));
        assert!(state.vote.is_none() || at > last - 8, "the vote was torn at {at}");
        let next = records.len() as u64 + 1;
        log.append(1, vec![record(2, next, 50)], ignore());
        log.shutdown();
        let expected = dump(&log, 1);
        let log = open(&torn, &small()).expect("the log again");
        assert_eq!(dump(&log, 1), expected);
    }
}

#[test]
fn a_dropped_record_does_not_continue_the_new_chain() {
    let entry = Head { kind: Kind::Entry, group: 1, index: 2, term: 1 };
    let truncation = Head { kind: Kind::Truncate, group: 1, index: 1, term: 0 };
    let lives = [0, 0, 1].map(|life| {
        let mut bytes = Vec::new();
        let chain = push_mark(
            &mut bytes,
            5,
            Mark { identity: 77, offset: 640, synced: 640, life, size: 0 },
        );
        let chain = push_frame(&mut bytes, chain, entry, b"the same entry");
        push_frame(&mut bytes, chain, truncation, b"");
        (bytes, chain)
    });
    let at = lives[0].0.len() - frame::frame_bytes(0);
    // The hazard: with the same life number the old truncation would be valid again.
    assert!(parse_frame(&lives[0].0[at..], lives[1].1).is_ok());
    assert!(parse_frame(&lives[0].0[at..], lives[2].1).is_err());
}

#[test]
fn a_dropped_truncation_does_not_come_back_behind_the_same_entry() {
    let name = "segment-0000000001.log";
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    log.append(1, vec![record(1, 1, 40)], ignore());
    run_all(&log);
    let before = files.contents(name).expect("the segment");
    log.append(1, vec![record(1, 2, 40)], ignore());
    log.truncate_after(1, None, ignore());
    log.save_vote(1, Bytes::from(vec![0xee; 900]), ignore());
    run_all(&log);
    let after = files.contents(name).expect("the segment");
    let start = (0..after.len()).find(|at| before[*at] != after[*at]).expect("a batch") & !7;
    let truncation_at = start + MARK_BYTES + frame::frame_bytes(40);
    let truncation = &after[truncation_at..truncation_at + frame::frame_bytes(0)];
    // The batch is torn: its first sector is lost, the truncation is on the disk.
    let torn = files.fork();
    let file = torn.open(name).expect("the segment");
    file.write_at(&vec![0; truncation_at - start], start as u64).expect("powered");
    let log = open(&torn, &small()).expect("a torn tail is no damage");
    assert_eq!(log.state(1).last, Some(RecordId { term: 1, index: 1 }));
    let cleared = torn.contents(name).expect("the segment");
    let mut pieces = cleared.windows(truncation.len());
    assert!(pieces.all(|piece| piece != truncation), "nothing is left behind");
    assert!(cleared.windows(8).all(|piece| piece != [0xee; 8]), "nothing is left behind");
    let lives = [&after, &cleared].map(|bytes| frame::read_u64(&bytes[start..], 24));
    assert_eq!(lives, [0, 1], "the first mark behind the tear begins another life");
    // The leader sends the entry again. Were the old truncation still behind it, on any place:
    log.append(1, vec![record(1, 2, 40)], ignore());
    run_all(&log);
    let now = torn.contents(name).expect("the segment");
    let end = now.iter().rposition(|byte| *byte != 0).expect("records") + 1;
    for at in (end.next_multiple_of(8)..end + 64).step_by(8) {
        let planted = torn.fork();
        let file = planted.open(name).expect("the segment");
        file.write_at(truncation, at as u64).expect("powered");
        let log = open(&planted, &small()).expect("stale bytes are no damage");
        assert_eq!(log.state(1).last, Some(RecordId { term: 1, index: 2 }), "planted at {at}");
    }
}

#[test]
fn a_segment_of_an_earlier_use_is_never_read_again() {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    for index in 1..=100 {
        log.append(1, vec![record(1, index, 180)], ignore());
        log.purge(1, index - 1, Bytes::from_static(b"purged"), ignore());
        run_all(&log);
    }
    assert!(log.stats().recycled > 3);
    // No shutdown: the disk keeps old records behind the end of the last segment.
    let log = open(&files.fork(), &small()).expect("the log again");
    let (_, records) = dump(&log, 1);
    assert_eq!(records, [record(1, 100, 180)]);
}

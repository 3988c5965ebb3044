//! The log with its writer's thread: groups that append, truncate and purge from threads of their own, and
//! readers beside them. What a reader gets is always one stretch of entries as they were written; in the end,
//! and after a restart, each group has exactly what its own calls left. It must never judge by a time.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread,
};

use bytes::Bytes;

use super::{
    LogError, LogOptions, LogRecord, RaftLog, RecordId, SimFiles, WriterMode,
    log_test::{ignore, open, record, small},
    sim::Rng,
};

/// Groups, each with a thread that writes and one that reads.
const GROUPS: u32 = 3;
/// Calls of each writing thread.
const CALLS: u64 = 3000;
/// Entries that a group keeps at most.
const KEPT: usize = 60;

/// An entry whose bytes follow from its id.
fn entry(id: RecordId) -> LogRecord {
    let length = 20 + (id.index * 37 + id.term * 11) % 700;
    record(id.term, id.index, usize::try_from(length).expect("it is small"))
}

/// Writes, and returns what the group must have.
fn write(log: &RaftLog, group: u32) -> Vec<LogRecord> {
    let mut draw = Rng(u64::from(group));
    let (mut term, mut first) = (1, 1);
    let mut kept: Vec<LogRecord> = Vec::new();
    for call in 0..CALLS {
        let last = first + kept.len() as u64 - 1;
        match draw.below(8) {
            0 if !kept.is_empty() => {
                // A new leader replaces some of the last entries.
                let keep = kept.len().saturating_sub(draw.below(4));
                kept.truncate(keep);
                let last_kept = (keep > 0).then(|| first + keep as u64 - 1);
                assert!(log.truncate_after(group, last_kept, ignore()).is_none());
                term += 1;
            }
            1 if kept.len() > 1 => {
                let count = 1 + draw.below(kept.len() - 1);
                purge(log, group, (&mut first, &mut kept), count);
            }
            _ => {
                let new: Vec<LogRecord> = (1..=1 + draw.below(6) as u64)
                    .map(|more| entry(RecordId { term, index: last + more }))
                    .collect();
                assert!(log.append(group, new.clone(), ignore()).is_none());
                kept.extend(new);
                let surplus = kept.len().saturating_sub(KEPT);
                purge(log, group, (&mut first, &mut kept), surplus);
            }
        }
        if call.is_multiple_of(64) {
            let (done, synced) = channel();
            let tell = Box::new(move |outcome| drop(done.send(outcome)));
            assert!(log.save_vote(group, Bytes::from(term.to_be_bytes().to_vec()), tell).is_none());
            assert!(matches!(synced.recv(), Ok(Ok(()))));
        }
    }
    kept
}

/// Purges this many of the oldest entries.
fn purge(log: &RaftLog, group: u32, (first, kept): (&mut u64, &mut Vec<LogRecord>), count: usize) {
    if count > 0 {
        *first += count as u64;
        assert!(log.purge(group, *first - 1, Bytes::new(), ignore()).is_none());
        kept.drain(..count);
    }
}

/// Reads until all is over, and checks what it gets.
fn read(log: &RaftLog, group: u32, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let state = log.state(group);
        let Some(last) = state.last else { continue };
        let found = match log.read(group, state.first_index, last.index + 1, 8 << 10) {
            Ok(found) => found,
            Err(LogError::Purged { .. }) => continue,
            Err(error) => panic!("group {group}: {error}"),
        };
        for pair in found.windows(2) {
            assert_eq!(pair[0].id.index + 1, pair[1].id.index, "a gap in group {group}");
            assert!(pair[0].id.term <= pair[1].id.term, "terms go back in group {group}");
        }
        for one in &found {
            assert_eq!(*one, entry(one.id), "of group {group}");
        }
    }
}

fn all(log: &RaftLog, group: u32) -> Vec<LogRecord> {
    let state = log.state(group);
    let Some(last) = state.last else { return Vec::new() };
    log.read(group, state.first_index, last.index + 1, usize::MAX).expect("they are kept")
}

#[test]
fn readers_beside_writing_threads_see_entries_as_they_were_written() {
    let options = LogOptions { writer: WriterMode::Thread, ..small() };
    let files = SimFiles::new();
    let log = open(&files, &options).expect("a new log");
    let is_over = AtomicBool::new(false);
    let kept: Vec<Vec<LogRecord>> = thread::scope(|scope| {
        let readers: Vec<_> = (1..=GROUPS)
            .map(|group| {
                scope.spawn({
                    let (log, is_over) = (&log, &is_over);
                    move || read(log, group, is_over)
                })
            })
            .collect();
        let writers: Vec<_> = (1..=GROUPS)
            .map(|group| {
                scope.spawn({
                    let log = &log;
                    move || write(log, group)
                })
            })
            .collect();
        let kept =
            writers.into_iter().map(|writer| writer.join().expect("no call fails")).collect();
        is_over.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.join().expect("no read fails");
        }
        kept
    });
    for (group, kept) in (1..=GROUPS).zip(&kept) {
        assert_eq!(all(&log, group), *kept, "group {group}");
    }
    assert!(log.stats().recycled > 0, "segments were used again beside the readers");
    log.shutdown();
    let log = open(&files, &options).expect("the log again");
    for (group, kept) in (1..=GROUPS).zip(&kept) {
        assert_eq!(all(&log, group), *kept, "group {group} after a restart");
    }
}

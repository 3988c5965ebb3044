//! Every byte of a small log is altered, every file is cut at every length and removed: the log
//! then either reports damage, or still has every acknowledged entry.

use super::{
    file::FileSystem,
    log_test::{dump, ignore, open, record, run_all, small},
    *,
};

const GROUPS: [u32; 5] = [1, 2, 3, 4, 70_000];

type Dump = Vec<(GroupState, Vec<LogRecord>)>;

fn dump_all(log: &RaftLog) -> Dump {
    GROUPS.iter().map(|group| dump(log, *group)).collect()
}

/// Several groups, some segments recycled, some live, one free, a quiet group's entries carried
/// over; then a clean end.
fn worked_disk() -> (SimFiles, Dump) {
    let files = SimFiles::new();
    let log = open(&files, &small()).expect("a new log");
    log.save_vote(3, Bytes::from_static(b"first vote"), ignore());
    log.append(4, (1..=5).map(|index| record(1, index, 60)).collect(), ignore());
    for round in 1..=60 {
        log.append(1, vec![record(1, round, 150)], ignore());
        log.append(2, vec![record(2, 2 * round - 1, 30), record(2, 2 * round, 31)], ignore());
        if round % 8 == 0 {
            log.purge(1, round - 3, Bytes::from(vec![1; 24]), ignore());
            log.purge(2, 2 * round - 6, Bytes::from(vec![2; 24]), ignore());
            log.save_vote(2, Bytes::from(round.to_le_bytes().to_vec()), ignore());
        }
        run_all(&log);
    }
    for index in 0..40 {
        log.append(3, vec![record(4, index, 100)], ignore());
        run_all(&log);
    }
    for (group, up_to) in [(1, 59), (2, 118), (3, 12)] {
        log.purge(group, up_to, Bytes::from_static(b"late"), ignore());
    }
    run_all(&log);
    log.truncate_after(3, Some(33), ignore());
    log.append(3, vec![record(5, 34, 90)], ignore());
    log.purge(70_000, 12, Bytes::from_static(b"a snapshot"), ignore());
    run_all(&log);
    let stats = log.stats();
    assert!(stats.recycled >= 2 && stats.segments >= 2 && stats.free_segments >= 1, "{stats:?}");
    assert!(stats.carried >= 5, "{stats:?}");
    let expected = dump_all(&log);
    log.shutdown();
    (files, expected)
}

/// True when the log reports damage.
fn check(files: &SimFiles, expected: &Dump, what: &str) -> bool {
    match open(files, &small()) {
        Err(LogError::Damaged { .. }) => true,
        Err(error) => panic!("{what}: {error:?}"),
        Ok(log) => {
            assert!(dump_all(&log) == *expected, "{what}: it forgot");
            log.shutdown();
            let again = open(files, &small()).expect("what opened once opens again");
            assert!(dump_all(&again) == *expected, "{what}: it forgot when opened again");
            false
        }
    }
}

#[test]
fn no_flipped_byte_makes_it_forget_silently() {
    let (files, expected) = worked_disk();
    for name in files.list().expect("powered") {
        let bytes = files.contents(&name).expect("listed");
        let blank_from = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let mut damaged = 0;
        for offset in 0..bytes.len() {
            let altered = files.fork();
            altered.flip_bit(&name, offset, u32::try_from(offset % 8).expect("below 8"));
            damaged += usize::from(check(&altered, &expected, &format!("{name} byte {offset}")));
        }
        let is_segment = name.starts_with("segment-");
        assert_eq!(damaged > 0, is_segment, "{name}: {damaged} found of {blank_from} bytes");
    }
}

#[test]
fn no_cut_makes_it_forget_silently() {
    let (files, expected) = worked_disk();
    for name in files.list().expect("powered") {
        let length = files.contents(&name).expect("listed").len();
        for cut in 0..length {
            let altered = files.fork();
            altered.cut(&name, cut);
            let damaged = check(&altered, &expected, &format!("{name} cut at {cut}"));
            assert_eq!(damaged, !name.starts_with("free-"), "{name} cut at {cut}");
        }
    }
}

#[test]
fn no_missing_file_makes_it_forget_silently() {
    let (files, expected) = worked_disk();
    for name in files.list().expect("powered") {
        let altered = files.fork();
        altered.erase(&name);
        let damaged = check(&altered, &expected, &format!("{name} removed"));
        assert_eq!(damaged, !name.starts_with("free-"), "{name} removed");
    }
}

#[test]
fn every_live_byte_before_the_last_mark_is_guarded() {
    let (files, expected) = worked_disk();
    let names = files.list().expect("powered");
    let segments: Vec<_> = names.iter().filter(|name| name.starts_with("segment-")).collect();
    for pair in segments.windows(2) {
        let next = files.contents(pair[1]).expect("listed");
        let end = segment::Header::parse(&next).expect("a header").0.previous_end;
        for offset in 0..end as usize {
            let altered = files.fork();
            altered.flip_bit(pair[0], offset, 3);
            assert!(check(&altered, &expected, "a live byte"), "{} byte {offset}", pair[0]);
        }
    }
    let last = segments.last().expect("there are segments");
    let bytes = files.contents(last).expect("listed");
    let identity = segment::Header::parse(&bytes).expect("a header").1;
    let mark = frame::synced_by_marks(&bytes, 0, identity).expect("it was marked");
    for offset in 0..mark {
        let altered = files.fork();
        altered.flip_bit(last, offset, 5);
        assert!(check(&altered, &expected, "a live byte"), "{last} byte {offset}");
    }
}

#[test]
fn a_sector_that_reads_as_zeros_is_no_clean_end() {
    let (files, expected) = worked_disk();
    for name in files.list().expect("powered") {
        let bytes = files.contents(&name).expect("listed");
        for start in (0..bytes.len()).step_by(512) {
            let altered = files.fork();
            let file = altered.open(&name).expect("listed");
            file.write_at(&[0; 512], start as u64).expect("powered");
            check(&altered, &expected, &format!("{name} without its sector at {start}"));
        }
    }
}

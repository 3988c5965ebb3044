//! The bytes of a log of each format version: old ones are read for ever, new ones do not change.
//!
//! A line of a golden file is the name of a segment and its bytes, without the zeros behind them.
//! `UPDATE_EXPECT=1` rewrites the file of the newest version.

use super::{
    file::FileSystem,
    log_test::{dump, ignore, open, record, run_all, small},
    segment::{FileName, Header, Manifest, Span, parse_name},
    *,
};

const GROUPS: [u32; 6] = [1, 2, 3, 4, 8, 9];
const V1: &str = include_str!("golden/segment.v1.hex");
const V2: &str = include_str!("golden/segment.v2.hex");

/// Carries over whenever less than half of the bytes are live.
fn options() -> LogOptions {
    LogOptions { slack_segments: 0, ..small() }
}

/// The names of the segments, in order.
fn segments(files: &SimFiles) -> Vec<String> {
    let mut names = files.list().expect("powered");
    names.retain(|name| matches!(parse_name(name), Some(FileName::Segment(_))));
    names.sort();
    names
}

/// A log with every kind of record in its last segment; carried entries are of the quiet group.
fn worked(has_quiet_group: bool) -> (SimFiles, RaftLog) {
    let files = SimFiles::new();
    let log = open(&files, &options()).expect("a new log");
    log.save_vote(8, Bytes::from_static(b"an early vote"), ignore());
    if has_quiet_group {
        log.append(4, (1..=3).map(|index| record(7, index, 5)).collect(), ignore());
    }
    for index in 0..=4 {
        log.append(9, vec![record(1, index, 900)], ignore());
        run_all(&log);
    }
    log.purge(9, 4, Bytes::from_static(b"four"), ignore());
    log.save_vote(1, Bytes::from_static(b"a vote"), ignore());
    log.append(1, (1..=4).map(|index| record(1, index, 20)).collect(), ignore());
    run_all(&log);
    log.truncate_after(1, Some(3), ignore());
    log.append(1, vec![record(2, 4, 0)], ignore());
    log.purge(1, 1, Bytes::from_static(b"one"), ignore());
    log.purge(3, 50, Bytes::from_static(b"a snapshot"), ignore());
    run_all(&log);
    log.shutdown();
    (files, log)
}

fn line(files: &SimFiles) -> String {
    let [name] = &segments(files)[..] else { panic!("one segment is left") };
    let bytes = files.contents(name).expect("listed");
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let hex: String = bytes[..end].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {hex}\n")
}

/// A log directory with this segment.
fn directory(golden: &str) -> SimFiles {
    let files = SimFiles::new();
    let (name, hex) = golden.trim_end().split_once(' ').expect("a name and bytes");
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hex digits");
    let mut bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
    bytes.resize(options().segment_bytes as usize, 0);
    let file = files.create(name).expect("powered");
    file.write_at(&bytes, 0).and_then(|()| file.sync_data()).expect("powered");
    let mut manifest = Manifest::create(&files).expect("powered");
    let Some(FileName::Segment(sequence)) = parse_name(name) else { panic!("a segment's name") };
    manifest.store(Span { first: sequence, last: sequence }).expect("powered");
    files.fork()
}

/// Reads what the golden file has, writes to it, and reads it again. Returns the versions of the
/// segments.
fn check(golden: &str, expected: &RaftLog, slack_segments: u32) -> Vec<u32> {
    let options = LogOptions { slack_segments, ..options() };
    let files = directory(golden);
    let log = open(&files, &options).expect("the golden log");
    for group in GROUPS {
        assert_eq!(dump(&log, group), dump(expected, group), "group {group}");
    }
    log.append(1, vec![record(3, 5, 30)], ignore());
    log.append(9, vec![record(3, 5, 30)], ignore());
    log.shutdown();
    let again = open(&files, &options).expect("the log again");
    for group in GROUPS {
        assert_eq!(dump(&again, group), dump(&log, group), "group {group}");
    }
    versions(&files)
}

/// The format versions of the segments.
fn versions(files: &SimFiles) -> Vec<u32> {
    let version = |name: &String| {
        Header::parse(&files.contents(name).expect("listed")).expect("a header").0.version
    };
    segments(files).iter().map(version).collect()
}

#[test]
fn a_log_of_version_1_is_read_and_continued_in_a_segment_of_version_2() {
    let (_, expected) = worked(false);
    assert_eq!(check(V1, &expected, 9), [1, 2]);
    assert_eq!(check(V1, &expected, 0), [2], "what it had was carried over");
}

#[test]
fn a_log_of_version_2_has_the_bytes_that_it_had() {
    let (files, expected) = worked(true);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/log/golden/segment.v2.hex");
        std::fs::write(path, line(&files)).expect("the golden file");
        return;
    }
    assert!(expected.stats().carried >= 3);
    assert_eq!(line(&files), V2);
    assert_eq!(check(V2, &expected, 9), [2]);
}

/// A node may be put back to a release before carried entries until they are allowed.
#[test]
fn a_log_keeps_segments_of_version_1_until_it_may_carry() {
    let options = LogOptions { carries: false, ..options() };
    let files = SimFiles::new();
    let log = open(&files, &options).expect("a new log");
    log.append(4, vec![record(7, 1, 5)], ignore());
    let fill = |log: &RaftLog, from: u64| {
        for index in from..from + 12 {
            log.append(9, vec![record(1, index, 900)], ignore());
            log.purge(9, index, Bytes::new(), ignore());
            run_all(log);
        }
    };
    fill(&log, 1);
    log.shutdown();
    let log = open(&files, &options).expect("the log again");
    fill(&log, 13);
    assert!(versions(&files).iter().all(|version| *version == 1), "{:?}", versions(&files));
    assert_eq!((log.stats().format, log.stats().carried), (1, 0));
    log.allow_carrying();
    fill(&log, 25);
    assert!(log.stats().format == 2 && log.stats().carried > 0, "{:?}", log.stats());
    assert!(!versions(&files).contains(&1), "all that was live has been carried over");
    log.shutdown();
    let log = open(&files, &options).expect("a log of the newer version");
    assert_eq!((log.stats().format, dump(&log, 4).1.len()), (2, 1), "and never back");
}

/// A build that does not know carried entries never wrote any.
#[test]
fn a_carried_entry_in_a_segment_of_version_1_is_damage() {
    let (files, _) = worked(true);
    let [name] = &segments(&files)[..] else { panic!("one segment is left") };
    let mut bytes = files.contents(name).expect("listed");
    let (header, mut chain) = Header::parse(&bytes).expect("a header");
    let (head, identity) = Header { version: 1, ..header }.encode();
    bytes[..head.len()].copy_from_slice(&head);
    // Every record anew, with the chain that begins in the new header.
    let mut at = head.len();
    let mut new_chain = identity;
    while let Ok(frame) = frame::parse_frame(&bytes[at..], chain) {
        let mut anew = Vec::new();
        let next = frame::push_frame(&mut anew, new_chain, frame.head, frame.payload);
        chain = frame.chain;
        bytes[at..at + anew.len()].copy_from_slice(&anew);
        (at, new_chain) = (at + anew.len(), next);
    }
    files.open(name).and_then(|file| file.write_at(&bytes, 0)).expect("powered");
    assert!(matches!(open(&files, &options()), Err(LogError::Damaged { .. })));
}

/// A copy says where an entry lies, and never brings one back.
#[test]
fn a_carried_entry_that_is_not_live_is_damage() {
    let opened = |index, term| {
        let files = directory(V2);
        let [name] = &segments(&files)[..] else { panic!("one segment is left") };
        let bytes = files.contents(name).expect("listed");
        let (head, mut chain) = Header::parse(&bytes).expect("a header");
        assert_eq!(head.version, 2);
        let mut end = segment::HEADER_BYTES;
        while let Ok(frame) = frame::parse_frame(&bytes[end..], chain) {
            (end, chain) = (end + frame.bytes, frame.chain);
        }
        let mut copy = Vec::new();
        let head = frame::Head { kind: frame::Kind::Carried, group: 1, index, term };
        frame::push_frame(&mut copy, chain, head, b"copied");
        files.open(name).and_then(|file| file.write_at(&copy, end as u64)).expect("powered");
        open(&files, &options())
    };
    let is_damage =
        |found: Result<RaftLog, LogError>| matches!(found, Err(LogError::Damaged { .. }));
    assert!(is_damage(opened(1, 1)), "it was purged");
    assert!(is_damage(opened(4, 1)), "it was truncated, and another one has its place");
    assert!(is_damage(opened(5, 2)), "there was none");
    let log = opened(4, 2).expect("a copy of a live entry");
    assert_eq!(dump(&log, 1).1.last().map(|last| last.payload.clone()), Some(b"copied"[..].into()));
}

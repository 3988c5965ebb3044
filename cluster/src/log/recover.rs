//! Reads the log when it is opened, and distinguishes a torn tail from damage.
//!
//! The rule: bytes that were known to be synced must all be present. These are all segments in the
//! manifest, each up to the end that the header of the next one states, every checkpoint, and in
//! the last segment all bytes that its marks cover, wherever the marks are found. A bad record
//! there is damage, and the log does not open. A bad record behind that is a torn write that was
//! never acknowledged, and is dropped. Recovery must never drop anything else, and must never leave
//! bytes behind that a later recovery could take for records.
//!
//! Why a life number: dropped records may still be on the disk when the writer continues at the
//! same offset with the very same record (a leader sends it again), and their checksums would then
//! continue the new chain. So the rest of the segment is overwritten with zeros, and after a drop
//! the next mark has a life number that no earlier mark had, so the chain differs from there on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    error::LogError,
    file::{FileSystem, LogFile},
    frame::{ALIGN, Frame, FrameFault, Kind, parse_frame, synced_by_marks},
    index::{Index, Place},
    ledger::{Checkpoint, Ledger},
    pool::Pool,
    segment::{
        CARRIED_VERSION, FileName, HEADER_BYTES, Header, MANIFEST_NAME, MANIFEST_NEW_NAME,
        Manifest, parse_name, segment_name,
    },
    types::{LogOptions, RecordId},
    writer::Tail,
};

/// Zeros are written in steps of this size, and only where there are none.
const ZERO_BYTES: usize = 64 << 10;

/// The log as it was found.
pub(super) struct Recovered {
    pub(super) pool: Pool,
    pub(super) index: Index,
    pub(super) ledger: Ledger,
    /// None in an empty log.
    pub(super) tail: Option<Tail>,
}

/// A segment whose header was read.
struct Found {
    name: String,
    file: Arc<dyn LogFile>,
    header: Header,
    /// First value of its chain.
    identity: u32,
}

/// Opens the log, or creates an empty one.
pub(super) fn recover(
    files: &Arc<dyn FileSystem>,
    options: &LogOptions,
) -> Result<Recovered, LogError> {
    let listed = list(&**files)?;
    let manifest = match (listed.has_manifest, listed.segments.first()) {
        (true, _) => Manifest::open(&**files)?,
        (false, None) => Manifest::create(&**files)?,
        (false, Some(_)) => {
            return Err(LogError::damaged(MANIFEST_NAME, 0, "missing, though there are segments"));
        }
    };
    let span = manifest.span();
    let mut pool =
        Pool::new(Arc::clone(files), manifest, options.segment_bytes, options.free_segments_max);
    if let Some(foreign) = listed.segments.range(span.last.saturating_add(2)..).next() {
        let reason = "the manifest cannot have missed this segment";
        return Err(LogError::damaged(&segment_name(*foreign), 0, reason));
    }
    let mut found = Vec::new();
    for sequence in span.first..=span.last {
        if !listed.segments.contains(&sequence) {
            return Err(LogError::damaged(&segment_name(sequence), 0, "missing"));
        }
        found.push(open_segment(&**files, sequence)?);
    }
    let mut replay = Replay {
        index: Index::new(options.cache_bytes_max),
        ledger: Ledger::default(),
        first: span.first,
    };
    let mut tail = None;
    for (at, segment) in found.iter().enumerate() {
        match found.get(at + 1) {
            Some(next) => replay_whole(&mut replay, segment, &next.header)?,
            None => tail = Some(replay_last(&mut replay, segment)?),
        }
        pool.adopt_segment(segment.header.sequence, Arc::clone(&segment.file));
    }
    if let Err((group, index)) = replay.index.finish_replay() {
        let reason = format!("the entry {index} of group {group} lies in no segment");
        return Err(LogError::damaged(&segment_name(span.first), 0, reason));
    }
    // Only now, when the log is known to be whole, is anything given up.
    for (number, name) in listed.free {
        pool.adopt_free(name, number)?;
    }
    for sequence in listed.segments {
        if !(span.first..=span.last).contains(&sequence) {
            pool.release(sequence)?;
        }
    }
    Ok(Recovered { pool, index: replay.index, ledger: replay.ledger, tail })
}

#[derive(Default)]
struct Listed {
    has_manifest: bool,
    segments: BTreeSet<u32>,
    free: BTreeMap<u32, String>,
}

fn list(files: &dyn FileSystem) -> Result<Listed, LogError> {
    let mut listed = Listed::default();
    for name in files.list().map_err(|error| LogError::io("list", ".", error))? {
        match parse_name(&name) {
            Some(FileName::Manifest) => listed.has_manifest = true,
            Some(FileName::Segment(sequence)) => {
                listed.segments.insert(sequence);
            }
            Some(FileName::Free(number)) => {
                listed.free.insert(number, name);
            }
            None if name == MANIFEST_NEW_NAME => {
                files.remove(&name).map_err(|error| LogError::io("remove", &name, error))?;
            }
            None => {}
        }
    }
    Ok(listed)
}

/// Opens a segment and reads its header. Its length and header were synced before it had its name.
fn open_segment(files: &dyn FileSystem, sequence: u32) -> Result<Found, LogError> {
    let name = segment_name(sequence);
    let file = files.open(&name).map_err(|error| LogError::io("open", &name, error))?;
    let length = file.len().map_err(|error| LogError::io("measure", &name, error))?;
    if length < HEADER_BYTES as u64 {
        return Err(LogError::damaged(&name, 0, "too short for a header"));
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_at(&mut bytes, 0).map_err(|error| LogError::io("read", &name, error))?;
    let (header, identity) =
        Header::parse(&bytes).map_err(|reason| LogError::damaged(&name, 0, reason))?;
    if header.sequence != sequence {
        return Err(LogError::damaged(&name, 0, "the header of another segment"));
    }
    if length != u64::from(header.capacity) {
        let reason = format!("{length} bytes long instead of {}", header.capacity);
        return Err(LogError::damaged(&name, 0, reason));
    }
    Ok(Found { name, file, header, identity })
}

fn read_segment(segment: &Found, length: usize) -> Result<Vec<u8>, LogError> {
    let mut bytes = vec![0; length];
    segment
        .file
        .read_at(&mut bytes, 0)
        .map_err(|error| LogError::io("read", &segment.name, error))?;
    Ok(bytes)
}

struct Replay {
    index: Index,
    ledger: Ledger,
    /// The first segment there is: its checkpoint is all that is left of those before.
    first: u32,
}

/// The extent of a chain of records.
struct Chain {
    end: usize,
    chain: u32,
    /// The end of the last mark, or of the checkpoint; and that mark's life.
    marked: usize,
    /// The offset up to which that mark, or the header, says that all is synced.
    synced: usize,
    life: u32,
    /// Why it ends.
    fault: FrameFault,
}

/// A segment that has a next one: that one's header states its end.
fn replay_whole(replay: &mut Replay, segment: &Found, next: &Header) -> Result<(), LogError> {
    let end = next.previous_end as usize;
    if end > segment.header.capacity as usize {
        return Err(LogError::damaged(&segment.name, 0, "its stated end lies beyond the file"));
    }
    let bytes = read_segment(segment, end)?;
    let chain = replay_chain(replay, segment, &bytes)?;
    if chain.end != end {
        return Err(LogError::damaged(&segment.name, chain.end, chain.fault.to_string()));
    }
    if chain.chain != next.previous_chain {
        let reason = "the next segment continues another chain";
        return Err(LogError::damaged(&segment.name, end, reason));
    }
    Ok(())
}

/// The last segment: looks beyond the end of the chain for a mark, drops the torn tail if there is
/// none, and makes the rest durable.
fn replay_last(replay: &mut Replay, segment: &Found) -> Result<Tail, LogError> {
    let bytes = read_segment(segment, segment.header.capacity as usize)?;
    let chain = replay_chain(replay, segment, &bytes)?;
    if chain.end < segment.header.checkpoint_end as usize {
        return Err(LogError::damaged(&segment.name, chain.end, chain.fault.to_string()));
    }
    let synced = synced_by_marks(&bytes, chain.end, segment.identity).unwrap_or(0);
    if synced > chain.end {
        let reason =
            format!("{}; a mark says that all up to byte {synced} was synced", chain.fault);
        return Err(LogError::damaged(&segment.name, chain.end, reason));
    }
    let cleared = make_durable(segment, &bytes, &chain)?;
    let dropped = cleared || chain.end > chain.marked;
    Ok(Tail {
        sequence: segment.header.sequence,
        version: segment.header.version,
        identity: segment.identity,
        file: Arc::clone(&segment.file),
        offset: chain.end,
        chain: chain.chain,
        life: chain.life + u32::from(dropped),
        unmarked: dropped,
    })
}

fn replay_chain(replay: &mut Replay, segment: &Found, bytes: &[u8]) -> Result<Chain, LogError> {
    let checkpoint_end = segment.header.checkpoint_end as usize;
    let mut end = HEADER_BYTES;
    let mut chain = segment.identity;
    let (mut marked, mut synced, mut life) = (checkpoint_end, checkpoint_end, 0);
    let fault = loop {
        let frame = match parse_frame(&bytes[end..], chain) {
            Ok(frame) => frame,
            Err(fault) => break fault,
        };
        let place = Place {
            sequence: segment.header.sequence,
            offset: u32::try_from(end).expect("a segment is smaller than 4 GiB"),
            length: u32::try_from(frame.payload.len()).expect("a payload lies in a segment"),
            chain,
        };
        replay_frame(replay, &frame, place)
            .map_err(|reason| LogError::damaged(&segment.name, end, reason))?;
        if (frame.head.kind == Kind::Checkpoint) != (end < checkpoint_end) {
            return Err(LogError::damaged(&segment.name, end, "a misplaced checkpoint"));
        }
        if frame.head.kind == Kind::Carried && segment.header.version < CARRIED_VERSION {
            let reason = "a carried entry in a segment of a version without them";
            return Err(LogError::damaged(&segment.name, end, reason));
        }
        end += frame.bytes;
        chain = frame.chain;
        if frame.head.kind == Kind::Mark {
            // It is at most its own place: its checksum was right.
            synced = usize::try_from(frame.head.index).unwrap_or(end).min(end);
            (marked, life) = (end, frame.life());
        }
    };
    debug_assert!(end.is_multiple_of(ALIGN), "records keep their alignment");
    Ok(Chain { end, chain, marked, synced, life, fault })
}

/// Applies one record. Its checksum was right, so a record that does not fit was written wrongly.
fn replay_frame(replay: &mut Replay, frame: &Frame<'_>, place: Place) -> Result<(), String> {
    let Frame { head, payload, .. } = *frame;
    let group = head.group;
    let payload = || Bytes::copy_from_slice(payload);
    match head.kind {
        Kind::Entry => {
            if !replay.ledger.append(group, head.index, place.sequence) {
                return Err(format!("entry {} of group {group} leaves a gap", head.index));
            }
            let id = RecordId { term: head.term, index: head.index };
            replay.index.replay(group, id, place);
        }
        Kind::Carried => {
            let id = RecordId { term: head.term, index: head.index };
            let is_live = replay.ledger.carry(group, id.index, place.sequence)
                && replay.index.replay_carried(group, id, place);
            if !is_live {
                return Err(format!("entry {} of group {group} was carried, not live", id.index));
            }
        }
        Kind::Vote => {
            replay.ledger.save_vote(group, payload());
            replay.index.save_vote(group, payload());
        }
        Kind::Truncate => {
            replay.ledger.truncate(group, head.index);
            replay.index.truncate(group, head.index);
        }
        Kind::Purge => {
            replay.ledger.purge(group, head.index, payload());
            replay.index.purge(group, head.index, payload());
        }
        Kind::Mark => {}
        Kind::Checkpoint => {
            let checkpoint = Checkpoint::decode(frame.payload)
                .ok_or_else(|| format!("an unreadable checkpoint of group {group}"))?;
            if place.sequence != replay.first {
                let agrees = replay.ledger.agrees(group, &checkpoint);
                return agrees.then_some(()).ok_or_else(|| {
                    format!("the checkpoint of group {group} contradicts the records before it")
                });
            }
            adopt_checkpoint(replay, group, checkpoint);
        }
    }
    Ok(())
}

/// The segments before the first were recycled: its checkpoint replaces them.
fn adopt_checkpoint(replay: &mut Replay, group: u32, checkpoint: Checkpoint) {
    // Number 0: no segment has it. Such entries must be carried over or dropped by later records, or
    // the log does not open.
    replay.ledger.adopt(group, &checkpoint, 0);
    if let Some(vote) = checkpoint.vote {
        replay.index.save_vote(group, vote);
    }
    if let Some((purged, id)) = checkpoint.purged {
        replay.index.purge(group, purged, id);
    }
    if let Some((first, last)) = checkpoint.live {
        replay.index.replay_gone(group, first, last);
    }
}

/// Writes the bytes that the last mark does not cover (itself included) once more and zeros all
/// behind it, then syncs: after a sync that failed, the bytes that were read may be only in the
/// system's cache, even if it calls them clean. True when there were bytes behind the end.
fn make_durable(segment: &Found, bytes: &[u8], chain: &Chain) -> Result<bool, LogError> {
    let write = |from: usize, bytes: &[u8]| {
        segment
            .file
            .write_at(bytes, from as u64)
            .map_err(|error| LogError::io("write", &segment.name, error))
    };
    if chain.end > chain.synced {
        write(chain.synced, &bytes[chain.synced..chain.end])?;
    }
    let mut cleared = false;
    let mut at = chain.end;
    while at < bytes.len() {
        let step = ZERO_BYTES.min(bytes.len() - at);
        if bytes[at..at + step].iter().any(|byte| *byte != 0) {
            write(at, &vec![0; step])?;
            cleared = true;
        }
        at += step;
    }
    segment.file.sync_data().map_err(|error| LogError::io("sync", &segment.name, error))?;
    Ok(cleared)
}

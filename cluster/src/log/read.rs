//! Reads entries from the disk that are not in memory.
//!
//! Every record is checked against its chain, as in recovery. A read must never wait for the
//! writer; its segment may be recycled during the read, which a wrong checksum detects. It is read
//! again only if its place has changed meanwhile.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    error::LogError,
    file::LogFile,
    frame::{frame_bytes, parse_frame},
    index::{Place, Planned, Source},
    segment::segment_name,
    shared::Shared,
    types::LogRecord,
};

use crate::locks::read_locked;

/// Records of one group less than this apart are read together.
const GAP_BYTES_MAX: usize = 16 << 10;
/// No single read is larger, unless a record is.
const SPAN_BYTES_MAX: usize = 1 << 20;

/// Reads `range`, up to `bytes_max` but at least one record.
pub(super) fn read(
    shared: &Shared,
    group: u32,
    range: Range<u64>,
    bytes_max: usize,
) -> Result<Vec<LogRecord>, LogError> {
    let mut planned = shared.lock().index.plan(group, range.clone(), bytes_max)?;
    loop {
        let outcome = fetch(shared, group, &planned);
        if outcome.is_ok() {
            return outcome;
        }
        // Purged meanwhile, and its segment used again? Then that is the answer. Carried over? Then
        // it is read from its new place.
        let again = shared.lock().index.plan(group, range.clone(), bytes_max)?;
        if again == planned {
            return outcome;
        }
        planned = again;
    }
}

/// Reads what was planned, in order.
pub(super) fn fetch(
    shared: &Shared,
    group: u32,
    planned: &[Planned],
) -> Result<Vec<LogRecord>, LogError> {
    let mut records = Vec::with_capacity(planned.len());
    let mut rest = planned;
    while let Some(next) = rest.first() {
        match &next.from {
            Source::Memory(payload) => {
                records.push(LogRecord { id: next.id, payload: payload.clone() });
                rest = &rest[1..];
            }
            Source::Disk(place) => {
                let count = together(rest, *place);
                fetch_together(shared, group, &rest[..count], &mut records)?;
                rest = &rest[count..];
            }
        }
    }
    Ok(records)
}

/// The number of these that are close enough to the first, `start`, to be read with it.
fn together(planned: &[Planned], start: Place) -> usize {
    let mut end = start.offset as usize;
    let close = |next: &&Planned| {
        let Source::Disk(place) = next.from else { return false };
        let offset = place.offset as usize;
        let next_end = offset + frame_bytes(place.length as usize);
        let close = place.sequence == start.sequence
            && offset >= end
            && offset - end <= GAP_BYTES_MAX
            && (next_end - start.offset as usize <= SPAN_BYTES_MAX || place == start);
        end = next_end;
        close
    };
    planned.iter().take_while(close).count().max(1)
}

fn fetch_together(
    shared: &Shared,
    group: u32,
    planned: &[Planned],
    records: &mut Vec<LogRecord>,
) -> Result<(), LogError> {
    let places = || {
        planned.iter().filter_map(|next| match next.from {
            Source::Disk(place) => Some(place),
            Source::Memory(_) => None,
        })
    };
    let (Some(first), Some(last)) = (places().next(), places().last()) else { return Ok(()) };
    let start = first.offset as usize;
    let end = last.offset as usize + frame_bytes(last.length as usize);
    let name = segment_name(first.sequence);
    let mut bytes = vec![0; end - start];
    open(shared, first.sequence, &name)?
        .read_at(&mut bytes, start as u64)
        .map_err(|error| LogError::io("read", &name, error))?;
    let bytes = Bytes::from(bytes);
    for (next, place) in planned.iter().zip(places()) {
        let at = place.offset as usize - start;
        let size = frame_bytes(place.length as usize);
        let frame = parse_frame(&bytes[at..at + size], place.chain)
            .map_err(|fault| LogError::damaged(&name, at + start, fault.to_string()))?;
        if (frame.head.group, frame.head.index, frame.head.term)
            != (group, next.id.index, next.id.term)
        {
            return Err(LogError::damaged(&name, at + start, "another record than was written"));
        }
        records.push(LogRecord { id: next.id, payload: bytes.slice_ref(frame.payload) });
    }
    Ok(())
}

fn open(shared: &Shared, sequence: u32, name: &str) -> Result<Arc<dyn LogFile>, LogError> {
    let handles = read_locked(&shared.handles);
    handles.get(&sequence).cloned().ok_or_else(|| LogError::damaged(name, 0, "no such segment"))
}

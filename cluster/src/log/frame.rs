//! One record as bytes: a head, the payload, and a checksum chained to the record before it.
//!
//! A record is only believed when its checksum continues the chain that began in its segment's
//! header. Marks alone can also be believed on their own, which is how recovery looks beyond a
//! broken chain. Nothing here does IO or knows groups.
//!
//! ```text
//!  0 checksum u32   CRC32C, started from the checksum of the record before, of bytes 4 to the end
//!  4 length   u32   of the payload
//!  8 kind     u32
//! 12 group    u32
//! 16 index    u64
//! 24 term     u64
//! 32 payload, then zeros up to a multiple of 8
//! ```
//! All numbers little-endian. A mark has as index the place before which all is synced, the
//! segment's life as term, and as payload a magic, a checksum over the segment's identity, its own
//! offset and all before, and the life again: bytes followed by their own CRC leave no trace in a longer CRC, so without the life
//! behind it the chain would not depend on what the mark says.

use std::fmt;

/// Bytes before the payload.
pub(super) const HEAD_BYTES: usize = 32;
/// Size of a whole mark.
pub(super) const MARK_BYTES: usize = HEAD_BYTES + MARK_PAYLOAD_BYTES;
/// Every record begins at a multiple of this.
pub(super) const ALIGN: usize = 8;

const MARK_PAYLOAD_BYTES: usize = 16;
const MARK_MAGIC: [u8; 8] = *b"\xc5synced\x9e";
/// The offset of the life number in a mark's payload.
const LIFE_AT: usize = MARK_MAGIC.len() + 4;
/// Bytes of a mark that its own checksum covers: all but the chained checksum and itself.
const MARK_COVERED: std::ops::Range<usize> = 4..HEAD_BYTES + MARK_MAGIC.len();

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry of a group.
    Entry,
    /// A group's vote; replaces the one before.
    Vote,
    /// Drops the group's entries from `index` on.
    Truncate,
    /// Drops the group's entries up to `index`; the payload is the caller's name for that point.
    Purge,
    /// All before the place `index` of its segment was synced before it was written.
    Mark,
    /// A group as it was when the segment was begun.
    Checkpoint,
    /// A live entry of a group, copied from an older segment: it is here now. Not in segments of
    /// format version 1.
    Carried,
}

impl Kind {
    const ALL: [Kind; 7] = [
        Kind::Entry,
        Kind::Vote,
        Kind::Truncate,
        Kind::Purge,
        Kind::Mark,
        Kind::Checkpoint,
        Kind::Carried,
    ];

    const fn code(self) -> u32 {
        match self {
            Kind::Entry => 1,
            Kind::Vote => 2,
            Kind::Truncate => 3,
            Kind::Purge => 4,
            Kind::Mark => 5,
            Kind::Checkpoint => 6,
            Kind::Carried => 7,
        }
    }

    fn parse(code: u32) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// All of a record but its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) group: u32,
    pub(super) index: u64,
    pub(super) term: u64,
}

/// A record that continues its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) head: Head,
    pub(super) payload: &'a [u8],
    /// The chain after this record.
    pub(super) chain: u32,
    /// The record's whole size.
    pub(super) bytes: usize,
}

impl Frame<'_> {
    /// The life in a mark.
    pub(super) fn life(&self) -> u32 {
        self.payload.get(LIFE_AT..LIFE_AT + 4).map_or(0, |life| read_u32(life, 0))
    }
}

/// Why no record could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameFault {
    /// Zeros: nothing was ever written here.
    Blank,
    /// The record would reach beyond the bytes there are.
    Cut,
    /// No such kind.
    Kind(u32),
    /// The checksum does not continue the chain.
    Checksum,
}

impl fmt::Display for FrameFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameFault::Blank => formatter.write_str("zeros in place of a record"),
            FrameFault::Cut => formatter.write_str("a record that reaches beyond its segment"),
            FrameFault::Kind(code) => write!(formatter, "a record of the unknown kind {code}"),
            FrameFault::Checksum => formatter.write_str("a record with a wrong checksum"),
        }
    }
}

/// The size of a record with a payload of `length` bytes.
pub(super) const fn frame_bytes(length: usize) -> usize {
    (HEAD_BYTES + length).next_multiple_of(ALIGN)
}

/// Appends a record to `buffer` and returns the chain after it.
pub(super) fn push_frame(buffer: &mut Vec<u8>, chain: u32, head: Head, payload: &[u8]) -> u32 {
    let start = buffer.len();
    let length = u32::try_from(payload.len()).expect("a payload is smaller than its segment");
    buffer.reserve(frame_bytes(payload.len()));
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&head.kind.code().to_le_bytes());
    buffer.extend_from_slice(&head.group.to_le_bytes());
    buffer.extend_from_slice(&head.index.to_le_bytes());
    buffer.extend_from_slice(&head.term.to_le_bytes());
    buffer.extend_from_slice(payload);
    buffer.resize(start + frame_bytes(payload.len()), 0);
    let checksum = crc32c::crc32c_append(chain, &buffer[start + 4..]);
    buffer[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Reads the record at the start of `bytes`, which must continue `chain`.
pub(super) fn parse_frame(bytes: &[u8], chain: u32) -> Result<Frame<'_>, FrameFault> {
    let Some(head) = bytes.get(..HEAD_BYTES) else { return Err(FrameFault::Cut) };
    if head.iter().all(|byte| *byte == 0) {
        return Err(FrameFault::Blank);
    }
    let length = read_u32(head, 4) as usize;
    let code = read_u32(head, 8);
    let Some(kind) = Kind::parse(code) else { return Err(FrameFault::Kind(code)) };
    if length > bytes.len() - HEAD_BYTES || frame_bytes(length) > bytes.len() {
        return Err(FrameFault::Cut);
    }
    let size = frame_bytes(length);
    let checksum = crc32c::crc32c_append(chain, &bytes[4..size]);
    if checksum != read_u32(head, 0) {
        return Err(FrameFault::Checksum);
    }
    Ok(Frame {
        head: Head {
            kind,
            group: read_u32(head, 12),
            index: read_u64(head, 16),
            term: read_u64(head, 24),
        },
        payload: &bytes[HEAD_BYTES..HEAD_BYTES + length],
        chain: checksum,
        bytes: size,
    })
}

/// A mark to be laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// First value of the segment's chain.
    pub(super) identity: u32,
    /// The record's offset in the segment.
    pub(super) offset: usize,
    /// All before this place is synced.
    pub(super) synced: usize,
    pub(super) life: u32,
    /// At least [`MARK_BYTES`]; zeros fill the rest.
    pub(super) size: usize,
}

/// Appends a mark.
pub(super) fn push_mark(buffer: &mut Vec<u8>, chain: u32, mark: Mark) -> u32 {
    let term = u64::from(mark.life);
    let head = Head { kind: Kind::Mark, group: 0, index: mark.synced as u64, term };
    // Laid out once to learn the mark's own checksum, then as it is to be.
    let mut payload = vec![0; mark.size.max(MARK_BYTES) - HEAD_BYTES];
    payload[..MARK_MAGIC.len()].copy_from_slice(&MARK_MAGIC);
    payload[LIFE_AT..LIFE_AT + 4].copy_from_slice(&mark.life.to_le_bytes());
    let mut draft = Vec::with_capacity(mark.size);
    push_frame(&mut draft, 0, head, &payload);
    let own = own_checksum(&draft, mark.identity, mark.offset);
    payload[MARK_MAGIC.len()..LIFE_AT].copy_from_slice(&own.to_le_bytes());
    push_frame(buffer, chain, head, &payload)
}

/// The greatest synced offset in any mark of `segment` at or behind `from`. Such marks are valid by
/// themselves, whatever the chain says.
pub(super) fn synced_by_marks(segment: &[u8], from: usize, identity: u32) -> Option<usize> {
    (from.next_multiple_of(ALIGN)..segment.len())
        .step_by(ALIGN)
        .filter_map(|offset| parse_mark(&segment[offset..], identity, offset))
        .max()
}

fn parse_mark(bytes: &[u8], identity: u32, offset: usize) -> Option<usize> {
    let mark = bytes.get(..MARK_BYTES)?;
    let is_mark = mark[HEAD_BYTES..HEAD_BYTES + MARK_MAGIC.len()] == MARK_MAGIC
        && read_u32(mark, HEAD_BYTES + MARK_MAGIC.len()) == own_checksum(mark, identity, offset);
    is_mark.then(|| usize::try_from(read_u64(mark, 16)).ok())?
}

fn own_checksum(mark: &[u8], identity: u32, offset: usize) -> u32 {
    let place = crc32c::crc32c_append(identity, &(offset as u64).to_le_bytes());
    crc32c::crc32c_append(place, &mark[MARK_COVERED])
}

/// A little-endian u32 at a place the caller knows to exist.
pub(super) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A little-endian u64 at a place the caller knows to exist.
pub(super) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64) -> Head {
        Head { kind: Kind::Entry, group: 7, index, term: 3 }
    }

    #[test]
    fn a_record_is_read_back_and_continues_the_chain() {
        let mut buffer = Vec::new();
        let first = push_frame(&mut buffer, 17, entry(1), b"one");
        let second = push_frame(&mut buffer, first, entry(2), b"");
        let read = parse_frame(&buffer, 17).expect("the first record");
        assert_eq!((read.head, read.payload, read.chain), (entry(1), &b"one"[..], first));
        let rest = parse_frame(&buffer[read.bytes..], read.chain).expect("the second record");
        assert_eq!((rest.head, rest.payload, rest.chain), (entry(2), &b""[..], second));
        assert_eq!(parse_frame(&buffer[read.bytes..], 17), Err(FrameFault::Checksum));
    }

    #[test]
    fn no_flipped_bit_and_no_cut_goes_unseen() {
        let mut buffer = Vec::new();
        push_frame(&mut buffer, 5, entry(9), b"some payload");
        for at in 0..buffer.len() {
            assert!(parse_frame(&buffer[..at], 5).is_err());
            for bit in 0..8 {
                let mut bad = buffer.clone();
                bad[at] ^= 1 << bit;
                assert!(parse_frame(&bad, 5).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_mark_vouches_for_itself_only_at_its_place_in_its_segment() {
        let mut segment = vec![0xab; 64];
        let mark = Mark { identity: 99, offset: 64, synced: 48, life: 2, size: 0 };
        push_mark(&mut segment, 1, mark);
        segment.resize(256, 0xcd);
        assert_eq!(synced_by_marks(&segment, 0, 99), Some(48));
        assert_eq!(synced_by_marks(&segment, 65, 99), None);
        assert_eq!(synced_by_marks(&segment, 0, 98), None);
        assert_eq!(synced_by_marks(&segment[8..], 0, 99), None);
        for at in 68..64 + MARK_BYTES - 4 {
            let mut bad = segment.clone();
            bad[at] ^= 0x10;
            assert_eq!(synced_by_marks(&bad, 0, 99), None, "byte {at}");
        }
    }
}

//! The names and headers of segment files, and the manifest.
//!
//! A segment's header is written and synced before the file gets its name, so a crash never tears a
//! header: a bad one is damage. The same holds for the checkpoint that follows it. Nothing here
//! decides which segments are needed.
//!
//! Header, 64 bytes, little-endian: magic 8 · format version u32 · capacity u32 · sequence u32 ·
//! use number u32 · end of the segment before u32 · its last checksum u32 · end of the checkpoint
//! u32 · zeros · checksum u32 at 60. That checksum begins the chain of the segment's records, so
//! bytes of an earlier use of the file never continue it.
//!
//! The manifest is one file of two equal slots of 4 KiB: magic 8 · format version u32 · first
//! sequence u32 · last sequence u32 · zero u32 · generation u64 · checksum u32. They are written
//! and synced one after the other, so that a crash damages at most one. Nothing may rely on a
//! generation before both slots are on the disk: a torn write of the first would otherwise bring
//! back the one before.

use std::sync::Arc;

use super::{
    error::LogError,
    file::{FileSystem, LogFile},
    frame::{read_u32, read_u64},
};

/// Size of a segment's header.
pub(super) const HEADER_BYTES: usize = 64;
/// The manifest's name.
pub(super) const MANIFEST_NAME: &str = "manifest";
/// Its name before it is whole.
pub(super) const MANIFEST_NEW_NAME: &str = "manifest-new";

const SEGMENT_MAGIC: [u8; 8] = *b"cncdseg\x01";
const MANIFEST_MAGIC: [u8; 8] = *b"cncdman\x01";
/// The newest one.
pub(super) const FORMAT_VERSION: u32 = 2;
/// The first one with carried entries.
pub(super) const CARRIED_VERSION: u32 = 2;
/// Of a segment in which no entry may be carried over.
pub(super) const FORMAT_VERSION_OLDEST: u32 = 1;
const MANIFEST_VERSION: u32 = 1;
const SLOT_BYTES: usize = 4096;
const SLOT_USED_BYTES: usize = 36;
const MANIFEST_BYTES: usize = 2 * SLOT_BYTES;

/// The kind of a file, from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileName {
    /// The manifest.
    Manifest,
    /// A segment with its sequence number.
    Segment(u32),
    /// A file kept for the next segment, with a number that only keeps names apart.
    Free(u32),
}

/// The name of the segment with this sequence number.
pub(super) fn segment_name(sequence: u32) -> String {
    format!("segment-{sequence:010}.log")
}

/// The name of a free file.
pub(super) fn free_name(number: u32) -> String {
    format!("free-{number:010}.log")
}

/// Parses a name; None for a file that is not the log's.
pub(super) fn parse_name(name: &str) -> Option<FileName> {
    if name == MANIFEST_NAME {
        return Some(FileName::Manifest);
    }
    let stem = name.strip_suffix(".log")?;
    let parsed = if let Some(number) = stem.strip_prefix("segment-") {
        FileName::Segment(number.parse().ok()?)
    } else {
        FileName::Free(stem.strip_prefix("free-")?.parse().ok()?)
    };
    let rendered = match parsed {
        FileName::Segment(number) => segment_name(number),
        FileName::Free(number) => free_name(number),
        FileName::Manifest => return None,
    };
    (rendered == name).then_some(parsed)
}

/// The beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// What its records may be; an older segment is read, and never written to.
    pub(super) version: u32,
    /// Length of the whole file.
    pub(super) capacity: u32,
    /// Place in the order of all segments; never given twice.
    pub(super) sequence: u32,
    /// How often the file has been used, this time included.
    pub(super) use_number: u32,
    /// Where the records of the segment before end.
    pub(super) previous_end: u32,
    /// The chain at that place.
    pub(super) previous_chain: u32,
    /// Where the checkpoint ends: synced before the file got its name.
    pub(super) checkpoint_end: u32,
}

impl Header {
    /// The bytes, and the checksum that begins the chain.
    pub(super) fn encode(&self) -> ([u8; HEADER_BYTES], u32) {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        let fields = [
            self.version,
            self.capacity,
            self.sequence,
            self.use_number,
            self.previous_end,
            self.previous_chain,
            self.checkpoint_end,
        ];
        for (field, place) in fields.iter().zip(bytes[8..].chunks_exact_mut(4)) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
        bytes[HEADER_BYTES - 4..].copy_from_slice(&checksum.to_le_bytes());
        (bytes, checksum)
    }

    /// Reads a header and the checksum that begins the chain; the reason when it is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Header, u32), &'static str> {
        let Some(bytes) = bytes.get(..HEADER_BYTES) else { return Err("no whole header") };
        let checksum = crc32c::crc32c(&bytes[..HEADER_BYTES - 4]);
        if checksum != read_u32(bytes, HEADER_BYTES - 4) {
            return Err("a header with a wrong checksum");
        }
        if bytes[..8] != SEGMENT_MAGIC {
            return Err("a header with a foreign magic");
        }
        let version = read_u32(bytes, 8);
        if !(FORMAT_VERSION_OLDEST..=FORMAT_VERSION).contains(&version) {
            return Err("a format version that this program does not know");
        }
        let header = Header {
            version,
            capacity: read_u32(bytes, 12),
            sequence: read_u32(bytes, 16),
            use_number: read_u32(bytes, 20),
            previous_end: read_u32(bytes, 24),
            previous_chain: read_u32(bytes, 28),
            checkpoint_end: read_u32(bytes, 32),
        };
        Ok((header, checksum))
    }
}

/// The segments that must exist. A segment outside of `first..=last` holds nothing acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// The manifest file.
#[derive(Debug)]
pub(super) struct Manifest {
    file: Arc<dyn LogFile>,
    generation: u64,
    span: Span,
}

impl Manifest {
    /// Creates the manifest of an empty log.
    pub(super) fn create(files: &dyn FileSystem) -> Result<Manifest, LogError> {
        let file = files
            .create(MANIFEST_NEW_NAME)
            .map_err(|error| LogError::io("create", MANIFEST_NEW_NAME, error))?;
        let mut manifest = Manifest { file, generation: 0, span: Span { first: 1, last: 0 } };
        let blank = [0; MANIFEST_BYTES];
        manifest
            .file
            .write_at(&blank, 0)
            .map_err(|error| LogError::io("write", MANIFEST_NEW_NAME, error))?;
        manifest.store(manifest.span)?;
        files
            .rename(MANIFEST_NEW_NAME, MANIFEST_NAME)
            .and_then(|()| files.sync_dir())
            .map_err(|error| LogError::io("rename", MANIFEST_NEW_NAME, error))?;
        Ok(manifest)
    }

    /// Reads the manifest and makes it durable: after a sync that failed, the bytes that were read
    /// may be only in the system's cache, even if it calls them clean.
    pub(super) fn open(files: &dyn FileSystem) -> Result<Manifest, LogError> {
        let file = files
            .open(MANIFEST_NAME)
            .map_err(|error| LogError::io("open", MANIFEST_NAME, error))?;
        let length = file.len().map_err(|error| LogError::io("measure", MANIFEST_NAME, error))?;
        if length != MANIFEST_BYTES as u64 {
            let reason = format!("{length} bytes long instead of {MANIFEST_BYTES}");
            return Err(LogError::damaged(MANIFEST_NAME, 0, reason));
        }
        let mut bytes = vec![0; MANIFEST_BYTES];
        file.read_at(&mut bytes, 0).map_err(|error| LogError::io("read", MANIFEST_NAME, error))?;
        let slots = [parse_slot(&bytes), parse_slot(&bytes[SLOT_BYTES..])];
        let newest = slots.iter().flatten().max_by_key(|(generation, _)| *generation);
        let Some((generation, span)) = newest.copied() else {
            return Err(LogError::damaged(MANIFEST_NAME, 0, "neither slot is whole"));
        };
        let manifest = Manifest { file, generation, span };
        // The second slot is written only after the first was synced. So if both are equal, or the
        // second is torn, the first is on the disk; otherwise the second is, and the first may not
        // be.
        let first_is_durable = slots[0].is_some() && (slots[1].is_none() || slots[0] == slots[1]);
        manifest.write_slots(if first_is_durable { &[1] } else { &[0, 1] })?;
        Ok(manifest)
    }

    /// The segments there must be.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// Writes and syncs both slots, the first whole before the second is touched.
    pub(super) fn store(&mut self, span: Span) -> Result<(), LogError> {
        self.generation += 1;
        self.span = span;
        self.write_slots(&[0, 1])
    }

    fn write_slots(&self, slots: &[usize]) -> Result<(), LogError> {
        let bytes = render_slot(self.generation, self.span);
        for slot in slots {
            self.file
                .write_at(&bytes, (slot * SLOT_BYTES) as u64)
                .map_err(|error| LogError::io("write", MANIFEST_NAME, error))?;
            self.file.sync_data().map_err(|error| LogError::io("sync", MANIFEST_NAME, error))?;
        }
        Ok(())
    }
}

fn render_slot(generation: u64, span: Span) -> [u8; SLOT_USED_BYTES] {
    let mut bytes = [0; SLOT_USED_BYTES];
    bytes[..8].copy_from_slice(&MANIFEST_MAGIC);
    bytes[8..12].copy_from_slice(&MANIFEST_VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&span.first.to_le_bytes());
    bytes[16..20].copy_from_slice(&span.last.to_le_bytes());
    bytes[24..32].copy_from_slice(&generation.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..32]);
    bytes[32..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn parse_slot(bytes: &[u8]) -> Option<(u64, Span)> {
    let whole = bytes[..8] == MANIFEST_MAGIC
        && read_u32(bytes, 8) == MANIFEST_VERSION
        && read_u32(bytes, 32) == crc32c::crc32c(&bytes[..32]);
    whole.then(|| {
        let span = Span { first: read_u32(bytes, 12), last: read_u32(bytes, 16) };
        (read_u64(bytes, 24), span)
    })
}

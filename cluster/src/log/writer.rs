//! The writer: takes the queued calls, lays them out, does one write and one sync, then calls back.
//!
//! Life of a batch: drain under the lock → lay out a mark and the records in one buffer → write →
//! sync → publish the locations to the index → call the `done` callbacks in the order of the calls
//! → call the sync callback. It must never call back before the sync, never write two batches
//! between two syncs, and never retry: the first failure is kept and every later call gets it.

mod carry;

use std::{collections::BTreeSet, io, sync::Arc};

use super::{
    error::LogError,
    file::LogFile,
    frame::{Head, Kind, MARK_BYTES, Mark, frame_bytes, push_frame, push_mark},
    index::Place,
    job::{Change, Job},
    ledger::Ledger,
    pool::Pool,
    segment::{CARRIED_VERSION, FORMAT_VERSION_OLDEST, HEADER_BYTES, Header, segment_name},
    shared::Shared,
};
use crate::planted;

/// A page of the device, at most, unless segments are tiny.
const PAGE_BYTES: usize = 4096;

/// The segment being written and where the next record goes.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) sequence: u32,
    /// The segment's format version.
    pub(super) version: u32,
    /// The chain's first value: names the segment in its marks.
    pub(super) identity: u32,
    pub(super) file: Arc<dyn LogFile>,
    pub(super) offset: usize,
    pub(super) chain: u32,
    /// Counted up whenever a tail was dropped, so that no dropped record continues the new chain.
    pub(super) life: u32,
    /// Whether records were written that no mark covers yet.
    pub(super) unmarked: bool,
}

impl Tail {
    /// The tail before the first segment of a new log.
    pub(super) fn before_all() -> Tail {
        let file = Arc::new(NoFile);
        Tail {
            sequence: 0,
            version: FORMAT_VERSION_OLDEST,
            identity: 0,
            file,
            offset: 0,
            chain: 0,
            life: 0,
            unmarked: false,
        }
    }
}

/// Stands for the segment before the first: nothing is ever read from it or written to it.
#[derive(Debug)]
struct NoFile;

impl LogFile for NoFile {
    fn read_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }
}

struct Written {
    group: u32,
    index: u64,
    serial: u64,
    place: Place,
}

/// A copy of a live entry.
struct Copied {
    group: u32,
    index: u64,
    from: Place,
    to: Place,
}

/// Everything the writer owns.
pub(super) struct Writer {
    shared: Arc<Shared>,
    pool: Pool,
    ledger: Ledger,
    tail: Tail,
    /// Laid out, not yet written; belongs at the tail's offset.
    buffer: Vec<u8>,
    /// The chain after the buffer.
    chain: u32,
    written: Vec<Written>,
    /// Copies that readers do not know yet.
    copied: Vec<Copied>,
    /// Records laid out since the counters were last brought up to date.
    records: u64,
    /// Whether the oldest needed segment may have changed.
    may_shrink: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, pool: Pool, ledger: Ledger, tail: Tail) -> Writer {
        let chain = tail.chain;
        Writer {
            shared,
            pool,
            ledger,
            tail,
            buffer: Vec::new(),
            chain,
            written: Vec::new(),
            copied: Vec::new(),
            records: 0,
            may_shrink: true,
        }
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Begins the first segment of a new log, or one of the version in use, or marks what recovery
    /// kept.
    pub(super) fn start(&mut self, is_new: bool) -> Result<(), LogError> {
        if is_new || self.tail.version != self.version() {
            self.roll()?
        } else {
            self.write_mark()?
        }
        self.keep_house()
    }

    /// The format version of a segment that is begun now: the newest one where it is allowed, and none
    /// older than that of the segment before.
    fn version(&self) -> u32 {
        if self.shared.may_carry() { CARRIED_VERSION } else { self.tail.version }
    }

    /// Whether an idle moment should be used for a mark.
    pub(super) fn wants_mark(&self) -> bool {
        self.tail.unmarked && self.shared.failure().is_none()
    }

    /// Writes one batch and calls all its callbacks.
    pub(super) fn run_batch(&mut self, jobs: Vec<Job>) {
        let outcome = match self.shared.failure() {
            Some(failed) => Err(failed),
            None => self.write_batch(&jobs).map_err(|error| self.shared.fail(error)),
        };
        let groups = if outcome.is_ok() { self.publish(&jobs) } else { Vec::new() };
        self.written.clear();
        for job in jobs {
            let notified = match (&outcome, job.change) {
                (Ok(()), Change::Tell(result)) => result,
                (outcome, _) => outcome.clone(),
            };
            (job.done)(notified);
        }
        self.shared.tell_synced(&groups);
        // After the callbacks: no caller waits for the housekeeping.
        if outcome.is_ok()
            && let Err(error) = self.keep_house()
        {
            self.shared.fail(error);
        }
    }

    /// Writes a mark if the last batch has none behind it.
    pub(super) fn run_idle(&mut self) {
        if self.wants_mark()
            && let Err(error) = self.write_mark()
        {
            self.shared.fail(error);
        }
    }

    /// States on the disk that all before is synced. A new segment's header states it too.
    pub(super) fn write_mark(&mut self) -> Result<(), LogError> {
        if !self.tail.unmarked {
            return Ok(());
        }
        if self.tail.offset + MARK_BYTES > self.pool.segment_bytes() as usize {
            return self.roll();
        }
        // Two of them, the second on a page of its own: one lost page must not take the last
        // records and all marks that cover them.
        let capacity = self.pool.segment_bytes() as usize;
        let page = PAGE_BYTES.min(capacity / 8);
        let second = (self.tail.offset + MARK_BYTES).next_multiple_of(page);
        if second + MARK_BYTES <= capacity {
            self.push_mark(second - self.tail.offset);
        }
        self.push_mark(MARK_BYTES);
        self.flush()?;
        self.tail.unmarked = false;
        self.shared.count(|stats| stats.lone_marks += 1);
        Ok(())
    }

    fn write_batch(&mut self, jobs: &[Job]) -> Result<(), LogError> {
        for job in jobs {
            self.lay_out(job)?;
        }
        self.flush()?;
        if jobs.iter().any(|job| matches!(job.change, Change::Mark)) {
            self.write_mark()?;
        }
        let records = std::mem::take(&mut self.records);
        self.shared.count(|stats| {
            stats.batches += 1;
            stats.records += records;
            stats.calls += jobs.len() as u64;
        });
        Ok(())
    }

    fn lay_out(&mut self, job: &Job) -> Result<(), LogError> {
        let group = job.group;
        match &job.change {
            Change::Append { records, first_serial } => {
                for (record, serial) in records.iter().zip(*first_serial..) {
                    let (index, term) = (record.id.index, record.id.term);
                    let head = Head { kind: Kind::Entry, group, index, term };
                    let place = self.put(head, &record.payload)?;
                    let follows = self.ledger.append(group, index, place.sequence);
                    assert!(follows, "appends are checked before they are queued");
                    self.written.push(Written { group, index, serial, place });
                }
            }
            Change::Vote(vote) => {
                self.put(Head { kind: Kind::Vote, group, index: 0, term: 0 }, vote)?;
                self.ledger.save_vote(group, vote.clone());
            }
            Change::Truncate(from) => {
                self.put(Head { kind: Kind::Truncate, group, index: *from, term: 0 }, &[])?;
                self.ledger.truncate(group, *from);
                self.may_shrink = true;
            }
            Change::Purge { up_to, id } => {
                self.put(Head { kind: Kind::Purge, group, index: *up_to, term: 0 }, id)?;
                self.ledger.purge(group, *up_to, id.clone());
                self.may_shrink = true;
            }
            Change::Mark | Change::Tell(_) => {}
        }
        Ok(())
    }

    /// Lays out one record, in a new segment if it does not fit. Room for one more mark is kept.
    fn put(&mut self, head: Head, payload: &[u8]) -> Result<Place, LogError> {
        if self.buffer.len() >= self.shared.options.batch_bytes_max {
            self.flush()?;
        }
        let mark = if self.buffer.is_empty() { MARK_BYTES } else { 0 };
        let end = self.tail.offset + self.buffer.len() + mark + frame_bytes(payload.len());
        if end + MARK_BYTES > self.pool.segment_bytes() as usize {
            self.flush()?;
            self.roll()?;
        }
        if self.buffer.is_empty() {
            self.push_mark(MARK_BYTES);
        }
        let place = Place {
            sequence: self.tail.sequence,
            offset: small(self.tail.offset + self.buffer.len()),
            length: small(payload.len()),
            chain: self.chain,
        };
        self.chain = push_frame(&mut self.buffer, self.chain, head, payload);
        self.tail.unmarked = true;
        self.records += 1;
        Ok(place)
    }

    fn push_mark(&mut self, size: usize) {
        let Tail { identity, life, .. } = self.tail;
        let synced = self.tail.offset;
        let offset = synced + self.buffer.len();
        self.chain =
            push_mark(&mut self.buffer, self.chain, Mark { identity, offset, synced, life, size });
    }

    /// One write, one sync.
    fn flush(&mut self) -> Result<(), LogError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let name = || segment_name(self.tail.sequence);
        self.tail
            .file
            .write_at(&self.buffer, self.tail.offset as u64)
            .map_err(|error| LogError::io("write", &name(), error))?;
        planted::on_log_sync(|| self.tail.file.sync_data())
            .map_err(|error| LogError::io("sync", &name(), error))?;
        let bytes = self.buffer.len() as u64;
        self.tail.offset += self.buffer.len();
        self.tail.chain = self.chain;
        self.buffer.clear();
        self.publish_copies();
        self.shared.count(|stats| {
            stats.fsyncs += 1;
            stats.bytes_written += bytes;
        });
        Ok(())
    }

    /// Begins the next segment. Everything written before is synced by now.
    pub(super) fn roll(&mut self) -> Result<(), LogError> {
        assert!(self.buffer.is_empty(), "a segment is closed after its last record is synced");
        let checkpoints: Vec<(u32, Vec<u8>)> = self.ledger.checkpoints().collect();
        let size: usize = checkpoints.iter().map(|(_, payload)| frame_bytes(payload.len())).sum();
        let capacity = self.pool.segment_bytes();
        if HEADER_BYTES + size > capacity as usize / 2 {
            let reason = "segments are too small for the checkpoint of this many groups";
            return Err(LogError::Options { reason });
        }
        let taken = self.pool.take()?;
        let sequence = self.pool.span().last + 1;
        let version = self.version();
        let header = Header {
            version,
            capacity,
            sequence,
            use_number: taken.use_number,
            previous_end: small(self.tail.offset),
            previous_chain: self.tail.chain,
            checkpoint_end: small(HEADER_BYTES + size),
        };
        let (bytes, identity) = header.encode();
        let mut head = bytes.to_vec();
        let mut chain = identity;
        for (group, payload) in &checkpoints {
            let frame = Head { kind: Kind::Checkpoint, group: *group, index: 0, term: 0 };
            chain = push_frame(&mut head, chain, frame, payload);
        }
        let name = segment_name(sequence);
        let file = Arc::clone(&taken.file);
        file.write_at(&head, 0).map_err(|error| LogError::io("write", &name, error))?;
        let first = self.ledger.oldest_needed().unwrap_or(sequence);
        self.pool.install(taken, first)?;
        let offset = head.len();
        self.tail =
            Tail { sequence, version, identity, file, offset, chain, life: 0, unmarked: false };
        self.chain = chain;
        self.shared.count(|stats| stats.bytes_written += offset as u64);
        Ok(())
    }

    /// Gives up segments that nothing needs, and prepares the next one.
    fn keep_house(&mut self) -> Result<(), LogError> {
        self.shrink()?;
        if self.carry_over()? {
            self.shrink()?;
        }
        self.pool.keep_ahead(small(self.tail.offset))?;
        self.report();
        Ok(())
    }

    fn shrink(&mut self) -> Result<(), LogError> {
        let span = self.pool.span();
        if std::mem::take(&mut self.may_shrink) {
            let first = self.ledger.oldest_needed().unwrap_or(span.last);
            if first > span.first {
                self.pool.shrink_to(first, span.last)?;
            }
        }
        Ok(())
    }

    /// Brings the counters of files up to date.
    pub(super) fn report(&self) {
        let span = self.pool.span();
        let (recycled, fill_syncs) = self.pool.counts();
        let free = self.pool.free_count();
        self.shared.count(|stats| {
            stats.segments = u64::from(span.last + 1 - span.first);
            stats.free_segments = free as u64;
            stats.recycled = recycled;
            stats.fill_syncs = fill_syncs;
            stats.format = self.tail.version;
        });
    }

    /// Makes a synced batch known to readers; returns how far each group in it is synced.
    fn publish(&mut self, jobs: &[Job]) -> Vec<(u32, u64)> {
        let mut groups = BTreeSet::new();
        let mut state = self.shared.lock();
        for entry in &self.written {
            groups.insert(entry.group);
            state.index.on_synced(entry.group, entry.index, entry.serial, entry.place);
        }
        for job in jobs {
            if let Change::Purge { up_to, .. } = job.change {
                groups.insert(job.group);
                state.index.on_purge_synced(job.group, up_to);
            }
        }
        state.index.evict();
        groups.into_iter().map(|group| (group, state.index.synced(group))).collect()
    }
}

/// A number bounded by the size of a segment.
fn small(number: usize) -> u32 {
    u32::try_from(number).expect("segments are smaller than 4 GiB")
}

//! The files of the log: the segments, the free ones, and the one that is being filled with zeros
//! for later.
//!
//! A file is always complete (its full length, its header and checkpoint synced) before it becomes
//! a segment, and a segment is released only after the manifest no longer lists it. This file knows
//! nothing of the contents of records.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use super::{
    error::LogError,
    file::{FileSystem, LogFile},
    segment::{Header, Manifest, Span, free_name, segment_name},
};

use crate::locks::write_locked;

/// Zeros are written and synced in steps of this size.
const FILL_BYTES: u32 = 1 << 20;

/// Open segments by sequence number, shared with readers.
pub(super) type Handles = Arc<RwLock<BTreeMap<u32, Arc<dyn LogFile>>>>;

#[derive(Debug)]
struct Growing {
    name: String,
    file: Arc<dyn LogFile>,
    filled: u32,
}

/// The files of one log.
#[derive(Debug)]
pub(super) struct Pool {
    files: Arc<dyn FileSystem>,
    handles: Handles,
    manifest: Manifest,
    segment_bytes: u32,
    free_max: usize,
    /// Names of free files of the right length.
    free: Vec<String>,
    growing: Option<Growing>,
    next_free: u32,
    recycled: u64,
    fill_syncs: u64,
}

/// A file taken for a new segment.
#[derive(Debug)]
pub(super) struct Taken {
    name: String,
    pub(super) file: Arc<dyn LogFile>,
    pub(super) use_number: u32,
}

impl Pool {
    pub(super) fn new(
        files: Arc<dyn FileSystem>,
        manifest: Manifest,
        segment_bytes: u32,
        free_max: usize,
    ) -> Pool {
        Pool {
            files,
            handles: Handles::default(),
            manifest,
            segment_bytes,
            free_max,
            free: Vec::new(),
            growing: None,
            next_free: 1,
            recycled: 0,
            fill_syncs: 0,
        }
    }

    pub(super) fn handles(&self) -> Handles {
        Arc::clone(&self.handles)
    }

    pub(super) fn span(&self) -> Span {
        self.manifest.span()
    }

    pub(super) fn segment_bytes(&self) -> u32 {
        self.segment_bytes
    }

    pub(super) fn free_count(&self) -> usize {
        self.free.len()
    }

    /// Files used again, and syncs spent on zeros.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.recycled, self.fill_syncs)
    }

    /// Makes a segment readable.
    pub(super) fn adopt_segment(&self, sequence: u32, file: Arc<dyn LogFile>) {
        let mut handles = write_locked(&self.handles);
        handles.insert(sequence, file);
    }

    /// Recovery found a file with a free name: keeps it if it is usable.
    pub(super) fn adopt_free(&mut self, name: String, number: u32) -> Result<(), LogError> {
        self.next_free = self.next_free.max(number.saturating_add(1));
        let length = self
            .files
            .open(&name)
            .and_then(|file| file.len())
            .map_err(|error| LogError::io("measure", &name, error))?;
        if length == u64::from(self.segment_bytes) && self.free.len() < self.free_max {
            self.free.push(name);
            return Ok(());
        }
        self.files.remove(&name).map_err(|error| LogError::io("remove", &name, error))
    }

    /// Gives up a file that is no longer, or not yet, a segment the manifest asks for.
    pub(super) fn release(&mut self, sequence: u32) -> Result<(), LogError> {
        let name = segment_name(sequence);
        let handle = {
            let mut handles = write_locked(&self.handles);
            handles.remove(&sequence)
        };
        let length = match handle {
            Some(file) => file.len(),
            None => self.files.open(&name).and_then(|file| file.len()),
        };
        let length = length.map_err(|error| LogError::io("measure", &name, error))?;
        if length != u64::from(self.segment_bytes) || self.free.len() >= self.free_max {
            return self.files.remove(&name).map_err(|error| LogError::io("remove", &name, error));
        }
        let to = self.new_name();
        self.files.rename(&name, &to).map_err(|error| LogError::io("rename", &name, error))?;
        self.free.push(to);
        Ok(())
    }

    fn new_name(&mut self) -> String {
        let name = free_name(self.next_free);
        self.next_free += 1;
        name
    }

    /// A whole file for a new segment: a free one, or a new one of zeros.
    pub(super) fn take(&mut self) -> Result<Taken, LogError> {
        if let Some(name) = self.free.pop() {
            let file =
                self.files.open(&name).map_err(|error| LogError::io("open", &name, error))?;
            let use_number = last_use(&*file, &name)?.saturating_add(1);
            self.recycled += 1;
            return Ok(Taken { name, file, use_number });
        }
        self.fill(self.segment_bytes)?;
        let grown = self.growing.take().expect("fill leaves a file that grows");
        Ok(Taken { name: grown.name, file: grown.file, use_number: 1 })
    }

    /// Preallocates the file of the next segment a little ahead of the present one's use, so that a
    /// growing log never stops to write a segment of zeros.
    pub(super) fn keep_ahead(&mut self, used: u32) -> Result<(), LogError> {
        if !self.free.is_empty() {
            return Ok(());
        }
        let target = used.saturating_add(used / 4).min(self.segment_bytes);
        let filled = self.growing.as_ref().map_or(0, |growing| growing.filled);
        let due = target.saturating_sub(filled) >= FILL_BYTES.min(self.segment_bytes / 4);
        if due { self.fill(target) } else { Ok(()) }
    }

    fn fill(&mut self, target: u32) -> Result<(), LogError> {
        if self.growing.is_none() {
            let name = self.new_name();
            let file =
                self.files.create(&name).map_err(|error| LogError::io("create", &name, error))?;
            self.growing = Some(Growing { name, file, filled: 0 });
        }
        let growing = self.growing.as_mut().expect("set above");
        while growing.filled < target {
            let step = FILL_BYTES.min(target - growing.filled);
            growing
                .file
                .write_at(&vec![0; step as usize], u64::from(growing.filled))
                .map_err(|error| LogError::io("pre-write", &growing.name, error))?;
            growing.file.sync_data().map_err(|error| LogError::io("sync", &growing.name, error))?;
            growing.filled += step;
            self.fill_syncs += 1;
        }
        Ok(())
    }

    /// Turns a taken file, whose beginning is written, into the segment after the last one.
    pub(super) fn install(&mut self, taken: Taken, first: u32) -> Result<(), LogError> {
        let Taken { name, file, .. } = taken;
        file.sync_data().map_err(|error| LogError::io("sync", &name, error))?;
        let sequence = self.span().last + 1;
        self.files
            .rename(&name, &segment_name(sequence))
            .and_then(|()| self.files.sync_dir())
            .map_err(|error| LogError::io("rename", &name, error))?;
        self.adopt_segment(sequence, file);
        self.shrink_to(first, sequence)
    }

    /// Tells the manifest which segments are needed and gives up those before.
    pub(super) fn shrink_to(&mut self, first: u32, last: u32) -> Result<(), LogError> {
        let before = self.span();
        assert!(before.first <= first && first <= last, "segments go from the front only");
        self.manifest.store(Span { first, last })?;
        for sequence in before.first..first {
            self.release(sequence)?;
        }
        Ok(())
    }
}

/// The use number in the header that a free file still has; 0 when it has none.
fn last_use(file: &dyn LogFile, name: &str) -> Result<u32, LogError> {
    let mut bytes = [0; super::segment::HEADER_BYTES];
    file.read_at(&mut bytes, 0).map_err(|error| LogError::io("read", name, error))?;
    Ok(Header::parse(&bytes).map_or(0, |(header, _)| header.use_number))
}

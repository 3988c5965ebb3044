//! A disk in memory that can lose power, lie, fill up and rot, exactly repeatable from a seed.
//!
//! Bytes that are not synced when the power fails are kept, lost or torn, sector by sector. A
//! failed sync drops the bytes that it was to sync, and a later one succeeds without them, as real
//! kernels do. It must stay stricter than any real disk, and must not take shortcuts for a test's
//! sake.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use super::file::{FileSystem, LogFile};

use crate::locks::locked;

const SECTOR_BYTES: usize = 512;

/// Something that goes wrong with a simulated disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimFault {
    /// The write after this many more gets half of its bytes into the cache and an error.
    WriteError {
        /// Writes that succeed before.
        after: u64,
    },
    /// The sync after this many more fails, and its bytes never become durable.
    SyncError {
        /// Syncs that succeed before.
        after: u64,
    },
    /// Every read after this many more fails.
    ReadError {
        /// Reads that succeed before.
        after: u64,
    },
    /// Everything after this many more writes, syncs and renames fails: [`SimFiles::crash`] decides
    /// what is left.
    PowerOff {
        /// Operations that succeed before.
        after: u64,
    },
    /// Files can grow by no more than this, all together.
    Full {
        /// Bytes left.
        bytes: u64,
    },
}

/// How often the injected faults have occurred; a restart clears those that have not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimHits {
    /// Of [`SimFault::WriteError`].
    pub write_errors: u64,
    /// Of [`SimFault::SyncError`].
    pub sync_errors: u64,
    /// Of [`SimFault::ReadError`].
    pub read_errors: u64,
    /// Of [`SimFault::PowerOff`].
    pub powers_off: u64,
    /// Of [`SimFault::Full`].
    pub full: u64,
}

/// A directory on a simulated disk. Clones are the same directory.
#[derive(Clone)]
pub struct SimFiles {
    disk: Arc<Disk>,
    /// Counts power failures; a handle of an earlier life is dead.
    life: u64,
}

#[derive(Default)]
struct Disk {
    state: Mutex<DiskState>,
    changed: Condvar,
}

#[derive(Clone, Default)]
struct DiskState {
    life: u64,
    contents: BTreeMap<u64, Content>,
    next_content: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since the last sync of the directory, in order.
    name_changes: Vec<NameChange>,
    writes: u64,
    syncs: u64,
    write_error: Option<u64>,
    sync_error: Option<u64>,
    read_error: Option<u64>,
    power: Option<u64>,
    space: Option<u64>,
    hits: SimHits,
    /// Faults that last, and have come true already: counted once.
    counted: Lasting,
    syncs_held: bool,
    waiting_syncs: usize,
}

#[derive(Clone, Copy, Default)]
struct Lasting {
    read: bool,
    power: bool,
    space: bool,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that differ, or may.
    dirty: BTreeSet<usize>,
}

#[derive(Clone)]
enum NameChange {
    Set(String, u64),
    Rename(String, String),
    Remove(String),
}

impl Default for SimFiles {
    fn default() -> SimFiles {
        SimFiles::new()
    }
}

impl SimFiles {
    /// An empty directory.
    #[must_use]
    pub fn new() -> SimFiles {
        SimFiles { disk: Arc::default(), life: 0 }
    }

    /// The power fails and returns: all handles and clones made before are dead, pending faults are
    /// cleared, and unsynced bytes are kept, lost or torn as the seed decides.
    #[must_use]
    pub fn crash(&self, seed: u64) -> SimFiles {
        let mut rng = Rng(seed);
        let mut state = self.lock();
        let kept = rng.below(state.name_changes.len() + 1);
        let changes: Vec<NameChange> = state.name_changes.drain(..).take(kept).collect();
        let mut names = std::mem::take(&mut state.durable_names);
        for change in changes {
            change.apply(&mut names);
        }
        let live: BTreeSet<u64> = names.values().copied().collect();
        state.contents.retain(|id, _| live.contains(id));
        for content in state.contents.values_mut() {
            content.crash(&mut rng);
        }
        state.names.clone_from(&names);
        state.durable_names = names;
        state.life += 1;
        state.clear_faults();
        self.disk.changed.notify_all();
        SimFiles { disk: Arc::clone(&self.disk), life: state.life }
    }

    /// The process dies and restarts while the power stays: all handles and clones made before are
    /// dead, pending faults are cleared, and all written bytes can be read, synced or not.
    #[must_use]
    pub fn restart(&self) -> SimFiles {
        let mut state = self.lock();
        state.life += 1;
        state.clear_faults();
        self.disk.changed.notify_all();
        SimFiles { disk: Arc::clone(&self.disk), life: state.life }
    }

    /// A copy of the disk as its user sees it, all of it durable, without faults.
    #[must_use]
    pub fn fork(&self) -> SimFiles {
        let mut state = self.lock().clone();
        for content in state.contents.values_mut() {
            content.sync();
        }
        state.durable_names.clone_from(&state.names);
        state.name_changes.clear();
        state.life = 0;
        state.clear_faults();
        let disk = Disk { state: Mutex::new(state), changed: Condvar::new() };
        SimFiles { disk: Arc::new(disk), life: 0 }
    }

    /// Lets something go wrong from now on.
    pub fn inject(&self, fault: SimFault) {
        let mut state = self.lock();
        match fault {
            SimFault::WriteError { after } => state.write_error = Some(after),
            SimFault::SyncError { after } => state.sync_error = Some(after),
            SimFault::ReadError { after } => state.read_error = Some(after),
            SimFault::PowerOff { after } => state.power = Some(after),
            SimFault::Full { bytes } => state.space = Some(bytes),
        }
    }

    /// Nothing that was injected and has not happened yet will happen.
    pub fn repair(&self) {
        self.lock().clear_faults();
    }

    /// Flips one bit of a file, on the disk and in the cache.
    pub fn flip_bit(&self, name: &str, offset: usize, bit: u32) {
        self.lock().alter(name, |bytes| {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 1 << (bit % 8);
            }
        });
    }

    /// Cuts a file short, on the disk and in the cache.
    pub fn cut(&self, name: &str, length: usize) {
        self.lock().alter(name, |bytes| bytes.truncate(length));
    }

    /// Removes a file for good.
    pub fn erase(&self, name: &str) {
        let mut state = self.lock();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    /// The bytes of a file; None if there is none.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        let id = state.names.get(name)?;
        state.contents.get(id).map(|content| content.now.clone())
    }

    /// Writes and syncs of files so far, failed ones included.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.writes, state.syncs)
    }

    /// The injected faults that have occurred, in all lives.
    #[must_use]
    pub fn hits(&self) -> SimHits {
        self.lock().hits
    }

    /// Makes every sync wait until [`SimFiles::release_syncs`].
    pub fn hold_syncs(&self) {
        self.lock().syncs_held = true;
    }

    /// Lets syncs continue.
    pub fn release_syncs(&self) {
        self.lock().syncs_held = false;
        self.disk.changed.notify_all();
    }

    /// Waits until a sync is being held.
    pub fn wait_for_held_sync(&self) {
        let mut state = self.lock();
        while state.waiting_syncs == 0 {
            state = self.disk.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, DiskState> {
        locked(&self.disk.state)
    }

    /// The state, if this handle's life still lasts.
    fn alive(&self) -> io::Result<MutexGuard<'_, DiskState>> {
        let state = self.lock();
        if state.life == self.life { Ok(state) } else { Err(io::Error::other("the power went")) }
    }

    fn handle(&self, content: u64) -> Arc<dyn LogFile> {
        Arc::new(SimFile { files: self.clone(), content })
    }
}

impl FileSystem for SimFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.alive()?.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn LogFile>> {
        let mut state = self.alive()?;
        state.spend_power()?;
        let id = state.next_content;
        state.next_content += 1;
        state.contents.insert(id, Content::default());
        state.change_name(NameChange::Set(name.to_owned(), id));
        Ok(self.handle(id))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn LogFile>> {
        let state = self.alive()?;
        let id = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.alive()?;
        state.spend_power()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.alive()?;
        state.spend_power()?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.alive()?;
        state.spend_power()?;
        state.durable_names = state.names.clone();
        state.name_changes.clear();
        Ok(())
    }
}

impl fmt::Debug for SimFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SimFiles").field("life", &self.life).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct SimFile {
    files: SimFiles,
    content: u64,
}

impl LogFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.files.alive()?;
        match &mut state.read_error {
            Some(0) => {
                let is_first = !std::mem::replace(&mut state.counted.read, true);
                state.hits.read_errors += u64::from(is_first);
                return Err(io::Error::other("a read failed"));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let content = state.content(self.content)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = start.checked_add(buffer.len()).and_then(|end| content.now.get(start..end));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.files.alive()?;
        state.writes += 1;
        let powered = state.spend_power();
        let failed = count_down(&mut state.write_error);
        state.hits.write_errors += u64::from(failed);
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let length = state.content(self.content)?.now.len();
        let growth = (start + bytes.len()).saturating_sub(length) as u64;
        if let Some(space) = &mut state.space {
            let Some(left) = space.checked_sub(growth) else {
                let is_first = !std::mem::replace(&mut state.counted.space, true);
                state.hits.full += u64::from(is_first);
                return Err(io::ErrorKind::StorageFull.into());
            };
            *space = left;
        }
        let bytes = if failed { &bytes[..bytes.len() / 2] } else { bytes };
        state.content(self.content)?.write(bytes, start);
        // The write that the power failed in may have reached the disk, or parts of it.
        powered?;
        if failed { Err(io::Error::other("a write failed")) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.files.alive()?;
        state.syncs += 1;
        state.waiting_syncs += 1;
        self.files.disk.changed.notify_all();
        while state.syncs_held && state.life == self.files.life {
            state = self.files.disk.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting_syncs -= 1;
        if state.life != self.files.life {
            return Err(io::Error::other("the power went"));
        }
        state.spend_power()?;
        if count_down(&mut state.sync_error) {
            state.hits.sync_errors += 1;
            state.content(self.content)?.dirty.clear();
            return Err(io::Error::other("a sync failed"));
        }
        state.content(self.content)?.sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.files.alive()?;
        Ok(state.content(self.content)?.now.len() as u64)
    }
}

impl DiskState {
    fn content(&mut self, id: u64) -> io::Result<&mut Content> {
        self.contents.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn alter(&mut self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        let id = self.names.get(name).copied();
        if let Some(content) = id.and_then(|id| self.contents.get_mut(&id)) {
            change(&mut content.now);
            change(&mut content.durable);
        }
    }

    fn spend_power(&mut self) -> io::Result<()> {
        match &mut self.power {
            Some(0) => {
                let is_first = !std::mem::replace(&mut self.counted.power, true);
                self.hits.powers_off += u64::from(is_first);
                Err(io::Error::other("the power is failing"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn clear_faults(&mut self) {
        (self.write_error, self.sync_error, self.read_error) = (None, None, None);
        (self.power, self.space) = (None, None);
        self.counted = Lasting::default();
        self.syncs_held = false;
    }
}

/// Whether a fault that is to occur after some more operations occurs now; it occurs once.
fn count_down(after: &mut Option<u64>) -> bool {
    match after {
        Some(0) => {
            *after = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameChange::Set(name, id) => {
                names.insert(name.clone(), *id);
            }
            NameChange::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Content {
    fn write(&mut self, bytes: &[u8], start: usize) {
        let end = start + bytes.len();
        if end > self.now.len() {
            self.now.resize(end, 0);
        }
        self.now[start..end].copy_from_slice(bytes);
        if end > start {
            self.dirty.extend(start / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES);
        }
    }

    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let range = sector_range(sector, self.now.len());
            self.durable[range.clone()].copy_from_slice(&self.now[range]);
        }
    }

    fn crash(&mut self, rng: &mut Rng) {
        if self.now.len() > self.durable.len() && rng.below(2) == 0 {
            self.durable.resize(self.now.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            let range = sector_range(sector, self.durable.len().min(self.now.len()));
            let kept = match rng.below(3) {
                0 => 0,
                1 => range.len(),
                _ => rng.below(range.len() + 1),
            };
            let range = range.start..range.start + kept;
            self.durable[range.clone()].copy_from_slice(&self.now[range]);
        }
        self.now.clone_from(&self.durable);
    }
}

fn sector_range(sector: usize, length: usize) -> std::ops::Range<usize> {
    let start = (sector * SECTOR_BYTES).min(length);
    start..(start + SECTOR_BYTES).min(length)
}

/// A small generator (splitmix64): enough for a fault model and tests, nothing else.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let bound = bound.max(1) as u64;
        usize::try_from(mixed % bound).expect("smaller than a usize")
    }
}

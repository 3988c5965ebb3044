//! The Raft library's state machine over the pure machine and the store: decide, write one batch,
//! then notify.
//!
//! A batch of entries becomes one atomic, unsynced write that includes the applied position.
//! Replies and reports are sent only after that write. Nothing here decides anything about a
//! command.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use concordat_proto::{
    command::{Command, Proposal},
    id::{GroupId, NodeId, OrgId, WriteId},
    log::LogIndex,
    record::AppliedRecord,
    time::LogTime,
    version,
    wire::Wire,
};
use futures::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    entry::RaftEntry,
    storage::{ApplyResponder, EntryResponder, RaftStateMachine},
};

use crate::{
    machine::{self, ApplyContext, Overlay, Repeated},
    raft::{
        blocking,
        engine::{
            applied::{meta_of, position_of, read_applied},
            convert, staging,
            types::{
                Entry, RaftLogId, RaftTypes, Response, Snapshot, SnapshotData, SnapshotMeta,
                StoredMembership,
            },
        },
        planted,
    },
    store::{Store, StoreError, WriteBatch, keys, shadow::ShadowStore},
};

/// Entries that become one write at the most.
const BATCH_ENTRIES_MAX: usize = 512;

/// What a replica reports after a batch became visible.
#[derive(Debug, Clone)]
pub(crate) struct Advanced {
    pub(crate) group: GroupId,
    /// The newest applied entry.
    pub(crate) applied: LogIndex,
    /// The log's time with it.
    pub(crate) log_time: LogTime,
    /// The writes of the batch.
    pub(crate) writes: Vec<WriteId>,
    /// The nodes that received the batch's writes from clients: they wait for this.
    pub(crate) origins: Vec<NodeId>,
    /// Whether marks or settings of the group's own replicas may have changed.
    pub(crate) is_about_replicas: bool,
    /// Organizations with steps of their moves in the batch.
    pub(crate) moved: Vec<OrgId>,
}

/// Called when a replica's state has advanced. Must not block.
pub(crate) type OnAdvanced = Arc<dyn Fn(Advanced) + Send + Sync>;

/// The position up to which a group's state survives a power failure, and the means to advance it.
#[derive(Debug)]
pub(crate) struct SyncedState {
    group: GroupId,
    store: Arc<ShadowStore>,
    synced: AtomicU64,
}

impl SyncedState {
    pub(crate) fn new(group: GroupId, store: Arc<ShadowStore>) -> Self {
        Self { group, store, synced: AtomicU64::new(0) }
    }

    /// For the library's suite, which purges logs that no state was made from.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn without_state(self) -> Self {
        self.synced.store(u64::MAX, Ordering::Release);
        self
    }

    /// Returns once the state up to `index` is synced. Blocks for the sync when it is not; snapshots
    /// are taken (and synced, elsewhere) before logs are purged, so that is rare.
    pub(crate) fn ensure_synced(&self, index: u64) -> Result<(), io::Error> {
        if self.synced.load(Ordering::Acquire) >= index || !planted::syncs_before_purge() {
            return Ok(());
        }
        let applied = read_applied(&*self.store, self.group)?;
        let applied = applied.log_id.map_or(0, |id| id.index.0);
        if applied < index {
            return Err(io::Error::other("a purge beyond the applied state"));
        }
        self.sync_at(applied)
    }

    /// Syncs the store, which holds the state up to `applied` at least.
    fn sync_at(&self, applied: u64) -> Result<(), io::Error> {
        if planted::syncs_before_purge() {
            self.store.sync().map_err(io::Error::other)?;
        }
        self.synced.fetch_max(applied, Ordering::AcqRel);
        Ok(())
    }
}

/// A group's state.
pub(crate) struct MachineStore {
    group: GroupId,
    store: Arc<ShadowStore>,
    synced: Arc<SyncedState>,
    on_advanced: OnAdvanced,
    applied: AppliedRecord,
    /// The newest feature level that this node knows.
    feature_level: u32,
    may_skip: bool,
}

impl fmt::Debug for MachineStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineStore({}, {:?})", self.group, self.applied.log_id)
    }
}

impl MachineStore {
    /// The group's state as the store holds it.
    pub(crate) fn open(
        synced: Arc<SyncedState>,
        on_advanced: OnAdvanced,
    ) -> Result<Self, io::Error> {
        let (group, store) = (synced.group, Arc::clone(&synced.store));
        let applied = read_applied(&*store, group)?;
        let feature_level = version::FEATURE_LEVEL;
        Ok(Self { group, store, synced, on_advanced, applied, feature_level, may_skip: false })
    }

    /// Behaves like a build that supports only this feature level.
    pub(crate) fn knowing(mut self, feature_level: u32) -> Self {
        self.feature_level = feature_level;
        self
    }

    /// Applies the available entries and writes them as one batch.
    fn apply_batch(&mut self, batch: Vec<EntryResponder<RaftTypes>>) -> Result<(), StoreError> {
        let repeated = Repeated::new(&*self.store);
        let mut overlay = Overlay::new(&repeated);
        let mut record = self.applied.clone();
        let mut replies: Vec<(ApplyResponder<RaftTypes>, Response)> = Vec::new();
        let mut news = News::default();
        for (entry, responder) in batch {
            self.require_next(&record, &entry)?;
            self.require_known(&entry)?;
            news.is_followed = responder.is_none();
            let response = apply_entry(self.group, &mut overlay, &mut record, &entry, &mut news)?;
            if let Some(responder) = responder {
                replies.push((responder, response));
            }
        }
        let mut write: WriteBatch = overlay.into_batch();
        write.changes.push((keys::applied(self.group), Some(record.encode())));
        self.store.write(write)?;
        self.applied = record;
        self.tell(news);
        for (responder, response) in replies {
            responder.send(response);
        }
        Ok(())
    }

    /// A state that skipped an entry would differ from all others for ever: it stops instead. So
    /// does one that has nothing, where the log no longer has the beginning.
    fn require_next(&self, record: &AppliedRecord, entry: &Entry) -> Result<(), StoreError> {
        let index = entry.log_id().index;
        let next = record.log_id.map_or(0, |applied| applied.index.0 + 1);
        if index != next && !self.may_skip {
            let reason = format!("entry {index} does not follow the applied state");
            return Err(StoreError::new(reason));
        }
        Ok(())
    }

    /// A node that simulates an earlier release stops at an entry that release cannot read, as that
    /// release would.
    fn require_known(&self, entry: &Entry) -> Result<(), StoreError> {
        if self.feature_level >= version::FEATURE_LEVEL {
            return Ok(());
        }
        let EntryPayload::Normal(payload) = &entry.payload else { return Ok(()) };
        let proposal = Proposal::decode(&payload.0);
        match proposal.map(|proposal| proposal.feature_level()) {
            Ok(level) if level <= self.feature_level => Ok(()),
            Ok(_) | Err(_) => Err(StoreError::new("a committed entry cannot be read")),
        }
    }

    /// The entry that is to be applied next: the first one where nothing was applied.
    pub(crate) fn next_index(&self) -> LogIndex {
        LogIndex(self.applied.log_id.map_or(0, |id| id.index.0.saturating_add(1)))
    }

    /// Applies entries that have no waiter. Must not be called on the state of an open replica.
    pub(crate) fn catch_up(&mut self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let mut rest = entries.into_iter().map(|entry| (entry, None)).peekable();
        while rest.peek().is_some() {
            self.apply_batch(rest.by_ref().take(BATCH_ENTRIES_MAX).collect())?;
        }
        Ok(())
    }

    /// For the library's suite, which applies entries with gaps between them.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn skipping(mut self) -> Self {
        self.may_skip = true;
        self
    }

    fn tell(&self, news: News) {
        let News { writes, mut origins, is_about_replicas, moved, .. } = news;
        origins.sort_unstable();
        origins.dedup();
        let applied = self.applied.log_id.map_or(LogIndex(0), |id| id.index);
        (self.on_advanced)(Advanced {
            group: self.group,
            applied,
            log_time: self.applied.log_time,
            writes,
            origins,
            is_about_replicas,
            moved,
        });
    }
}

/// The results of a batch beside its replies.
#[derive(Debug, Default)]
struct News {
    writes: Vec<WriteId>,
    origins: Vec<NodeId>,
    is_about_replicas: bool,
    moved: Vec<OrgId>,
    /// The entry's answer has no waiter here.
    is_followed: bool,
}

/// The organization that a step of a move is about, where others may have to act upon it.
fn moved_by(command: &Command) -> Option<OrgId> {
    if let Command::MoveFreeze { org, .. }
    | Command::MoveCommit { org, .. }
    | Command::MoveAbort { org, .. }
    | Command::ImportChunk { org, is_last: true, .. }
    | Command::ImportFinish { org, .. } = command
    {
        return Some(*org);
    }
    None
}

fn apply_entry(
    group: GroupId,
    overlay: &mut Overlay<'_>,
    record: &mut AppliedRecord,
    entry: &Entry,
    news: &mut News,
) -> Result<Response, StoreError> {
    let log_id = convert::log_id(entry.log_id());
    record.log_id = Some(log_id);
    match &entry.payload {
        EntryPayload::Blank => Ok(Response(None)),
        EntryPayload::Membership(membership) => {
            let stored = StoredMembership::new(Some(entry.log_id()), membership.clone());
            record.membership = convert::encode(&stored).to_vec();
            news.is_about_replicas = true;
            Ok(Response(None))
        }
        EntryPayload::Normal(payload) => {
            let proposal = Proposal::decode(&payload.0)
                .map_err(|error| StoreError::caused("a committed entry cannot be read", error))?;
            let context = ApplyContext { group, log_id, log_time_before: record.log_time };
            let (applied, changes) = machine::apply(overlay, &context, &proposal)?;
            record.log_time = record.log_time.max(proposal.stamped);
            let is_done = applied.outcome.is_ok();
            if planted::keeps_entry(log_id.index, news.is_followed) {
                overlay.add(changes);
            }
            news.writes.push(proposal.write_id);
            news.origins.push(proposal.origin);
            if is_done {
                news.moved.extend(moved_by(&proposal.command));
            }
            news.is_about_replicas |= matches!(
                proposal.command,
                Command::MarkReplicas { .. }
                    | Command::SetLeases(_)
                    | Command::NotePartitionPolicy(_)
                    | Command::RaiseFeatureLevel { .. }
                    | Command::SetPolicies { .. }
                    | Command::NotePolicies(_)
                    | Command::NoteFeatureLevel(_)
            );
            Ok(Response(Some(applied)))
        }
    }
}

impl RaftStateMachine<RaftTypes> for MachineStore {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<RaftLogId>, StoredMembership), io::Error> {
        position_of(&self.applied)
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<RaftTypes>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batch = Vec::new();
        while let Some(entry) = entries.next().await {
            batch.push(entry?);
            if batch.len() >= BATCH_ENTRIES_MAX {
                self.apply_batch(std::mem::take(&mut batch)).map_err(io::Error::other)?;
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.apply_batch(batch).map_err(io::Error::other)
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<SnapshotBuilder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { synced: Arc::clone(&self.synced), applied: self.applied.clone() }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        match snapshot {
            SnapshotData::Staged => {}
            // The live state is at least that far already.
            SnapshotData::Live(source) if Arc::ptr_eq(&source, &self.store) => return Ok(()),
            SnapshotData::Live(source) => {
                staging::stage(&source, &self.store, self.group).map_err(io::Error::other)?;
            }
        }
        let staged = self.store.get_shadow(self.group, &keys::applied(self.group));
        let staged = staged.map_err(io::Error::other)?;
        let staged = staged.ok_or_else(|| io::Error::other("the staged snapshot is not whole"))?;
        let record = AppliedRecord::decode(&staged).map_err(io::Error::other)?;
        if meta_of(&record)? != *meta {
            return Err(io::Error::other("the staged snapshot is another one"));
        }
        self.store.swap(self.group).map_err(io::Error::other)?;
        self.applied = record;
        self.synced.sync_at(meta.last_log_id.map_or(0, |id| id.index))?;
        self.tell(News { is_about_replicas: true, ..News::default() });
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        if self.applied.log_id.is_none() {
            return Ok(None);
        }
        let snapshot = SnapshotData::Live(Arc::clone(&self.store));
        Ok(Some(Snapshot { meta: meta_of(&self.applied)?, snapshot }))
    }
}

/// "Builds" a snapshot: the state as it is, synced, so that the log before it may go.
#[derive(Debug)]
pub(crate) struct SnapshotBuilder {
    synced: Arc<SyncedState>,
    applied: AppliedRecord,
}

impl RaftSnapshotBuilder<RaftTypes> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let synced = Arc::clone(&self.synced);
        let index = self.applied.log_id.map_or(0, |id| id.index.0);
        blocking::run(&self.synced.store, move || synced.sync_at(index))
            .await
            .map_err(io::Error::other)??;
        let snapshot = SnapshotData::Live(Arc::clone(&self.synced.store));
        Ok(Snapshot { meta: meta_of(&self.applied)?, snapshot })
    }
}

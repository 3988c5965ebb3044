//! One group's replica on this node: the running library instance, and the state that can be read
//! without it.

pub(crate) mod log_time;
pub(crate) mod spread;
pub(crate) mod timing_profile;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concordat_proto::{
    id::{GroupId, NodeId},
    log::{LogIndex, Term},
    record::AppliedRecord,
};
use openraft::{Config, RaftMetrics, SnapshotPolicy, rt::WatchReceiver};
use tokio::{sync::watch, time::Instant};

use crate::{
    consistency::failover::survivors::may_report,
    log::{GroupState, RaftLog},
    raft::{
        config::{Environment, GroupsConfig, Timings},
        engine::{
            applied::read_applied,
            convert,
            log_store::LogStore,
            machine_store::{MachineStore, OnAdvanced, SyncedState},
            network::NetworkFactory,
            raft::Raft,
            types::{RaftLogId, RaftTypes, RaftVote},
        },
        fault::Fault,
        lease::state::Leasing,
        planted,
        replica::log_time::GroupTimes,
        write::admission::Admission,
    },
    store::{StoreError, shadow::ShadowStore},
};

/// Entries of one append request at the most.
const APPEND_ENTRIES_MAX: u64 = 512;
/// Entries behind which a follower gets a snapshot even though the log still has them.
const LAG_FOR_SNAPSHOT: u64 = 200_000;
/// Entries purged at a time.
pub(crate) const PURGE_BATCH: u64 = 1024;
/// The time for a stopped replica to release log and state.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks whether it has.
const STOP_POLL: Duration = Duration::from_millis(1);
/// For a whole snapshot to arrive.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_mins(10);

/// One group's replica on this node.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) group: GroupId,
    pub(crate) raft: Raft,
    pub(crate) timings: Timings,
    /// The newest applied entry: visible to every read that starts now.
    pub(crate) visible: Arc<AtomicU64>,
    /// The newest entry that a report has claimed.
    reported: AtomicU64,
    /// The leases it holds and has granted.
    pub(crate) leasing: Leasing,
    /// The writes that it appends as a leader.
    pub(crate) admission: Admission,
    /// Whether a snapshot is being received.
    pub(crate) receiving: AtomicBool,
    leader: watch::Sender<Option<NodeId>>,
    log: RaftLog,
    /// Whether it has the timings for voters in several regions.
    pub(crate) wide_area: bool,
    /// Whether writes are paused during a transfer of leadership.
    pub(crate) handing_over: AtomicBool,
    /// Whether it was reopened while the process ran.
    pub(crate) reopened: AtomicBool,
    opened: Instant,
    stopping: AtomicBool,
    /// The library's tasks hold this as long as they may still use log or state.
    held: Weak<SyncedState>,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A replica that has voted before may have granted a leader lease that it has forgotten: it does
/// not become a candidate (nor vote, see `service.rs`) until that has expired. The library would
/// let it become a candidate at once, and with one more vote there would be a second leader within
/// the first one's lease.
fn raft_config(
    group: GroupId,
    timings: Timings,
    config: &GroupsConfig,
    has_voted: bool,
) -> Result<Config, Fault> {
    let raft = Config {
        cluster_name: format!("group {group}"),
        heartbeat_interval: millis(timings.heartbeat),
        heartbeat_min_interval: Some(millis(timings.heartbeat) * 2 / 3),
        election_timeout_min: millis(timings.election_min),
        election_timeout_max: millis(timings.election_max),
        max_payload_entries: APPEND_ENTRIES_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.retention.snapshot_every),
        // By age and bytes it is purged elsewhere: `log_retention.rs`.
        max_in_snapshot_log_to_keep: if config.retention.time.is_zero() {
            config.retention.keep
        } else {
            u64::MAX
        },
        purge_batch_size: PURGE_BATCH.min(config.retention.snapshot_every.max(1)),
        replication_lag_threshold: LAG_FOR_SNAPSHOT,
        install_snapshot_timeout: millis(SNAPSHOT_TIMEOUT),
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        enable_elect: !has_voted,
        ..Config::default()
    };
    raft.validate().map_err(|error| Fault::caused(format!("settings of group {group}"), error))
}

/// A log is never purged beyond the synced state. If the state ends before the log begins, the disk
/// has lost a part of it (its store drops all records behind a bad one in its write-ahead log, and
/// continues): the rest cannot make it whole.
fn require_whole(log: &GroupState, applied: &AppliedRecord) -> Result<(), StoreError> {
    let applied = applied.log_id.map(|id| id.index.0);
    if log.purged.is_some() && applied.is_none_or(|applied| applied < log.purged_index) {
        let ends = applied.map_or("is empty".to_owned(), |at| format!("ends at entry {at}"));
        let purged = log.purged_index;
        return Err(StoreError::new(format!(
            "the state is damaged: it {ends}, and the log has nothing up to entry {purged}"
        )));
    }
    Ok(())
}

/// The term that this replica has voted in: at least that of the leader it follows.
fn voted_term(state: &GroupState) -> Option<Term> {
    let vote: RaftVote = convert::decode(state.vote.as_ref()?).ok()?;
    Some(Term(vote.leader_id.term))
}

fn purged_term(state: &GroupState) -> Option<Term> {
    let purged: RaftLogId = convert::decode(state.purged.as_ref()?).ok()?;
    Some(convert::log_id(purged).term)
}

impl Replica {
    /// Starts the replica from the log and the store.
    pub(crate) async fn open(
        group: GroupId,
        (config, environment, store): (&GroupsConfig, &Environment, &Arc<ShadowStore>),
        visible: Arc<AtomicU64>,
        (on_advanced, times, wide_area): (OnAdvanced, &GroupTimes, bool),
    ) -> Result<Arc<Self>, Fault> {
        let context = || format!("opening the replica of group {group}");
        let timings = if wide_area { config.system_timings } else { config.home_timings };
        let synced = Arc::new(SyncedState::new(group, Arc::clone(store)));
        let held = Arc::downgrade(&synced);
        let log_store = LogStore::new(group, environment.log.clone(), Arc::clone(&synced));
        let applied = read_applied(&**store, group).map_err(|e| Fault::caused(context(), e))?;
        require_whole(&environment.log.state(group.0), &applied)
            .map_err(|e| Fault::caused(context(), e))?;
        visible.fetch_max(applied.log_id.map_or(0, |id| id.index.0), Ordering::AcqRel);
        times.observed(group, applied.log_time, environment.steady.now());
        let machine =
            MachineStore::open(synced, on_advanced).map_err(|e| Fault::caused(context(), e))?;
        let machine = machine.knowing(config.feature_level);
        let network = NetworkFactory {
            group,
            transport: Arc::clone(&environment.transport),
            store: Arc::clone(store),
        };
        let has_voted = planted::on_forgotten_lease(environment.log.state(group.0).vote.is_some());
        let settings = Arc::new(raft_config(group, timings, config, has_voted)?);
        let raft = Raft::new(config.node.0, settings, network, log_store, machine).await;
        let raft = raft.map_err(|error| Fault::caused(context(), error))?;
        Ok(Arc::new(Self {
            group,
            raft,
            timings,
            visible,
            reported: AtomicU64::new(0),
            leasing: Leasing::default(),
            admission: Admission::default(),
            receiving: AtomicBool::new(false),
            leader: watch::Sender::new(None),
            log: environment.log.clone(),
            wide_area,
            handing_over: AtomicBool::new(false),
            reopened: AtomicBool::new(false),
            opened: Instant::now(),
            stopping: AtomicBool::new(false),
            held,
        }))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether it was reopened a moment ago, and has forgotten the leader lease that it granted.
    pub(crate) fn has_forgotten_its_lease(&self) -> bool {
        self.reopened.load(Ordering::Acquire) && self.opened.elapsed() < self.timings.election_max
    }

    /// Stops the library's instance, and returns once nothing of it can touch log or state any
    /// more and all that it has written to the log is on disk: only then may it be opened again. The
    /// library does not wait for its own state machine, which may still be applying a batch.
    pub(crate) async fn stop(&self) -> Result<(), Fault> {
        let context = || format!("stopping the replica of group {}", self.group);
        self.stopping.store(true, Ordering::Release);
        self.raft.shutdown().await.map_err(|error| Fault::caused(context(), error))?;
        let deadline = Instant::now() + STOP_LIMIT;
        while self.held.strong_count() > 0 {
            if Instant::now() >= deadline {
                return Err(Fault::caused(context(), "its state is still in use"));
            }
            tokio::time::sleep(STOP_POLL).await;
        }
        let (synced, is_synced) = tokio::sync::oneshot::channel();
        self.log.mark(Box::new(move |result| drop(synced.send(result))));
        match is_synced.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Fault::caused(context(), error)),
            Err(_) => Err(Fault::caused(context(), "the log has ended")),
        }
    }

    /// The newest entry that a report may claim: visible here and in this node's synced log. The
    /// library may apply on a follower what its own disk has not got yet.
    /// Why it rises only by an entry of the leader's own term is [`may_report`]'s.
    pub(crate) fn reportable(&self) -> LogIndex {
        let visible = self.visible.load(Ordering::Acquire);
        // Read after `visible`: visible entries were committed under this vote or an earlier one.
        let state = self.log.state(self.group.0);
        let synced = self.log.synced_index(self.group.0).max(state.purged_index);
        let may_rise = may_report(self.synced_term(&state), voted_term(&state));
        if planted::on_report_rises(may_rise) {
            self.reported.fetch_max(visible.min(synced), Ordering::AcqRel);
        }
        let reportable = LogIndex(self.reported.load(Ordering::Acquire));
        planted::on_report(reportable, visible, || state.last.map(|last| last.index))
    }

    /// The term of the newest entry in the synced log, or of the newest that was purged from it.
    fn synced_term(&self, state: &GroupState) -> Option<Term> {
        let kept = self.log.synced_id(self.group.0).map(|id| Term(id.term));
        kept.max(purged_term(state))
    }

    /// The library's metrics.
    pub(crate) fn metrics(&self) -> RaftMetrics<RaftTypes> {
        self.raft.metrics().borrow_watched().clone()
    }

    /// The term in which this replica leads, if it does.
    pub(crate) fn led_term(&self) -> Option<u64> {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        (now.current_leader == Some(now.id)).then_some(now.current_term)
    }

    /// The leader, as far as this replica knows.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        *self.leader.borrow()
    }

    /// Returns once this replica learns of a leader other than `than`. Earlier knowledge does not
    /// count: the node that named `than` may know better.
    pub(crate) async fn other_leader(&self, than: NodeId) -> NodeId {
        let mut leader = self.leader.subscribe();
        leader.mark_unchanged();
        loop {
            if leader.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let known = *leader.borrow_and_update();
            if let Some(known) = known.filter(|known| *known != than) {
                return known;
            }
        }
    }

    /// Takes note of the library's news until it stops; returns why it did.
    pub(crate) async fn follow(&self, on_leader: impl Fn(Option<NodeId>)) -> String {
        let mut metrics = self.raft.server_metrics();
        let silence = tokio::time::sleep(self.timings.election_max);
        tokio::pin!(silence);
        let mut is_silent = true;
        loop {
            {
                let now = metrics.borrow_and_update();
                let leader = now.current_leader.map(NodeId);
                let is_news = self.leader.send_if_modified(|known| {
                    let changed = *known != leader;
                    *known = leader;
                    changed
                });
                if is_news {
                    on_leader(leader);
                }
            }
            let changed = tokio::select! {
                changed = metrics.changed() => changed,
                () = &mut silence, if is_silent => {
                    is_silent = false;
                    self.raft.runtime_config().elect(true);
                    continue;
                }
            };
            if changed.is_err() {
                let state = self.metrics().running_state;
                return match state {
                    Ok(()) => format!("group {}: the replica has stopped", self.group),
                    Err(fatal) => format!("group {}: {fatal}", self.group),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use concordat_proto::log::{LogId, Term};

    use super::*;

    fn state(vote: Option<u64>, purged: Option<(u64, u64)>) -> GroupState {
        let vote = vote.map(|term| convert::encode(&RaftVote::new_committed(term, 1)));
        let purged = purged.map(|(term, index)| RaftLogId::new_term_index(term, index));
        GroupState { vote, purged: purged.map(|id| convert::encode(&id)), ..GroupState::default() }
    }

    #[test]
    fn a_report_rises_only_by_an_entry_of_the_leaders_own_term() {
        let may_rise = |synced: Option<u64>, vote, purged| {
            let state = state(vote, purged);
            may_report(synced.map(Term).max(purged_term(&state)), voted_term(&state))
        };
        assert!(may_rise(Some(3), Some(3), None));
        assert!(!may_rise(Some(1), Some(3), None), "committed by a leader whose entry is not here");
        assert!(!may_rise(None, Some(3), None), "an empty log");
        assert!(may_rise(None, Some(3), Some((3, 9))), "after a snapshot of the leader's term");
        assert!(!may_rise(None, Some(3), Some((2, 9))), "after one of an earlier term");
        assert!(may_rise(None, None, None), "nobody has led yet");
    }

    #[test]
    fn a_state_that_ends_before_its_log_begins_is_damaged() {
        let applied = |index| {
            let log_id = LogId { term: Term(1), index: LogIndex(index) };
            AppliedRecord { log_id: Some(log_id), ..AppliedRecord::default() }
        };
        let whole = GroupState::default();
        let purged_index = 40;
        let purged =
            GroupState { purged: Some(Bytes::new()), purged_index, ..GroupState::default() };
        assert!(require_whole(&whole, &AppliedRecord::default()).is_ok(), "a new replica");
        assert!(require_whole(&whole, &applied(7)).is_ok());
        assert!(require_whole(&purged, &applied(40)).is_ok());
        let message =
            |applied: AppliedRecord| require_whole(&purged, &applied).unwrap_err().to_string();
        assert!(message(applied(39)).contains("ends at entry 39"));
        assert!(message(AppliedRecord::default()).contains("is empty"));
    }
}

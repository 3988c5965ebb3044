//! A replica's leases: those it holds, those it has granted, and the marks and settings in the
//! group's log.
//!
//! The rules are [`crate::consistency`]'s; this file has the lock around them.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use concordat_proto::{
    id::NodeId,
    lease::{RegionStaleReaders, StaleReader, StaleReaderSet},
    log::{LogIndex, Term},
    time::LogTime,
};
use tokio::time::Instant;

use crate::{
    consistency::{
        GroupConfigView, HeldLeases, LeaseTable, pace::Pace, read::sleep::SleepDetector,
    },
    locks::locked,
    raft::config::SteadyClock,
};

/// One replica's leases: those it holds, and those it has granted.
#[derive(Debug, Default)]
pub(crate) struct Leasing {
    pub(crate) table: Mutex<LeaseTable>,
    pub(crate) held: Mutex<HeldLeases>,
    /// Whether this node's disk keeps pace with the entries that the replica shows.
    pub(crate) disk: Mutex<Pace>,
    /// In the newest term that this node led in: the first index it could have read at.
    own_entry: Mutex<(Term, LogIndex)>,
}

impl Leasing {
    /// Whether reads are fresh now.
    pub(crate) fn is_current(&self, visible: LogIndex, now: Duration) -> bool {
        locked(&self.held).is_current(visible, now)
    }

    /// When the newest lease that the state has caught up with was requested.
    pub(crate) fn as_of(&self, visible: LogIndex) -> Option<LogTime> {
        locked(&self.held).as_of(visible)
    }

    /// Takes over as of when a state is at least from the replica that kept it before.
    pub(crate) fn remember(&self, before: &Self, visible: LogIndex) {
        let (as_of, proven) = (before.as_of(visible), before.proven(visible));
        locked(&self.held).remember(as_of, proven);
    }

    /// A lower bound of the state's age, by the steady clock.
    pub(crate) fn proven(&self, visible: LogIndex) -> Option<Duration> {
        locked(&self.held).proven(visible)
    }

    /// Since the newest lease was asked for, and how many others this node has granted.
    pub(crate) fn ages(&self, now: Duration) -> (Option<Duration>, usize) {
        (locked(&self.held).age(now), locked(&self.table).holders(now))
    }

    /// Up to when reads could be answered unmarked, by the steady clock.
    pub(crate) fn ended(&self, visible: LogIndex) -> Option<Duration> {
        locked(&self.held).ended(visible)
    }

    /// For how long this node's disk has not kept pace.
    pub(crate) fn disk_behind_for(&self, now: Duration) -> Option<Duration> {
        locked(&self.disk).behind_for(now)
    }

    /// This node has reported an entry for which its disk was late by `late`.
    pub(crate) fn on_own_report(&self, late: Duration, now: Duration) {
        locked(&self.disk).on_report(late, now);
    }

    /// Whom this node grants no lease, for its reports are late, and for how long they have been.
    pub(crate) fn refused(&self, now: Duration) -> BTreeMap<NodeId, Duration> {
        locked(&self.table).refused(now)
    }

    /// This node leads in a term.
    pub(crate) fn begin(&self, term: Term, facts: &GroupConfigView, now: Duration) {
        let longest = facts.longest_lease();
        locked(&self.table).begin(term, longest, now);
    }

    /// Until a replica holds no lease any more, as this node knows while it leads.
    pub(crate) fn left_of_any(
        &self,
        node: NodeId,
        facts: &GroupConfigView,
        now: Duration,
    ) -> Duration {
        let mut table = locked(&self.table);
        table.recount(facts.longest_lease());
        table.left_of_any(node, now)
    }

    /// The stale readers of an entry that was committed in this node's own term.
    pub(crate) fn stale_readers(
        &self,
        index: LogIndex,
        term: Term,
        facts: &GroupConfigView,
        now: Duration,
    ) -> StaleReaderSet {
        self.begin(term, facts, now);
        let table = locked(&self.table);
        let replica =
            |node: &NodeId| StaleReader { node: *node, left: table.left(*node, index, now) };
        let regions = facts.members.iter().map(|(region, members)| RegionStaleReaders {
            region: region.clone(),
            counts: members.counts,
            replicas: members.nodes.iter().map(replica).collect(),
        });
        StaleReaderSet { regions: regions.collect() }
    }

    pub(crate) fn left_in(
        &self,
        term: Term,
        (node, index): (NodeId, LogIndex),
        facts: &GroupConfigView,
        now: Duration,
    ) -> Option<Duration> {
        let mut table = locked(&self.table);
        table.recount(facts.longest_lease());
        table.left_in(term, node, index, now)
    }

    /// An entry of the own term is committed once the first index that could be read at in this
    /// term, which is not before that entry, has been applied.
    pub(crate) fn is_established(&self, term: Term, read_at: LogIndex, visible: LogIndex) -> bool {
        let mut own_entry = locked(&self.own_entry);
        if own_entry.0 != term {
            *own_entry = (term, read_at);
        }
        visible >= own_entry.1
    }
}

/// Finds out that the machine slept, by this node's clocks.
#[derive(Debug)]
pub(crate) struct SleepWatch {
    state: Mutex<SleepDetector>,
    started: Instant,
}

impl SleepWatch {
    pub(crate) fn new(clock: &dyn SteadyClock) -> Self {
        Self { state: Mutex::new(SleepDetector::new(clock.now())), started: Instant::now() }
    }

    /// Whether the machine was suspended less than `window` ago, by the clock that counts
    /// suspension.
    pub(crate) fn slept_within(&self, clock: &dyn SteadyClock, window: Duration) -> bool {
        let (steady, runtime) = (clock.now(), self.started.elapsed());
        locked(&self.state).slept_within(steady, runtime, window)
    }
}

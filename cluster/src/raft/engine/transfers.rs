//! The snapshots that this node sends: how many at a time, and what its log keeps for their receivers.
//!
//! A snapshot is of the moment at which its sending begins. Where the log gives up the entries behind that moment
//! before the receiver has them, the next snapshot has to follow, for ever under load. So they are kept while a
//! snapshot is sent, and for a while after it; not for longer than [`HELD_MAX`], since a receiver that is slower
//! than that must not fill this node's disk. It must not decide what is sent.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use concordat_proto::{
    id::{GroupId, NodeId},
    limits,
    log::LogIndex,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{locks::locked, raft::config::SteadyClock};

/// How long entries are kept for one snapshot at most, from its beginning.
const HELD_MAX: Duration = Duration::from_mins(10);
/// How long they are kept after it, so that the receiver gets them by appends.
const HELD_AFTER: Duration = Duration::from_secs(30);

/// What is kept for one receiver.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// The newest entry in the snapshot: those behind it are kept.
    behind: LogIndex,
    until: Duration,
}

type Table = BTreeMap<(GroupId, NodeId), Held>;

/// The snapshots that a node sends. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Transfers {
    places: Arc<Semaphore>,
    held: Arc<Mutex<Table>>,
}

impl Default for Transfers {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(limits::SNAPSHOTS_SENT_MAX)), held: Arc::default() }
    }
}

/// A snapshot that is being sent. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Transfer {
    transfers: Transfers,
    of: (GroupId, NodeId),
    steady: Arc<dyn SteadyClock>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Transfers {
    fn held(&self) -> MutexGuard<'_, Table> {
        locked(&self.held)
    }

    /// Waits for a place.
    pub(crate) async fn place(
        &self,
        of: (GroupId, NodeId),
        steady: &Arc<dyn SteadyClock>,
    ) -> Transfer {
        // It is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        Transfer { transfers: self.clone(), of, steady: Arc::clone(steady), _place: place }
    }

    /// The newest entry of a group that its log may give up, as far as snapshots are concerned; none where no
    /// receiver needs any.
    pub(crate) fn may_purge(&self, group: GroupId, now: Duration) -> Option<LogIndex> {
        let mut held = self.held();
        held.retain(|_, held| held.until > now);
        held.iter().filter(|((of, _), _)| *of == group).map(|(_, held)| held.behind).min()
    }
}

impl Transfer {
    /// The sending begins now, with a state that has at least this entry.
    pub(crate) fn begins(&self, behind: LogIndex) {
        let until = self.steady.now() + HELD_MAX;
        self.transfers.held().insert(self.of, Held { behind, until });
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let until = self.steady.now() + HELD_AFTER;
        if let Some(held) = self.transfers.held().get_mut(&self.of) {
            held.until = held.until.min(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const GROUP: GroupId = GroupId(3);

    #[derive(Debug, Default)]
    struct Seconds(AtomicU64);

    impl SteadyClock for Seconds {
        fn now(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn the_log_keeps_what_a_receiver_still_needs_and_no_longer() {
        let clock = Arc::new(Seconds::default());
        let steady: Arc<dyn SteadyClock> = clock.clone();
        let transfers = Transfers::default();
        let kept_at = |group: GroupId, second: u64| {
            clock.0.store(second, Ordering::Relaxed);
            transfers.may_purge(group, steady.now())
        };
        let slow = transfers.place((GROUP, NodeId(1)), &steady).await;
        assert_eq!(kept_at(GROUP, 0), None, "nothing is sent yet");
        slow.begins(LogIndex(100));
        assert_eq!(kept_at(GROUP, 2), Some(LogIndex(100)));
        let quick = transfers.place((GROUP, NodeId(2)), &steady).await;
        quick.begins(LogIndex(90));
        assert_eq!(kept_at(GROUP, 4), Some(LogIndex(90)));
        assert_eq!(kept_at(GroupId(4), 4), None, "another group");
        drop(quick);
        assert_eq!(kept_at(GROUP, 33), Some(LogIndex(90)), "it catches up");
        assert_eq!(kept_at(GROUP, 34), Some(LogIndex(100)));
        assert_eq!(kept_at(GROUP, 599), Some(LogIndex(100)), "still sent");
        assert_eq!(kept_at(GROUP, 600), None, "too slow");
        drop(slow);
        assert_eq!(kept_at(GROUP, 601), None, "its end keeps nothing again");
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_sent_at_a_time() {
        let steady: Arc<dyn SteadyClock> = Arc::new(Seconds::default());
        let transfers = Transfers::default();
        let mut sent = Vec::new();
        for node in 0..limits::SNAPSHOTS_SENT_MAX as u64 {
            sent.push(transfers.place((GROUP, NodeId(node)), &steady).await);
        }
        let mut next = std::pin::pin!(transfers.place((GroupId(4), NodeId(99)), &steady));
        let minute = Duration::from_mins(1);
        assert!(tokio::time::timeout(minute, next.as_mut()).await.is_err(), "there is a place");
        sent.pop();
        drop(tokio::time::timeout(minute, next).await.expect("a place was given back"));
    }
}

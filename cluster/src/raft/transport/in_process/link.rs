//! One node's connection to another: its delay, its cuts, and its counters.
//!
//! It holds no service and no node, so that a detached node is really gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::limits;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};

use crate::raft::transport::Channel;

/// Requests of one node on one channel that another has not answered yet.
pub(super) const REQUESTS_MAX: usize = 4096;
/// Open streams from one node to another.
pub(super) const STREAMS_MAX: usize = 1024;

/// One direction of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) passable: bool,
    /// How often it was cut: frames that were sent under another count are lost.
    pub(super) cuts: u64,
}

impl Way {
    pub(super) const fn new(passable: bool) -> Self {
        Self { passable, cuts: 0 }
    }

    /// Updates the cuts in force; returns whether anything changed.
    fn follow(&mut self, passable: bool) -> bool {
        if self.passable == passable {
            return false;
        }
        self.passable = passable;
        if !passable {
            self.cuts += 1;
        }
        true
    }
}

/// The condition of a link, which everything in transit watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) forward: Way,
    pub(super) backward: Way,
    /// One end is detached, or the peer was taken out of the address book. For good.
    pub(super) gone: bool,
}

impl Condition {
    pub(super) const fn both_ways(self) -> bool {
        self.forward.passable && self.backward.passable
    }

    /// Whether a stream opened under `opened` has not been cut since.
    pub(super) const fn same_life(self, opened: Self) -> bool {
        self.forward.cuts == opened.forward.cuts && self.backward.cuts == opened.backward.cuts
    }
}

/// Frames and bytes that were sent one way between two regions.
#[derive(Debug, Default)]
pub(super) struct Counter {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    pub(super) fn count(&self, frame: &Bytes) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(frame.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> (u64, u64) {
        (self.frames.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// The present delay of a link's frames.
#[derive(Debug)]
pub(super) struct Pace {
    delay: Duration,
    extra_us: Arc<AtomicU64>,
}

impl Pace {
    pub(super) fn delay(&self) -> Duration {
        self.delay + Duration::from_micros(self.extra_us.load(Ordering::Relaxed))
    }
}

/// One node's connection to another.
#[derive(Debug)]
pub(super) struct Link {
    delay: Duration,
    /// The present additional delay, in microseconds.
    extra_us: Arc<AtomicU64>,
    pub(super) forward: Arc<Counter>,
    pub(super) backward: Arc<Counter>,
    /// By channel.
    requests: [Arc<Semaphore>; Channel::ALL.len()],
    pub(super) streams: Arc<Semaphore>,
    condition: watch::Sender<Condition>,
}

impl Link {
    pub(super) fn new(
        delay: Duration,
        (forward, backward): (Arc<Counter>, Arc<Counter>),
        (there, back): (bool, bool),
        requests_max: usize,
    ) -> Self {
        let condition =
            Condition { forward: Way::new(there), backward: Way::new(back), gone: false };
        Self {
            delay,
            extra_us: Arc::default(),
            forward,
            backward,
            requests: Channel::ALL.map(|_| Arc::new(Semaphore::new(requests_max))),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            condition: watch::Sender::new(condition),
        }
    }

    /// A place for a request on this channel.
    pub(super) fn requests(&self, channel: Channel) -> Arc<Semaphore> {
        Arc::clone(&self.requests[channel as usize])
    }

    /// The delay of a frame that is sent now.
    pub(super) fn delay(&self) -> Duration {
        self.pace().delay()
    }

    /// The same for those who outlive the link.
    pub(super) fn pace(&self) -> Pace {
        Pace { delay: self.delay, extra_us: Arc::clone(&self.extra_us) }
    }

    /// Makes the way longer from now on.
    pub(super) fn slow(&self, by: Duration) {
        let us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.extra_us.store(us, Ordering::Relaxed);
    }

    pub(super) fn condition(&self) -> Condition {
        *self.condition.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// Brings the link up to the cuts in force.
    pub(super) fn follow(&self, there: bool, back: bool) {
        self.condition.send_if_modified(|condition| {
            let forward = condition.forward.follow(there);
            condition.backward.follow(back) || forward
        });
    }

    /// Ends the link for good.
    pub(super) fn end(&self) {
        self.condition.send_modify(|condition| condition.gone = true);
    }

    /// Waits until the link has ended.
    pub(super) async fn ended(&self) {
        // Its sender is this link: the wait cannot fail while we are borrowed.
        drop(self.watch().wait_for(|condition| condition.gone).await);
    }

    /// Waits until `wanted` holds: its condition then, or nothing when the link ended or the time
    /// is up.
    pub(super) async fn until(
        &self,
        deadline: Instant,
        wanted: impl Fn(Condition) -> bool,
    ) -> Option<Condition> {
        let mut watch = self.watch();
        let reached = watch.wait_for(|condition| condition.gone || wanted(*condition));
        let condition = *timeout_at(deadline, reached).await.ok()?.ok()?;
        (!condition.gone).then_some(condition)
    }
}

/// Whether a frame is within the limit of sockets.
pub(super) fn fits(frame: &Bytes) -> bool {
    frame.len() <= limits::FRAME_BYTES_MAX
}

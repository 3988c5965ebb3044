//! One connection: requests, notices and many streams over one pair of byte pipes.
//!
//! The end that dialed asks, opens and notifies; the other end answers. The tasks that write and read
//! are in [`session`].

pub(super) mod frame;
mod outbox;
mod pump;
mod reader;
pub(super) mod serve;
pub(super) mod session;
mod streams;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use concordat_cluster::{locks::locked, raft::transport::TransportError};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::{
    frame::{Frame, Kind, NEVER_BEGUN, fits},
    outbox::{Closed, Drain, Outbox, outbox},
    streams::{Ends, Streams},
};
use super::bounds::{REQUESTS_MAX, STREAMS_MAX};

type Answer = Result<Bytes, TransportError>;

#[derive(Debug, Default)]
struct Table {
    streams: Streams,
    /// Requests that wait for their answer.
    waiting: BTreeMap<u64, oneshot::Sender<Answer>>,
    over: bool,
}

/// A connection, as its tasks and the callers of its peer share it.
#[derive(Debug)]
pub(super) struct Connection {
    /// For messages.
    peer: String,
    outbox: Outbox,
    closed: CancellationToken,
    table: Mutex<Table>,
    requests: Semaphore,
}

/// Forgets a request when its caller does.
struct Waiting<'a> {
    connection: &'a Connection,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.connection.table().waiting.remove(&self.id);
    }
}

impl Connection {
    /// A connection that `closed` closes, and its writer's queue.
    pub(super) fn new(peer: String, closed: CancellationToken) -> (Arc<Self>, Drain) {
        let (outbox, drain) = outbox(closed.clone());
        let connection = Self {
            peer,
            outbox,
            closed,
            table: Mutex::default(),
            requests: Semaphore::new(REQUESTS_MAX),
        };
        (Arc::new(connection), drain)
    }

    /// The other end, for messages.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// Closes it when canceled.
    pub(super) const fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        locked(&self.table)
    }

    /// Does something with the streams, under the lock.
    pub(super) fn streams<R>(&self, work: impl FnOnce(&mut Streams) -> R) -> R {
        work(&mut self.table().streams)
    }

    pub(super) fn is_over(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Breaks everything on it at once.
    pub(super) fn end(&self) {
        self.closed.cancel();
        self.outbox.close();
        let mut table = self.table();
        table.over = true;
        table.streams.break_all();
        let waiting = std::mem::take(&mut table.waiting);
        drop(table);
        drop(waiting); // Each of them learns that its answer is lost.
    }

    /// Queues a frame when there is room.
    pub(super) async fn send(&self, frame: Frame) -> Result<(), Closed> {
        self.outbox.send(frame).await
    }

    /// Queues a small frame without waiting.
    pub(super) fn send_control(&self, frame: Frame) {
        self.outbox.send_control(frame);
    }

    pub(super) fn unreachable(&self, reason: &str) -> TransportError {
        TransportError::Unreachable { peer: self.peer.clone(), reason: reason.to_owned() }
    }

    /// One request, one answer.
    pub(super) async fn request(&self, body: Bytes, deadline: Instant) -> Answer {
        if !fits(&body) {
            return Err(self.unreachable("the request is larger than a frame may be"));
        }
        let _turn = timeout_at(deadline, self.requests.acquire())
            .await
            .map_err(|_| self.unreachable("too many requests wait for it"))?;
        let (tx, answer) = oneshot::channel();
        let waiting = {
            let mut table = self.table();
            if table.over {
                return Err(self.unreachable("the connection has ended"));
            }
            let id = table.streams.next_id();
            table.waiting.insert(id, tx);
            Waiting { connection: self, id }
        };
        let frame = Frame::new(Kind::Request, waiting.id, body);
        match timeout_at(deadline, self.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(Closed)) => return Err(self.unreachable("the connection has ended")),
            Err(_) => return Err(self.unreachable("its queue is full")),
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(TransportError::Lost),
            Err(_) => Err(TransportError::TimedOut),
        }
    }

    /// A place for a stream of its own.
    pub(super) fn place(&self) -> Result<(u64, Ends), TransportError> {
        let mut table = self.table();
        if table.over {
            return Err(self.unreachable("the connection has ended"));
        }
        if table.streams.count() >= STREAMS_MAX {
            return Err(self.unreachable("too many streams are open"));
        }
        let id = table.streams.next_id();
        Ok((id, table.streams.open(id)))
    }

    /// Sends without an answer, or drops it.
    pub(super) fn notify(&self, body: Bytes) {
        if fits(&body) && !self.outbox.try_send(Frame::new(Kind::Notice, 0, body)) {
            tracing::debug!(peer = %self.peer, "a notice was dropped");
        }
    }

    /// An answer, or the certainty that none will come.
    pub(super) fn on_answer(&self, id: u64, answer: Answer) {
        let waiting = self.table().waiting.remove(&id);
        if let Some(waiting) = waiting {
            drop(waiting.send(answer)); // The caller may just have given up.
        }
    }

    /// The reason of a reset for a waiting request; false when none waits.
    pub(super) fn on_request_reset(&self, id: u64, reason: &[u8]) -> bool {
        let waits = self.table().waiting.contains_key(&id);
        if waits {
            let error = if reason == NEVER_BEGUN {
                self.unreachable("it is too busy")
            } else {
                TransportError::Lost
            };
            self.on_answer(id, Err(error));
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn request_that_timed_out_leaves_nothing_behind() {
        let (connection, _drain) = Connection::new("far".to_owned(), CancellationToken::new());
        for _ in 0..3 {
            let deadline = Instant::now() + Duration::from_millis(20);
            let asked = connection.request(Bytes::from("never"), deadline).await;
            assert_eq!(asked, Err(TransportError::TimedOut));
        }
        assert!(connection.table().waiting.is_empty());
        assert_eq!(connection.requests.available_permits(), REQUESTS_MAX);
    }
}

//! One connection: requests, notices and many streams over one pair of byte pipes.
//!
//! Whoever dialled asks, opens and notifies; the other end answers. One task writes and one reads;
//! the reader never waits for a service, a stream's owner or the writer. When either task ends,
//! everything on the connection breaks at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use concordat_cluster::raft::transport::{FrameStream, TransportError};
use tokio::{
    io::split,
    sync::{Semaphore, oneshot},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    bounds::{REQUESTS_MAX, STREAMS_MAX},
    frame::{Frame, Kind, NEVER_BEGUN, fits},
    outbox::{Closed, Outbox, outbox},
    pump,
    reader::read_from,
    serve::Serving,
    streams::Streams,
    wire::Wire,
};

type Answer = Result<Bytes, TransportError>;

#[derive(Debug, Default)]
struct Table {
    streams: Streams,
    /// Requests that wait for their answer.
    waiting: BTreeMap<u64, oneshot::Sender<Answer>>,
    over: bool,
}

/// See above.
#[derive(Debug)]
pub(super) struct Connection {
    /// For messages.
    peer: String,
    outbox: Outbox,
    closed: CancellationToken,
    table: Mutex<Table>,
    requests: Semaphore,
    /// What the accepting end answers with.
    serving: Option<Serving>,
}

/// Ends the connection with its reader, also when a service panicked in it.
struct EndWith(Arc<Connection>);

impl Drop for EndWith {
    fn drop(&mut self) {
        self.0.end();
    }
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
    /// Starts the tasks of a connection that `closed` closes. The future ends with it.
    pub(super) fn start(
        peer: String,
        io: impl Wire,
        serving: Option<Serving>,
        closed: CancellationToken,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send + 'static) {
        let (outbox, drain) = outbox(closed.clone());
        let connection = Arc::new(Self {
            peer,
            outbox,
            closed: closed.clone(),
            table: Mutex::default(),
            requests: Semaphore::new(REQUESTS_MAX),
            serving,
        });
        let (read_half, write_half) = split(io);
        let (writer, reader) = (Arc::clone(&connection), EndWith(Arc::clone(&connection)));
        let write = async move {
            let written = writer.closed.run_until_cancelled(drain.write_to(write_half)).await;
            if let Some(Err(error)) = written {
                tracing::debug!(peer = %writer.peer, %error, "peer connection cannot be written");
            }
            writer.closed.cancel();
        };
        let run = async move {
            let write = tokio::spawn(write);
            let read = closed.run_until_cancelled(read_from(read_half, &reader.0)).await;
            if let Some(Err(fault)) = read {
                tracing::debug!(peer = %reader.0.peer, %fault, "peer connection ends");
            }
            drop(reader);
            drop(write.await); // The connection has ended, whatever became of its writer.
        };
        (connection, run)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock panics half way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the streams, under the lock.
    pub(super) fn streams<R>(&self, work: impl FnOnce(&mut Streams) -> R) -> R {
        work(&mut self.table().streams)
    }

    pub(super) fn is_over(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// What answers here; nothing at the dialler's end.
    pub(super) fn serving(&self) -> Option<&Serving> {
        self.serving.as_ref()
    }

    fn end(&self) {
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

    fn unreachable(&self, reason: &str) -> TransportError {
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

    /// Opens a stream.
    pub(super) async fn open(
        self: &Arc<Self>,
        head: Bytes,
        deadline: Instant,
    ) -> Result<FrameStream, TransportError> {
        if !fits(&head) {
            return Err(self.unreachable("the head is larger than a frame may be"));
        }
        let (id, ends) = {
            let mut table = self.table();
            if table.over {
                return Err(self.unreachable("the connection has ended"));
            }
            if table.streams.count() >= STREAMS_MAX {
                return Err(self.unreachable("too many streams are open"));
            }
            let id = table.streams.next_id();
            (id, table.streams.open(id))
        };
        let sent = timeout_at(deadline, self.send(Frame::new(Kind::Open, id, head))).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.streams(|streams| {
                streams.end_sending(id);
                streams.end_receiving(id);
            });
            return Err(self.unreachable("its queue is full or has ended"));
        }
        Ok(pump::start(self, id, ends))
    }

    /// Sends without an answer, or drops it.
    pub(super) fn notify(&self, body: Bytes) {
        if fits(&body) && !self.outbox.try_send(Frame::new(Kind::Notice, 0, body)) {
            tracing::debug!(peer = %self.peer, "a notice was dropped");
        }
    }

    /// An answer came, or word that none will.
    pub(super) fn on_answer(&self, id: u64, answer: Answer) {
        let waiting = self.table().waiting.remove(&id);
        if let Some(waiting) = waiting {
            drop(waiting.send(answer)); // The caller may just have given up.
        }
    }

    /// What a reset says to a request that waits; false when none does.
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

    use concordat_cluster::raft::transport::PeerService;
    use concordat_cluster::raft::transport_contract::{ALPHA, PATIENCE, Subject, soon};
    use concordat_proto::id::NodeId;
    use futures::future::BoxFuture;
    use tokio::io::duplex;

    use super::*;

    fn connect(service: Arc<dyn PeerService>) -> Arc<Connection> {
        let (near, far) = duplex(65_536);
        let (dialler, run) =
            Connection::start("far".to_owned(), near, None, CancellationToken::new());
        drop(tokio::spawn(run));
        let serving = Some(Serving::new(service, Some(ALPHA)));
        let (_, run) = Connection::start("near".to_owned(), far, serving, CancellationToken::new());
        drop(tokio::spawn(run));
        dialler
    }

    #[tokio::test]
    async fn request_that_timed_out_leaves_nothing_behind() {
        let connection = connect(Arc::new(Subject::new().0));
        for _ in 0..3 {
            let deadline = Instant::now() + Duration::from_millis(20);
            let asked = connection.request(Bytes::from("never"), deadline).await;
            assert_eq!(asked, Err(TransportError::TimedOut));
        }
        assert!(connection.table().waiting.is_empty());
        assert_eq!(connection.requests.available_permits(), REQUESTS_MAX);
    }

    struct Panics;

    impl PeerService for Panics {
        fn on_request(&self, _: NodeId, body: Bytes) -> BoxFuture<'static, Bytes> {
            Box::pin(async move { body })
        }
        fn on_join(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
            Box::pin(async move { body })
        }
        fn on_stream(&self, _: NodeId, _: Bytes, stream: FrameStream) -> BoxFuture<'static, ()> {
            Box::pin(async move { stream.tx.closed().await })
        }
        fn on_notice(&self, _: NodeId, _: Bytes) {
            panic!("as planned");
        }
    }

    #[tokio::test]
    async fn service_that_panics_breaks_its_connection() {
        let connection = connect(Arc::new(Panics));
        let mut stream =
            connection.open(Bytes::new(), Instant::now() + PATIENCE).await.expect("opens");
        connection.notify(Bytes::new());
        let broken = soon("break", stream.rx.recv()).await;
        assert_eq!(broken, Some(Err(TransportError::Lost)));
        assert!(connection.is_over());
    }
}

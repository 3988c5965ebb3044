//! The service and the pair of nodes that the cases talk to.
//!
//! The first bytes of a request or a stream select the service's behavior, so that a case can be
//! read from top to bottom.

use std::{future, sync::Arc, time::Duration};

use bytes::Bytes;
use concordat_proto::{
    id::{ClusterId, NodeId},
    limits,
};
use futures::future::BoxFuture;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::fixture::{Endpoint, Fixture};
use crate::raft::transport::{FrameStream, Peer, PeerService, TransportError};

/// The cluster of every case.
pub const CLUSTER: ClusterId = ClusterId::from_bytes([7; 16]);
/// The first node.
pub const ALPHA: NodeId = NodeId(0xa1);
/// The second node.
pub const BETA: NodeId = NodeId(0xbe);

/// The longest any single wait of a case may last before the case has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Receives all notices, and the streams that were opened with the head `hand over`.
#[derive(Debug)]
pub struct Arrivals {
    /// Streams, with their opener.
    pub streams: mpsc::UnboundedReceiver<(NodeId, FrameStream)>,
    /// Notices, with their sender.
    pub notices: mpsc::UnboundedReceiver<(NodeId, Bytes)>,
}

/// A service with selectable behavior.
///
/// Requests: `who` returns the sender's name, `never` does not answer, `slow` answers after 100 ms,
/// `huge` returns more than a frame may hold, and all others (`echo…`) are echoed. Streams by their
/// head: `echo` sends every frame back, `hand over` gives the stream to the case, `leave` drops it
/// at once.
#[derive(Debug)]
pub struct Subject {
    streams: mpsc::UnboundedSender<(NodeId, FrameStream)>,
    notices: mpsc::UnboundedSender<(NodeId, Bytes)>,
    /// Echo streams that have ended.
    pub echoes_ended: watch::Sender<usize>,
}

impl Subject {
    /// A service, and the receiver of its arrivals.
    #[must_use]
    pub fn new() -> (Arc<Self>, Arrivals) {
        let (streams, streams_rx) = mpsc::unbounded_channel();
        let (notices, notices_rx) = mpsc::unbounded_channel();
        let subject = Self { streams, notices, echoes_ended: watch::Sender::new(0) };
        (Arc::new(subject), Arrivals { streams: streams_rx, notices: notices_rx })
    }
}

impl PeerService for Arc<Subject> {
    fn on_request(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Bytes> {
        Box::pin(async move {
            match body.as_ref() {
                b"who" => Bytes::from(from.to_string()),
                b"never" => future::pending().await,
                b"huge" => Bytes::from(vec![0; limits::FRAME_BYTES_MAX + 1]),
                slow if slow.starts_with(b"slow") => {
                    sleep(Duration::from_millis(100)).await;
                    body
                }
                _ => body,
            }
        })
    }

    fn on_join(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        Box::pin(async move { Bytes::from([b"welcome ".as_ref(), &body].concat()) })
    }

    fn on_stream(&self, from: NodeId, head: Bytes, stream: FrameStream) -> BoxFuture<'static, ()> {
        let subject = Self::clone(self);
        Box::pin(async move {
            match head.as_ref() {
                b"hand over" => subject.streams.send((from, stream)).expect("the case listens"),
                b"leave" => drop(stream),
                _ => {
                    echo(stream).await;
                    subject.echoes_ended.send_modify(|ended| *ended += 1);
                }
            }
        })
    }

    fn on_notice(&self, from: NodeId, body: Bytes) {
        // A case that is over no longer listens.
        drop(self.notices.send((from, body)));
    }
}

async fn echo(mut stream: FrameStream) {
    while let Some(Ok(frame)) = stream.rx.recv().await {
        if stream.tx.send(frame).await.is_err() {
            return;
        }
    }
}

/// Two nodes of one cluster that know each other.
#[derive(Debug)]
pub struct Pair {
    /// The one that sends.
    pub alpha: Endpoint,
    /// The one that serves.
    pub beta: Endpoint,
    /// Its arrivals.
    pub arrivals: Arrivals,
    /// Its service.
    pub subject: Arc<Subject>,
}

impl Pair {
    /// Starts both.
    pub async fn start(fixture: &dyn Fixture) -> Self {
        let alpha = fixture.start(None, Arc::new(Subject::new().0)).await;
        let (subject, arrivals) = Subject::new();
        let beta = fixture.start(None, Arc::new(Arc::clone(&subject))).await;
        alpha.transport.set_identity(CLUSTER, ALPHA);
        beta.transport.set_identity(CLUSTER, BETA);
        let book = vec![peer(ALPHA, &alpha), peer(BETA, &beta)];
        alpha.transport.set_peers(book.clone());
        beta.transport.set_peers(book);
        Self { alpha, beta, arrivals, subject }
    }
}

/// The entry of an address book.
#[must_use]
pub fn peer(id: NodeId, endpoint: &Endpoint) -> Peer {
    Peer { id, region: endpoint.region.clone(), address: endpoint.address.clone() }
}

/// Waits for an event that must happen.
pub async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| unreachable!("no {what} in {PATIENCE:?}"))
}

/// Whether an error says that nothing was sent.
#[must_use]
pub fn certainly_not_sent<T>(outcome: &Result<T, TransportError>) -> bool {
    matches!(outcome, Err(TransportError::Unreachable { .. }))
}

/// A frame of a given length whose bytes encode its number and its length.
#[must_use]
pub fn numbered(number: usize, length: usize) -> Bytes {
    let seed = [number.to_le_bytes(), length.to_le_bytes()].concat();
    Bytes::from(seed.iter().copied().cycle().take(length).collect::<Vec<u8>>())
}

//! The tasks of a connection, and the streams that its dialing end opens.
//!
//! One task writes and one reads; the reader never waits for a service, a stream's owner or the writer.
//! When either task ends, everything on the connection breaks at once.

use std::sync::Arc;

use bytes::Bytes;
use concordat_cluster::raft::transport::{FrameStream, TransportError};
use tokio::{
    io::split,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Connection,
    frame::{Frame, Kind, fits},
    pump,
    reader::read_from,
    serve::Serving,
};
use crate::peer::wire::Wire;

/// Ends the connection with its reader, also when a service panicked in it.
struct EndWith(Arc<Connection>);

impl Drop for EndWith {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Starts the tasks of a connection that `closed` closes. The accepting end answers with `serving`. The
/// future ends with the connection.
pub(in crate::peer) fn start(
    peer: String,
    io: impl Wire,
    serving: Option<Serving>,
    closed: CancellationToken,
) -> (Arc<Connection>, impl Future<Output = ()> + Send + 'static) {
    let (connection, drain) = Connection::new(peer, closed.clone());
    let (read_half, write_half) = split(io);
    let (writer, reader) = (Arc::clone(&connection), EndWith(Arc::clone(&connection)));
    let write = async move {
        let written = writer.closed().run_until_cancelled(drain.write_to(write_half)).await;
        if let Some(Err(error)) = written {
            tracing::debug!(peer = writer.peer(), %error, "peer connection cannot be written");
        }
        writer.closed().cancel();
    };
    let run = async move {
        let write = tokio::spawn(write);
        let reading = read_from(read_half, &reader.0, serving.as_ref());
        if let Some(Err(fault)) = closed.run_until_cancelled(reading).await {
            tracing::debug!(peer = reader.0.peer(), %fault, "peer connection ends");
        }
        drop(reader);
        drop(write.await); // The connection has ended, whatever became of its writer.
    };
    (connection, run)
}

/// Opens a stream.
pub(in crate::peer) async fn open(
    connection: &Arc<Connection>,
    head: Bytes,
    deadline: Instant,
) -> Result<FrameStream, TransportError> {
    if !fits(&head) {
        return Err(connection.unreachable("the head is larger than a frame may be"));
    }
    let (id, ends) = connection.place()?;
    let sent = timeout_at(deadline, connection.send(Frame::new(Kind::Open, id, head))).await;
    if !matches!(sent, Ok(Ok(()))) {
        connection.streams(|streams| {
            streams.end_sending(id);
            streams.end_receiving(id);
        });
        return Err(connection.unreachable("its queue is full or has ended"));
    }
    Ok(pump::start(connection, id, ends))
}

#[cfg(test)]
mod tests {
    use concordat_cluster::raft::transport::PeerService;
    use concordat_cluster::raft::transport_contract::{ALPHA, PATIENCE, soon};
    use concordat_proto::id::NodeId;
    use futures::future::BoxFuture;
    use tokio::io::duplex;

    use super::*;

    fn connect(service: Arc<dyn PeerService>) -> Arc<Connection> {
        let (near, far) = duplex(65_536);
        let (dialler, run) = start("far".to_owned(), near, None, CancellationToken::new());
        drop(tokio::spawn(run));
        let serving = Some(Serving::new(service, Some(ALPHA)));
        let (_, run) = start("near".to_owned(), far, serving, CancellationToken::new());
        drop(tokio::spawn(run));
        dialler
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
            open(&connection, Bytes::new(), Instant::now() + PATIENCE).await.expect("opens");
        connection.notify(Bytes::new());
        let broken = soon("break", stream.rx.recv()).await;
        assert_eq!(broken, Some(Err(TransportError::Lost)));
        assert!(connection.is_over());
    }
}

//! Accepts connections and requests within limits, and drains them in order.
//!
//! HTTP/1.1 and HTTP/2 (prior knowledge) on one port. The time of a request is taken the moment
//! its head has been read; everything else is `serve`'s.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use concordat_proto::limits;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{body::Body, respond::response};
use crate::{
    config::HttpLimits,
    node::Node,
    serve::{self, Call},
};

/// Before accepting again after the system refused to (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Requests of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 1024;

/// Serves until the stop, then drains.
pub(crate) async fn run(
    listener: TcpListener,
    node: Arc<Node>,
    stop: CancellationToken,
) -> io::Result<()> {
    let limits = node.limits;
    let connections = Arc::new(Semaphore::new(limits.connections));
    let builder = builder(&limits);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        let Some((stream, place)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let node = Arc::clone(&node);
        let service = service_fn(move |request| handle(Arc::clone(&node), request));
        let watcher = graceful.watcher();
        let builder = builder.clone();
        let stop = stop.clone();
        tokio::spawn(async move {
            let speaks = tokio::select! {
                () = stop.cancelled() => false,
                speaks = speaks(&stream, limits.header_time) => speaks,
            };
            if !speaks {
                return;
            }
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still in flight when the time to drain was over");
    }
    Ok(())
}

fn builder(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        // hyper keeps at least 8 KiB; heads and the bodies behind them share this buffer.
        .max_buf_size(limits.header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(header_bytes)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(limits.header_time)
        .keep_alive_timeout(limits.header_time);
    builder
}

/// A place, then a connection to fill it: beyond the limit they wait in the system's own queue.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // A slower socket is better than none.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection stays with delayed sending");
            }
            Some((stream, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            None
        }
    }
}

/// Whether the peer says anything in time: telling HTTP/1.1 from HTTP/2 has no time limit of its
/// own in the library.
async fn speaks(stream: &TcpStream, limit: Duration) -> bool {
    let mut first = [0; 1];
    matches!(timeout(limit, stream.peek(&mut first)).await, Ok(Ok(1)))
}

async fn handle(
    node: Arc<Node>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let accepted = Instant::now();
    let (head, body) = request.into_parts();
    let call = Call { accepted, head, body: Body::Stream(body) };
    Ok(response(serve::serve(&node, call).await))
}

const _: () = assert!(limits::BODY_BYTES_MAX < u32::MAX as usize, "HTTP/2 counts in u32");

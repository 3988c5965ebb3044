//! Accepts connections and requests within limits, and drains them in order.
//!
//! HTTP/1.1 and HTTP/2 (prior knowledge) on one port. A request's time is taken when its head has
//! been read; everything else is `serve`'s. A request is answered after its body has been read or,
//! within bounds, dropped; a connection with an unread rest is closed.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::limits;
use futures::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header::CONNECTION};
use http_body_util::{BodyExt, Collected};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    body::Body,
    head,
    respond::finish,
    socket::{Link, Socket},
};
use crate::{
    api::outcome::{Malformed, Outcome},
    boot::config::HttpLimits,
    dialect::{
        REGISTRY,
        traits::{Dialect, ResponseBody},
    },
    node::Node,
    request::serve::{self, Call},
};

/// Before accepting again after the system refused to (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Requests of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 1024;
/// On HTTP/2 the library keeps headers up to this many times their limit, so that they are refused
/// here, with an envelope. Beyond that it refuses them by itself, without one.
const HEADER_ROOM: u32 = 4;

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
        let handler = move |call| answered(Arc::clone(&node), call);
        let watcher = graceful.watcher();
        let builder = builder.clone();
        let stop = stop.clone();
        tokio::spawn(async move {
            let speaks = tokio::select! {
                () = stop.cancelled() => false,
                speaks = speaks(&stream, limits.header_time) => speaks,
            };
            if speaks {
                converse(stream, &builder, limits.header_bytes, watcher, handler).await;
            }
            drop(place);
        });
    }
    drop(listener);
    node.streams.stop();
    if timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still in flight at the end of the shutdown grace period");
    }
    Ok(())
}

pub(super) fn builder(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
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
        .max_header_list_size(header_bytes.saturating_mul(HEADER_ROOM))
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

/// Whether the peer sends anything in time: the library has no time limit for distinguishing
/// HTTP/1.1 from HTTP/2.
async fn speaks(stream: &TcpStream, limit: Duration) -> bool {
    let mut first = [0; 1];
    matches!(timeout(limit, stream.peek(&mut first)).await, Ok(Ok(1)))
}

/// Answers a request of the API. The call is returned with the rest of its body.
async fn answered(node: Arc<Node>, mut call: Call) -> (Response<ResponseBody>, Call) {
    let response = serve::serve(&node, &mut call).await;
    (response, call)
}

/// Serves a connection until it ends.
pub(super) async fn converse<H, F>(
    stream: TcpStream,
    builder: &auto::Builder<TokioExecutor>,
    header_bytes: usize,
    watcher: Watcher,
    handler: H,
) where
    H: Fn(Call) -> F + Clone + Send + 'static,
    F: Future<Output = (Response<ResponseBody>, Call)> + Send + 'static,
{
    let link = Arc::new(Link::default());
    // Of a connection that is gone already nothing is answered.
    let source = stream.peer_addr().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip());
    let refusal = Box::new(move |status| refusal(status, header_bytes));
    let socket = Socket::new(stream, Arc::clone(&link), refusal);
    let service = service_fn(move |request| {
        handle(handler.clone(), Arc::clone(&link), header_bytes, (source, request))
    });
    let connection = builder.serve_connection(TokioIo::new(socket), service);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The dialect for requests without a route.
fn first_dialect() -> &'static dyn Dialect {
    REGISTRY[0]
}

/// The response in the place of one that the library gives by itself.
fn refusal(status: u16, header_bytes: usize) -> Response<Bytes> {
    let malformed = match StatusCode::from_u16(status) {
        Ok(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => Malformed::HeadTooLarge(header_bytes),
        Ok(StatusCode::URI_TOO_LONG) => Malformed::UriTooLong,
        Ok(_) | Err(_) => Malformed::NoHttp,
    };
    let dialect = first_dialect();
    let response = dialect.render(None, Outcome::Malformed(malformed).into());
    let (head, body) = finish(response, &Method::GET, dialect.vary()).into_parts();
    // A refusal is whole: nothing is awaited.
    let whole = body.collect().now_or_never().and_then(Result::ok);
    Response::from_parts(head, whole.map(Collected::to_bytes).unwrap_or_default())
}

async fn handle<H, F>(
    handler: H,
    link: Arc<Link>,
    header_bytes: usize,
    (source, request): (IpAddr, Request<Incoming>),
) -> Result<Response<ResponseBody>, Infallible>
where
    H: Fn(Call) -> F,
    F: Future<Output = (Response<ResponseBody>, Call)>,
{
    let accepted = Instant::now();
    let (head, body) = request.into_parts();
    let body = Body::of(body, &head.headers);
    let checked = head::check(&head, header_bytes);
    let call = Call { accepted, source, head, body };
    let is_right = checked.is_ok();
    let (mut response, mut call) = match checked {
        Ok(()) => handler(call).await,
        Err(malformed) => {
            let outcome = Outcome::Malformed(malformed);
            (serve::rejected(first_dialect(), &call, outcome), call)
        }
    };
    let is_whole = call.body.discard().await;
    if call.head.version == Version::HTTP_2 {
        // Dropped, it would reset the stream: curl takes that for the answer.
        if !is_whole {
            drop(tokio::spawn(async move { call.body.discard().await }));
        }
        return Ok(response);
    }
    // A client that violates the framing may mean another end of the request than we do.
    if !(is_whole && is_right) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        link.close_slowly();
    }
    link.answer();
    Ok(response)
}

const _: () = assert!(limits::BODY_BYTES_MAX < u32::MAX as usize, "HTTP/2 counts in u32");

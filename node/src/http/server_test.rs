//! Client connections over real sockets, with a handler in place of the API. HTTP/1.1 as bytes is
//! in the API's own tests; this file tests HTTP/2, and the time limits of a connection.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use concordat_proto::limits;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http2,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::graceful::GracefulShutdown,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::server::{builder, converse};
use crate::{
    api::outcome::{Malformed, Outcome},
    boot::config::HttpLimits,
    dialect::{REGISTRY, traits::ResponseBody},
    request::serve::{self, Call},
};

const PATIENCE: Duration = Duration::from_secs(30);
const PART: usize = 16 * 1024;

/// Reads a body as the API does.
async fn reads(mut call: Call) -> (Response<ResponseBody>, Call) {
    let outcome = match call.body.read(PATIENCE).await {
        Ok(body) if body.len() > limits::BODY_BYTES_MAX => {
            Outcome::Malformed(Malformed::BodyTooLarge)
        }
        Ok(_) => Outcome::DONE,
        Err(_) => Outcome::Unauthenticated,
    };
    (serve::rejected(REGISTRY[0], &call, outcome), call)
}

/// Refuses without a look at the body.
async fn refuses(call: Call) -> (Response<ResponseBody>, Call) {
    (serve::rejected(REGISTRY[0], &call, Outcome::Unauthenticated), call)
}

/// Serves one connection.
async fn served<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Call) -> F + Clone + Send + 'static,
    F: Future<Output = (Response<ResponseBody>, Call)> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (limits, graceful) = (HttpLimits::default(), GracefulShutdown::new());
        let watcher = graceful.watcher();
        converse(stream, &builder(&limits), limits.header_bytes, watcher, handler).await;
        drop(graceful);
    });
    address
}

/// A body of a given size, which counts the bytes that were taken from it.
struct Counted {
    left: usize,
    taken: Arc<AtomicUsize>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let length = self.left.min(PART);
        self.left -= length;
        self.taken.fetch_add(length, Ordering::SeqCst);
        let part = (length > 0).then(|| Ok(Frame::data(Bytes::from(vec![b' '; length]))));
        Poll::Ready(part)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

/// Sends over HTTP/2.
async fn http_2<B>(address: SocketAddr, request: Request<B>) -> hyper::Result<Response<Incoming>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    timeout(PATIENCE, sender.send_request(request)).await.expect("an answer in time")
}

fn empty(method: Method, more: usize) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method).uri("http://concordat/");
    let request = request.header("x", "x".repeat(more));
    request.body(Empty::new()).unwrap()
}

async fn message(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    body["errors"][0]["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn head_on_http_2_has_a_length_and_no_body() {
    let get = http_2(served(reads).await, empty(Method::GET, 1)).await.unwrap();
    let head = http_2(served(reads).await, empty(Method::HEAD, 1)).await.unwrap();
    assert_eq!(get.status(), head.status());
    assert_eq!(get.headers()["content-length"], head.headers()["content-length"]);
    let length = get.into_body().collect().await.unwrap().to_bytes().len();
    assert_eq!(head.headers()["content-length"], length.to_string());
    assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn large_headers_on_http_2_are_refused_in_the_envelope() {
    let most = HttpLimits::default().header_bytes;
    let right = http_2(served(reads).await, empty(Method::GET, most / 2)).await.unwrap();
    assert_eq!(right.status(), 200);
    for large in [most, most * 3] {
        let refused = http_2(served(reads).await, empty(Method::GET, large)).await.unwrap();
        assert_eq!(refused.status(), 431);
        assert!(message(refused).await.contains(&most.to_string()));
    }
    // The library refuses headers beyond its limit by itself.
    let refused = http_2(served(reads).await, empty(Method::GET, most * 5)).await;
    assert!(refused.is_err() || refused.is_ok_and(|it| it.status() == 431));
}

#[tokio::test]
async fn a_refused_body_on_http_2_is_taken_to_its_end() {
    for length in [limits::BODY_BYTES_MAX + 1, limits::DISCARD_BYTES_MAX - PART] {
        let taken = Arc::new(AtomicUsize::new(0));
        let post = |body| Request::post("http://concordat/").body(body).unwrap();
        let body = Counted { left: length, taken: Arc::clone(&taken) };
        let refused = http_2(served(reads).await, post(body)).await.unwrap();
        assert_eq!(refused.status(), 413);
        assert!(message(refused).await.contains("65536"));
        assert_eq!(taken.load(Ordering::SeqCst), length, "the stream was reset");
        let body = Counted { left: length, taken: Arc::clone(&taken) };
        let refused = http_2(served(refuses).await, post(body)).await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(taken.load(Ordering::SeqCst), 2 * length, "the stream was reset");
    }
}

#[tokio::test]
async fn a_stream_with_more_than_is_dropped_is_not_reset_at_once() {
    let body = Counted { left: limits::DISCARD_BYTES_MAX * 8, taken: Arc::default() };
    let taken = Arc::clone(&body.taken);
    let post = Request::post("http://concordat/").body(body).unwrap();
    let refused = http_2(served(refuses).await, post).await.unwrap();
    assert_eq!(refused.status(), 401);
    let before = taken.load(Ordering::SeqCst);
    assert!(message(refused).await.contains("unauthorized"));
    let goes_on = async {
        while taken.load(Ordering::SeqCst) <= before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, goes_on).await.expect("more is taken after the answer");
}

/// The head of a POST, and this many bytes behind it before anything is read.
async fn blind(address: SocketAddr, length: usize, sent: usize) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    for _ in 0..sent.div_ceil(PART) {
        stream.write_all(&[b' '; PART]).await?;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_sees_the_refusal() {
    // The same amount is accepted while the connection is closed.
    let length = limits::DISCARD_BYTES_MAX / 2 * 3;
    let answer = timeout(PATIENCE, blind(served(refuses).await, length, length)).await;
    let answer = answer.expect("in time").expect("no reset");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_never_stops_is_not_heard_for_ever() {
    let endless = blind(served(refuses).await, usize::MAX >> 1, 1 << 30);
    let ended = timeout(PATIENCE, endless).await.expect("in time");
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test]
async fn a_client_that_stops_in_its_body_is_answered_in_time() {
    let answer = timeout(PATIENCE, blind(served(refuses).await, 1000, 1)).await;
    // It has sent more than it announced: the announced length counts.
    assert!(answer.expect("in time").is_ok());
    let stuck = blind(served(refuses).await, 2 * PART, PART);
    let answer = timeout(PATIENCE, stuck).await.expect("in time").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

//! The socket below the HTTP library: behavior that the library leaves out.
//!
//! - The library itself answers bytes that it cannot parse (400, 414, 431), without a body, and has
//!   no hook for it (hyper's issue 3844). Such an answer gets the envelope. It is recognized by its
//!   origin, not by its content: our handler has no answer left to write, and it is HTTP/1.
//!   Requests are not parsed here.
//! - A connection that is closed while its client is still sending is closed slowly: reading
//!   continues, within bounds, and the bytes are dropped. If it were closed at once, the system
//!   would answer the rest with a reset, and the client would lose the answer that it has not read
//!   yet.
//!
//! If the answer before could not be written at once and the broken request came right behind it,
//! the library's answer may pass unchanged, without a body. On HTTP/2 the library answers only a
//! list of headers that is larger than it keeps ([`super::server`] leaves room to refuse before).

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use concordat_proto::limits;
use http::Response;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Bytes that are dropped at a time.
const DROPPED_AT_ONCE: usize = 8 * 1024;

/// The state that a connection's handler and its socket share.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// The handler has given an answer that is not written yet.
    is_answered: AtomicBool,
    /// The client may still be sending when the connection is closed.
    is_slow_to_close: AtomicBool,
}

impl Link {
    /// The handler's answer goes to the library now.
    pub(super) fn answer(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// The rest of the client's bytes is not read.
    pub(super) fn close_slowly(&self) {
        self.is_slow_to_close.store(true, Ordering::Relaxed);
    }
}

/// The response for a status that the library gives by itself.
pub(super) type Refusal = Box<dyn Fn(u16) -> Response<Bytes> + Send>;

/// A socket with its [`Link`].
pub(super) struct Socket<S> {
    inner: S,
    link: Arc<Link>,
    refusal: Refusal,
    /// Known with the first byte that is written.
    is_http_1: Option<bool>,
    /// Written in the library's stead.
    instead: Vec<u8>,
    closing: Closing,
}

enum Closing {
    Open,
    Slowly { left: usize, until: Pin<Box<Sleep>> },
}

impl<S> Socket<S> {
    /// For a new connection.
    pub(super) fn new(inner: S, link: Arc<Link>, refusal: Refusal) -> Self {
        let (instead, closing) = (Vec::new(), Closing::Open);
        Self { inner, link, refusal, is_http_1: None, instead, closing }
    }

    /// The bytes to write instead of the library's own answer, if these bytes are one.
    fn instead_of(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let first = *bytes.first()?;
        // A server's first byte on HTTP/2 is of the length of its settings, which are short.
        let is_http_1 = *self.is_http_1.get_or_insert(first == b'H');
        if !is_http_1 || self.link.is_answered.load(Ordering::Relaxed) {
            return None;
        }
        with_body(bytes, &self.refusal)
    }
}

/// Adds a body to a head of status 4xx that has none.
fn with_body(head: &[u8], refusal: &Refusal) -> Option<Vec<u8>> {
    const NO_BODY: &str = "content-length: 0\r\n";
    let head = std::str::from_utf8(head).ok()?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    let (before, after) = head.split_once(NO_BODY)?;
    if !(400..500).contains(&status) || !head.ends_with("\r\n\r\n") {
        return None;
    }
    let response = refusal(status);
    let mut whole = before.as_bytes().to_vec();
    for (name, value) in response.headers() {
        whole.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let body = response.into_body();
    whole.extend(format!("content-length: {}\r\n", body.len()).as_bytes());
    whole.extend_from_slice(after.as_bytes());
    whole.extend_from_slice(&body);
    Some(whole)
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let inner = Pin::new(&mut self.inner);
            let written = ready!(inner.poll_write(context, &self.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the library's own answer, and reports it as written.
    fn replace(&mut self, instead: Vec<u8>) {
        self.instead = instead;
        self.link.close_slowly();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        if let Some(instead) = self.instead_of(bytes) {
            self.replace(instead);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        if let [bytes] = slices
            && let Some(instead) = self.instead_of(bytes)
        {
            self.replace(instead);
            return Poll::Ready(Ok(bytes.len()));
        }
        if let Some(first) = slices.first().and_then(|slice| slice.first()) {
            self.is_http_1.get_or_insert(*first == b'H');
        }
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        // The library flushes when it has nothing left to write.
        self.link.is_answered.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &mut *self;
        if let Closing::Open = socket.closing {
            ready!(socket.poll_instead(context))?;
            ready!(Pin::new(&mut socket.inner).poll_shutdown(context))?;
            if !socket.link.is_slow_to_close.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            let until = Box::pin(sleep(limits::DISCARD_TIME_MAX));
            socket.closing = Closing::Slowly { left: limits::DISCARD_BYTES_MAX, until };
        }
        let Closing::Slowly { left, until } = &mut socket.closing else {
            return Poll::Ready(Ok(()));
        };
        let mut space = [0; DROPPED_AT_ONCE];
        while *left > 0 && until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut socket.inner).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    *left = left.saturating_sub(buffer.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const REFUSED: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: D\r\n\r\n";

    fn pair() -> (Socket<DuplexStream>, Arc<Link>, DuplexStream) {
        let (ours, theirs) = duplex(1 << 20);
        let link = Arc::new(Link::default());
        let refusal = Box::new(|status| {
            let response = Response::builder().header("vary", "a");
            response.body(Bytes::from(format!("<{status}>"))).unwrap()
        });
        (Socket::new(ours, Arc::clone(&link), refusal), link, theirs)
    }

    /// The bytes that the client has after these writes, each flushed.
    async fn seen(writes: &[&[u8]], before: impl Fn(&Link)) -> String {
        let (mut socket, link, mut client) = pair();
        for bytes in writes {
            before(&link);
            socket.write_all(bytes).await.unwrap();
            socket.flush().await.unwrap();
        }
        drop(socket);
        let mut seen = String::new();
        client.read_to_string(&mut seen).await.unwrap();
        seen
    }

    #[tokio::test]
    async fn what_the_library_refuses_has_a_body() {
        let seen = seen(&[b"HTTP/1.1 100 Continue\r\n\r\n", REFUSED], |_| ()).await;
        assert_eq!(
            seen,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
             vary: a\r\ncontent-length: 5\r\ndate: D\r\n\r\n<400>"
        );
    }

    #[tokio::test]
    async fn what_the_handler_answers_is_left_alone() {
        let refused = String::from_utf8(REFUSED.to_vec()).unwrap();
        assert_eq!(seen(&[REFUSED], Link::answer).await, refused);
        let accepted = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(seen(&[accepted], |_| ()).await.as_bytes(), accepted);
        // It is written once; later writes pass unchanged.
        let (mut socket, link, mut client) = pair();
        link.answer();
        socket.write_all(accepted).await.unwrap();
        socket.flush().await.unwrap();
        socket.write_all(REFUSED).await.unwrap();
        socket.flush().await.unwrap();
        drop(socket);
        let mut seen = String::new();
        client.read_to_string(&mut seen).await.unwrap();
        assert!(seen.ends_with("<400>"), "{seen}");
    }

    #[tokio::test]
    async fn frames_that_hold_such_bytes_are_left_alone() {
        let settings = b"\0\0\0\x04\0\0\0\0\0";
        let seen = seen(&[settings, REFUSED], |_| ()).await;
        assert_eq!(seen.as_bytes(), [settings, REFUSED].concat());
    }

    #[tokio::test]
    async fn a_client_that_still_sends_is_heard_out_within_bounds() {
        let (mut socket, link, mut client) = pair();
        link.close_slowly();
        let closed = tokio::spawn(async move { socket.shutdown().await });
        // The end of the answer is seen at once, and all sent bytes are taken.
        assert_eq!(client.read_u8().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let chunk = [0; 64 * 1024];
        let chunks = limits::DISCARD_BYTES_MAX / chunk.len();
        for _ in 1..chunks {
            client.write_all(&chunk).await.unwrap();
        }
        assert!(!closed.is_finished());
        // Not for ever: the limit is reached, or else the time is up.
        client.write_all(&chunk).await.unwrap();
        closed.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_neither_sends_nor_goes_is_left_in_time() {
        let (mut socket, link, client) = pair();
        link.close_slowly();
        socket.shutdown().await.unwrap();
        drop(client);
        // A client whose bytes were all read is not waited for.
        let (mut socket, _, client) = pair();
        let closed = tokio::time::timeout(limits::DISCARD_TIME_MAX / 2, socket.shutdown());
        closed.await.expect("at once").unwrap();
        drop(client);
    }
}

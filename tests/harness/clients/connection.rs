//! One keep-alive HTTP/1.1 connection: the tests' only HTTP client of their own.
//!
//! It sends any bytes, ill-formed or not, which no library does; it reads beside writing, since a node
//! may answer and hang up before it has read everything; and it costs little CPU, since a load
//! generator shares the machine with the nodes that it measures. It has no pool: a fault test must not
//! wait until one notices that a node is dead.
//!
//! It understands what a node sends (interim answers, a status line, `content-length`, a body) and
//! nothing more: no chunks, no redirects, no pipelining.

use std::{io, ops::Range};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Bytes read at a time, and kept between answers.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of an answer: a list of a few thousand credentials fits.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection and what was read of the present answer.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, in the connection's own buffer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// Status line and headers.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        find_header(self.head, name).and_then(|value| std::str::from_utf8(value).ok())
    }
}

/// A request's bytes.
#[must_use]
pub fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nhost: concordat\r\n");
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    if let Some(body) = body {
        text.push_str("content-type: application/json\r\ncontent-length: ");
        text.push_str(&body.len().to_string());
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text.into_bytes()
}

impl Connection {
    /// Connects to `host:port`, with or without `http://` before it.
    ///
    /// # Errors
    /// When no process listens there.
    pub async fn open(address: &str) -> io::Result<Self> {
        let address = address.strip_prefix("http://").unwrap_or(address);
        let stream = TcpStream::connect(address.trim_end_matches('/')).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends a request and reads its whole answer. After an error the connection is of no use.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not understood.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.send(request).await?;
        self.receive().await
    }

    /// Sends any bytes and reads an answer meanwhile: only the answer counts. An answer to HEAD has
    /// no body, whatever its length says.
    ///
    /// # Errors
    /// When there is no answer, or none that is understood.
    pub async fn exchange_early(&mut self, bytes: &[u8], is_head: bool) -> io::Result<Answer<'_>> {
        let Self { stream, buffer } = self;
        buffer.clear();
        let (mut reader, mut writer) = stream.split();
        let write = async {
            let _ = writer.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        let found = tokio::select! {
            found = read_answer(&mut reader, buffer, is_head) => found?,
            () = write => return Err(io::ErrorKind::Other.into()),
        };
        Ok(found.of(buffer))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await
    }

    /// Reads the whole answer to the request that was sent.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not understood.
    pub async fn receive(&mut self) -> io::Result<Answer<'_>> {
        self.buffer.clear();
        let found = read_answer(&mut self.stream, &mut self.buffer, false).await?;
        Ok(found.of(&self.buffer))
    }
}

/// Where an answer is in a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    status: u16,
    head: Range<usize>,
    body: Range<usize>,
}

impl Found {
    fn of(self, buffer: &[u8]) -> Answer<'_> {
        Answer { status: self.status, head: &buffer[self.head], body: &buffer[self.body] }
    }
}

async fn read_answer(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    is_head: bool,
) -> io::Result<Found> {
    let mut begin = 0;
    loop {
        let head = loop {
            if let Some(end) = find(&buffer[begin..], b"\r\n\r\n") {
                break begin..begin + end + 4;
            }
            read_more(from, buffer).await?;
        };
        begin = head.end;
        let status = read_status(&buffer[head.clone()])?;
        // An interim answer is passed over.
        if status < 200 {
            continue;
        }
        let announced = read_length(&buffer[head.clone()], status)?;
        let length = if is_head { 0 } else { announced };
        while buffer.len() < begin + length {
            read_more(from, buffer).await?;
        }
        return Ok(Found { status, head, body: begin..begin + length });
    }
}

async fn read_more(from: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.reserve(READ_BYTES);
    if from.read_buf(buffer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if buffer.len() > ANSWER_BYTES_MAX {
        return Err(malformed("an answer beyond all bounds"));
    }
    Ok(())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn number(bytes: &[u8]) -> Option<usize> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

fn read_status(head: &[u8]) -> io::Result<u16> {
    let digits = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = digits.and_then(number).and_then(|status| u16::try_from(status).ok());
    status.ok_or_else(|| malformed("no status line"))
}

/// The length of an answer's body.
fn read_length(head: &[u8], status: u16) -> io::Result<usize> {
    let length = match find_header(head, "content-length") {
        Some(value) => number(value).ok_or_else(|| malformed("content-length"))?,
        None if matches!(status, 204 | 304) => 0,
        None => return Err(malformed("an answer without content-length")),
    };
    if length > ANSWER_BYTES_MAX {
        return Err(malformed("an answer beyond all bounds"));
    }
    Ok(if status == 304 { 0 } else { length })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn find_header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (key, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":")?;
        key.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read() {
        let head = b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\netag: \"x\"\r\n\r\n";
        assert_eq!((read_status(head).unwrap(), read_length(head, 201).unwrap()), (201, 12));
        let answer = Answer { status: 201, head, body: b"" };
        assert_eq!(answer.header("ETag"), Some("\"x\""));
        assert_eq!(answer.header("content"), None);
        assert_eq!(read_length(b"HTTP/1.1 204 No Content\r\n\r\n", 204).unwrap(), 0);
        assert!(read_length(b"HTTP/1.1 200 OK\r\n\r\n", 200).is_err());
        assert!(read_status(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[tokio::test]
    async fn an_answer_is_read_once_it_is_whole() {
        let whole =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nok";
        for end in 0..whole.len() {
            let error = read_answer(&mut &whole[..end], &mut Vec::new(), false).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        let mut buffer = Vec::new();
        let found = read_answer(&mut &whole[..], &mut buffer, false).await.unwrap();
        let answer = found.of(&buffer);
        assert_eq!((answer.status, answer.header("x"), answer.body), (200, Some("y"), &b"ok"[..]));
        let found = read_answer(&mut &whole[..], &mut Vec::new(), true).await.unwrap();
        assert!(found.body.is_empty());
    }

    #[test]
    fn a_request_is_written() {
        let bytes = request("PATCH", "/a", &[("k", "v")], Some("{}"));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("PATCH /a HTTP/1.1\r\nhost: concordat\r\nk: v\r\n"));
        assert!(text.ends_with("content-length: 2\r\n\r\n{}"));
    }
}

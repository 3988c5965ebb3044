//! One keep-alive HTTP/1.1 connection, with a low CPU cost: a load generator shares the machine
//! with the nodes that it measures, and a fault test must not wait for a pool to notice that a node
//! is dead.
//!
//! It understands what a node sends (a status line, `content-length`, a body) and nothing more: no
//! chunks, no redirects, no pipelining.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
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
        let head_end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more().await?;
        };
        let (status, length) = read_head(&self.buffer[..head_end])?;
        while self.buffer.len() < head_end + length {
            self.read_more().await?;
        }
        let (head, body) = self.buffer.split_at(head_end);
        Ok(Answer { status, head, body: &body[..length] })
    }

    async fn read_more(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_BYTES);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.buffer.len() > ANSWER_BYTES_MAX {
            return Err(malformed("an answer beyond all bounds"));
        }
        Ok(())
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn read_head(head: &[u8]) -> io::Result<(u16, usize)> {
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.trim().parse::<usize>().ok();
    let status = head.get(9..12).and_then(number).and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or_else(|| malformed("no status line"))?;
    let length = match find_header(head, "content-length") {
        Some(value) => number(value).ok_or_else(|| malformed("content-length"))?,
        None if matches!(status, 204 | 304) => 0,
        None => return Err(malformed("an answer without content-length")),
    };
    if length > ANSWER_BYTES_MAX {
        return Err(malformed("an answer beyond all bounds"));
    }
    Ok((status, length))
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
        assert_eq!(read_head(head).unwrap(), (201, 12));
        let answer = Answer { status: 201, head, body: b"" };
        assert_eq!(answer.header("ETag"), Some("\"x\""));
        assert_eq!(answer.header("content"), None);
        assert_eq!(read_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), (204, 0));
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_request_is_written() {
        let bytes = request("PATCH", "/a", &[("k", "v")], Some("{}"));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("PATCH /a HTTP/1.1\r\nhost: concordat\r\nk: v\r\n"));
        assert!(text.ends_with("content-length: 2\r\n\r\n{}"));
    }
}

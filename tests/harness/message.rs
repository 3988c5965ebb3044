//! A request and an answer of HTTP/1.1, to bytes and from bytes: any request, ill-formed or not. Sends nothing.

use std::{fmt, io};

use serde_json::Value;

/// A request under construction. Headers are sent in order and as often as they are given.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    with_length: bool,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.method, self.target)?;
        let shown = self.headers.iter().filter(|(name, _)| !name.to_lowercase().contains("key"));
        f.debug_list().entries(shown).finish()?;
        write!(f, " {}", String::from_utf8_lossy(&self.body[..self.body.len().min(300)]))
    }
}

impl Request {
    /// Without headers or body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            with_length: false,
        }
    }

    /// Adds a header, beside one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes away what was given of a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// With another value of a header.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).header(name, value)
    }

    /// With a body, and nothing said of its type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with_length = true;
        self
    }

    /// With a body that is said to be JSON.
    #[must_use]
    pub fn json_text(self, body: impl Into<Vec<u8>>) -> Self {
        self.with("Content-Type", "application/json").body(body)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in self.headers.iter().chain([&("Host".into(), "concordat".into())]) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.with_length {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("Connection: close\r\n\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend(&self.body);
        bytes
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Its target.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Its body.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }
}

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.status, self.headers, self.text())
    }
}

impl Response {
    /// A header's value.
    ///
    /// # Panics
    /// When it was sent twice.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "two of {name}: {self:?}");
        value
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The answer, once all of it is there. An interim answer (1xx) is passed over.
pub(crate) fn parse(buffer: &[u8], headless: bool) -> io::Result<Option<Response>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..end]).map_err(|_| malformed("a head of text"))?;
    let rest = &buffer[end + 4..];
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)?.parse().ok());
    let status: u16 = status.ok_or_else(|| malformed("a status line"))?;
    if status < 200 {
        return parse(rest, headless);
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header"))?;
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let lengths = headers.iter().filter(|(name, _)| name == "content-length");
    let length = match lengths.map(|(_, value)| value.parse::<usize>()).next() {
        Some(length) => length.map_err(|_| malformed("a content-length"))?,
        None if matches!(status, 204 | 304) => 0,
        None => return Err(malformed("an answer with content-length")),
    };
    let length = if headless || status == 304 { 0 } else { length };
    let body = rest.get(..length);
    Ok(body.map(|body| Response { status, headers, body: body.to_vec() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_is_told() {
        let request = Request::new("PATCH", "/x").header("A", "1").header("A", "2").json_text("{}");
        let text = String::from_utf8(request.to_bytes()).unwrap();
        assert!(text.starts_with("PATCH /x HTTP/1.1\r\nA: 1\r\nA: 2\r\n"), "{text}");
        assert!(text.ends_with("Content-Length: 2\r\nConnection: close\r\n\r\n{}"), "{text}");
        let request = request.with("a", "3").to_bytes();
        assert!(String::from_utf8(request).unwrap().contains("a: 3\r\n"));
    }

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let whole =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nok";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end], false).unwrap(), None);
        }
        let response = parse(whole, false).unwrap().unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
        assert_eq!(response.header("x"), Some("y"));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n", false).is_err());
        assert!(parse(b"SSH-2.0\r\n\r\n", false).is_err());
    }
}

//! A request of HTTP/1.1 to bytes, ill-formed or not, and an answer with its headers. Sends nothing.

use std::{fmt, io};

use serde_json::Value;

use crate::connection::Answer;

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
    /// An answer with its headers in order.
    ///
    /// # Errors
    /// When its head is not text, or has a line that is no header.
    pub fn of(answer: Answer<'_>) -> io::Result<Self> {
        let malformed = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let head = std::str::from_utf8(answer.head).map_err(|_| malformed("a head of text"))?;
        let mut headers = Vec::new();
        for line in head.trim_end().split("\r\n").skip(1) {
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header"))?;
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        Ok(Self { status: answer.status, headers, body: answer.body.to_vec() })
    }

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
}

//! The headers that every request may carry (contract 2 and 3).
//!
//! A header that is misspelt, empty or given twice with different values is refused, so that a
//! write is never weaker than its author meant it to be.

use concordat_proto::{
    consistency::{self, RequiredConsistency},
    header, limits,
};
use http::HeaderMap;

use super::bad_request;
use crate::dialect::{CommonHeaders, Rejection};

/// Reads the headers of section 2 and 3. Reads ignore the consistency, and its timeout unless they
/// wait for a position.
///
/// # Errors
/// When a header that matters for this request is ill-formed.
pub fn parse_common(headers: &HeaderMap, is_write: bool) -> Result<CommonHeaders, Rejection> {
    if is_write { parse_write(headers) } else { parse_read(headers) }
}

/// Whether a body is sent as it is: no content coding, or `identity` alone. What a coding has made
/// would be taken for the body itself.
#[must_use]
pub fn is_body_plain(headers: &HeaderMap) -> bool {
    let is_plain = |line: &http::HeaderValue| {
        let mut codings = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
    };
    headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain)
}

fn defaults() -> CommonHeaders {
    CommonHeaders {
        required: RequiredConsistency::default(),
        timeout: limits::CONSISTENCY_TIMEOUT_DEFAULT,
        idempotency_key: None,
        key_lifetime: limits::KEY_LIFETIME_MAX,
        if_match: None,
        if_none_match: None,
        at_least: None,
        current_only: false,
    }
}

fn parse_write(headers: &HeaderMap) -> Result<CommonHeaders, Rejection> {
    refuse_misspelt(headers)?;
    let mut common = defaults();
    if let Some(text) = single(headers, &REQUIRED)? {
        common.required = text.parse().map_err(|_| REQUIRED.expected())?;
    }
    read_timeout(headers, &mut common)?;
    if let Some(text) = single(headers, &IDEMPOTENCY_KEY)? {
        if !header::is_idempotency_key(text) {
            return Err(IDEMPOTENCY_KEY.expected());
        }
        if header::is_operators_key(text) {
            return Err(bad_request(
                "Idempotency-Key must not be the word operator and 64 hex digits: such names are the \
                 cluster's own",
            ));
        }
        common.idempotency_key = Some(text.to_owned());
    }
    if let Some(text) = single(headers, &KEY_LIFETIME)? {
        common.key_lifetime =
            header::parse_key_lifetime(text).map_err(|_| KEY_LIFETIME.expected())?;
    }
    read_conditions(headers, &mut common)?;
    Ok(common)
}

fn parse_read(headers: &HeaderMap) -> Result<CommonHeaders, Rejection> {
    let mut common = defaults();
    read_conditions(headers, &mut common)?;
    if let Some(text) = single(headers, &AT_LEAST)? {
        common.at_least = Some(text.parse().map_err(|_| AT_LEAST.expected())?);
        read_timeout(headers, &mut common)?;
    }
    if let Some(text) = single(headers, &READ_MODE)? {
        common.current_only = text == header::READ_MODE_CURRENT;
        if !common.current_only {
            return Err(READ_MODE.expected());
        }
    }
    Ok(common)
}

/// Both conditions count on reads and on writes (RFC 9110, 13.1).
fn read_conditions(headers: &HeaderMap, common: &mut CommonHeaders) -> Result<(), Rejection> {
    if let Some(text) = list(headers, &IF_MATCH)? {
        common.if_match = Some(header::parse_if_match(&text).map_err(|_| IF_MATCH.expected())?);
    }
    if let Some(text) = list(headers, &IF_NONE_MATCH)? {
        let tags = header::parse_if_none_match(&text).map_err(|_| IF_NONE_MATCH.expected())?;
        common.if_none_match = Some(tags);
    }
    Ok(())
}

fn read_timeout(headers: &HeaderMap, common: &mut CommonHeaders) -> Result<(), Rejection> {
    if let Some(text) = single(headers, &TIMEOUT)? {
        common.timeout = consistency::parse_timeout(text).map_err(|_| TIMEOUT.expected())?;
    }
    Ok(())
}

/// A header as it is documented, and what is expected of it.
struct Name {
    lower: &'static str,
    shown: &'static str,
    expected: &'static str,
}

impl Name {
    fn expected(&self) -> Rejection {
        bad_request(format!("{} must be {}", self.shown, self.expected))
    }
}

const REQUIRED: Name = Name {
    lower: header::REQUIRED_CONSISTENCY,
    shown: "SlashID-Required-Consistency",
    expected: "local_region or all_regions",
};
const TIMEOUT: Name = Name {
    lower: header::REQUIRED_CONSISTENCY_TIMEOUT,
    shown: "SlashID-Required-Consistency-Timeout",
    expected: "a whole number of seconds from 1 to 120",
};
const IDEMPOTENCY_KEY: Name = Name {
    lower: header::IDEMPOTENCY_KEY,
    shown: "Idempotency-Key",
    expected: "1 to 255 printable ASCII characters",
};
const KEY_LIFETIME: Name = Name {
    lower: header::KEY_LIFETIME,
    shown: "Concordat-Key-Lifetime",
    expected: "a whole number of seconds from 60 to 86400",
};
const IF_MATCH: Name = Name {
    lower: header::IF_MATCH,
    shown: "If-Match",
    expected: "* or a list of entity tags in double quotes",
};
const IF_NONE_MATCH: Name = Name {
    lower: header::IF_NONE_MATCH,
    shown: "If-None-Match",
    expected: "* or a list of entity tags in double quotes",
};
const AT_LEAST: Name = Name {
    lower: header::AT_LEAST,
    shown: "Concordat-At-Least",
    expected: "the Concordat-Position of an earlier answer",
};
const READ_MODE: Name =
    Name { lower: header::READ_MODE, shown: "Concordat-Read-Mode", expected: "current" };

fn refuse_misspelt(headers: &HeaderMap) -> Result<(), Rejection> {
    let known = [header::REQUIRED_CONSISTENCY, header::REQUIRED_CONSISTENCY_TIMEOUT];
    let misspelt = headers
        .keys()
        .map(http::HeaderName::as_str)
        .any(|name| name.starts_with(header::REQUIRED_PREFIX) && !known.contains(&name));
    if misspelt {
        return Err(bad_request(
            "unknown header beginning with SlashID-Required-: known are \
             SlashID-Required-Consistency and SlashID-Required-Consistency-Timeout",
        ));
    }
    Ok(())
}

/// The one value of a header; the same value may be repeated.
fn single<'a>(headers: &'a HeaderMap, name: &Name) -> Result<Option<&'a str>, Rejection> {
    let mut values = headers.get_all(name.lower).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|value| value != first) {
        return Err(bad_request(format!("{} is given more than once", name.shown)));
    }
    match first.to_str() {
        Ok(text) if !text.is_empty() => Ok(Some(text)),
        Ok(_) | Err(_) => Err(name.expected()),
    }
}

/// The value of a header that is a list: its lines are one list (RFC 9110, 5.3).
fn list(headers: &HeaderMap, name: &Name) -> Result<Option<String>, Rejection> {
    let mut lines = Vec::new();
    for value in headers.get_all(name.lower) {
        lines.push(value.to_str().map_err(|_| name.expected())?);
    }
    Ok((!lines.is_empty()).then(|| lines.join(",")))
}

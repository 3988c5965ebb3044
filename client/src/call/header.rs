//! The headers that this client sends and reads: those of SlashID's API, which it speaks, and
//! Concordat's own, whose names and grammar are `concordat_proto::header`'s.

use std::time::Duration;

use concordat_proto::{
    consistency::{Position, Receipt},
    header,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ClientError;

pub(crate) const ORG_ID: HeaderName = HeaderName::from_static("slashid-orgid");
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("slashid-api-key");
pub(crate) const REQUIRED_CONSISTENCY: HeaderName =
    HeaderName::from_static("slashid-required-consistency");
pub(crate) const CONSISTENCY_TIMEOUT: HeaderName =
    HeaderName::from_static("slashid-required-consistency-timeout");
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(header::IDEMPOTENCY_KEY);
pub(crate) const IDEMPOTENCY_LIFETIME: HeaderName =
    HeaderName::from_static(header::IDEMPOTENCY_LIFETIME);
pub(crate) const POSITION: HeaderName = HeaderName::from_static(header::POSITION);
const WRITE_ID: HeaderName = HeaderName::from_static(header::WRITE_ID);
const CONSISTENCY: HeaderName = HeaderName::from_static(header::CONSISTENCY);
pub(crate) const AT_LEAST: HeaderName = HeaderName::from_static(header::AT_LEAST);

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After` in seconds; the form with a date is taken as absent.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    header::parse_seconds(text(headers, &http::header::RETRY_AFTER)?.trim())
}

pub(crate) fn position(headers: &HeaderMap) -> Option<Position> {
    text(headers, &POSITION)?.parse().ok()
}

/// The receipt of a write whose answer has no body.
pub(crate) fn receipt(headers: &HeaderMap) -> Option<Receipt> {
    let write_id = text(headers, &WRITE_ID)?.parse().ok()?;
    header::parse_consistency_line(text(headers, &CONSISTENCY)?, write_id, position(headers))
}

/// A header's value out of the caller's text.
pub(crate) fn value(what: &str, text: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(text)
        .map_err(|_| ClientError::config(format!("{what} cannot be sent as a header")))
}

/// Whole seconds, rounded up: a wait is never shorter than asked.
pub(crate) const fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + if duration.subsec_nanos() > 0 { 1 } else { 0 }
}

/// An entity tag as `If-Match` wants it; a bare write id is given its quotes.
pub(crate) fn entity_tag(text: &str) -> String {
    let text = text.trim();
    if text == "*" || text.contains('"') { text.to_owned() } else { format!("\"{text}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_quoted_once() {
        assert_eq!(entity_tag("abc"), "\"abc\"");
        assert_eq!(entity_tag("\"abc\""), "\"abc\"");
        assert_eq!(entity_tag("*"), "*");
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(seconds_up(Duration::from_millis(1)), 1);
        assert_eq!(seconds_up(Duration::from_secs(3)), 3);
        assert_eq!(seconds_up(Duration::from_millis(3001)), 4);
    }
}

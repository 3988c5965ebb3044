//! The headers that this client sends and reads. Names and grammar are `concordat_proto::header`'s.

use std::time::Duration;

use concordat_proto::{consistency::Position, header};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::error::ClientError;

pub(crate) const ORG_ID: HeaderName = HeaderName::from_static(header::ORG_ID);
pub(crate) const API_KEY: HeaderName = HeaderName::from_static(header::API_KEY);
pub(crate) const REQUIRED_CONSISTENCY: HeaderName =
    HeaderName::from_static(header::REQUIRED_CONSISTENCY);
pub(crate) const CONSISTENCY_TIMEOUT: HeaderName =
    HeaderName::from_static(header::REQUIRED_CONSISTENCY_TIMEOUT);
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(header::IDEMPOTENCY_KEY);
pub(crate) const IDEMPOTENCY_LIFETIME: HeaderName =
    HeaderName::from_static(header::IDEMPOTENCY_LIFETIME);
pub(crate) const POSITION: HeaderName = HeaderName::from_static(header::POSITION);
pub(crate) const AT_LEAST: HeaderName = HeaderName::from_static(header::AT_LEAST);
pub(crate) const READ: HeaderName = HeaderName::from_static(header::READ);

/// What the answering node could prove about a read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// It contains every write whose required consistency had been reached in that region (a
    /// `local_region` write of the same region, any `all_regions` write) before the read started.
    Current,
    /// The node could not prove that; what it told is what it knew last.
    Stale {
        /// When that was surely up to date (RFC 3339), where the node said so.
        as_of: Option<String>,
    },
    /// The answer was not marked: it was not computed from replicated state.
    Unmarked,
}

impl Freshness {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(text) = text(headers, &READ) else { return Self::Unmarked };
        let mut parts = text.split(';').map(str::trim);
        match parts.next() {
            Some(header::READ_CURRENT) => Self::Current,
            // What this client does not know is no proof of anything.
            _ => {
                let as_of = parts.find_map(|part| part.strip_prefix("as-of="));
                Self::Stale { as_of: as_of.map(|at| at.trim_matches('"').to_owned()) }
            }
        }
    }

    /// Whether the answer is marked as possibly out of date.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. })
    }
}

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
    fn freshness_is_current_only_where_it_is_said() {
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(READ, HeaderValue::from_static(text))]);
            Freshness::of(&headers)
        };
        assert_eq!(of("current"), Freshness::Current);
        let as_of = Some("2025-01-02T03:04:05Z".to_owned());
        assert_eq!(of("stale; as-of=2025-01-02T03:04:05Z"), Freshness::Stale { as_of });
        assert_eq!(of("stale"), Freshness::Stale { as_of: None });
        assert!(of("something new").is_stale());
        assert_eq!(Freshness::of(&HeaderMap::new()), Freshness::Unmarked);
    }

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

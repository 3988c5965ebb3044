//! The freshness of a read: the header `Concordat-Read` as a value.

use concordat_proto::header;
use http::HeaderMap;
use serde::Serialize;

/// What the answering node could prove about a read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// It contains every write whose required consistency had been reached in that region (a
    /// `local_region` write of the same region, any `all_regions` write) before the read started.
    Current,
    /// The node could not prove that; it answered from its last known state.
    Stale {
        /// A time at which that was certainly current (RFC 3339), if the node gave one.
        as_of: Option<String>,
    },
    /// The answer was not marked: it was not computed from replicated state.
    Unmarked,
}

impl Freshness {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(mark) = headers.get(header::READ) else { return Self::Unmarked };
        // A mark that is no text is a mark that this client does not know.
        let text = mark.to_str().unwrap_or_default();
        let mut parts = text.split(';').map(str::trim);
        match parts.next() {
            Some(header::READ_CURRENT) => Self::Current,
            // A value that this client does not know proves nothing.
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

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const READ: HeaderName = HeaderName::from_static(header::READ);

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
}

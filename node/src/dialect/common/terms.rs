//! The headers that every request may have (contract 2 and 3).
//!
//! A header that is misspelled, empty or given twice with different values is refused, so that a
//! write is never weaker than intended.

use concordat_proto::{consistency, header};
use http::HeaderMap;

use super::malformed;
use crate::api::{
    outcome::Malformed,
    request::{ClaimedOrg, Presented, Terms},
};

impl Names {
    /// Reads the headers of sections 2 and 3. Reads ignore the consistency, and its timeout unless
    /// they wait for a position.
    ///
    /// # Errors
    /// When a header that matters for this request is ill-formed.
    pub fn terms(&self, headers: &HeaderMap, is_write: bool) -> Result<Terms, Malformed> {
        if is_write { parse_write(self, headers) } else { parse_read(self, headers) }
    }

    /// Whether `Concordat-Read-Mode` requires a fresh read, whatever else is wrong with the
    /// headers.
    #[must_use]
    pub fn wants_current(&self, headers: &HeaderMap) -> bool {
        headers.get(header::READ_MODE).is_some_and(|mode| mode == header::READ_MODE_CURRENT)
    }

    /// The credentials of a request.
    #[must_use]
    pub fn credentials<'a>(&self, headers: &'a HeaderMap) -> Presented<'a> {
        let organization = match agreed(headers, self.organization.lower) {
            Some(text) if !text.is_empty() => ClaimedOrg::Named(text),
            _ if headers.contains_key(self.organization.lower) => ClaimedOrg::Ambiguous,
            _ => ClaimedOrg::Absent,
        };
        Presented { key: agreed(headers, self.key.lower).unwrap_or_default(), organization }
    }
}

/// The one value of a header; none when two differ.
pub(in crate::dialect) fn agreed<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.all(|value| value == first).then_some(first.as_bytes())
}

fn parse_write(names: &Names, headers: &HeaderMap) -> Result<Terms, Malformed> {
    refuse_misspelled(names, headers)?;
    let mut terms = Terms::default();
    if let Some(text) = single(headers, &names.required)? {
        terms.required = text.parse().map_err(|_| names.required.expected())?;
    }
    read_timeout(names, headers, &mut terms)?;
    if let Some(text) = single(headers, &IDEMPOTENCY_KEY)? {
        if !header::is_idempotency_key(text) {
            return Err(IDEMPOTENCY_KEY.expected());
        }
        if header::is_operators_key(text) {
            return Err(malformed(
                "Idempotency-Key must not be the word operator and 64 hex digits: such names are the \
                 cluster's own",
            ));
        }
        terms.idempotency_key = Some(text.to_owned());
    }
    if let Some(text) = single(headers, &IDEMPOTENCY_LIFETIME)? {
        terms.idempotency_lifetime = header::parse_idempotency_lifetime(text)
            .map_err(|_| IDEMPOTENCY_LIFETIME.expected())?;
    }
    read_conditions(headers, &mut terms)?;
    Ok(terms)
}

fn parse_read(names: &Names, headers: &HeaderMap) -> Result<Terms, Malformed> {
    let mut terms = Terms::default();
    read_conditions(headers, &mut terms)?;
    if let Some(text) = single(headers, &AT_LEAST)? {
        terms.at_least = Some(text.parse().map_err(|_| AT_LEAST.expected())?);
        read_timeout(names, headers, &mut terms)?;
    }
    if let Some(text) = single(headers, &READ_MODE)? {
        terms.current_only = text == header::READ_MODE_CURRENT;
        if !terms.current_only {
            return Err(READ_MODE.expected());
        }
    }
    Ok(terms)
}

/// Both conditions count on reads and on writes (RFC 9110, 13.1).
fn read_conditions(headers: &HeaderMap, terms: &mut Terms) -> Result<(), Malformed> {
    if let Some(text) = list(headers, &IF_MATCH)? {
        terms.if_match = Some(header::parse_if_match(&text).map_err(|_| IF_MATCH.expected())?);
    }
    if let Some(text) = list(headers, &IF_NONE_MATCH)? {
        let tags = header::parse_if_none_match(&text).map_err(|_| IF_NONE_MATCH.expected())?;
        terms.if_none_match = Some(tags);
    }
    Ok(())
}

fn read_timeout(names: &Names, headers: &HeaderMap, terms: &mut Terms) -> Result<(), Malformed> {
    if let Some(text) = single(headers, &names.timeout)? {
        terms.timeout = consistency::parse_timeout(text).map_err(|_| names.timeout.expected())?;
    }
    Ok(())
}

/// The headers that a dialect names after itself.
#[derive(Debug)]
pub struct Names {
    /// The caller's organization.
    pub organization: Name,
    /// The caller's key.
    pub key: Name,
    /// How far a write must be replicated.
    pub required: Name,
    /// How long the caller waits for that.
    pub timeout: Name,
    /// The common prefix of the two: another header with it is a misspelling.
    pub required_prefix: &'static str,
    /// The error text for such a header.
    pub misspelled: &'static str,
    /// The error text for a request that names no organization, or two.
    pub organization_missing: &'static str,
    /// The request headers on which responses depend.
    pub vary: &'static str,
}

/// A header's documented name, and its expected value.
#[derive(Debug)]
pub struct Name {
    /// In lower case, as HTTP/2 sends it.
    pub lower: &'static str,
    /// The documented spelling.
    pub shown: &'static str,
    expected: &'static str,
}

impl Name {
    /// A credential header. Its errors are not explained.
    #[must_use]
    pub const fn credential(lower: &'static str, shown: &'static str) -> Self {
        Self { lower, shown, expected: "a credential" }
    }

    /// The header for the required consistency.
    #[must_use]
    pub const fn required(lower: &'static str, shown: &'static str) -> Self {
        Self { lower, shown, expected: "local_region or all_regions" }
    }

    /// The header for its timeout.
    #[must_use]
    pub const fn timeout(lower: &'static str, shown: &'static str) -> Self {
        Self { lower, shown, expected: "a whole number of seconds from 1 to 120" }
    }

    fn expected(&self) -> Malformed {
        malformed(format!("{} must be {}", self.shown, self.expected))
    }
}

/// The caller's own name for a write.
pub(crate) const IDEMPOTENCY_KEY: Name = Name {
    lower: header::IDEMPOTENCY_KEY,
    shown: "Idempotency-Key",
    expected: "1 to 255 printable ASCII characters",
};
/// For how long it is remembered.
pub(crate) const IDEMPOTENCY_LIFETIME: Name = Name {
    lower: header::IDEMPOTENCY_LIFETIME,
    shown: "Concordat-Idempotency-Lifetime",
    expected: "a whole number of seconds from 60 to 86400",
};
/// Only for these versions.
pub(crate) const IF_MATCH: Name = Name {
    lower: header::IF_MATCH,
    shown: "If-Match",
    expected: "* or a list of entity tags in double quotes",
};
/// Only for others.
pub(crate) const IF_NONE_MATCH: Name = Name {
    lower: header::IF_NONE_MATCH,
    shown: "If-None-Match",
    expected: "* or a list of entity tags in double quotes",
};
/// The position that a read must include.
pub(crate) const AT_LEAST: Name = Name {
    lower: header::AT_LEAST,
    shown: "Concordat-At-Least",
    expected: "the Concordat-Position of an earlier answer",
};
/// The freshness that a read must have.
pub(crate) const READ_MODE: Name =
    Name { lower: header::READ_MODE, shown: "Concordat-Read-Mode", expected: "current" };

fn refuse_misspelled(names: &Names, headers: &HeaderMap) -> Result<(), Malformed> {
    let known = [names.required.lower, names.timeout.lower];
    let misspelled = headers
        .keys()
        .map(http::HeaderName::as_str)
        .any(|name| name.starts_with(names.required_prefix) && !known.contains(&name));
    if misspelled { Err(malformed(names.misspelled)) } else { Ok(()) }
}

/// The one value of a header; the same value may be repeated.
fn single<'a>(headers: &'a HeaderMap, name: &Name) -> Result<Option<&'a str>, Malformed> {
    let mut values = headers.get_all(name.lower).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|value| value != first) {
        return Err(malformed(format!("{} is given more than once", name.shown)));
    }
    match first.to_str() {
        Ok(text) if !text.is_empty() => Ok(Some(text)),
        Ok(_) | Err(_) => Err(name.expected()),
    }
}

/// The value of a header that is a list: its lines are one list (RFC 9110, 5.3).
fn list(headers: &HeaderMap, name: &Name) -> Result<Option<String>, Malformed> {
    let mut lines = Vec::new();
    for value in headers.get_all(name.lower) {
        lines.push(value.to_str().map_err(|_| name.expected())?);
    }
    Ok((!lines.is_empty()).then(|| lines.join(",")))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::dialect::NATIVE;

    fn presented(organizations: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for text in organizations {
            headers.append(NATIVE.organization.lower, HeaderValue::from_static(text));
        }
        headers
    }

    #[test]
    fn an_organization_is_named_once_or_not_at_all() {
        let claimed = |headers: &HeaderMap| match NATIVE.credentials(headers).organization {
            ClaimedOrg::Absent => "absent".to_owned(),
            ClaimedOrg::Ambiguous => "ambiguous".to_owned(),
            ClaimedOrg::Named(text) => String::from_utf8_lossy(text).into_owned(),
            ClaimedOrg::OfKey | ClaimedOrg::OfKeyAnd(_) | ClaimedOrg::OfKeyUnnamed => {
                "of the key".to_owned()
            }
        };
        assert_eq!(claimed(&presented(&[])), "absent");
        assert_eq!(claimed(&presented(&["a"])), "a");
        assert_eq!(claimed(&presented(&["a", "a"])), "a");
        for bad in [&[""][..], &["a", "b"], &["", ""]] {
            assert_eq!(claimed(&presented(bad)), "ambiguous", "{bad:?}");
        }
    }

    #[test]
    fn a_proof_is_wanted_only_where_it_is_asked_for() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_static("no tag"));
        assert!(NATIVE.terms(&headers, false).is_err());
        assert!(!NATIVE.wants_current(&headers), "a malformed header asks for nothing");
        headers.insert(header::READ_MODE, HeaderValue::from_static("current"));
        assert!(NATIVE.wants_current(&headers));
    }

    #[test]
    fn two_keys_are_none() {
        let mut headers = presented(&["a"]);
        headers.append(NATIVE.key.lower, HeaderValue::from_static("one"));
        assert_eq!(NATIVE.credentials(&headers).key, b"one");
        headers.append(NATIVE.key.lower, HeaderValue::from_static("two"));
        assert_eq!(NATIVE.credentials(&headers).key, b"");
    }
}

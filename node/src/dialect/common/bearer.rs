//! The key of a request in `Authorization: Bearer` (RFC 6750, 2.1).

use http::{HeaderMap, header::AUTHORIZATION};

use super::terms::agreed;

/// The scheme, and the space behind it.
const SCHEME: &[u8] = b"bearer ";

/// The key; empty where there is none, or more than one.
pub(in crate::dialect) fn key(headers: &HeaderMap) -> &[u8] {
    let value = agreed(headers, AUTHORIZATION.as_str()).unwrap_or_default();
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(SCHEME) => key.trim_ascii(),
        Some(_) | None => b"",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_follows_its_scheme() {
        for (values, expected) in [
            (&[][..], ""),
            (&["Bearer ck_1"], "ck_1"),
            (&["bearer  ck_1 "], "ck_1"),
            (&["Bearer ck_1", "Bearer ck_1"], "ck_1"),
            (&["Bearer ck_1", "Bearer ck_2"], ""),
            (&["Bearer"], ""),
            (&["Bearer "], ""),
            (&["Basic ck_1"], ""),
            (&["ck_1"], ""),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            assert_eq!(key(&headers), expected.as_bytes(), "{values:?}");
        }
    }
}

//! Checks of a request's head before it is used: RFC 9112 and RFC 9113 have rules that the HTTP
//! library leaves to its users.
//!
//! Takes values and returns values: nothing here reads or answers.

use http::{
    HeaderMap, Version,
    header::{HOST, TRANSFER_ENCODING},
    request::Parts,
};

use crate::api::outcome::Malformed;

/// The overhead of an entry in a list of headers beside its name and value (RFC 9113, 6.5.2).
const HEADER_BYTES_MORE: usize = 32;

/// Checks a head that the library has let through.
///
/// # Errors
/// When it has no right host, another transfer coding than `chunked`, or more bytes than allowed.
pub(super) fn check(head: &Parts, bytes_max: usize) -> Result<(), Malformed> {
    if head.version == Version::HTTP_2 && list_bytes(head) > bytes_max {
        return Err(Malformed::HeadTooLarge(bytes_max));
    }
    check_host(head)?;
    check_transfer_coding(&head.headers)
}

/// The size as HTTP/2 counts it. The library bounds what it reads of HTTP/1.1.
fn list_bytes(head: &Parts) -> usize {
    let entry = |name: usize, value: usize| name + value + HEADER_BYTES_MORE;
    let target = entry(":path".len(), head.uri.path_and_query().map_or(0, |it| it.as_str().len()));
    let headers = head.headers.iter();
    headers.map(|(name, value)| entry(name.as_str().len(), value.len())).sum::<usize>() + target
}

/// Exactly one well-formed `Host` on HTTP/1.1 (RFC 9112, 3.2). HTTP/1.0 may have none; on HTTP/2
/// `:authority` may replace it, and a different one is an error (RFC 9113, 8.3.1).
///
/// An empty one is well-formed: some load balancers probe with it.
fn check_host(head: &Parts) -> Result<(), Malformed> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Malformed::Head("Host is given more than once"));
    }
    let authority = head.uri.authority().filter(|_| head.version == Version::HTTP_2);
    match (host, authority) {
        (None, None) if head.version >= Version::HTTP_11 => {
            Err(Malformed::Head("Host is required"))
        }
        (None, None) => Ok(()),
        (Some(host), Some(authority))
            if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            Err(Malformed::Head("Host and :authority differ"))
        }
        (Some(host), _) if !is_host(host.as_bytes()) => Err(malformed_host()),
        (_, Some(authority)) if !is_host(authority.as_str().as_bytes()) => Err(malformed_host()),
        (Some(_), _) | (None, Some(_)) => Ok(()),
    }
}

fn malformed_host() -> Malformed {
    Malformed::Head("Host must be a name or an address, and at most a port")
}

/// `uri-host [ ":" port ]` (RFC 9110, 7.2; RFC 3986, 3.2.2).
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text.iter().rposition(|byte| *byte == b':' || *byte == b']') {
        Some(place) if text[place] == b':' => (&text[..place], &text[place + 1..]),
        Some(_) | None => (text, &[][..]),
    };
    let is_address = |inner: &[u8]| {
        !inner.is_empty() && inner.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
    };
    let is_right = match host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
        Some(inner) => is_address(inner),
        None => is_name(host),
    };
    is_right && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

/// `reg-name`: unreserved characters, sub-delimiters, escapes.
fn is_name(text: &[u8]) -> bool {
    let mut parts = text.split(|byte| *byte == b'%');
    let is_plain = |part: &[u8]| {
        part.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(b))
    };
    let is_escape = |part: &[u8]| {
        part.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            && is_plain(part)
    };
    parts.next().is_some_and(is_plain) && parts.all(is_escape)
}

/// Only `chunked` is undone here: what another coding has made of a body would be taken for it
/// (RFC 9112, 6.1).
fn check_transfer_coding(headers: &HeaderMap) -> Result<(), Malformed> {
    let codings = || headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |line: &[u8]| line.trim_ascii().eq_ignore_ascii_case(b"chunked");
    if codings().all(|line| is_chunked(line.as_bytes())) && codings().count() <= 1 {
        return Ok(());
    }
    Err(Malformed::TransferCoding)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn checked(version: Version, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        match check(&head, 8192) {
            Ok(()) => 200,
            Err(Malformed::HeadTooLarge(_)) => 431,
            Err(Malformed::TransferCoding) => 501,
            Err(_) => 400,
        }
    }

    #[test]
    fn exactly_one_well_formed_host() {
        let http_11 = |headers: &[(&str, &str)]| checked(Version::HTTP_11, "/", headers);
        assert_eq!(http_11(&[]), 400);
        assert_eq!(http_11(&[("host", "a"), ("host", "a")]), 400);
        for right in [
            "",
            "a",
            "a.b-c_d:8080",
            "127.0.0.1",
            "a:",
            "[::1]",
            "[::ffff:127.0.0.1]:80",
            "%C3%BC.example",
            "a%2Fb",
        ] {
            assert_eq!(http_11(&[("host", right)]), 200, "{right}");
        }
        for wrong in [
            "a b", "a/b", "u@a", "a:x", "a:123456", "a:1:2", "[::1", "::1]", "[]", "[::g]", "a%2",
            "a%zz", "%", "a,b:c,d", "http://a", "a?b", "a#b", "\"a\"", "[::1]80",
        ] {
            assert_eq!(http_11(&[("host", wrong)]), 400, "{wrong}");
        }
        assert_eq!(checked(Version::HTTP_10, "/", &[]), 200);
        assert_eq!(checked(Version::HTTP_10, "/", &[("host", "a b")]), 400);
        // The target's own authority does not replace the header.
        assert_eq!(checked(Version::HTTP_11, "http://a/", &[]), 400);
    }

    #[test]
    fn an_authority_stands_for_the_host_on_http_2() {
        let http_2 = |uri: &str, headers: &[(&str, &str)]| checked(Version::HTTP_2, uri, headers);
        assert_eq!(http_2("http://a/", &[]), 200);
        assert_eq!(http_2("http://a/", &[("host", "A")]), 200);
        assert_eq!(http_2("/", &[("host", "a")]), 200);
        assert_eq!(http_2("/", &[]), 400);
        assert_eq!(http_2("http://a/", &[("host", "b")]), 400);
        assert_eq!(http_2("http://u@a/", &[]), 400);
    }

    #[test]
    fn no_transfer_coding_but_chunked() {
        let coded = |lines: &[&str]| {
            let mut headers = vec![("host", "a")];
            headers.extend(lines.iter().map(|line| ("transfer-encoding", *line)));
            checked(Version::HTTP_11, "/", &headers)
        };
        assert_eq!(coded(&["Chunked"]), 200);
        for wrong in [
            &["gzip, chunked"][..],
            &["gzip", "chunked"],
            &["chunked", "chunked"],
            &["identity"],
            &[""],
        ] {
            assert_eq!(coded(wrong), 501, "{wrong:?}");
        }
    }

    #[test]
    fn a_list_of_headers_is_bounded_on_http_2() {
        let sized = |length: usize| {
            let value = "x".repeat(length);
            checked(Version::HTTP_2, "http://a/", &[("x", &value)])
        };
        // The header's and the path's own bytes beside it.
        let most = 8192 - (1 + 32) - (5 + 1 + 32);
        assert_eq!((sized(most), sized(most + 1)), (200, 431));
    }
}

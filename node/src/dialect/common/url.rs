//! URLs that are settings of a credential. Checked, never fetched, and stored as they were written.

use concordat_proto::limits;
use url::{Host, Url};

/// Whether a text can be an issuer: an https URL, or an http URL of a loopback address.
pub(in crate::dialect) fn is_issuer(text: &str) -> bool {
    parsed(text).is_some_and(|url| url.scheme() == "https" || is_loopback(&url))
}

/// Whether a text can be an endpoint: an http or https URL.
pub(in crate::dialect) fn is_endpoint(text: &str) -> bool {
    parsed(text).is_some()
}

/// Whether a text is an https URL.
pub(in crate::dialect) fn is_https(text: &str) -> bool {
    parsed(text).is_some_and(|url| url.scheme() == "https")
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An absolute http or https URL without user and password. The parser forgives white space, control
/// characters and a single slash; this does not.
fn parsed(text: &str) -> Option<Url> {
    let has_scheme = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|given| given.eq_ignore_ascii_case(scheme))
    };
    let is_clean = text.len() <= limits::URL_BYTES_MAX
        && (has_scheme("https://") || has_scheme("http://"))
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let url = Url::parse(text).ok().filter(|_| is_clean)?;
    let is_plain = url.host().is_some() && url.username().is_empty() && url.password().is_none();
    is_plain.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_of_this_machine() {
        for good in ["https://idp.example", "HTTPS://idp.example/a?b", "http://localhost:8080/a"] {
            assert!(is_issuer(good), "{good}");
        }
        assert!(is_issuer("http://127.0.0.1") && is_issuer("http://[::1]:1"));
        for bad in ["", "idp.example", "http://idp.example", "https:/idp.example", "https://"] {
            assert!(!is_issuer(bad), "{bad}");
        }
        for bad in ["https://a b", "https://user@idp.example", "https://idp.example/\n", "ftp://a"]
        {
            assert!(!is_issuer(bad) && !is_endpoint(bad), "{bad}");
        }
        assert!(is_endpoint("http://idp.example") && !is_https("http://idp.example"));
        assert!(!is_https(&format!("https://{}", "a".repeat(2048))));
    }
}

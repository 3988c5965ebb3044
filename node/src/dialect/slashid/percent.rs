//! Percent-encoding, decoded once and strictly: what is not `%` and two hex digits, or not UTF-8,
//! is an error and never passed on as it stands.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The decoded text; `None` for a malformed escape or bytes that are not UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let escapes = text.split('%').skip(1);
    for escape in escapes {
        if !escape.as_bytes().get(..2)?.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
    }
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_and_strictly() {
        assert_eq!(decode("a%2Fb%25").as_deref(), Some("a/b%"));
        assert_eq!(decode("%252F").as_deref(), Some("%2F"));
        assert_eq!(decode("a+b").as_deref(), Some("a+b"));
        assert_eq!(decode("%C3%BC").as_deref(), Some("ü"));
        for bad in ["%", "%2", "%zz", "a%2", "%%41", "%+1", "%ff", "%2ü"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}

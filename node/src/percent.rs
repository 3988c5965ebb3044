//! Percent-decoding, once and strictly: anything but `%` and two hex digits, or a result that is
//! not UTF-8, is an error and never passed on undecoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The decoded text; `None` for a malformed escape or bytes that are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let escapes = text.split('%').skip(1);
    for escape in escapes {
        if !escape.as_bytes().get(..2)?.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// A path with normalized escapes: hexadecimal digits in upper case, and characters that a segment
/// may contain unescaped (RFC 3986, 3.3 and 6.2.2). One without escapes is unchanged.
pub(crate) fn normalized(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits.filter(|_| !part.starts_with('+')) {
            Some(byte) if is_segment_byte(byte) => {
                text.push(char::from(byte));
                text.push_str(&part[2..]);
            }
            Some(byte) => {
                text.push_str(&format!("%{byte:02X}"));
                text.push_str(&part[2..]);
            }
            // Malformed: refused wherever the path is decoded.
            None => {
                text.push('%');
                text.push_str(part);
            }
        }
    }
    Cow::Owned(text)
}

/// `pchar` without escapes.
fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_of_each_path() {
        for (path, one) in [
            ("/a/b", "/a/b"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2Fb", "/a%2Fb"),
            ("/%61%3a%7e%40", "/a:~@"),
            ("/%c3%bc%20", "/%C3%BC%20"),
            ("/%252f", "/%252f"),
            ("/%", "/%"),
            ("/%2", "/%2"),
            ("/%+1", "/%+1"),
            ("/%zz%2f", "/%zz%2F"),
        ] {
            assert_eq!(normalized(path), one);
            assert_eq!(normalized(one), one, "twice is once");
        }
    }

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

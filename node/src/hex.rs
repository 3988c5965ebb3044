//! Hashes as text.

use std::fmt::Write;

use concordat_proto::org::KeyHash;

/// Two lower-case digits a byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes all");
    }
    text
}

/// A SHA-256 in 64 digits.
pub(crate) fn decode_hash(text: &str) -> Option<KeyHash> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back() {
        let hash = [0xa5; 32];
        assert_eq!(decode_hash(&encode(&hash)), Some(hash));
        for bad in ["", "zz", &"g".repeat(64), &"a".repeat(63)] {
            assert_eq!(decode_hash(bad), None);
        }
    }
}

//! What is shown in the place of a secret. A client that sends it back does not mean it: a dialect
//! refuses it, and it is never stored.

use concordat_proto::api::credential::REDACTED;

/// What forms and dashboards show in the place of a secret.
const MASKS: [char; 3] = ['*', '•', '●'];

/// Whether a text is a mask: a client has sent back a masked secret.
pub(in crate::dialect) fn is_mask(text: &str) -> bool {
    let text = text.trim();
    let is_masked = !text.is_empty() && text.chars().all(|c| MASKS.contains(&c));
    is_masked || text.eq_ignore_ascii_case(REDACTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_no_secret() {
        for mask in ["*", "********", "•••", "●●●●", "*•*", " ****** ", "[redacted]", "[REDACTED]"]
        {
            assert!(is_mask(mask), "{mask:?}");
        }
        for secret in ["", " ", "a*", "*a*", "redacted", "[redacted]x", "x"] {
            assert!(!is_mask(secret), "{secret:?}");
        }
    }
}

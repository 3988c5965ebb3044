//! Secrets in the clear, which live only between the socket and the seal.
//!
//! No `Display`, a redacted `Debug`, wiped on drop; never put into a command, a log line or an
//! error.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret in the clear.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }
    /// The text itself. Every caller is a place to review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// What a secret becomes before it is proposed: ciphertext that only a node with the keyring can
/// open. The associated data (organisation, credential, field, write id) is not stored in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The write that sealed it: part of the associated data.
    pub sealed_by: crate::id::WriteId,
    /// Format, nonce and ciphertext with tag; opaque to everyone but the sealer.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.bytes.len())
    }
}

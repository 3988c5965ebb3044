//! Plaintext secrets, which exist only between the socket and encryption (`seal`).
//!
//! No `Display`, a redacted `Debug`, zeroed on drop; never part of a command, a log line or an
//! error.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::base::schema::text_schema;

/// A plaintext secret.
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

text_schema!(Secret, { "format": "password" });

/// An encrypted secret, as it is proposed: only a node with the keyring can decrypt it. The
/// associated data (organization, credential, field, write id) is not stored in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The write that sealed it: part of the associated data.
    pub sealed_by: crate::base::id::WriteId,
    /// Format, nonce and ciphertext with tag; opaque to everyone but the sealer.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.bytes.len())
    }
}

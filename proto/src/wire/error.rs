//! Decoding errors.

/// Why bytes are not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Nothing at all.
    #[error("no bytes")]
    Empty,
    /// More than there may be; nothing was allocated for them.
    #[error("{bytes} bytes, of at most {max}")]
    TooLong {
        /// The number of bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// Written by another version.
    #[error("bytes of format version {found}, which this build does not read")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// They do not have the form.
    #[error("malformed: {reason}")]
    Malformed {
        /// The codec's message.
        reason: String,
    },
    /// A value, and then something.
    #[error("{bytes} bytes left over")]
    LeftOver {
        /// The number of bytes.
        bytes: usize,
    },
    /// The form is right, but no such value can be.
    #[error("not a valid {what}")]
    Invalid {
        /// The kind of value.
        what: &'static str,
    },
    /// They are not the bytes that were sent or stored.
    #[error("checksum mismatch")]
    Checksum,
}

impl From<crate::base::id::IdError> for WireError {
    fn from(error: crate::base::id::IdError) -> Self {
        Self::Invalid { what: error.kind }
    }
}

/// `Ok` where it holds, else "not a valid `what`".
pub(super) fn ensure(holds: bool, what: &'static str) -> Result<(), WireError> {
    if holds { Ok(()) } else { Err(WireError::Invalid { what }) }
}

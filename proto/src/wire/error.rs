//! What can be wrong with bytes.

/// Why bytes are not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Nothing at all.
    #[error("no bytes")]
    Empty,
    /// More than there may be; nothing was allocated for them.
    #[error("{bytes} bytes, of at most {max}")]
    TooLong {
        /// So many there are.
        bytes: usize,
        /// So many there may be.
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
        /// As the codec says it.
        reason: String,
    },
    /// A value, and then something.
    #[error("{bytes} bytes left over")]
    LeftOver {
        /// So many.
        bytes: usize,
    },
    /// The form is right, but no such value can be.
    #[error("not a valid {what}")]
    Invalid {
        /// Of what.
        what: &'static str,
    },
    /// They are not the bytes that were sent or stored.
    #[error("checksum mismatch")]
    Checksum,
}

impl From<crate::id::IdError> for WireError {
    fn from(error: crate::id::IdError) -> Self {
        Self::Invalid { what: error.kind }
    }
}

/// `Ok` where it holds, else "not a valid `what`".
pub(super) fn ensure(holds: bool, what: &'static str) -> Result<(), WireError> {
    if holds { Ok(()) } else { Err(WireError::Invalid { what }) }
}

//! Identifiers, each its own type, parsed once at the edge.
//!
//! They are made by the caller (from entropy handed in), never here.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// A text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}")]
pub struct IdError {
    /// What was expected.
    pub kind: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            /// From the sixteen bytes that keys and frames hold.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
            /// The sixteen bytes that keys and frames hold.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }
            /// Whether it is the nil or the max UUID (RFC 9562, 5.9 and 5.10). Nothing has one of
            /// these: the store keeps under the nil one what belongs to no organization, and the
            /// other one is where ranges of ids end.
            #[must_use]
            pub const fn is_reserved(self) -> bool {
                self.0.is_nil() || self.0.is_max()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the hyphenated form: one id, one spelling.
                if text.len() != 36 {
                    return Err(IdError { kind: $kind });
                }
                let uuid = Uuid::try_parse(text).map_err(|_| IdError { kind: $kind })?;
                let id = Self(uuid);
                if id.is_reserved() { Err(IdError { kind: $kind }) } else { Ok(id) }
            }
        }
    };
}

uuid_id!(
    /// An organisation.
    OrgId,
    "organization id"
);
uuid_id!(
    /// A write, named by the node that accepted it (UUIDv7); the name under which it happens at
    /// most once, and the version (`ETag`) of what it made.
    WriteId,
    "write id"
);
uuid_id!(
    /// An API key's public name; never the key itself.
    KeyId,
    "key id"
);
uuid_id!(
    /// A cluster: checked on every connection between nodes.
    ClusterId,
    "cluster id"
);

/// One Raft log. Zero is the system group; every home region has one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The group of regions, nodes, claims and operator keys.
    pub const SYSTEM: Self = Self(0);
    /// The greatest number of a group: what is beyond means other things in the stores' keys.
    pub const LAST: Self = Self(0x7eff_ffff);
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A node (one data directory's life): random, made once, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Debug for NodeId {
    /// As it is shown everywhere and taken by the operator's commands: steps and commands are logged
    /// by their `Debug` form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for NodeId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != 16 {
            return Err(IdError { kind: "node id" });
        }
        // Digits alone: the parser would take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u64::from_str_radix(text, 16).ok().filter(|_| digits);
        id.map(Self).ok_or(IdError { kind: "node id" })
    }
}

/// An OAuth client id: 1..=255 characters, none of them a control character (contract 1.7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// Checks and wraps.
    ///
    /// # Errors
    /// When the text is empty, too long or holds a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        let chars = text.chars().count();
        if chars == 0
            || chars > crate::limits::CLIENT_ID_CHARS_MAX
            || text.chars().any(char::is_control)
        {
            return Err(IdError { kind: "client_id" });
        }
        Ok(Self(text))
    }
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_mean_nobody_are_no_ids() {
        let nil = "00000000-0000-0000-0000-000000000000";
        for bad in [nil, &nil.replace('0', "f"), &nil.replace('0', "F"), &nil.replace('-', "")] {
            assert!(OrgId::from_str(bad).is_err(), "{bad}");
            assert!(WriteId::from_str(bad).is_err(), "{bad}");
            assert!(KeyId::from_str(bad).is_err(), "{bad}");
            assert!(ClusterId::from_str(bad).is_err(), "{bad}");
        }
        let least = "00000000-0000-0000-0000-000000000001";
        assert_eq!(OrgId::from_str(least).map(|id| id.to_string()).as_deref(), Ok(least));
        for bad in ["+000000000000001", "1", "", "000000000000000g"] {
            assert!(NodeId::from_str(bad).is_err(), "{bad:?}");
        }
        assert_eq!(NodeId::from_str("00000000000000ff"), Ok(NodeId(255)));
    }
}

//! Identifiers, each its own type, parsed once at the edge.
//!
//! The caller makes them (from entropy that it passes in); this file never does.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::{schema::text_schema, text::text_serde};

pub use crate::base::text::IdError;

/// SHA-256 of method, path, body and `If-Match`: whether a repeated key repeats the request.
pub type RequestDigest = [u8; 32];

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
            /// Whether it is the nil or the max UUID (RFC 9562, 5.9 and 5.10). No organization has
            /// one of these ids: the store uses the nil UUID for records without an organization,
            /// and ranges of ids end at the max UUID.
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
        text_serde!($name);
        text_schema!($name, { "format": "uuid" });
    };
}

uuid_id!(
    /// An organization.
    OrgId,
    "organization id"
);

impl OrgId {
    /// Whether it is the id of a suborganization: nodes draw these as UUIDv8 (RFC 9562, 5.8). Operators
    /// choose no such id for an organization, so no claim is needed to keep the two apart.
    #[must_use]
    pub const fn is_of_suborganization(self) -> bool {
        self.0.get_version_num() == 8
    }
}

uuid_id!(
    /// A write, named by the node that accepted it (UUIDv7). A write happens at most once under
    /// this name; it is also the version (`ETag`) of the value that the write made.
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

/// One Raft log. Zero is the system group; every home region has one more. In JSON it is a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct GroupId(pub u32);

impl GroupId {
    /// The group of regions, nodes, claims and operator keys.
    pub const SYSTEM: Self = Self(0);
    /// The greatest number of a group: greater numbers have other meanings in the stores' keys.
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
    /// The form that users see and that the operator's commands take: steps and commands are logged
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

impl FromStr for ClientId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

text_serde!(NodeId, ClientId);
text_schema!(NodeId, { "pattern": "^[0-9A-Fa-f]{16}$" });
text_schema!(ClientId, {
    "minLength": 1,
    "maxLength": crate::limits::CLIENT_ID_CHARS_MAX,
    "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
});

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

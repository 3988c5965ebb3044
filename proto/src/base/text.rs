//! Values that are written as text: their serde form, and the spelling of enums.
//!
//! The serde form is that of JSON alone. Stored and exchanged bytes have frozen forms of their own
//! ([`crate::wire`]), so a binary format is refused here: a value that got into one by a derive would
//! change its bytes with its spelling.

use std::{fmt, str::FromStr};

use serde::{Deserializer, Serializer, de, ser};

/// A text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}")]
pub struct IdError {
    /// The kind of identifier that was expected.
    pub kind: &'static str,
}

const BINARY: &str = "this value has a text form only";

/// Writes a value as its `Display` text.
pub(crate) fn serialize<S: Serializer>(
    value: &impl fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if !serializer.is_human_readable() {
        return Err(ser::Error::custom(BINARY));
    }
    serializer.collect_str(value)
}

/// Reads a value from its text.
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = IdError>,
    D: Deserializer<'de>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);
    impl<T: FromStr<Err = IdError>> de::Visitor<'_> for Visitor<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    if !deserializer.is_human_readable() {
        return Err(de::Error::custom(BINARY));
    }
    deserializer.deserialize_str(Visitor(std::marker::PhantomData))
}

/// Serde as text, for types with `Display` and `FromStr`.
macro_rules! text_serde {
    ($($name:ty),* $(,)?) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::base::text::serialize(self, serializer)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::base::text::deserialize(from)
            }
        }
    )*};
}

/// The spelling of an enum without fields, once for JSON, headers and the command line: `ALL`,
/// `as_str`, `Display`, `FromStr` (exact, case-sensitive) and serde.
macro_rules! text_enum {
    ($name:ident, $kind:literal, { $($variant:ident => $text:literal),* $(,)? }) => {
        impl $name {
            /// All values, in the order of their declaration.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            /// Its spelling, in JSON, in headers and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),*
                }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::base::text::IdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.into_iter().find(|value| value.as_str() == text);
                found.ok_or($crate::base::text::IdError { kind: $kind })
            }
        }
        $crate::base::text::text_serde!($name);
        $crate::base::schema::text_schema!($name, { "enum": Self::ALL.map(Self::as_str) });
    };
}

pub(crate) use {text_enum, text_serde};

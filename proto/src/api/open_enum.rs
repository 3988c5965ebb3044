//! Enums of responses, to which a newer server may add values.

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::id::IdError;

/// A value of an enum in a response: one that this build knows, or the text of one that it does not.
///
/// The default is an empty text: as such an absent member is read. It compares with values of the enum:
///
/// ```
/// use concordat_proto::{api::OpenEnum, oidc::Provider};
///
/// let known: OpenEnum<Provider> = Provider::Google.into();
/// assert!(known == Provider::Google);
/// let later: OpenEnum<Provider> = "a-later-one".parse().unwrap();
/// assert_eq!((later.known(), later.to_string()), (None, "a-later-one".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpenEnum<T> {
    /// A value that this build knows.
    Known(T),
    /// The spelling of a value that a newer server knows.
    Unknown(String),
}

impl<T: Copy> OpenEnum<T> {
    /// The value, if this build knows it.
    #[must_use]
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(value) => Some(*value),
            Self::Unknown(_) => None,
        }
    }
}

impl<T> Default for OpenEnum<T> {
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}

impl<T> From<T> for OpenEnum<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: PartialEq> PartialEq<T> for OpenEnum<T> {
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(value) if value == other)
    }
}

impl<T: fmt::Display> fmt::Display for OpenEnum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl<T: FromStr<Err = IdError>> FromStr for OpenEnum<T> {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::Unknown(text.to_owned()), Self::Known))
    }
}

/// The known values are listed as `x-extensible-enum`: a reader must be ready for others.
#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for OpenEnum<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = T::json_schema(generator);
        if let Some(values) = schema.remove("enum") {
            schema.insert("x-extensible-enum".to_owned(), values);
        }
        schema
    }
}

impl<T: fmt::Display> Serialize for OpenEnum<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: FromStr<Err = IdError>> Deserialize<'de> for OpenEnum<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text.parse().map_or_else(|_| Self::Unknown(text), Self::Known))
    }
}

//! A region's name.

use std::{fmt, str::FromStr};

use crate::{
    base::{id::IdError, schema::text_schema, text::text_serde},
    limits,
};

/// A region: 1..=63 characters of `a-z`, `0-9` and `-`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// Checks and wraps.
    ///
    /// # Errors
    /// When the text does not have the form above.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        let well_formed = text.len() <= limits::REGION_BYTES_MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if well_formed { Ok(Self(text)) } else { Err(IdError { kind: "region" }) }
    }
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Region {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

text_serde!(Region);
text_schema!(Region, { "pattern": "^[a-z][a-z0-9-]*$", "maxLength": limits::REGION_BYTES_MAX });

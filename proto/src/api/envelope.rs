//! The envelope of every response: `{"errors":[…],"meta":{…},"result":…}`.

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    lenient::{null_as_default, understood},
    receipt::Receipt,
};

pub use super::error_item::ErrorItem;

/// The body of every response that has one. Members are in this order: a log that truncates bodies shows
/// the error.
///
/// A node always writes `errors` and `meta`. A reader gets `None` for either where it is absent, since any
/// JSON object of something else than a node would parse as an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Envelope_of_{R}"))]
#[serde(bound(deserialize = "R: Deserialize<'de>"))]
pub struct Envelope<R> {
    /// Why the request failed; empty after a success.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<ErrorItem>"))]
    pub errors: Option<Vec<ErrorItem>>,
    /// What is known beside the result.
    #[cfg_attr(feature = "schema", schemars(with = "Meta"))]
    pub meta: Option<Meta>,
    /// The document; absent after a failure, and after a success that has none. To read `"result":null`
    /// as nothing, `R` is an `Option`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schemars(with = "R"))]
    pub result: Option<R>,
}

fn present<'de, D: Deserializer<'de>, R: Deserialize<'de>>(from: D) -> Result<Option<R>, D::Error> {
    R::deserialize(from).map(Some)
}

/// What is known beside the result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Meta {
    /// Which part of a list the result is; of lists only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
    /// How far a write was replicated; of writes that reached a log only. A reader takes one that it does
    /// not understand for absent, so that it promises nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "understood")]
    pub consistency: Option<Receipt>,
}

/// Which part of a list a response holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pagination {
    /// The most items that this response may hold.
    #[serde(default, deserialize_with = "null_as_default")]
    pub limit: u64,
    /// How many items come before the first one of this response.
    #[serde(default, deserialize_with = "null_as_default")]
    pub offset: u64,
    /// How many items the whole list has; `None` is never written.
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub total_count: Option<u64>,
    /// The `cursor` with which the next page is asked for; none on the last page, and in lists of keys and
    /// of organizations, which have an `offset` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub cursor: Option<String>,
}

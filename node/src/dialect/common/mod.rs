//! What dialects share that answer in the native envelope: its JSON, the grammar of request bodies,
//! queries and headers, and the rendering of every outcome that is not a value of one dialect.
//!
//! Nothing here names a dialect: the names of headers that differ come in as [`terms::Names`].

pub mod body;
pub mod envelope;
pub mod json;
pub mod query;
pub mod render;
pub mod status;
pub mod terms;

use crate::api::outcome::Malformed;

/// A request that cannot be right. The text names the member or header and what is expected of it,
/// and never repeats a value, so that it cannot hold a secret.
pub(super) fn malformed(message: impl Into<String>) -> Malformed {
    Malformed::Syntax(message.into())
}

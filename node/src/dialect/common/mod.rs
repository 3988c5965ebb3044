//! The shared part of dialects: the grammar of request bodies, queries and headers, and the rendering of
//! every outcome that is not a value of one dialect, in the native envelope or in bodies of its own
//! ([`foreign`]).
//!
//! Nothing here names a dialect: names of headers that differ are passed in as [`terms::Names`].

pub mod bearer;
pub mod body;
pub mod described;
pub mod envelope;
pub mod foreign;
pub mod json;
pub mod mask;
pub mod organization;
pub mod policies;
pub mod query;
pub mod render;
pub mod status;
pub mod terms;
pub mod url;

use crate::api::outcome::Malformed;

/// An invalid request. The text names the member or header and the expected value, and never
/// repeats a value, so that it cannot contain a secret.
pub(super) fn malformed(message: impl Into<String>) -> Malformed {
    Malformed::Syntax(message.into())
}

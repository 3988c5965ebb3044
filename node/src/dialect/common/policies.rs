//! The body that replaces a set of policies.

use super::body::object;
use crate::api::{outcome::Malformed, request::Input};

const POLICIES: &str = "policies";

/// The text of the set. Whether it may be put in force is checked later, where there is time for it.
///
/// # Errors
/// When the body is no object with such a text.
pub(in crate::dialect) fn text(input: &Input<'_>) -> Result<String, Malformed> {
    let mut body = object(input)?;
    let text = body.text(POLICIES)?;
    body.required(POLICIES, text)
}
